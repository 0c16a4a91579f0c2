"""Ends the traceback of an uncaught error of ebb with the user's own line."""

from __future__ import annotations

import os
import sys
import types
from typing import Any, Optional, Tuple, Type

from ebb.errors import Error

def _libraries() -> Tuple[str, ...]:
    """The folders of ebb, and of torch if it is loaded."""
    loaded = [__file__, getattr(sys.modules.get("torch"), "__file__", None)]
    return tuple(os.path.dirname(os.path.abspath(one)) + os.sep for one in loaded if one)


def trimmed(trace: Optional[types.TracebackType]) -> Optional[types.TracebackType]:
    """Cuts the frames of ebb and torch below the user's last frame."""
    libraries = _libraries()
    last = None
    at = trace
    while at is not None:
        if not at.tb_frame.f_code.co_filename.startswith(libraries):
            last = at
        at = at.tb_next
    if last is None:
        return trace
    last.tb_next = None
    return trace


def install() -> None:
    """Does so for what this program prints; EBB_TRACEBACK=1 shows all frames.

    A hook of another library is left in its place.
    """
    if sys.excepthook is sys.__excepthook__ and not os.environ.get("EBB_TRACEBACK"):
        sys.excepthook = _hook


def _hook(kind: Type[BaseException], error: BaseException, trace: Any) -> None:
    if isinstance(error, Error):
        trace = trimmed(trace)
        error.__traceback__ = trace
    sys.__excepthook__(kind, error, trace)
