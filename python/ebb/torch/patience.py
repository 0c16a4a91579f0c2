"""Calls a cluster that may be away for a moment."""

from __future__ import annotations

import time
from typing import Callable, TypeVar

from ebb.errors import Unavailable

Answer = TypeVar("Answer")

#: A scheduler or server that died is back within this time, in seconds.
_LIMIT_S = 60.0
_PAUSE_S = 0.5


def patiently(action: Callable[[], Answer]) -> Answer:
    """Returns what the action returns; calls it again while it is Unavailable.

    After a minute it raises Unavailable itself.
    """
    deadline = time.monotonic() + _LIMIT_S
    while True:
        try:
            return action()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_S)
