"""The runs of `ebb bench algorithms`: each algorithm on two jobs, with more and more
workers, and while workers come and go."""

import dataclasses
import math
from typing import Any, Dict, List, Sequence

#: The data of the two jobs: one with dense tables only, one with sparse ones.
DENSE, SPARSE = "fashion", "clicks"
#: Batches of a push, for algorithms that push now and then.
_PERIOD = 4
#: How long a worker that is told to leave may take.
GRACE = "20s"


@dataclasses.dataclass
class CaseOptions:
    workers: Sequence[int] = (1, 2, 4, 8, 16)
    batch: int = 64  # Examples of a batch.
    #: Least time of a batch, in seconds, as there are more workers than cores.
    batch_time: float = 0.04
    epochs: str = "2"  # Epochs of the dense job ...
    passes: str = "1"  # ... and of the sparse one.
    rate: float = 0.05  # Rate of plain SGD, dense.


@dataclasses.dataclass
class Case:
    """One run.

    algorithm: its name on the page, such as "ssp" or "adag".
    period: batches of a push, if runs with several values are compared; or 0.
    settings: of the job, "path.to.key=value".
    """

    data: str
    algorithm: str
    workers: int = 1
    period: int = 0
    churn: bool = False
    backup_tasks: bool = True
    settings: List[str] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """Unique among all cases, such as "fashion-adag-8-every-64" or "clicks-asp-8-churn"."""
        every = f"-every-{self.period}" if self.period else ""
        return f"{self.data}-{self.algorithm}-{self.workers}{every}{'-churn' if self.churn else ''}"


def all_cases(options: CaseOptions) -> List[Case]:
    """Everything, in the order in which it is measured: first what the page has most
    to say about."""
    compared = compared_workers(options)
    quiet, churn = _Maker(options, compared, False), _Maker(options, compared, True)
    every = [*quiet.dense(), *quiet.sparse(), *churn.dense(), *churn.sparse(), *quiet.long_periods()]
    # Few workers take longest.
    for workers in sorted((one for one in options.workers if one != compared), reverse=True):
        maker = _Maker(options, workers, False)
        every += [*maker.dense(), *maker.sparse()]
    return every


def compared_workers(options: CaseOptions) -> int:
    """Workers of the disturbed runs and of those with other periods: 8 if the options
    have it, else the most."""
    return 8 if 8 in options.workers else max(options.workers)


def slowness(worker: int) -> int:
    """The batch time of a worker, as a multiple of the others'.

    One of eight is three times slower: worker-7, worker-15, ...
    """
    return 3 if worker % 8 == 7 else 1


def churn_events(at_once: int = 1) -> List[Dict[str, Any]]:
    """Events of a scenario: workers are killed and told to leave, and come back.

    It happens at eight moments of the job's progress, to ``at_once`` each time.
    """
    events: List[Dict[str, Any]] = []
    for percent in (15, 30, 45, 60, 75):
        events += [{"at": f"{percent}%", "kill": "worker"}] * at_once
    for percent in (20, 40, 70):
        events += [{"at": f"{percent}%", "terminate": "worker", "grace": GRACE}] * at_once
    return events


def _item_batches(period: int) -> int:
    """Items of at least ten pushes, or two of a long period: a copy of elastic averaging
    lives for one."""
    return max(10 * _PERIOD, 2 * period)


class _Maker:
    """Makes the cases of one kind of run."""

    def __init__(self, options: CaseOptions, workers: int, churn: bool) -> None:
        self._options, self._workers, self._churn = options, workers, churn

    def dense(self) -> List[Case]:
        cases = [
            self._case(DENSE, "asp", _plain()),
            self._case(DENSE, "ssp", _plain("consistency.kind=ssp", "consistency.bound=4")),
            self._case(DENSE, "bsp", _plain("consistency.kind=bsp")),
            self._case(DENSE, "rounds", self._rounds()),
            self._case(DENSE, "rounds+backup", self._rounds()),
            self._case(DENSE, "staleness_aware", ["algorithm.kind=staleness_aware"]),
            self._case(DENSE, "dynsgd", ["algorithm.kind=dynsgd"]),
            self._case(DENSE, "downpour", self._accumulated("downpour", _PERIOD)),
            self._case(DENSE, "adag", self._accumulated("adag", _PERIOD)),
            self._case(DENSE, "local_sgd", self._local_sgd()),
            self._case(DENSE, "diloco", self._diloco()),
            self._case(DENSE, "aeasgd", self._elastic("aeasgd", _PERIOD)),
            self._case(DENSE, "eamsgd", self._elastic("eamsgd", _PERIOD)),
        ]
        cases[3].backup_tasks = False
        return cases

    def sparse(self) -> List[Case]:
        return [
            self._case(SPARSE, "asp", _plain()),
            self._case(SPARSE, "ssp", _plain("consistency.kind=ssp", "consistency.bound=4")),
            self._case(SPARSE, "bsp", _plain("consistency.kind=bsp")),
            self._case(SPARSE, "staleness_aware", ["algorithm.kind=staleness_aware"]),
            self._case(SPARSE, "dynsgd", ["algorithm.kind=dynsgd"]),
            self._case(SPARSE, "downpour", self._sparse_runs("downpour")),
            self._case(SPARSE, "adag", self._sparse_runs("adag")),
            # Its workers step by plain SGD, and push their part of all workers.
            self._case(
                SPARSE, "geo", [*self._sparse_runs("geo"), "optimizer.kind=sgd", "optimizer.rate=0.5"]
            ),
        ]

    def long_periods(self) -> List[Case]:
        """Returns those beside the runs with the usual period."""
        cases = []
        for period in (4 * _PERIOD, 16 * _PERIOD):
            made = [
                self._case(DENSE, "downpour", self._accumulated("downpour", period)),
                self._case(DENSE, "adag", self._accumulated("adag", period)),
                self._case(DENSE, "aeasgd", self._elastic("aeasgd", period)),
            ]
            for case in made:
                case.period = period
            cases += made
        return cases

    def _case(self, data: str, algorithm: str, settings: List[str]) -> Case:
        options = self._options
        every = [f"train.batch={options.batch}", f"workers.max={self._workers}"]
        if data == DENSE:
            every += [f"train.epochs={options.epochs}", f"optimizer.rate={options.rate:g}"]
        else:
            every.append(f"train.epochs={options.passes}")
        every.append(f"train.item_examples={10 * options.batch}")
        # The kills are deliberate: they do not make an item poison.
        if self._churn:
            every.append("quarantine_after=100")
        return Case(data, algorithm, self._workers, 0, self._churn, True, every + settings)

    def _rounds(self) -> List[str]:
        """Two batches of each worker; the rate grows with the root of what a step is made of."""
        batches = 2 * self._workers
        return [
            "consistency.kind=rounds",
            f"consistency.examples={batches * self._options.batch}",
            "consistency.rounds_in_memory=64",
            "checkpoint.every=1s",
            f"train.item_examples={2 * self._options.batch}",
            f"optimizer.rate={self._options.rate * math.sqrt(batches):g}",
        ]

    def _local_sgd(self) -> List[str]:
        return [
            "algorithm.kind=local_sgd",
            "consistency.kind=rounds",
            f"consistency.examples={10 * self._workers * self._options.batch}",
            "consistency.rounds_in_memory=16",
            "checkpoint.every=1s",
        ]

    def _diloco(self) -> List[str]:
        """Items are runs of ten batches; the optimizer is the servers'."""
        return [
            "algorithm={kind: diloco, inner: {kind: adamw, rate: 0.001}, period: 10}",
            "optimizer={}",
            *self._local_sgd()[1:],
        ]

    def _accumulated(self, kind: str, period: int) -> List[str]:
        settings = [
            f"algorithm.kind={kind}",
            f"algorithm.push_every={period}",
            f"algorithm.local_rate={self._options.rate:g}",
            f"train.item_examples={_item_batches(period) * self._options.batch}",
        ]
        if kind == "downpour":
            settings += ["optimizer.kind=adagrad", "optimizer.rate=0.01"]
        return settings

    def _sparse_runs(self, kind: str) -> List[str]:
        """Settings of the sparse job, whose servers have Adagrad."""
        return [
            f"algorithm.kind={kind}",
            f"algorithm.push_every={_PERIOD}",
            f"train.item_examples={_item_batches(_PERIOD) * self._options.batch}",
        ]

    def _elastic(self, kind: str, period: int) -> List[str]:
        settings = [
            f"algorithm.kind={kind}",
            f"algorithm.push_every={period}",
            f"train.item_examples={_item_batches(period) * self._options.batch}",
        ]
        if kind == "eamsgd":  # Momentum makes ten steps of one.
            settings += ["algorithm.momentum=0.9", f"optimizer.rate={self._options.rate / 10:g}"]
        return settings


def _plain(*settings: str) -> List[str]:
    """Steps that do not mind how late they come."""
    return [*settings, "algorithm.kind=sgd"]
