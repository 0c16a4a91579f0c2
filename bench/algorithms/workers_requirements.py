"""Finds what the section "Workers" requires of any number of workers."""

import dataclasses
import math
from typing import List, Sequence

import cases
import texts
from run_figures import RunFigures
from workers_cases import (
    DEFAULT, KILLS, QUIET, SPEED, SPEED_FROM, SPEED_TO, SPEED_WORKERS, WorkersJob)
from workers_runs import FEW_WORKERS, Group, Runs, metric_of

#: The examples that 64 workers may need to a loss, beside one worker.
_MOST_EXAMPLES, _MANY = 1.5, 64
#: The least speed, as a share of that of as many single workers.
_LEAST_SPEED = 0.9
_MOST_WAITING = 0.15


@dataclasses.dataclass
class Requirement:
    """A demand on any number of workers, and whether these runs meet it.

    found: in figures; empty: these runs do not tell.
    """

    name: str
    found: str = ""
    met: bool = False


def requirements(every: Sequence[RunFigures]) -> List[Requirement]:
    runs = Runs(every)
    found = []
    for job in runs.jobs():
        found += [_scores(runs, job, few=True), _scores(runs, job, few=False)]
    found += [_examples(runs, job) for job in runs.jobs()]
    for job in runs.jobs():
        found += _speeds(runs, job)
    return found


def _compared(runs: Runs, job: WorkersJob, few: bool) -> List[Group]:
    """This is compared with one worker that is not disturbed."""
    groups = [
        Group(job.data, disturbance=disturbance, workers=workers)
        for disturbance in (QUIET, KILLS)
        for workers in runs.counts(job.data, DEFAULT)
        if not (few and workers > FEW_WORKERS) and not (workers == 1 and disturbance == QUIET)
    ]
    if not few:
        groups += [Group(job.data, disturbance=market) for market in runs.markets(job.data)]
    return [group for group in groups if runs.of(group)]


def _what_ran(groups: Sequence[Group]) -> str:
    """The numbers of workers that ran, and what disturbed them: " (4, 16; quiet, kills)"."""
    if not groups:
        return ""
    counts = sorted({group.workers for group in groups if group.workers is not None})
    disturbances = dict.fromkeys(group.disturbance for group in groups)
    numbers = ", ".join(map(str, counts)) + ("; " if counts else "")
    return f" ({numbers}{', '.join(disturbances)})"


def _where(group: Group) -> str:
    """"16 workers, quiet", "market"."""
    workers = "" if group.workers is None else texts.count(group.workers, "worker") + ", "
    return workers + group.disturbance


def _wrong_counts(runs: Runs, job: WorkersJob, groups: Sequence[Group]) -> str:
    """The examples that runs of the groups, or those of one worker, counted wrongly:
    "3 missing or doubled: 16 workers, kills". Empty: none."""
    for group in (Group(job.data, workers=1), *groups):
        wrong = runs.wrong_counts(group)
        if wrong > 0:
            return f"{wrong} missing or doubled: {_where(group)}"
    return ""


def _scores(runs: Runs, job: WorkersJob, few: bool) -> Requirement:
    """The name has what was run, and nothing else."""
    metric = metric_of(job)
    allowed = metric.allowed_with(FEW_WORKERS) if few else metric.allowed
    groups = _compared(runs, job, few)
    who = f"up to {FEW_WORKERS} workers" if few else "any number of workers"
    unit = f" {metric.unit}" if metric.unit else ""
    found = Requirement(
        f"{job.title}: {metric.name} with {who}{_what_ran(groups)} at most {allowed:g}{unit} "
        "worse than with one worker"
    )
    one = runs.one(job.data)
    # More workers than those of the base are needed.
    if one is None or all(group.workers == 1 for group in groups):
        return found
    found.found = _wrong_counts(runs, job, groups)
    if found.found:
        return found
    worst, where, astray = -math.inf, "", False
    for group in groups:
        score = runs.score(group)
        astray = astray or score is None
        worse = math.inf if score is None else metric.worse(score, one)
        if worse > worst:
            worst, where = worse, _where(group)
    found.found = f"no result: {where}" if astray else f"{metric.text(worst)} with {where}"
    found.met = worst <= allowed
    return found


def _examples(runs: Runs, job: WorkersJob) -> Requirement:
    found = Requirement(
        f"{job.title}: examples to a given loss with {_MANY} workers at most "
        f"{_MOST_EXAMPLES:g} times those of one"
    )
    one = runs.examples_to_loss(job.data, 1)
    group = Group(job.data, workers=_MANY)
    if not one or not runs.of(group):
        return found
    found.found = _wrong_counts(runs, job, [group])
    if found.found:
        return found
    many = runs.examples_to_loss(job.data, _MANY)
    found.found = "never" if many is None else f"{many / one:.2f} times"
    found.met = many is not None and many <= _MOST_EXAMPLES * one
    return found


def _speeds(runs: Runs, job: WorkersJob) -> List[Requirement]:
    """How fast many workers are together, beside as many single ones; empty: no run
    measured the job's speed."""
    if not runs.counts(job.data, SPEED):
        return []
    speed = Requirement(
        f"{job.title}: {SPEED_WORKERS} workers compute at least {_LEAST_SPEED:g} of the "
        "examples/s of as many single ones"
    )
    waiting = Requirement(
        f"{job.title}: {SPEED_WORKERS} workers wait for less than {100 * _MOST_WAITING:.0f} % of "
        "their time"
    )
    one, many = (
        next(iter(runs.of(Group(job.data, SPEED, workers=workers))), None)
        for workers in (1, SPEED_WORKERS)
    )
    alone = one.rate(SPEED_FROM, SPEED_TO) if one else None
    together = many.rate(SPEED_FROM, SPEED_TO) if many else None
    if many and alone is not None and together is not None:
        single = sum(alone / cases.slowness(i) for i in range(SPEED_WORKERS))
        speed.found = (
            f"{texts.short(together)} examples/s, where one has {texts.short(alone)} and so many "
            f"single ones would have {texts.short(single)}: {together / single:.2f}; the servers "
            f"used {many.server_cores:.2f} of a core"
        )
        speed.met = together >= _LEAST_SPEED * single
    if many:
        waiting.found = f"{100 * many.waited_share:.0f} %"
        waiting.met = many.waited_share < _MOST_WAITING
    return [speed, waiting]
