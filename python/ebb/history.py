"""Keeps what a job learnt, epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional

from ebb.errors import NotFound

if TYPE_CHECKING:
    import pandas

# An evaluation has these beside its figures.
_NOT_FIGURES = (
    "epoch",
    "position",
    "further",
    "examples",
    "confusion",
    "calibration",
    "labels",
)


class History(List[Dict[str, Any]]):
    """A list with a dict for each epoch that began.

    ``epoch`` counts from 1. ``loss`` is the mean training loss over the examples
    of the epoch that were applied; None: programs handed in gradients without one. ``seconds`` is the time from the start until
    the epoch was applied, or None; only a Run knows it. Test figures follow as ``test_loss``,
    ``test_accuracy``, ``test_rmse`` and so on, where the epoch was evaluated. Precision,
    recall and F1 of two classes are those of ``positive_class`` (of ``run.report["test"]``,
    or of ``job.status()``), which ``data: {positive: CLASS}`` of the job chooses.
    ``test_further`` is there if the epoch had no snapshot of its own, as after the
    scheduler was away: the test figures are of a model that is so many epochs further.
    """

    def to_pandas(self) -> "pandas.DataFrame":
        """Returns a table with a row for each epoch. Needs pandas."""
        try:
            import pandas
        except ImportError:
            raise NotFound(
                "history.to_pandas() needs pandas",
                "apt-get install python3-pandas, or pip install pandas",
            ) from None
        return pandas.DataFrame(list(self))

    def plot(self, axes: Any = None) -> Any:
        """Draws losses and test figures by epoch. Needs matplotlib.

        axes: matplotlib axes to draw into; None: new ones. Returns the axes.
        """
        try:
            from matplotlib import pyplot
        except ImportError:
            raise NotFound(
                "plot() needs matplotlib",
                "apt-get install python3-matplotlib, or pip install matplotlib",
            ) from None
        if axes is None:
            _, axes = pyplot.subplots()
        for key, right in _drawn(self):
            rows = [row for row in self if row.get(key) is not None]
            target = _right_of(axes) if right else axes
            style = "s--" if right else "o-"
            target.plot(
                [row["epoch"] for row in rows],
                [row[key] for row in rows],
                style,
                color="C2" if right else None,
                label=key,
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.legend(loc="upper left")
        return axes


def _drawn(history: History) -> List[Any]:
    """The keys to draw, each with whether it goes by the right axis."""
    known = [key for key in ("loss", "test_loss") if _has(history, key)]
    drawn: List[Any] = [(key, False) for key in known]
    for key in ("test_accuracy", "test_rmse"):
        if _has(history, key):
            return drawn + [(key, True)]
    return drawn


def _has(history: History, key: str) -> bool:
    return any(row.get(key) is not None for row in history)


def _right_of(axes: Any) -> Any:
    right = axes.twinx()
    right.set_ylabel("test figure")
    return right


def of_status(
    job: Mapping[str, Any],
    samples: Optional[Iterable[Mapping[str, Optional[float]]]] = None,
) -> History:
    """The history of a job as ``ebb status --json`` has it.

    samples: the rows of metrics.csv, if it is a run's; they say the seconds.
    """
    losses = {loss["epoch"]: loss["mean"] for loss in job.get("losses", [])}
    seconds = None if samples is None else _seconds(samples, job["epochs"])
    return _merged(losses, job.get("evaluations", []), seconds)


def figures_of(evaluation: Mapping[str, Any]) -> Dict[str, Any]:
    """The figures of an evaluation, by name."""
    return {
        key: value
        for key, value in evaluation.items()
        if key not in _NOT_FIGURES and not key.startswith("baseline")
    }


def of_report(
    report: Mapping[str, Any], samples: Iterable[Mapping[str, Optional[float]]]
) -> History:
    """The history of a run by its report.json and the rows of metrics.csv."""
    losses = dict(enumerate(report.get("training_loss", []), start=1))
    return _merged(
        losses,
        report.get("evaluations", []),
        _seconds(samples, int(report.get("epochs") or 0)),
    )


def _seconds(
    samples: Iterable[Mapping[str, Optional[float]]], epochs: int
) -> Dict[int, float]:
    """The time of the first sample in which all of an epoch was applied."""
    seconds: Dict[int, float] = {}
    for sample in samples:
        at, applied, examples = (
            sample.get(key) for key in ("seconds", "applied", "examples")
        )
        if at is None or applied is None or not examples or epochs == 0:
            continue
        for epoch in range(1, epochs + 1):
            if applied * epochs >= epoch * examples:
                seconds.setdefault(epoch, at)
    return seconds


def _merged(
    losses: Mapping[int, Optional[float]],
    evaluations: Iterable[Mapping[str, Any]],
    seconds: Optional[Mapping[int, float]],
) -> History:
    def begun(epoch: int, loss: Optional[float]) -> Dict[str, Any]:
        if seconds is None:
            return {"epoch": epoch, "loss": loss}
        return {"epoch": epoch, "seconds": seconds.get(epoch), "loss": loss}

    rows = {epoch: begun(epoch, loss) for epoch, loss in losses.items()}
    for evaluation in evaluations:
        epoch = evaluation["epoch"]
        row = rows.setdefault(epoch, begun(epoch, None))
        for key, value in figures_of(evaluation).items():
            row[f"test_{key}"] = value
        if "further" in evaluation:
            row["test_further"] = evaluation["further"]
    return History(rows[epoch] for epoch in sorted(rows))
