"""Reads what ``ebb run`` prints and writes while it runs, as values."""

from __future__ import annotations

import csv
import os
from typing import IO, Any, Dict, List, Optional


class Printed:
    """The texts that a process prints, in files that have no name."""

    def __init__(self, out: IO[bytes], told: IO[bytes]) -> None:
        self._files = (out, told)
        self._texts: Optional[List[str]] = None  # Once they are closed.

    def out(self) -> str:
        return self._read()[0]

    def errors(self) -> str:
        return self._read()[1]

    def close(self) -> None:
        if self._texts is None:
            self._texts = self._read()
            for file in self._files:
                file.close()

    def _read(self) -> List[str]:
        if self._texts is not None:
            return self._texts
        # The process writes at the place that its copy of the file has.
        return [
            os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(
                "utf-8", "replace"
            )
            for file in self._files
        ]


def event_lines(printed: str) -> List[str]:
    """The lines about daemons among those that a run printed."""
    return [
        line[2:].rstrip()
        for line in printed.splitlines(keepends=True)
        if line.startswith("! ") and line.endswith("\n")
    ]


def csv_rows(
    path: str, tail_bytes: Optional[int] = None
) -> List[Dict[str, Optional[float]]]:
    """The rows of a CSV file; with a size, about those in its last bytes."""
    try:
        with open(path, "rb") as file:
            head = file.readline()
            if tail_bytes is not None:
                size = os.fstat(file.fileno()).st_size
                if size - tail_bytes > len(head):
                    file.seek(size - tail_bytes)
                    file.readline()  # Its front is missing.
            text = (head + file.read()).decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [
        {key: _number(value) for key, value in row.items() if key}
        for row in csv.DictReader(text.splitlines())
    ]


def _number(text: Any) -> Optional[float]:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
