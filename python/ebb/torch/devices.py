"""Chooses where a program computes: ``device=`` of ``ebb.torch.job``."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, Optional, Tuple

import torch

from ebb.errors import Refused
from ebb.torch.keys import Keys


def moved_there(model: torch.nn.Module, device: Any) -> Optional[torch.device]:
    """Moves a model to a device, which is returned; None: it stays where it is.

    Raises Refused for a device that this machine does not have.
    """
    if device is None:
        return None
    try:
        where = torch.device(device)
        torch.empty(0, device=where).cpu()  # It is there, and has values.
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise Refused(
            f"device={str(device)!r}: {lines[0].rstrip('.')}",
            f'{_there()}. Without device= the model computes where it is',
        ) from error
    model.to(where)
    return where


def _there() -> str:
    count = torch.cuda.device_count()
    return 'this machine has "cpu"' + "".join(f', "cuda:{number}"' for number in range(count))


def moved(value: Any, device: torch.device) -> Any:
    """Returns what a loader yields with its tensors on a device.

    They are found in tuples, lists, dictionaries and dataclasses; and what else has
    a method ``to``, such as packed sequences, moves itself. Keys stay as they are.
    """
    if isinstance(value, (Keys, str, bytes)):
        return value
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=value.is_pinned())
    if isinstance(value, tuple) and not hasattr(value, "to"):
        parts = _each(value, device)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return list(_each(value, device))
    if isinstance(value, Mapping) and not hasattr(value, "to"):
        return {key: moved(part, device) for key, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if field.init]
        return dataclasses.replace(
            value, **{name: moved(getattr(value, name), device) for name in fields}
        )
    return value.to(device) if hasattr(value, "to") else value


def _each(values: Any, device: torch.device) -> Tuple[Any, ...]:
    return tuple(moved(part, device) for part in values)
