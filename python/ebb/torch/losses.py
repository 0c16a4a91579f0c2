"""Notices the loss of a batch: what the program calls ``backward()`` on.

The gradients of a batch are those of the sum of all scalars on which the
program calls ``backward()``. So is the loss that the job shows.
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
            self._losses += [part.detach() for part in parts if part.numel() == 1]
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

    def seen(self) -> float:
        """Returns the loss since take(); 0 without ``backward()``."""
        return math.fsum(float(loss) for loss in self._losses)

    def take(self) -> float:
        """Returns the loss since the last call, and begins anew."""
        if not self._losses:
            return 0.0
        total = self.seen()
        self._losses.clear()
        return total
