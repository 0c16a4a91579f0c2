"""Ends a job early, by what its evaluations say.

    job = ebb.torch.job(…, evaluate=evaluate, stop_when=ebb.torch.Patience(3))

The scheduler decides, by the keys ``stop`` and ``keep_best`` of the job
(docs/early-stopping.md): no epoch begins before the last one is judged.
"""

from __future__ import annotations

import math
import re
import warnings
from typing import Any, Callable, Dict, List, Mapping, Optional

import ebb.errors
from ebb.errors import Refused
from ebb.history import of_status
from ebb.torch.patience import patiently

History = List[Dict[str, Any]]
StopWhen = Callable[[History], Any]

# The scheduler has the same (scheduler/job/course.cc).
_SMALLER_IS_BETTER = ("loss", "error", "mse", "mae", "perplexity")
_FIGURE = re.compile("test_([a-z0-9_]{1,32})")
#: The figure by which a function of the program's own ends the job.
_ASKED = "stop_when"


class Patience:
    """Ends a job after so many evaluations in a row that are no better than the best.

    The job then goes back to the best version. A figure that is not a number
    counts as no better.

    evaluations: how many.
    figure: of ``job.history``, such as "test_loss" or "test_accuracy".
    least: a smaller change does not count as better.
    larger_is_better: None: so for figures other than losses and errors.
    """

    def __init__(
        self,
        evaluations: int,
        figure: str = "test_loss",
        *,
        least: float = 0.0,
        larger_is_better: Optional[bool] = None,
    ) -> None:
        if evaluations < 1:
            raise Refused(f"Patience({evaluations}): it must be 1 or more")
        if not least >= 0:
            raise Refused(f"Patience(least={least}): it must be 0 or more")
        if not _FIGURE.fullmatch(figure):
            raise Refused(
                f"Patience({evaluations}, {figure!r}): a figure of job.history begins with test_",
                f'"test_{figure}"' if _FIGURE.fullmatch(f"test_{figure}") else '"test_loss"',
            )
        self.evaluations = evaluations
        self.figure = figure
        self.least = least
        self.larger_is_better = larger_is_better

    def __call__(self, history: History) -> bool:
        smaller = any(word in self.figure for word in _SMALLER_IS_BETTER)
        larger = not smaller if self.larger_is_better is None else self.larger_is_better
        sign = 1.0 if larger else -1.0
        best, since = float("-inf"), 0
        for row in history:
            self.check(row)
            value = row[self.figure]
            value = float("-inf") if value is None else sign * float(value)
            known = math.isfinite(value)
            if known and (value > best + self.least or best == float("-inf")):
                best, since = value, 0
            else:
                since += 1
        return since >= self.evaluations

    def check(self, row: Mapping[str, Any]) -> None:
        """Raises Refused if an evaluation does not have the figure."""
        if self.figure in row:
            return
        raise Refused(
            f"stop_when: the evaluation of epoch {row['epoch']} has no {self.figure}; it has "
            + ", ".join(key for key in row if key.startswith("test_")),
            "evaluate(model) returns it, without test_",
        )

    def __repr__(self) -> str:
        return f"Patience({self.evaluations}, {self.figure!r})"


def settings_of(
    stop_when: Optional[StopWhen],
    epochs: Optional[int],
    every: int,
    on_nonfinite: Any,
) -> Dict[str, Any]:
    """Returns the keys of the job by which it ends as ``stop_when`` says.

    every: an evaluation follows so many epochs.
    on_nonfinite: the key of the job, as the program gives it.
    """
    if stop_when is None:
        return {}
    if not isinstance(stop_when, Patience):
        return {"stop": {"metric": _ASKED, "reach": 1}}
    metric = stop_when.figure[len("test_") :]
    evaluations = None if epochs is None else -(-epochs // every)
    if evaluations == 1:
        return {}  # The last version is the best.
    # More never pass, and the job would be refused.
    most = stop_when.evaluations if evaluations is None else evaluations - 1
    stop: Dict[str, Any] = {
        "metric": metric,
        "patience": min(stop_when.evaluations, most),
        "min_delta": stop_when.least,
    }
    if stop_when.larger_is_better is not None:
        stop["larger_is_better"] = stop_when.larger_is_better
    if on_nonfinite == "rollback":
        warnings.warn(
            f"{stop_when!r}: with on_nonfinite: rollback the best version is not kept, and the "
            "job ends with its last",
            ebb.errors.Warning,
            stacklevel=5,
        )
        return {"stop": stop}
    return {"stop": stop, "keep_best": metric}


class Stopping:
    """The part of the program that evaluates in ``stop_when``."""

    def __init__(self, when: StopWhen, remote: Any, every: int) -> None:
        """every: an evaluation follows so many epochs."""
        self._when = when
        self._remote = remote
        self._every = every

    def figures(self, answer: Mapping[str, Any], epochs: int) -> Dict[str, float]:
        """Returns what an evaluation tells of ``stop_when`` beside its figures.

        answer: the arguments of ``Engine.evaluated``.
        epochs: of the job.
        """
        job = patiently(self._remote.status)
        done = job.get("evaluations", [])
        last = max((one["epoch"] for one in done), default=0)
        epoch = min((last // self._every + 1) * self._every, epochs)
        row = _row(epoch, answer)
        if isinstance(self._when, Patience):
            self._when.check(row)
            return {}
        history = of_status({**job, "evaluations": [one for one in done if "loss" in one]})
        row["loss"] = next((one["loss"] for one in history if one["epoch"] == epoch), None)
        rows = [_numbers(one) for one in history if "test_loss" in one]
        return {_ASKED: 1.0 if self._when(rows + [row]) else 0.0}


def _numbers(row: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns a row with NaN for figures that are not finite numbers, and without ours."""
    return {
        key: math.nan if value is None and key.startswith("test_") else value
        for key, value in row.items()
        if key != f"test_{_ASKED}"
    }


def _row(epoch: int, answer: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns the row of ``job.history`` that an evaluation is going to be."""
    examples = max(1, answer["examples"])
    row: Dict[str, Any] = {"epoch": epoch, "test_loss": answer["loss_sum"] / examples}
    if answer["correct"] >= 0:
        row["test_accuracy"] = answer["correct"] / examples
    for name, value in (answer["figures"] or {}).items():
        row[f"test_{name}"] = value
    return row


def end_of(job: Mapping[str, Any]) -> Optional[str]:
    """Returns how evaluations ended a job or chose its version; None: they did not.

    job: its status.
    """
    why = job.get("ended")
    return f"job {job['name']} {why}" if why else None
