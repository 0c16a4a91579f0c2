"""The lines that a person sees of ``ebb run SCRIPT.py`` while it goes on."""

from __future__ import annotations

import sys
import time

from ebb import display
from ebb.progress import Progress

_LOG_LINE_S = 5.0


class Screen:
    """A live line in a terminal; else a line now and then."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stdout.isatty()
        self._live = display.live(False if quiet else None)
        self._logged = 0.0

    def show(self, name: str, progress: Progress, state: str) -> None:
        """Shows how far a job is."""
        if self._quiet:
            return
        if self._terminal:
            self._live.show(name, progress, state)
        elif time.monotonic() - self._logged >= _LOG_LINE_S:
            self._logged = time.monotonic()
            self.tell(display.line(name, progress, state))

    def event(self, text: str) -> None:
        """Tells what has happened just now."""
        self.tell(f"! {time.strftime('%H:%M:%S')} {text}")

    def tell(self, line: str) -> None:
        """Prints a line that stays."""
        if self._quiet:
            return
        if self._terminal:
            self._live.tell(line)
        else:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def close(self) -> None:
        """Leaves the last state behind."""
        self._live.close()
