"""Logs of the sequences that copies used, and how many of them are lost or doubled.

A line of a log is a list of numbers of sequences. A copy that is killed loses at most
the line that it was writing.
"""

import collections
import dataclasses
import json
from pathlib import Path
from typing import Iterable, List


class Log:
    """A file to which one process appends."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, numbers: Iterable[int]) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps(list(numbers)) + "\n")


@dataclasses.dataclass(frozen=True)
class Counted:
    """expected: uses of all sequences over all epochs. lost: those that are missing.
    doubled: those beyond the epochs."""

    expected: int
    lost: int
    doubled: int


def read(files: Iterable[Path]) -> List[int]:
    """Returns the numbers in the logs. It leaves out a line that was cut off."""
    found: List[int] = []
    for file in files:
        for line in file.read_text().splitlines():
            try:
                found += json.loads(line)
            except ValueError:
                continue
    return found


def count(used: Iterable[int], sequences: int, epochs: int) -> Counted:
    """Compares the sequences that changed the model with ``epochs`` uses of each."""
    times = collections.Counter(used)
    lost = sum(max(0, epochs - times[number]) for number in range(sequences))
    doubled = sum(max(0, times[number] - epochs) for number in times)
    return Counted(sequences * epochs, lost, doubled)
