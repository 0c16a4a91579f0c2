"""Looks in the runs for what the papers say."""

import dataclasses
from typing import List, Optional, Sequence, Tuple

from cases import DENSE
from run_figures import RunFigures

#: A clear difference of accuracies: less is chance between runs.
_CLEAR = 0.02


@dataclasses.dataclass(frozen=True)
class PageJob:
    """A job of the page.

    data: of the figures. target_loss: the training loss to which time is measured.
    """

    data: str
    title: str
    target_loss: float


@dataclasses.dataclass(frozen=True)
class Effect:
    """An effect that the papers predict, and whether these runs show it.

    found: in figures; empty: these runs do not tell.
    """

    name: str
    found: str = ""
    seen: bool = False


def known_effects(
    every: Sequence[RunFigures], jobs: Sequence[PageJob], compared_workers: int
) -> List[Effect]:
    """The effects among the runs that are there."""
    look = _Look(every, compared_workers)
    effects = [
        look.staleness("dynsgd", "Jiang et al. 2017"),
        look.staleness("staleness_aware", "Zhang et al. 2016"),
        look.staleness("adag", "Hermans 2017"),
        look.periods("downpour"),
        look.periods("adag"),
    ]
    for job in jobs:
        effects += [look.waiting(job), look.convergence(job)]
    backups = sorted({compared_workers, look.fewest_and_most()[1]})
    return effects + [look.backups(workers) for workers in backups]


class _Look:
    def __init__(self, every: Sequence[RunFigures], compared_workers: int) -> None:
        self._all, self._workers = every, compared_workers

    def fewest_and_most(self) -> Tuple[int, int]:
        """Workers of the dense job, undisturbed."""
        counts = [
            one.workers
            for one in self._all
            if one.data == DENSE and not one.churn and one.period == 0
        ]
        return min(counts, default=0), max(counts, default=0)

    def _find(
        self, data: str, algorithm: str, workers: int, period: int = 0
    ) -> Optional[RunFigures]:
        """The undisturbed run; None: there is none."""
        wanted = (data, algorithm, workers, period, False)
        return next(
            (
                one
                for one in self._all
                if (one.data, one.algorithm, one.workers, one.period, one.churn) == wanted
            ),
            None,
        )

    def staleness(self, holds: str, source: str) -> Effect:
        few, many = self.fewest_and_most()
        name = f"Plain asynchronous SGD degrades with staleness, {holds} does less ({source})"
        asp = _fall(self._find(DENSE, "asp", few), self._find(DENSE, "asp", many))
        other = _fall(self._find(DENSE, holds, few), self._find(DENSE, holds, many))
        if asp is None or other is None or few == many:
            return Effect(name)
        found = f"accuracy, with {few} and with {many} workers: {asp.text}, {other.text}"
        return Effect(name, found, asp.by > _CLEAR and asp.by - other.by > _CLEAR)

    def periods(self, other: str) -> Effect:
        name = f"Elastic averaging tolerates long periods, {other} does less (Zhang et al. 2015)"
        longest = max((one.period for one in self._all if one.data == DENSE), default=0)
        elastic, plain = (
            _fall(
                self._find(DENSE, algorithm, self._workers),
                self._find(DENSE, algorithm, self._workers, longest),
            )
            for algorithm in ("aeasgd", other)
        )
        if elastic is None or plain is None or longest == 0:
            return Effect(name)
        found = f"accuracy, with a push in 4 and in {longest} batches: {elastic.text}, {plain.text}"
        return Effect(name, found, plain.by - elastic.by > _CLEAR)

    def waiting(self, job: PageJob) -> Effect:
        name = f"SSP waits more than ASP and less than BSP, {job.data} (Ho et al. 2013)"
        runs = [self._find(job.data, one, self._workers) for one in ("asp", "ssp", "bsp")]
        shares = [run.waited_share for run in runs if run is not None]
        if len(shares) < 3:
            return Effect(name)
        asp, ssp, bsp = shares
        found = f"asp {100 * asp:.0f} %, ssp {100 * ssp:.0f} %, bsp {100 * bsp:.0f} % of the workers' time"
        return Effect(name, found, asp < ssp < bsp)

    def convergence(self, job: PageJob) -> Effect:
        name = f"SSP needs fewer examples than ASP and more than BSP, {job.data} (Ho et al. 2013)"
        runs = [self._find(job.data, one, self._workers) for one in ("asp", "ssp", "bsp")]
        points = [run.reached(job.target_loss) if run else None for run in runs]
        asp, ssp, bsp = (point.examples if point else None for point in points)
        if runs[0] is None or not ssp or not bsp:
            return Effect(name)
        found = f"asp {asp or '(never)'}, ssp {ssp}, bsp {bsp} examples to a loss of {job.target_loss:g}"
        return Effect(name, found, (not asp or ssp < asp) and bsp < ssp)

    def backups(self, workers: int) -> Effect:
        name = f"Backup tasks shorten rounds with slow workers, {workers} workers (Chen et al. 2016)"
        without = self._find(DENSE, "rounds", workers)
        beside = self._find(DENSE, "rounds+backup", workers)
        if without is None or beside is None:
            return Effect(name)
        found = f"{without.seconds:.1f} s without, {beside.seconds:.1f} s with them"
        return Effect(name, found, beside.seconds < 0.95 * without.seconds)


@dataclasses.dataclass(frozen=True)
class _Fall:
    by: float
    text: str


def _fall(before: Optional[RunFigures], after: Optional[RunFigures]) -> Optional[_Fall]:
    """By how much the accuracy falls between two runs; None: it is not known of both."""
    if before is None or after is None or before.accuracy is None or after.accuracy is None:
        return None
    text = f"{after.algorithm} from {before.accuracy:.3f} to {after.accuracy:.3f}"
    return _Fall(before.accuracy - after.accuracy, text)
