"""Clips the gradient of a whole batch, and notices loops that clip its pieces."""

from __future__ import annotations

import math
from typing import Any, List, Optional, Sequence, Tuple

import torch

_TINY = 1e-6  # torch.nn.utils.clip_grad_norm_ has it, too.


def limit_of(settings: Any) -> Optional[float]:
    """Returns ``train.clip_norm`` of a job's keys, if it is given."""
    train = settings.get("train")
    norm = train.get("clip_norm") if isinstance(train, dict) else None
    return float(norm) if isinstance(norm, (int, float)) else None


def clip(sums: List[torch.Tensor], examples: int, limit: float) -> None:
    """Shortens the mean gradient of a batch to the limit, if it is longer.

    sums: of the gradients over so many examples; they are changed in place.
    """
    with torch.no_grad():
        lengths = torch.stack([torch.linalg.vector_norm(total) for total in sums])
        length = float(torch.linalg.vector_norm(lengths)) / examples
        if math.isfinite(length) and length > limit:
            for total in sums:
                total.mul_(limit / (length + _TINY))


class Marks:
    """The gradients as ``backward()`` left them."""

    def __init__(self, names: Sequence[str], parameters: Sequence[torch.nn.Parameter]) -> None:
        self._names = names
        self._parameters = parameters
        self._marks: Optional[List[Optional[Tuple[int, int]]]] = None

    def set(self) -> None:
        """Takes the gradients as they are now for untouched."""
        self._marks = self._now()

    def forget(self) -> None:
        """Ends the comparison, until gradients are there again."""
        self._marks = None

    def changed(self) -> Optional[str]:
        """Returns the name of a parameter whose gradient was written to since, if any."""
        if self._marks is None:
            return None
        for name, now, before in zip(self._names, self._now(), self._marks):
            if now != before:
                return name
        return None

    def _now(self) -> List[Optional[Tuple[int, int]]]:
        gradients = [parameter.grad for parameter in self._parameters]
        return [None if one is None else (id(one), one._version) for one in gradients]
