"""Ends a job early, by what its evaluations say.

    job = ebb.torch.job(…, evaluate=evaluate, stop_when=ebb.torch.Patience(3))
"""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional

from ebb.errors import Error, Refused, Unavailable
from ebb.torch.patience import patiently

History = List[Dict[str, Any]]
StopWhen = Callable[[History], Any]

_PAUSE_S = 0.1
#: The scheduler shows an evaluation a moment after it was handed in.
_SHOWS_WITHIN_S = 10.0
#: Servers of a job that is paused store it within this time.
_STORES_WITHIN_S = 60.0


class Patience:
    """Is true after so many evaluations in a row that are no better than the best.

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
        if larger_is_better is None:
            larger_is_better = not any(word in figure for word in ("loss", "rmse", "error"))
        self._evaluations = evaluations
        self._figure = figure
        self._least = least
        self._sign = 1.0 if larger_is_better else -1.0

    def __call__(self, history: History) -> bool:
        best, since = float("-inf"), 0
        for row in history:
            if self._figure not in row:
                raise Refused(
                    f"stop_when: the evaluation of epoch {row['epoch']} has no {self._figure}; it "
                    "has " + ", ".join(key for key in row if key.startswith("test_")),
                    "evaluate(model) returns it, without test_",
                )
            value = self._sign * float(row[self._figure])
            if value > best + self._least or best == float("-inf"):
                best, since = value, 0
            else:
                since += 1
        return since >= self._evaluations

    def __repr__(self) -> str:
        return f"Patience({self._evaluations}, {self._figure!r})"


class Stopping:
    """Asks the program after each evaluation, and ends the job if it says so.

    A program that finds the job cancelled asks, too: the answer follows from
    the evaluations, so that every program knows why.
    """

    def __init__(self, when: StopWhen, remote: Any) -> None:
        self._when = when
        self._remote = remote

    def evaluated(self) -> int:
        """Returns how many evaluations the job has."""
        return len(self._evaluated())

    def after(self, before: int) -> None:
        """Ends the job if the program wants it after one more evaluation."""
        deadline = time.monotonic() + _SHOWS_WITHIN_S
        history = self._evaluated()
        while len(history) <= before and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
            history = self._evaluated()
        if history and self._when(history):
            self._end()

    def why(self) -> Optional[str]:
        """Returns what a job that was cancelled came to; None if this did not end it."""
        history = self._evaluated()
        if not history or not self._when(history):
            return None
        status = patiently(self._remote.status)
        each = status["examples"] // status["epochs"]
        losses = status.get("losses", [])
        whole = [one["epoch"] for one in losses if one["examples"] >= each]
        part = [str(one["epoch"]) for one in losses if 0 < one["examples"] < each]
        said = [f"{_range(whole)} exact"] if whole else []
        said += [f"{', '.join(part)} in part"] if part else []
        last = history[-1]["epoch"]
        return (
            f"job {self._remote.name} is stopped by stop_when= after the evaluation of epoch "
            f"{last}: " + ("epochs " + ", ".join(said) if said else "no epoch is whole")
        )

    def _evaluated(self) -> History:
        history: History = patiently(lambda: self._remote.history)
        return [row for row in history if row.get("test_loss") is not None]

    def _end(self) -> None:
        """Cancels the job, when the servers have stored what it learnt."""
        try:
            self._remote.pause()  # Else nothing is stored until the next version is due.
            self._await_stored()
            self._remote.cancel()
        except Unavailable:
            raise
        except Error:
            # Another program was first, or the job came to its end meanwhile.
            if patiently(lambda: self._remote.state) not in ("cancelled", "complete"):
                raise

    def _await_stored(self) -> None:
        deadline = time.monotonic() + _STORES_WITHIN_S
        while time.monotonic() < deadline:
            stored: Dict[int, int] = {}
            for version in patiently(self._remote.versions):
                part = version["partition"]
                stored[part] = max(stored.get(part, 0), version["examples"])
            marks = patiently(self._remote.status)["marks"]
            if marks["most"] and min(stored.values(), default=0) >= marks["most"]:
                return
            time.sleep(_PAUSE_S)


def _range(numbers: List[int]) -> str:
    first, last = min(numbers), max(numbers)
    if len(numbers) == 1:
        return str(first)
    if len(numbers) == last - first + 1:
        return f"{first}-{last}"
    return ", ".join(map(str, numbers))
