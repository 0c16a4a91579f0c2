"""Handles an uncaught error of a program that uses ebb.

The traceback of an error of ebb ends with the user's own line. Under ``ebb run`` the
program notes whether the error is one of its own, which would come again.
"""

from __future__ import annotations

import contextlib
import os
import sys
import types
from typing import Any, Optional, Tuple, Type

from ebb.errors import EngineLost, Error, EvaluationLost, JobFailed, NonFinite, Unavailable

#: Names the file in which a program notes that its own error ended it: run_program().
NOTE = "EBB_LAST_ERROR"

# These may not come again, or the job itself counts them and pauses.
_MAY_PASS = (
    EngineLost,
    EvaluationLost,
    JobFailed,
    MemoryError,
    NonFinite,
    OSError,
    Unavailable,
)
_OF_DEVICES = ("CUDA", "DataLoader worker", "out of memory")

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
    """Sees to the uncaught errors of this program; EBB_TRACEBACK=1 shows all frames.

    A hook of another library is left in its place.
    """
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _hook


def of_an_example(error: Exception) -> None:
    """Notes that an error came of reading an example.

    The job counts such errors, and pauses when an example fails again and again.
    """
    with contextlib.suppress(Exception):
        setattr(error, _EXAMPLE, True)


_EXAMPLE = "_ebb_of_an_example"


def is_of_the_program(error: BaseException) -> bool:
    """Returns whether a program that starts again would end in the same error."""
    if not isinstance(error, Exception) or isinstance(error, _MAY_PASS):
        return False
    if getattr(error, _EXAMPLE, False):
        return False
    return not (isinstance(error, RuntimeError) and any(w in str(error) for w in _OF_DEVICES))


def _write_note(error: BaseException) -> None:
    note = os.environ.get(NOTE)
    if note and is_of_the_program(error):
        with contextlib.suppress(OSError), open(note, "w") as file:
            file.write(str(os.getpid()))


def _hook(kind: Type[BaseException], error: BaseException, trace: Any) -> None:
    _write_note(error)
    if isinstance(error, Error) and not os.environ.get("EBB_TRACEBACK"):
        trace = trimmed(trace)
        error.__traceback__ = trace
    sys.__excepthook__(kind, error, trace)
