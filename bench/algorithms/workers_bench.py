"""The section "Workers" of `ebb bench algorithms`, measured."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import data_sets
import ebb_program
import texts
from kept_runs import KeptRun, KeptRuns
from markets import MARKET_HIGH, MARKET_LOW, Trace, read_trace, rising_market
from run_figures import RunFigures
from workers_cases import (
    KILLS, MARKET, SPEED, SPEED_FROM, BatchPace, WorkersCase, WorkersJob, WorkersOptions,
    chosen_jobs, find_job, kill_events, workers_cases)
from workers_page import SectionOptions
from workers_runs import score_of

_SERVERS = 2
_TRACES = ("bamboo-p3", "bamboo-gcp-v100-east1c")
#: CPU seconds of a batch in all daemons, beside that of its examples: a worker that slept
#: finds cold caches.
_BATCH_COST = 1e-3
#: A recorded trace starts many workers, which costs time, too.
_TRACE_SLOWDOWN = 2
#: How many seconds each run that measures speed goes on.
_SPEED_RUN = 30

_CLICKS = "--rows 200000 --test-rows 50000 --fields 6 --vocabulary 20,50,100 --format libffm"
_RATINGS = "--rows 300000 --test-rows 50000 --users 1000 --items 800 --rank 3"
#: Files of ../shared/data that no default was chosen by, after the key of a job that takes
#: their paths.
_PUBLIC = {
    "a9a": ("libsvm.path", "a9a/a9a", "a9a/a9a.t"),
    "agaricus": ("libsvm.path", "agaricus/agaricus.txt.train", "agaricus/agaricus.txt.test"),
    "higgs": (
        "csv.path", "higgs-sample/higgs-sample.train.tsv", "higgs-sample/higgs-sample.test.tsv"),
    "rcv1": (
        "libsvm.path", "rcv1-small/rcv1-small.train.libsvm", "rcv1-small/rcv1-small.test.libsvm"),
}


@dataclasses.dataclass
class WorkersBenchOptions:
    """settings: of every job, "path.to.key=value". runs_for: the least seconds of a run.
    cores: processors for a run."""

    cases: WorkersOptions
    settings: Sequence[str] = ()
    runs_for: float = 15
    cores: float = 1.5
    speed_batch_time: float = 0.12


class WorkersBench:
    """figures: those of the runs so far. skipped: data and traces that this machine lacks."""

    def __init__(self, options: WorkersBenchOptions, kept: KeptRuns) -> None:
        self._options, self._kept = options, kept
        self._data: Dict[str, List[str]] = {}  # Settings that name the data, by its name.
        self.figures: List[RunFigures] = []
        self.skipped: List[str] = []

    def run(self, tell: Callable[[str], None]) -> None:
        """Blocks until all runs are there; ``tell`` hears of each before it begins."""
        cases = dataclasses.replace(self._options.cases, traces=self._traces())
        for job in chosen_jobs(cases):
            found = self._find_data(job.data)
            if found is None:
                self.skipped.append(f"no data for {job.data}: its runs are left out")
            else:
                self._data[job.data] = found
        every = [one for one in workers_cases(cases) if one.data in self._data]
        for i, case in enumerate(every):
            tell(f"{i + 1} of {len(every)}, {case.name}")
            self.figures.append(self._take(case, cases))

    def _find_data(self, data: str) -> Optional[List[str]]:
        """The settings that name the data of a job; None: it is not here."""
        folder = self._kept.folder
        if data in ("fashion-softmax", "fashion-perceptron"):
            fashion = data_sets.fashion_folder()
            if not fashion:
                return None
            return _settings("idx.prefix", f"{fashion}/train", f"{fashion}/t10k")
        if data in ("clicks-fm", "clicks-deepfm"):
            path = data_sets.generated(folder / "workers-clicks", "clicks", _CLICKS.split())
            return _settings("libffm.path", f"{path}.train.ffm", f"{path}.test.ffm")
        if data == "ratings":
            path = data_sets.generated(folder / "workers-ratings", "ratings", _RATINGS.split())
            return _settings("ratings.path", f"{path}.train.csv", f"{path}.test.csv")
        if data == "flights":
            key, train, test = "csv.path", f"{folder}/flights.train.csv", f"{folder}/flights.test.csv"
        else:
            key, train, test = _PUBLIC[data]
            train, test = data_sets.SHARED + train, data_sets.SHARED + test
        there = Path(train).exists() and Path(test).exists()
        return _settings(key, train, test) if there else None

    def _traces(self) -> Dict[str, Trace]:
        """The recorded traces that are here."""
        found = {}
        for name in _TRACES:
            file = Path(f"{data_sets.SHARED}spot/{name}.csv")
            if file.exists():
                found[name] = read_trace(file.read_text(), str(file))
            else:
                self.skipped.append(f"no {file}: its runs are left out")
        return found

    def _take(self, case: WorkersCase, cases: WorkersOptions) -> RunFigures:
        job = find_job(case.data)
        assert job is not None
        kept, at_once = self._prepare(case, job, cases)

        def add(report: Dict[str, Any], figures: RunFigures) -> None:
            figures.data, figures.algorithm = case.data, case.variant
            figures.workers, figures.seed = case.workers, case.seed
            figures.disturbance, figures.at_once = case.disturbance, at_once
            figures.score = score_of(report, job.metric)

        return self._kept.take(kept, add)

    def _prepare(
        self, case: WorkersCase, job: WorkersJob, cases: WorkersOptions
    ) -> "tuple[KeptRun, int]":
        """Returns the run, and the workers that compute at a time, at most."""
        options = self._options
        overrides = [*self._data[case.data], *options.settings, *case.settings]
        plan = _plan_of(job.file, overrides)
        batch, epochs, examples = plan["batch"], plan["epochs"], plan["examples"]
        pace = BatchPace(runs_for=options.runs_for, cores=options.cores)
        peak, events, added = case.workers, [], 0
        trace = rising_market(case.seed) if case.disturbance == MARKET else cases.traces.get(case.disturbance)
        if trace:
            peak, events = trace.peak_nodes, trace.by_progress()
            added = sum("add" in event for event in events)
            if case.disturbance != MARKET:
                pace.runs_for *= _TRACE_SLOWDOWN
                # Evaluations during the trace would be lost again and again with the
                # workers; only the last one counts.
                overrides.append(f"evaluate.every={epochs} epochs")
        pace.at_once = min(peak, plan["max_workers"]) if plan["max_workers"] > 0 else peak
        pace.batches = examples * epochs / batch
        pace.cost = _BATCH_COST + batch * job.example_cost
        if case.disturbance == KILLS:
            events = kill_events(case.workers, pace.at_once)
        batch_time = pace.batch_time()
        if case.variant == SPEED:
            batch_time = options.speed_batch_time
            batches = case.workers * _SPEED_RUN / batch_time
            overrides.append(f"train.epochs={math.ceil(batches * batch / examples)}")
        settings = (
            f"{job.file} {' '.join(overrides)} batch={batch} at_once={pace.at_once} "
            f"batch_time={texts.duration(batch_time)}"
        )
        kept = KeptRun(
            case.name, settings, job.file, overrides, _SERVERS, case.workers, batch, batch_time,
            counts_from=SPEED_FROM if case.variant == SPEED else 0,
            events=events, added=added, most_workers=plan["max_workers"],
            may_end_early=trace is not None, seed=case.seed,
        )
        return kept, pace.at_once

    def section_options(self) -> SectionOptions:
        """For the page."""
        options, cases = self._options, self._options.cases
        command = SectionOptions().command
        for flag, values in (
            ("--data", cases.data),
            ("--counts", cases.counts),
            ("--seeds", cases.seeds),
            ("--set", options.settings),
        ):
            if values:
                command += f" {flag} {' '.join(map(str, values))}"
        command += " --held-out" if cases.held_out else ""
        how = (
            f"Real daemons on one machine, {_SERVERS} servers; every gradient is computed. The job "
            "files name only a model and data, and are the same for every number of workers. Each "
            f"figure is a mean over the seeds {', '.join(map(str, cases.seeds))}. *At a time* is "
            "how many of the workers the job takes (`workers.max`); the others are idle. A batch "
            f"takes a worker so long that a run takes about {texts.duration(options.runs_for)} with "
            "any number of workers and the processors keep up; worker-7, worker-15, ... take three "
            "times as long. Under *kills* workers die or are told to leave at eight moments of the "
            "job, and start again. In the market the number of workers follows the progress of the "
            f"job, from {MARKET_LOW} up to {MARKET_HIGH} and back; they leave without notice. "
            "Recorded traces are squeezed into the run in the same way. *The loss* is the training "
            "loss that one worker has after half of its examples."
        )
        if options.settings:
            how += f" All jobs have these settings: `{' '.join(options.settings)}`."
        return SectionOptions(command, how + "".join(f" Left out: {line}." for line in self.skipped))


def _settings(key: str, train: str, test: str) -> List[str]:
    """A pair of files, as settings of a job."""
    return [f"data.train.{key}={train}", f"data.test.{key}={test}"]


def _plan_of(file: str, overrides: Sequence[str]) -> Dict[str, int]:
    """Asks `ebb job check` what ebb chooses for the job."""
    words = [word for one in overrides for word in ("--set", one)]
    plan: Dict[str, int] = json.loads(ebb_program.call("job", "check", file, *words, "--json"))["plan"]
    return plan
