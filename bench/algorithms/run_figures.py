"""The stored result of a run of `ebb bench algorithms`."""

import dataclasses
import json
from typing import Dict, List, NamedTuple, Optional, Sequence

import texts


class LossPoint(NamedTuple):
    """The loss of the training at a moment: the mean over its latest examples."""

    seconds: float  # Since the first example was computed.
    examples: int
    loss: float


@dataclasses.dataclass
class RunFigures:
    """data, algorithm, workers, period, churn: which case it is (cases.py).

    - disturbance, seed: only in the section about workers: what disturbs the run ("quiet",
      "kills", "market", the name of a trace), and the job's seed.
    - at_once: workers that the job takes at a time.
    - settings: all that decides about the run, in one line.
    - seconds: until all examples were counted. took_seconds: the whole run, with its start.
    - bytes: those of values, pulled and pushed.
    - worker_seconds, waited_seconds: until nine tenths of the examples were counted, the
      time of all workers together, and the part of it in which they did not compute.
    - accuracy, test_loss, score: on the test data, at the end; the last is the job's metric.
    - staleness, staleness_p99: in updates, the mean and what 99 % do not exceed.
    - server_cores: CPU time of the servers in a second of training.
    - failure: the error that stopped it; empty: none.
    """

    data: str = ""
    algorithm: str = ""
    workers: int = 0
    period: int = 0
    churn: bool = False
    disturbance: str = ""
    seed: int = 0
    at_once: int = 0
    settings: str = ""
    machine: str = ""
    build: str = ""
    commit: str = ""
    measured: str = ""
    seconds: float = 0
    took_seconds: float = 0
    examples: int = 0
    bytes: int = 0
    worker_seconds: float = 0
    waited_seconds: float = 0
    accuracy: Optional[float] = None
    test_loss: Optional[float] = None
    score: Optional[float] = None
    staleness: Optional[float] = None
    staleness_p99: int = 0
    recomputed: int = 0
    missing: int = 0
    doubled: int = 0
    restarts: int = 0
    cpu_seconds: float = 0
    server_cores: float = 0
    failure: str = ""
    curve: List[LossPoint] = dataclasses.field(default_factory=list)

    def reached(self, loss: float) -> Optional[LossPoint]:
        """The first point with this loss; None: it was not reached."""
        return next((point for point in self.curve if point.loss <= loss), None)

    def loss_at(self, share: float) -> Optional[float]:
        """The loss at this share of the examples; None: there is no curve."""
        if not self.curve:
            return None
        wanted = share * self.examples
        return next((p.loss for p in self.curve if p.examples >= wanted), self.curve[-1].loss)

    def rate(self, low: float, high: float) -> Optional[float]:
        """Examples per second between two shares of the examples.

        None: the curve has too few points.
        """
        between = [p for p in self.curve if low <= p.examples / self.examples <= high]
        if not between or between[-1].seconds <= between[0].seconds:
            return None
        first, last = between[0], between[-1]
        return (last.examples - first.examples) / (last.seconds - first.seconds)

    @property
    def waited_share(self) -> float:
        return self.waited_seconds / self.worker_seconds if self.worker_seconds > 0 else 0

    def as_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"


def read(text: str) -> RunFigures:
    """Raises ValueError if it is none."""
    found: Dict[str, object] = json.loads(text)
    if not isinstance(found, dict) or not found.get("data") or not found.get("algorithm"):
        raise ValueError("it names no run")
    known = {field.name for field in dataclasses.fields(RunFigures)}
    figures = RunFigures(**{name: found[name] for name in known & found.keys()})  # type: ignore[arg-type]
    if any(len(point) != 3 for point in figures.curve):
        raise ValueError("its curve is none")
    figures.curve = [LossPoint(*point) for point in figures.curve]
    return figures


def where_they_ran(every: Sequence[RunFigures]) -> str:
    """The machine, build, commits and times of the runs, in a line; empty: there are none."""
    if not every:
        return ""
    commits = ", ".join(sorted({one.commit for one in every}))
    together = texts.took(sum(one.took_seconds for one in every))
    times = [one.measured for one in every]
    return (
        f"Machine: {every[0].machine}; build {every[0].build}; commit {commits}; "
        f"{len(every)} runs of {together} together, {min(times)} to {max(times)}.\n"
    )
