"""Notices the loss of a batch: what the program calls ``backward()`` on.

The gradients of a batch are those of the sum of all scalars on which the
program calls ``backward()``. So is the loss that the job shows. Gradients that
come from ``backward(gradient)`` or ``autograd.grad`` have no loss that is known.
"""

from __future__ import annotations

import math
from typing import Any, Callable, List, Optional

import torch


class Watch:
    """Watches ``torch.autograd.backward`` between ``start`` and ``stop``."""

    def __init__(self, after: Callable[[], None] = lambda: None) -> None:
        """after: called after each ``backward()``."""
        self._after = after
        self._original: Optional[Callable[..., Any]] = None
        self._wrapper: Optional[Callable[..., Any]] = None
        self._losses: List[torch.Tensor] = []

    def start(self) -> None:
        """Begins to watch."""
        original = torch.autograd.backward

        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            parts = [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)
            given = args[0] if args else kwargs.get("grad_tensors")
            self._losses += [
                part.detach()
                for part, gradient in zip(parts, _each(given, len(parts)))
                if part.numel() == 1 and (gradient is None or float(gradient) == 1)
            ]
            made = original(tensors, *args, **kwargs)
            self._after()
            return made

        self._original, self._wrapper = original, backward
        torch.autograd.backward = backward

    def stop(self) -> None:
        """Ends watching, unless another library put its own function there."""
        if self._original is not None and torch.autograd.backward is self._wrapper:
            torch.autograd.backward = self._original
        self._original = self._wrapper = None

    def seen(self) -> Optional[float]:
        """Returns the loss since take(); None without ``backward()`` of a scalar."""
        if not self._losses:
            return None
        return math.fsum(float(loss) for loss in self._losses)

    def take(self) -> Optional[float]:
        """Returns the loss since the last call, and begins anew."""
        total = self.seen()
        self._losses.clear()
        return total


def _each(given: Any, count: int) -> List[Any]:
    """Returns the gradients that were given to ``backward()``: one for each tensor."""
    if given is None or isinstance(given, torch.Tensor):
        return [given] * count
    return list(given)
