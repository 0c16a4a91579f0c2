"""How far a job is, by the status of its scheduler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional


@dataclass(frozen=True)
class Progress:
    """How far a job is. Examples are counted over all epochs."""

    applied: int
    examples: int
    epoch: int
    epochs: int
    examples_per_second: float
    eta_seconds: Optional[float]
    loss: Optional[float]
    workers: int

    @property
    def share(self) -> float:
        """The part that is applied, from 0 to 1."""
        return self.applied / self.examples if self.examples else 1.0

    @staticmethod
    def of_status(job: Mapping[str, Any]) -> "Progress":
        """Reads a job as ``ebb status --json`` has it."""
        examples, epochs = job["examples"], job["epochs"]
        applied = job["marks"]["least"] or 0
        return Progress(
            applied=applied,
            examples=examples,
            epoch=epoch_at(applied, examples, epochs),
            epochs=epochs,
            examples_per_second=job.get("examples_per_second") or 0.0,
            eta_seconds=job.get("eta_seconds"),
            loss=job.get("recent_loss"),
            workers=job["workers"]["has"],
        )


def epoch_at(applied: int, examples: int, epochs: int) -> int:
    """The epoch, from 1, of which the next example is; the last one at the end."""
    if not examples:
        return epochs
    return min(epochs, applied * epochs // examples + 1)


class Reached:
    """How far a job was, status after status.

    A scheduler that began anew does not know the marks until the servers tell them.
    """

    def __init__(self) -> None:
        self._generation: Any = None  # XX begins another one.
        self._last: Optional[Progress] = None

    def by(self, job: Mapping[str, Any]) -> Progress:
        """Returns how far it is by a status: not less than before, without a rollback."""
        now = Progress.of_status(job)
        last = self._last if self._generation == job["generation"] else None
        if last is not None and last.applied > now.applied:
            now = replace(now, applied=last.applied, epoch=last.epoch)
        self._generation, self._last = job["generation"], now
        return now
