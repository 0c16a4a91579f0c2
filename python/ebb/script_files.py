"""The files of ``ebb run SCRIPT.py``, which wait for room on a full disk."""

from __future__ import annotations

import csv
import errno
import io
import os
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ebb.script_screen import Screen

# Files wait so long for room on a full disk, as training does.
_ROOM_PATIENCE_S = 60.0
_ROOM_PAUSE_S = 0.5
COLUMNS = (
    "seconds",
    "epoch",
    "applied",
    "examples",
    "examples_per_second",
    "training_loss",
    "workers",
    "servers",
)


class Files:
    """The files of a run beside those of its daemons: the samples, and the job.

    interrupted: true once a person wants the run to end.
    """

    def __init__(self, folder: str, screen: Screen, interrupted: Callable[[], bool]) -> None:
        self._folder = folder
        self._screen = screen
        self._interrupted = interrupted
        #: Rows of metrics.csv, written or not.
        self.samples: List[Dict[str, Any]] = []
        self._written = 0  # So many of them are in metrics.csv.
        self._job_written = False
        self._waits = False  # For room for them.
        self._waits_until: Optional[float] = None

    @property
    def lacks_samples(self) -> bool:
        """True if metrics.csv does not have all of them yet."""
        return self._written < len(self.samples)

    def path(self, name: str) -> str:
        """Returns the path of a file in the folder of the run."""
        return os.path.join(self._folder, name)

    def write_rest(self, job: Mapping[str, Any]) -> None:
        """Writes what is to be written, as far as there is room."""
        self._tell_room(self._write_rest(job))

    def _write_rest(self, job: Mapping[str, Any]) -> Optional[OSError]:
        """Returns why something is not written; None: all is."""
        try:
            if not self._job_written:
                self._write_job(job)
                self._job_written = True
            self.write_samples()
        except OSError as error:
            return error
        return None

    def _write_job(self, job: Mapping[str, Any]) -> None:
        replace(
            self.path("program.yaml"),
            "# The newest job of the program, which submits it: ebb run takes the program.\n"
            f"name: {job['name']}\ntrain:\n  epochs: {job['epochs']}\n",
        )

    def write_samples(self) -> None:
        """Adds to metrics.csv the samples that it lacks. Raises OSError."""
        append_rows(self.path("metrics.csv"), self.samples[self._written :])
        self._written = len(self.samples)

    def _tell_room(self, error: Optional[OSError]) -> None:
        """Says once that samples wait, and once that they are written."""
        if (error is not None) == self._waits:
            return
        self._waits = error is not None
        self._screen.event(
            f"cannot write {error.filename or 'metrics.csv'}: {error.strerror}; what it lacks "
            "is kept, and written as soon as that is possible"
            if error is not None
            else "metrics.csv has all samples again"
        )

    def await_room(self, write: Callable[[], None]) -> None:
        """Writes once there is room on the disk. Raises OSError after a minute."""
        told = False
        while True:
            try:
                return write()
            except OSError as error:
                if not is_full(error) or time.monotonic() >= self._room_deadline():
                    raise
                if not told:
                    self._screen.event(f"{error}; waiting for room")
                    told = True
            time.sleep(_ROOM_PAUSE_S)

    def _room_deadline(self) -> float:
        """All files of the end together have a minute. An interrupted run does not wait."""
        if self._interrupted():
            return 0.0
        if self._waits_until is None:
            self._waits_until = time.monotonic() + _ROOM_PATIENCE_S
        return self._waits_until


def is_full(error: OSError) -> bool:
    """Returns whether a disk has no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def append_rows(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds rows to a CSV file: all of them or, if that fails, none."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    with open(path, "ab", buffering=0) as file:
        before = file.tell()
        if before == 0:
            writer.writeheader()
        writer.writerows(rows)
        content = text.getvalue().encode()
        try:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        except OSError as error:
            # A part of a row would be taken for a row.
            if os.path.isfile(path):
                os.ftruncate(file.fileno(), before)
            error.filename = path
            raise


def replace(path: str, content: str) -> None:
    """Writes a file at once: readers see the old content or the new one.

    A device, a pipe or a link is written to instead.
    """
    as_it_is = os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path))
    fresh = path if as_it_is else f"{path}.new"
    try:
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(content)
        if not as_it_is:
            os.replace(fresh, path)
    except OSError as error:
        if not as_it_is and os.path.exists(fresh):
            os.remove(fresh)
        error.filename = path
        raise
