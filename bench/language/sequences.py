"""The sequences that copies used, and how many of them are lost or doubled.

A line of their logs (line_log.py) is a list of numbers of sequences.
"""

import collections
import dataclasses
from pathlib import Path
from typing import Iterable, List

import line_log


@dataclasses.dataclass(frozen=True)
class Counted:
    """expected: uses of all sequences over all epochs. lost: those that are missing.
    doubled: those beyond the epochs."""

    expected: int
    lost: int
    doubled: int


def read(files: Iterable[Path]) -> List[int]:
    """Returns the numbers in the logs."""
    return [number for numbers in line_log.read(files) for number in numbers]


def count(used: Iterable[int], sequences: int, epochs: int) -> Counted:
    """Compares the sequences that changed the model with ``epochs`` uses of each."""
    times = collections.Counter(used)
    lost = sum(max(0, epochs - times[number]) for number in range(sequences))
    doubled = sum(max(0, times[number] - epochs) for number in times)
    return Counted(sequences * epochs, lost, doubled)
