"""Logs of lines of JSON, to which processes append that may be killed at any moment.

Each process has a log of its own. One that is killed loses at most the line that it was
writing, also if another goes on with its log.
"""

import json
from pathlib import Path
from typing import Any, Iterable, Iterator


class Log:
    """A file to which one process at a time appends."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._write("")  # The process before may have been killed in its line.

    def add(self, value: Any) -> None:
        self._write(json.dumps(value))

    def _write(self, line: str) -> None:
        with self._file.open("a") as file:
            file.write(line + "\n")


def read(files: Iterable[Path]) -> Iterator[Any]:
    """Yields what the logs have, file after file. It leaves out lines that were cut off."""
    for file in files:
        for line in file.read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue
