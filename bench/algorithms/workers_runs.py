"""The runs of the section "Workers", as its tables and charts ask for them."""

import dataclasses
import math
import statistics
from typing import Any, Dict, List, Optional, Sequence

from run_figures import RunFigures
from workers_cases import DEFAULT, JOBS, KILLS, QUIET, WorkersJob

#: The share of the examples after which one worker's loss is the target.
_TARGET_AT = 0.5
FEW_WORKERS = 16


@dataclasses.dataclass(frozen=True)
class Metric:
    """How the metric of a job is compared with that of one worker.

    factor: to the unit; negative where more is better. relative: to that of one worker.
    allowed: how much worse it may be with any number of workers.
    """

    name: str
    factor: float
    relative: bool
    allowed: float
    unit: str
    digits: int

    def worse(self, score: float, one: float) -> float:
        return self.factor * (score - one) / (one if self.relative else 1)

    def text(self, worse: float) -> str:
        """"+0.40"."""
        return f"{worse:+.{self.digits}f}"

    def allowed_with(self, workers: int) -> float:
        """Up to FEW_WORKERS half of ``allowed``."""
        return self.allowed / 2 if workers <= FEW_WORKERS else self.allowed


_METRICS = {
    "accuracy": Metric("accuracy", -100, False, 1, "points", 2),
    "rmse": Metric("RMSE", 100, True, 1, "%", 2),
}
_LOG_LOSS = Metric("log loss", 1, False, 0.005, "", 4)


def metric_of(job: WorkersJob) -> Metric:
    return _METRICS.get(job.metric, _LOG_LOSS)


@dataclasses.dataclass(frozen=True)
class Group:
    """Which runs are compared; no ``workers`` stands for any number of them."""

    data: str
    variant: str = DEFAULT
    disturbance: str = QUIET
    workers: Optional[int] = None


class Runs:
    def __init__(self, every: Sequence[RunFigures]) -> None:
        self._all = every

    def of(self, group: Group) -> List[RunFigures]:
        return [
            one
            for one in self._all
            if one.data == group.data
            and one.algorithm == group.variant
            and one.disturbance == group.disturbance
            and group.workers in (None, one.workers)
        ]

    def score(self, group: Group) -> Optional[float]:
        """The mean over the seeds.

        None: there are no such runs, or one of them went astray: it has no score, or one
        that is not finite, and no mean hides it.
        """
        scores = [one.score for one in self.of(group)]
        if not scores or any(score is None or not math.isfinite(score) for score in scores):
            return None
        return statistics.fmean(score for score in scores if score is not None)

    def wrong_counts(self, group: Group) -> int:
        """Examples of these runs that are missing or doubled."""
        return sum(one.missing + one.doubled for one in self.of(group))

    def one(self, data: str) -> Optional[float]:
        """The score of one worker, undisturbed."""
        return self.score(Group(data, workers=1))

    def counts(self, data: str, variant: str) -> List[int]:
        """The numbers of workers of runs that are undisturbed or under kills."""
        return sorted(
            {
                one.workers
                for one in self._all
                if one.data == data and one.algorithm == variant and one.disturbance in (QUIET, KILLS)
            }
        )

    def markets(self, data: str) -> List[str]:
        """The markets and traces, in order."""
        names = [
            one.disturbance
            for one in self._all
            if one.data == data and one.algorithm == DEFAULT and one.disturbance not in (QUIET, KILLS)
        ]
        return list(dict.fromkeys(names))

    def jobs(self) -> List[WorkersJob]:
        there = {one.data for one in self._all}
        return [job for job in JOBS if job.data in there]

    def examples_to_loss(self, data: str, workers: int) -> Optional[float]:
        """Examples to the loss that one worker has half-way: the mean over the seeds.

        None: some run never has it.
        """
        losses = [_smooth(one).loss_at(_TARGET_AT) for one in self.of(Group(data, workers=1))]
        runs = self.of(Group(data, workers=workers))
        if not losses or not runs or any(loss is None for loss in losses):
            return None
        target = statistics.fmean(loss for loss in losses if loss is not None)
        reached = [_smooth(run).reached(target) for run in runs]
        if any(point is None for point in reached):
            return None
        return statistics.fmean(point.examples for point in reached if point is not None)


def score_of(report: Dict[str, Any], metric: str) -> Optional[float]:
    """This metric on the test data, as the job's last evaluation has it.

    None: the job is not complete, as evaluations of a run that was stopped are of some
    epochs, or that evaluation failed or lacks the metric.
    """
    if not report.get("complete") or not report["evaluations"]:
        return None
    found: Optional[float] = report["evaluations"][-1].get(metric)
    return found


def _smooth(run: RunFigures) -> RunFigures:
    """The run with each loss replaced by the mean over the examples just before it, so
    that a run with more points does not reach a loss sooner by chance."""
    window = 0.05 * run.examples
    smooth = []
    first, total = 0, 0.0
    for i, point in enumerate(run.curve):
        total += point.loss
        while point.examples - run.curve[first].examples > window:
            total -= run.curve[first].loss
            first += 1
        smooth.append(point._replace(loss=total / (i + 1 - first)))
    return dataclasses.replace(run, curve=smooth)
