"""The losses of batches while a run trains, as a curve over the tokens.

Each copy logs the loss of a batch and when it had it, on the clock that all processes
of a machine share.
"""

import time
from pathlib import Path
from typing import Iterable, List, Tuple

import line_log

#: Points of a curve. Each is the mean of the batches around it.
_POINTS = 60

#: When, in seconds of the machine's monotonic clock, and the loss.
Losses = List[Tuple[float, float]]


class Log(line_log.Log):
    """The log of one process."""

    def add(self, loss: float) -> None:
        super().add([time.monotonic(), round(loss, 5)])


def read(files: Iterable[Path]) -> Losses:
    """Returns what the logs have, by time."""
    return sorted((at, loss) for at, loss in line_log.read(files))


def curve(losses: Losses, batch_tokens: int) -> List[Tuple[int, float]]:
    """Returns (tokens computed, mean loss), one for each part of the batches."""
    each = -(-len(losses) // _POINTS)
    made = []
    for begin in range(0, len(losses), max(1, each)):
        part = losses[begin : begin + each]
        middle = (begin + len(part) / 2) * batch_tokens
        made.append((round(middle), sum(loss for _, loss in part) / len(part)))
    return made


def tokens_at(losses: Losses, at: float, batch_tokens: int) -> int:
    """Returns how many tokens were computed by then."""
    return sum(1 for when, _ in losses if when <= at) * batch_tokens
