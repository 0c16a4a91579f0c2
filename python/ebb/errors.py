"""The errors and warnings of ebb.

Every error has a ``code`` (a short word for programs), a message that names
what is wrong by the words that the caller used, and often a ``hint`` that says
what to do. The text of an error that the ``ebb`` program reports is the
program's own text.
"""

from __future__ import annotations

import builtins
from typing import Any, ClassVar, Dict, Optional, Type


class Error(Exception):
    """Something went wrong; the base of all errors of ebb.

    ``str(error)`` is the message, and the hint on a line of its own.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, hint: Optional[str] = None) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        if self.hint is None:
            return self.message
        return f"{self.message}\n  hint: {self.hint}"


class Refused(Error):
    """ebb refuses the request: a wrong argument, job file or certificate."""

    code = "refused"


class NotFound(Error):
    """A job, file, program or package is not there."""

    code = "not_found"


class Unavailable(Error):
    """The cluster does not answer now. The same call may succeed later."""

    code = "unavailable"


class DataDiffers(Error):
    """The data set of this process is not the one that the job began with."""

    code = "data_differs"


class Damaged(Error):
    """A file of data is damaged, or is not whole."""

    code = "damaged"


class ModelDiffers(Error):
    """The model of this process is not that of the job."""

    code = "model_differs"


class NonFinite(Error):
    """A gradient or a loss is NaN or infinite, and the job does not skip it.

    ``examples`` are the numbers of the batch's examples in the data set, if a loop of
    ``ebb.torch`` raised it.
    """

    code = "non_finite"
    examples: Any = None


class ForkedError(Error):
    """A forked child uses what its parent opened. Join in the child instead."""

    code = "forked"


class EngineLost(Error):
    """The engine process ended several times in a short while."""

    code = "engine_lost"


class EvaluationLost(Error):
    """The evaluation under way is another worker's by now. Nothing is to be done."""

    code = "evaluation_lost"


class JobFailed(Error):
    """The job or run did not end well: incomplete, not exact, cancelled.

    ``run`` is the ebb.Run that failed, if it was one.
    """

    code = "job_failed"
    run: Any = None


class Warning(builtins.UserWarning):
    """A warning of ebb; ``warnings.simplefilter`` takes it as any category."""


_KINDS: Dict[str, Type[Error]] = {
    kind.code: kind
    for kind in (
        Refused,
        NotFound,
        Unavailable,
        DataDiffers,
        Damaged,
        ModelDiffers,
        NonFinite,
        ForkedError,
        EngineLost,
        EvaluationLost,
        JobFailed,
    )
}


def error_of(code: str, message: str, hint: Optional[str] = None) -> Error:
    """Returns the error whose class has this code; an Error for other codes."""
    return _KINDS.get(code, Error)(message, hint)
