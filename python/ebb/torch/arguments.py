"""Looks through what a program says to ``ebb.torch.job`` and to its loader."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Mapping, Optional

import torch

from ebb.errors import Refused
from ebb.torch.buffers import has_batch_norm


def check_words(reduction: Any, unused: str, evaluate: Any, settings: Any) -> None:
    """Raises Refused for options that must be one of a few."""
    if reduction not in ("mean", "sum") and not callable(reduction):
        raise Refused(f'reduction={reduction!r}: "mean", "sum" or a function of the batch')
    if unused not in ("error", "zero"):
        raise Refused(f'unused={unused!r}: "error" or "zero"')
    if evaluate is not None and not callable(evaluate):
        raise Refused("evaluate= is called with the model, so it must be a function")
    if settings is not None and not isinstance(settings, Mapping):
        raise Refused(
            f"settings= is a {type(settings).__name__}, and keys of a job file are a dict",
            'settings={"train": {"clip_norm": 1.0}}',
        )


def check_stop(stop_when: Any, evaluate: Any) -> None:
    """Raises Refused for a way to stop that nothing asks."""
    if stop_when is None:
        return
    if not callable(stop_when):
        raise Refused(
            "stop_when= is called with the history, so it must be a function",
            "stop_when=ebb.torch.Patience(3)",
        )
    if evaluate is None:
        raise Refused(
            "stop_when= is asked after evaluations, and there is no evaluate=",
            "evaluate=: a function that returns the loss on test data",
        )


def check_numbers(**numbers: Any) -> None:
    """Raises Refused for a number that is not whole; None is absent."""
    for name, number in numbers.items():
        if number is not None and not _is_whole(number):
            raise Refused(f"{name}={number!r}: it must be a whole number")


def check_model(model: Any) -> None:
    """Raises Refused unless it is a module of PyTorch."""
    if isinstance(model, torch.nn.Module):
        return
    if inspect.isclass(model) and issubclass(model, torch.nn.Module):
        raise Refused(
            f"the model is the class {model.__name__}, and has no parameters yet",
            f"model={model.__name__}(…)",
        )
    raise Refused(
        f"the model is a {type(model).__name__}, and no torch.nn.Module",
        "ebb.torch.job(name, model, dataset, optimizer=…)",
    )


def check_batch_norm(
    model: torch.nn.Module, batch: Optional[int], examples: int, train: Mapping[str, Any]
) -> None:
    """Raises Refused for batches of which one has a single example, if that cannot be."""
    norm = has_batch_norm(model)
    if not norm or batch is None:
        return
    why = f"{norm} is a BatchNorm1d, which needs more than one example at a time"
    if batch == 1:
        raise Refused(f"batch=1: {why}")
    item = train.get("item_examples") or examples
    if not _leaves_one(examples, item, batch):
        return
    fits = [
        size for size in range(2, 4 * batch) if not _leaves_one(examples, item, size)
    ]
    nearest = min(fits, key=lambda size: abs(size - batch), default=None)
    raise Refused(
        f"batch={batch}: the last batch of {examples} examples would have one, and {why}",
        f"batch={nearest}" if nearest else "another number of examples",
    )


def check_loader(
    model: Any, num_workers: Any, micro: Any, prefetch_factor: Any, others: Mapping[str, Any]
) -> None:
    """Raises Refused for arguments that a loader cannot have."""
    for name in others:
        _refuse(name)
    check_numbers(num_workers=num_workers, micro=micro, prefetch_factor=prefetch_factor)
    if num_workers is None or num_workers < 0:
        raise Refused(
            f"num_workers={num_workers}: it must be 0 or more", "0 reads in this process"
        )
    if prefetch_factor is not None and prefetch_factor < 1:
        raise Refused(f"prefetch_factor={prefetch_factor}: it must be 1 or more")
    if micro is None:
        return
    if micro < 1:
        raise Refused(f"micro={micro}: it must be 1 or more")
    norm = has_batch_norm(model)
    if micro in (1, 2) and norm:
        raise Refused(
            f"micro={micro}: {norm} is a BatchNorm1d, which needs more than one example at a "
            "time, and a batch may have an odd number",
            "micro=3 or more",
        )


def weight_of(reduction: Callable[[Any], Any], value: Any) -> float:
    """Returns what the program's own reduction says of a piece of a batch."""
    weight = reduction(value)
    try:
        return float(weight)
    except (TypeError, ValueError) as error:
        raise Refused(
            f"reduction(batch) returned {weight!r}, where a number belongs",
            "return what your mean was divided by",
        ) from error


def _leaves_one(examples: int, item: int, batch: int) -> bool:
    """Returns whether a batch of an item has a single example; items end with a batch."""
    item = min(item, examples)
    return item % batch == 1 or (examples % item) % batch == 1


def _is_whole(number: Any) -> bool:
    if isinstance(number, bool):
        return False
    try:
        number.__index__()
        return True
    except Exception:
        return False


def _refuse(name: str) -> None:
    if name in ("shuffle", "sampler", "batch_sampler", "generator"):
        raise Refused(f"loader({name}=…): the order is the job's (seed)", f"drop {name}=")
    if name == "drop_last":
        raise Refused("loader(drop_last=…): short batches count", "drop drop_last=")
    if name == "batch_size":
        raise Refused(
            "loader(batch_size=…): the batch is the job's",
            "ebb.torch.job(batch=…); micro= cuts it into pieces",
        )
    raise Refused(f"loader({name}=…) is not known")
