"""SIGTERM while a copy makes runs of steps: the run ends in good order.

Without this the process would end at once, and its run would be computed again.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from ebb import termination


class LeavesOnTerm:
    """Passes SIGTERM on to the engine, which ends the run after one more batch.

    When the loop is over, the signal ends this process as it would have. A program
    with a handler of its own keeps it.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._came = False
        self._pid = os.getpid()
        self._before = signal.getsignal(signal.SIGTERM)
        self._set = (
            threading.current_thread() is threading.main_thread() and termination.is_ours()
        )
        if self._set:
            signal.signal(signal.SIGTERM, self._pass_on)

    def _pass_on(self, *_: Any) -> None:
        process = self._engine.pid
        # A child that was forked has no engine.
        if self._came or process is None or os.getpid() != self._pid:
            termination.end()
        self._came = True
        if process is not None:
            os.kill(process, signal.SIGTERM)

    def release(self) -> None:
        """Ends the process if the signal came."""
        if self._set:
            self._set = False
            termination.put_back(self._before)
            if self._came:
                termination.end()
