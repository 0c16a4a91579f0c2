"""Tells whether a program wrote to what a loader gave it."""

from __future__ import annotations

from typing import Any, List, Optional

import torch

from ebb.torch.keys import Keys

_CONSTANT = (type(None), bool, int, float, complex, str, bytes)


def marks_of(value: Any) -> Optional[List[Any]]:
    """Returns marks that another call returns too if nothing was written since.

    Returns None for values that do not tell, such as arrays of NumPy and objects
    of other classes.
    """
    made: List[Any] = []
    return made if _mark(value, made) else None


def _mark(value: Any, made: List[Any]) -> bool:
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided:
            return False  # It has no address.
        made.append((id(value), value._version, value.data_ptr(), value.device))
        return True
    if isinstance(value, Keys):
        return _mark(list(value.__getstate__()), made)
    if isinstance(value, _CONSTANT):
        made.append(value)
        return True
    if type(value) is dict:
        made.append(list(value))
        return all([_mark(part, made) for part in value.values()])
    if type(value) in (list, tuple) or hasattr(type(value), "_fields"):
        made.append(len(value))
        return all([_mark(part, made) for part in value])
    return False
