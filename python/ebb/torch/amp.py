"""Scales losses for gradients in half precision, without leaving examples out."""

from __future__ import annotations

from typing import Any, List

import torch

from ebb.errors import Refused
from ebb.torch.handin import HandIn


class GradScaler:
    """Takes the place of ``torch.cuda.amp.GradScaler``.

        scaler = ebb.torch.GradScaler()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    If a gradient overflows, torch's leaves the batch out. This one halves the
    scale, and the loader yields the same batch again.
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
    ) -> None:
        self._scale = float(init_scale)
        self._growth = growth_factor
        self._backoff = backoff_factor
        self._interval = growth_interval
        self._steady = 0

    def get_scale(self) -> float:
        """Returns the factor."""
        return self._scale

    def scale(self, loss: Any) -> Any:
        """Returns the loss times the factor."""
        return loss * self._scale

    def step(self, optimizer: HandIn) -> None:
        """Hands the batch in; or asks for it again if a gradient overflowed."""
        if not isinstance(optimizer, HandIn):
            raise Refused("GradScaler.step() takes job.optimizer")
        gradients: List[Any] = [
            parameter.grad
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        for gradient in gradients:
            gradient.div_(self._scale)
        if all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
            self._steady += 1
            optimizer.step(loss=optimizer.seen_loss() / self._scale)
            return
        self._steady = 0
        self._scale *= self._backoff
        optimizer.again()

    def update(self) -> None:
        """Raises the factor after many steps without an overflow."""
        if self._steady >= self._interval:
            self._scale *= self._growth
            self._steady = 0
