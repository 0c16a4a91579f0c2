"""The charts of the page about algorithms."""

from typing import List, NamedTuple, Optional, Sequence

import charts
from cases import SPARSE
from effects import PageJob
from run_figures import RunFigures

_WIDTH = 620


class _Family(NamedTuple):
    """Curves side by side: those of one step for each batch, or round, and those whose
    workers go on by themselves."""

    name: str
    title: str
    algorithms: Sequence[str]


_FAMILIES = (
    _Family(
        "steps",
        "pushing each batch",
        ("asp", "ssp", "bsp", "rounds", "rounds+backup", "staleness_aware", "dynsgd"),
    ),
    _Family(
        "runs",
        "pushing now and then",
        ("asp", "downpour", "adag", "local_sgd", "diloco", "aeasgd", "eamsgd"),
    ),
    _Family(
        "sparse",
        "sparse",
        ("asp", "ssp", "bsp", "staleness_aware", "dynsgd", "downpour", "adag", "geo"),
    ),
)


def images(
    every: Sequence[RunFigures], jobs: Sequence[PageJob], compared_workers: int
) -> List[charts.Image]:
    """The charts for which there are figures."""
    made: List[charts.Image] = []
    for job in jobs:
        of_job = [one for one in every if one.data == job.data and one.period == 0]
        for family in _FAMILIES:
            if (family.name == "sparse") == (job.data == SPARSE):
                made += _losses(of_job, job, family, compared_workers)
                made += _speedup(of_job, job, family, compared_workers)
        made += _waiting(of_job, job, compared_workers)
    return [image for image in made if image.svg]


def _losses(
    runs: Sequence[RunFigures], job: PageJob, family: _Family, workers: int
) -> List[charts.Image]:
    shown = _of(runs, family, workers)
    # One that diverges would make lines of the others.
    most = 1.1 * max((one.curve[0].loss for one in shown if one.curve), default=0)
    by_time, by_examples = (
        [
            charts.Curve(one.algorithm, [(point[place], min(point.loss, most)) for point in one.curve])
            for one in shown
        ]
        for place in (0, 1)
    )
    who = f"{job.title}, {family.title}, {workers} workers"
    file = f"algorithms-{job.data}-{family.name}"
    return [
        charts.Image(f"{file}-time.svg", f"Loss by seconds: {who}", charts.lines(who, by_time, _WIDTH, 0)),
        charts.Image(
            f"{file}-examples.svg", f"Loss by examples: {who}", charts.lines(who, by_examples, _WIDTH, 0)
        ),
    ]


def _speedup(
    runs: Sequence[RunFigures], job: PageJob, family: _Family, compared: int
) -> List[charts.Image]:
    """How much sooner than with the fewest workers the target is reached."""
    counts = sorted({one.workers for one in runs if not one.churn})
    if len(counts) < 2:
        return []
    curves = []
    for first in _of(runs, family, compared):
        seconds = [_seconds(runs, first.algorithm, workers, job.target_loss) for workers in counts]
        base = seconds[0]
        points = []
        if base is not None:
            points = [(float(n), base / s) for n, s in zip(counts, seconds) if s is not None]
        curves.append(charts.Curve(first.algorithm, points))
    beside = "one worker" if counts[0] == 1 else f"{counts[0]} workers"
    title = (
        f"Speed-up by workers: {job.title}, {family.title}, time to a loss of "
        f"{job.target_loss:g} beside that of {beside}"
    )
    svg = charts.lines(title, curves, _WIDTH, 0)
    return [charts.Image(f"algorithms-{job.data}-{family.name}-speedup.svg", title, svg)]


def _waiting(runs: Sequence[RunFigures], job: PageJob, workers: int) -> List[charts.Image]:
    groups, churned = [], False
    for one in runs:
        if one.churn or one.workers != workers:
            continue
        other = next(
            (o for o in runs if o.churn and o.algorithm == one.algorithm and o.workers == workers), None
        )
        churned = churned or other is not None
        groups.append(
            charts.BarGroup(one.algorithm, [one.waited_seconds, other.waited_seconds if other else None])
        )
    title = f"Waiting of all workers together, seconds: {job.title}, {workers} workers"
    width = max(_WIDTH, 75 * len(groups))
    series = ("undisturbed", "under churn") if churned else ()
    svg = charts.bars(title, groups, width, series)
    return [charts.Image(f"algorithms-{job.data}-waiting.svg", title, svg)]


def _of(runs: Sequence[RunFigures], family: _Family, workers: int) -> List[RunFigures]:
    """The undisturbed runs of the family."""
    return [
        one
        for one in runs
        if not one.churn and one.workers == workers and one.algorithm in family.algorithms
    ]


def _seconds(
    runs: Sequence[RunFigures], algorithm: str, workers: int, loss: float
) -> Optional[float]:
    """Until the loss was reached, undisturbed; None: it never was."""
    for one in runs:
        if one.algorithm == algorithm and one.workers == workers and not one.churn:
            reached = one.reached(loss)
            return reached.seconds if reached and reached.seconds > 0 else None
    return None
