"""Calls a cluster that may be away for a moment."""

from __future__ import annotations

import logging
import time
from typing import Callable, Optional, TypeVar

from ebb.errors import Unavailable

Answer = TypeVar("Answer")

#: A scheduler or server that died is back within this time, in seconds.
_LIMIT_S = 60.0
_PAUSE_S = 0.5
#: An absence is told of after this time, once.
_TELL_AFTER_S = 10.0

_LOG = logging.getLogger("ebb.torch")


def patiently(
    action: Callable[[], Answer], tell_after_s: Optional[float] = None
) -> Answer:
    """Returns what the action returns; calls it again while it is Unavailable.

    After a minute it raises Unavailable itself.

    tell_after_s: seconds after which it warns that it waits; None: ten.
    """
    tell_after_s = _TELL_AFTER_S if tell_after_s is None else tell_after_s
    deadline = time.monotonic() + _LIMIT_S
    told = False
    while True:
        try:
            return action()
        except Unavailable as error:
            now = time.monotonic()
            if now > deadline:
                raise
            if not told and now > deadline - _LIMIT_S + tell_after_s:
                told = True
                left = deadline - now
                _LOG.warning("%s Trying for %.0f s more.", error.message.rstrip(), left)
        time.sleep(_PAUSE_S)
