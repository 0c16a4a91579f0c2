"""The runs of `ebb bench algorithms` about the number of workers: the same job files,
which name only a model and data, with 1 to 200 workers, undisturbed and disturbed."""

import dataclasses
from typing import Any, Dict, List, Optional, Sequence

import cases
from markets import MARKET_HIGH, MARKET_LOW, Trace  # noqa: F401


@dataclasses.dataclass(frozen=True)
class WorkersJob:
    """A job of the section.

    data: names it in flags and figures. metric: a figure of evaluations.
    example_cost: CPU seconds of all daemons for an example, beside that for a batch.
    held_out: no default was chosen by it.
    """

    data: str
    title: str
    file: str
    metric: str
    example_cost: float
    held_out: bool = False


_JOBS = "examples/jobs/workers_"
#: One of the 500 test rows of higgs is 0.2 points of accuracy, so its metric is another.
JOBS = (
    WorkersJob("fashion-softmax", "Fashion-MNIST, softmax regression", f"{_JOBS}softmax.yaml", "accuracy", 900e-9),
    WorkersJob("fashion-perceptron", "Fashion-MNIST, a perceptron", f"{_JOBS}perceptron.yaml", "accuracy", 5500e-9),
    WorkersJob("clicks-fm", "Clicks, a factorisation machine", f"{_JOBS}fm.yaml", "log_loss", 1500e-9),
    WorkersJob("clicks-deepfm", "Clicks, DeepFM", f"{_JOBS}deepfm.yaml", "log_loss", 3000e-9),
    WorkersJob("ratings", "Ratings, matrix factorisation", f"{_JOBS}ratings.yaml", "rmse", 1500e-9),
    WorkersJob("a9a", "a9a, logistic regression", f"{_JOBS}a9a.yaml", "accuracy", 500e-9, True),
    WorkersJob("flights", "Flights of 2013, a perceptron", f"{_JOBS}flights.yaml", "accuracy", 700e-9, True),
    WorkersJob("higgs", "higgs-sample, a perceptron", f"{_JOBS}higgs.yaml", "log_loss", 500e-9, True),
    WorkersJob("agaricus", "agaricus, logistic regression", f"{_JOBS}agaricus.yaml", "log_loss", 500e-9, True),
    WorkersJob("rcv1", "rcv1-small, logistic regression", f"{_JOBS}rcv1.yaml", "log_loss", 500e-9, True),
)


def find_job(data: str) -> Optional[WorkersJob]:
    return next((job for job in JOBS if job.data == data), None)


#: What is compared: the job as it is, the job with as many workers as there are, and
#: plain steps, DynSGD and SSP with as many.
DEFAULT = "default"
VARIANTS = (DEFAULT, "uncapped", "sgd", "dynsgd", "ssp")
#: The runs that measure speed, and the part of such a run that counts: all workers are
#: there.
SPEED, SPEED_WORKERS = "speed", 64
SPEED_FROM, SPEED_TO = 0.4, 0.9
#: What disturbs a run; others are names of recorded traces.
QUIET, KILLS, MARKET, TRACES = "quiet", "kills", "market", "traces"
_COMPARED = ("fashion-softmax", "fashion-perceptron", "clicks-fm")


@dataclasses.dataclass
class WorkersOptions:
    """data: empty stands for all that are not held out. disturbances: TRACES stands for
    all recorded ones. held_out: adds the held-out ones. traces: by name."""

    counts: Sequence[int] = (1, 4, 16, 64, 200)
    seeds: Sequence[int] = (1, 2, 3)
    data: Sequence[str] = ()
    variants: Sequence[str] = VARIANTS
    disturbances: Sequence[str] = (QUIET, KILLS, MARKET, TRACES)
    held_out: bool = False
    traces: Dict[str, Trace] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class WorkersCase:
    """One run. workers: at the start. settings: of the job, "path.to.key=value"."""

    data: str
    variant: str = DEFAULT
    disturbance: str = QUIET
    workers: int = 1
    seed: int = 1
    settings: List[str] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """Unique among all cases, such as "workers-clicks-fm-16-kills-seed-2" or
        "workers-fashion-softmax-dynsgd-64-seed-1"."""
        variant = "" if self.variant == DEFAULT else f"-{self.variant}"
        disturbance = "" if self.disturbance == QUIET else f"-{self.disturbance}"
        return f"workers-{self.data}{variant}-{self.workers}{disturbance}-seed-{self.seed}"


def chosen_jobs(options: WorkersOptions) -> List[WorkersJob]:
    return [
        job
        for job in JOBS
        if (options.held_out or not job.held_out) and (not options.data or job.data in options.data)
    ]


def workers_cases(options: WorkersOptions) -> List[WorkersCase]:
    """Everything, in the order in which it is measured."""
    jobs = chosen_jobs(options)
    made: List[WorkersCase] = []
    for seed in options.seeds:
        for disturbance in (QUIET, KILLS):
            if disturbance not in options.disturbances:
                continue
            for job in jobs:
                for workers in options.counts:
                    if not job.held_out or workers in (1, 16, 64):
                        made.append(_case(job, DEFAULT, disturbance, workers, seed))
        for job in jobs:
            if MARKET in options.disturbances:
                made.append(_case(job, DEFAULT, MARKET, MARKET_LOW, seed))
            if job.held_out or TRACES not in options.disturbances:
                continue
            for name, trace in options.traces.items():
                made.append(_case(job, DEFAULT, name, trace.nodes_at_start, seed))
    if QUIET in options.disturbances:
        made += _variants(options, jobs)
    return made


def _variants(options: WorkersOptions, jobs: Sequence[WorkersJob]) -> List[WorkersCase]:
    """Returns those side by side, undisturbed, with one seed, and those that measure speed."""
    seed = options.seeds[0]
    made = [
        _case(job, variant, QUIET, workers, seed)
        for job in jobs
        if job.data in _COMPARED
        for variant in options.variants
        if variant != DEFAULT  # It is there.
        for workers in (1, 16, 64)
        if workers in options.counts
    ]
    if SPEED_WORKERS in options.counts:
        made += [
            _case(job, SPEED, QUIET, workers, seed)
            for job in jobs
            if job.data == "fashion-softmax"
            for workers in (1, SPEED_WORKERS)
        ]
    return made


def _case(
    job: WorkersJob, variant: str, disturbance: str, workers: int, seed: int
) -> WorkersCase:
    settings = [*_settings_of(variant, workers), f"seed={seed}"]
    # The kills are deliberate: they do not make an item poison.
    if disturbance != QUIET:
        settings.append("quarantine_after=100")
    return WorkersCase(job.data, variant, disturbance, workers, seed, settings)


def _settings_of(variant: str, workers: int) -> List[str]:
    """The default job, as its algorithms' settings change it."""
    if variant == DEFAULT:
        return []
    settings = [f"workers.max={workers}"]
    if variant in ("sgd", "dynsgd"):
        settings.append(f"algorithm.kind={variant}")
    elif variant == "ssp":
        settings += ["consistency.kind=ssp", "consistency.bound=4"]
    return settings


def kill_events(workers: int, at_once: int) -> List[Dict[str, Any]]:
    """So many kills that the workers that compute are hit, though ``workers`` may be more
    than the ``at_once`` that the job takes."""
    computing = min(max(at_once, 1), workers)
    return cases.churn_events(-(-workers // computing))


@dataclasses.dataclass
class BatchPace:
    """The emulated time of a batch follows from this.

    at_once: workers that compute at a time. batches: of the whole job. cost: CPU seconds
    of a batch, in all daemons. runs_for: the least seconds that a run should take.
    cores: processors for it.
    """

    at_once: int = 1
    batches: float = 1
    cost: float = 0
    runs_for: float = 0
    cores: float = 1

    def batch_time(self) -> float:
        """A run takes equally long with any number of workers, and the processors keep up
        with them."""
        alone = max(self.runs_for / max(self.batches, 1.0), self.cost / self.cores)
        return self.at_once * alone
