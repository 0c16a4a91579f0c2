"""SIGTERM while a program works on a job: its engines leave in good order first.

Without this the process would end at once. What it computes would count as what
killed it, and three such ends in one batch pause the job.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
import weakref
from typing import Any, Optional, Protocol


class Session(Protocol):
    """An object that may have an engine."""

    #: Seconds that the engine takes to leave, at most.
    grace: float

    def own_engine(self) -> Optional[int]:
        """Returns the process of the engine, if this process started it."""


_joined: "weakref.WeakSet[Session]" = weakref.WeakSet()


def watch(session: Session) -> None:
    """Lets SIGTERM end the engine of the session, and then the process.

    Nothing changes in a program with a handler of its own, and in other threads
    than the main one, where Python sets no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if is_ours():
        _joined.add(session)
        signal.signal(signal.SIGTERM, _leave)


def forget(session: Session) -> None:
    """The session has no engine any more."""
    _joined.discard(session)
    if _joined or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is _leave:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def put_back(handler: Any) -> None:
    """Sets the handler that stood before another; that of engines, if there are any."""
    nothing = handler is _leave and not _joined
    signal.signal(signal.SIGTERM, signal.SIG_DFL if nothing else handler)


def is_ours() -> bool:
    """Returns whether SIGTERM ends the process, at once or when its engines left."""
    return signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, _leave)


def end() -> None:
    """Ends the process as SIGTERM does."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def _in_child() -> None:
    # It has no engine, and ends at once.
    _joined.clear()
    if signal.getsignal(signal.SIGTERM) is _leave:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=_in_child)


def _leave(*_: Any) -> None:
    deadline = time.monotonic()
    files = []
    for session in list(_joined):
        engine = session.own_engine()
        if engine is None:
            continue
        try:
            files.append(os.pidfd_open(engine))
            os.kill(engine, signal.SIGTERM)
        except OSError:
            continue  # It has ended.
        deadline = max(deadline, time.monotonic() + session.grace + 1)
    # Popen.wait() may be what the signal interrupted, and it holds a lock.
    for file in files:
        poll = select.poll()
        poll.register(file, select.POLLIN)
        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    end()
