"""Reads how the rate changes: words of a job file, or a scheduler of PyTorch.

The rate of a job is a function of the position in the data. A scheduler is
therefore run once, at submission, on a copy, and its rates become a table.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings
import weakref
from typing import Any, Dict, List, Mapping, Optional, Tuple

import torch

from ebb.errors import Refused

_MOST_POINTS = 4096
_MOST_STEPS = 1_000_000
#: How far the table may be from the scheduler, as a share of the largest rate.
_NEAREST, _FARTHEST = 1e-6, 1e-3
#: Schedulers whose documentation says how often to call ``step()``.
_BY_BATCH = (torch.optim.lr_scheduler.OneCycleLR, torch.optim.lr_scheduler.CyclicLR)
_NO_SETTINGS = ("params", "lr", "initial_lr")


@dataclasses.dataclass(frozen=True)
class Plan:
    """The batches of a job, as far as they are known at submission."""

    epochs: int
    batch: int
    examples: int

    @property
    def batches(self) -> int:
        """How many batches an epoch has."""
        return -(-self.examples // self.batch)

    def position(self, update: int) -> float:
        """Returns where the middle of a batch is, in epochs."""
        epoch, number = divmod(update, self.batches)
        begin = number * self.batch
        end = min(begin + self.batch, self.examples)
        return epoch + (begin + end) / 2 / self.examples


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A schedule of the servers."""

    #: The key ``optimizer.schedule`` of the job file.
    settings: Dict[str, Any]
    #: The rate of each parameter group on which the factors are based. Absent:
    #: as the optimizer says.
    rates: Optional[List[float]] = None


def read(
    schedule: Any, optimizer: Any, every: Optional[str], plan: Optional[Plan]
) -> Schedule:
    """Returns what the servers do. Raises Refused.

    every: "epoch" or "batch", after which the plain loop calls
        ``scheduler.step()``.
    plan: absent if the caller does not know it.
    """
    if every not in (None, "epoch", "batch"):
        raise Refused(f'schedule_every={every!r}: "epoch" or "batch"')
    if isinstance(schedule, str):
        return Schedule({"kind": schedule})
    if isinstance(schedule, Mapping):
        return Schedule(dict(schedule))
    name = type(schedule).__name__
    _check_kind(schedule, name, optimizer)
    if type(schedule) is torch.optim.lr_scheduler.StepLR and every != "batch":
        every = "epoch"
        if schedule.last_epoch == 0:
            return Schedule(
                {"kind": "step", "step_epochs": schedule.step_size, "factor": schedule.gamma}
            )
    if isinstance(schedule, _BY_BATCH):
        every = every or "batch"
    if every is None:
        raise Refused(
            f"schedule: how often does your loop call step() of the {name}?",
            'schedule_every="epoch" or schedule_every="batch"',
        )
    if plan is None:
        raise Refused(
            f"schedule: the {name} runs once over all batches of the job, and neither epochs "
            "nor batch are known",
            "give epochs= and batch=, as the job has them",
        )
    steps = plan.epochs if every == "epoch" else plan.epochs * plan.batches
    if steps > _MOST_STEPS:
        raise Refused(
            f"schedule: {steps} steps of the {name} are more than {_MOST_STEPS}",
            'schedule_every="epoch", or the words of the job file: {"kind": "cosine"}',
        )
    rates, factors = _factors(_run(schedule, steps), name)
    if every == "epoch":
        # It jumps where an epoch ends.
        points = [
            (float(epoch + edge), factor)
            for epoch, factor in enumerate(factors)
            for edge in (0, 1)
        ]
    else:
        points = [(plan.position(i), factor) for i, factor in enumerate(factors)]
    points = _thinned(points, name)
    return Schedule(
        {
            "kind": "table",
            "at": [round(position, 9) for position, _ in points],
            "factors": [round(factor, 9) for _, factor in points],
        },
        rates,
    )


def _check_kind(schedule: Any, name: str, optimizer: Any) -> None:
    if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
        raise Refused(
            "schedule: ReduceLROnPlateau follows a figure of the run, and the servers' rate is "
            "a function of the position in the data",
            'another scheduler, or schedule={"kind": "cosine"}',
        )
    theirs = getattr(schedule, "optimizer", None)
    if not callable(getattr(schedule, "step", None)) or theirs is None:
        raise Refused(
            f"schedule: {name} is not on the servers",
            'a scheduler of PyTorch, or in the words of the job file: schedule={"kind": '
            '"cosine", "warm_up_epochs": 1}',
        )
    if theirs is not optimizer:
        raise Refused(
            f"schedule: the {name} is one of another optimizer",
            "make it of the optimizer that is given as optimizer=",
        )


def _run(schedule: Any, steps: int) -> List[List[float]]:
    """Returns the rates of all groups at each step; the scheduler stays as it is."""
    kept = {
        id(parameter): parameter
        for group in schedule.optimizer.param_groups
        for parameter in group["params"]
    }
    kept.update((id(reference), reference) for reference in _references(schedule))
    name = type(schedule).__name__
    try:
        ours = copy.deepcopy(schedule, kept)  # Not the parameters.
    except Exception as error:
        raise Refused(
            f"schedule: the {name} cannot be copied ({type(error).__name__}: {error}), and ebb runs "
            "a copy of it once",
            "functions of a module in the place of what cannot be copied, or the words of a job "
            'file: {"kind": "cosine"}',
        ) from error
    groups = ours.optimizer.param_groups
    others = _others(groups)
    made = []
    with warnings.catch_warnings():
        # They expect optimizer.step() before each of theirs.
        warnings.simplefilter("ignore")
        for step in range(steps):
            if step > 0:
                _step(ours, step, name)
            made.append([float(group["lr"]) for group in groups])
            if _others(groups) != others:
                raise Refused(
                    f"schedule: {name} changes more than the rate, which "
                    "the servers cannot",
                    "cycle_momentum=False",
                )
    return made


def _step(schedule: Any, step: int, name: str) -> None:
    try:
        schedule.step()
    except Exception as error:
        raise Refused(
            f"schedule: step {step} of the {name} fails ({type(error).__name__}: {error})",
            "make it for as many steps as the job has: epochs, or batches of all epochs",
        ) from error


def _references(schedule: Any) -> List[Any]:
    """Returns weak references within a scheduler, such as those of CyclicLR.

    They are to functions of its own, which the copy may call, and cannot be copied.
    """
    found: List[Any] = []
    for value in vars(schedule).values():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, weakref.ref):
                found.append(one)
            elif hasattr(one, "last_epoch") and callable(getattr(one, "step", None)):
                found += _references(one)
    return found


def _others(groups: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    return [{k: v for k, v in group.items() if k not in _NO_SETTINGS} for group in groups]


def _factors(rates: List[List[float]], name: str) -> Tuple[List[float], List[float]]:
    """Returns the largest rate of each group, and the share of it at each step."""
    if not all(math.isfinite(rate) and rate >= 0 for step in rates for rate in step):
        raise Refused(f"schedule: the {name} makes a rate below 0, or none that is finite")
    largest = [max(group) for group in zip(*rates)]
    if not all(rate > 0 for rate in largest):
        raise Refused(f"schedule: the {name} leaves a group of parameters at a rate of 0")
    factors = [step[0] / largest[0] for step in rates]
    for group, most in enumerate(largest):
        if any(abs(step[group] / most - f) > 1e-6 for step, f in zip(rates, factors)):
            raise Refused(
                f"schedule: the {name} gives groups of parameters different schedules, and "
                "the servers' is one for all",
                "one function for all groups, whose lr may differ",
            )
    return largest, factors


def _thinned(points: List[Tuple[float, float]], name: str) -> List[Tuple[float, float]]:
    """Leaves out points that lie on a line between others, as nearly as it can."""
    error = _NEAREST
    while error <= _FARTHEST:
        thin = _on_lines(points, error)
        if len(thin) <= _MOST_POINTS:
            return thin
        error *= 4
    raise Refused(
        f"schedule: the {name} changes the rate too often for a table of {_MOST_POINTS} positions",
        'schedule_every="epoch", or a smoother one',
    )


def _on_lines(points: List[Tuple[float, float]], error: float) -> List[Tuple[float, float]]:
    kept = [points[0]]
    least, most = -math.inf, math.inf  # Slopes from the last that is kept.
    end = points[0]
    for point in points[1:]:
        run = point[0] - kept[-1][0]
        slope = (point[1] - kept[-1][1]) / run if run > 0 else math.nan
        if not least <= slope <= most:
            if end != kept[-1]:
                kept.append(end)
            run = point[0] - end[0]
            least, most = -math.inf, math.inf
            if run <= 0:  # A jump.
                if point != end:
                    kept.append(point)
                end = point
                continue
        least = max(least, (point[1] - error - kept[-1][1]) / run)
        most = min(most, (point[1] + error - kept[-1][1]) / run)
        end = point
    if end != kept[-1]:
        kept.append(end)
    return kept
