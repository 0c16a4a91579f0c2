"""Measures where the time of a batch goes."""

from __future__ import annotations

import time
from typing import Dict

#: The parts of a batch, in their order; ``TorchJob.timing`` says what they are.
PARTS = ("wait", "show", "read", "seed", "compute", "sum", "hand_in")


class Timing:
    """Adds up the time between laps. One thread uses it."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._last = time.perf_counter()
        self._batches = 0

    def start(self) -> None:
        """Begins anew; what came before belongs to no part."""
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        """Gives the time since the last lap to a part."""
        now = time.perf_counter()
        self._seconds[part] += now - self._last
        self._last = now

    def count(self) -> None:
        """A batch is over."""
        self._batches += 1

    def microseconds(self) -> Dict[str, float]:
        """Returns the mean of a batch by part. It is empty before the first."""
        if self._batches == 0:
            return {}
        return {part: 1e6 * s / self._batches for part, s in self._seconds.items()}
