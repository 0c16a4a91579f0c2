"""Scales losses for gradients in half precision, without leaving examples out."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

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
        enabled: bool = True,
    ) -> None:
        self._scale = float(init_scale)
        self._growth = growth_factor
        self._backoff = backoff_factor
        self._interval = growth_interval
        self._enabled = enabled
        self._steady = 0
        #: The piece whose gradients are divided already, and whether they overflowed.
        self._unscaled: Any = None
        self._overflowed = False

    def is_enabled(self) -> bool:
        """Returns whether it does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """Returns the factor."""
        return self._scale if self._enabled else 1.0

    def scale(self, loss: Any) -> Any:
        """Returns the loss times the factor; of a list, each of its losses."""
        if isinstance(loss, (list, tuple)):
            return type(loss)(self.scale(part) for part in loss)
        return loss * self._scale if self._enabled else loss

    def unscale_(self, optimizer: HandIn) -> None:
        """Divides the gradients by the factor, for example to clip them.

        ``step()`` does not divide them again.
        """
        _check(optimizer, "unscale_")
        if not self._enabled:
            return
        piece = optimizer.piece()
        if self._unscaled is piece:
            raise Refused(
                "GradScaler.unscale_() was called on these gradients already",
                "call it once a batch (or a piece of it), after backward()",
            )
        self._unscaled = piece
        gradients = optimizer.gradients()
        for gradient in gradients:
            gradient.div_(self._scale)
        optimizer.mark_gradients()
        self._overflowed = not _finite(gradients)

    def step(self, optimizer: HandIn) -> None:
        """Hands the batch in; or asks for it again if a gradient overflowed."""
        _check(optimizer, "step")
        if not self._enabled:
            optimizer.step()
            return
        if self._unscaled is not optimizer.piece():
            self.unscale_(optimizer)
        self._unscaled = None
        if not self._overflowed:
            self._steady += 1
            seen = optimizer.seen_loss()
            optimizer.step(loss=None if seen is None else seen / self._scale)
            return
        self._steady = 0
        self._scale *= self._backoff
        optimizer.again()

    def update(self, new_scale: Optional[float] = None) -> None:
        """Raises the factor after many steps without an overflow, or sets it."""
        if new_scale is not None:
            self._scale = float(new_scale)
        elif self._steady >= self._interval:
            self._scale *= self._growth
            self._steady = 0

    def state_dict(self) -> Dict[str, Any]:
        """Returns what torch's would; empty if it is not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth,
            "backoff_factor": self._backoff,
            "growth_interval": self._interval,
            "_growth_tracker": self._steady,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes what ``state_dict()`` returned, also that of torch's."""
        if not self._enabled:
            return
        if not state:
            raise Refused("GradScaler.load_state_dict(): the state is of one that was not enabled")
        self._scale = float(state["scale"])
        self._growth = state["growth_factor"]
        self._backoff = state["backoff_factor"]
        self._interval = state["growth_interval"]
        self._steady = state["_growth_tracker"]


def _check(optimizer: Any, what: str) -> None:
    if not isinstance(optimizer, HandIn):
        raise Refused(f"GradScaler.{what}() takes job.optimizer")


def _finite(gradients: List[Any]) -> bool:
    return all(bool(torch.isfinite(_values(gradient)).all()) for gradient in gradients)


def _values(gradient: Any) -> Any:
    return gradient.coalesce().values() if gradient.is_sparse else gradient
