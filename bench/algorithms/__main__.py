"""Compares the distributed algorithms; `ebb bench algorithms` starts it."""

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import List

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "command"), str(HERE.parent / "pages")]

import algorithms_images  # noqa: E402
import algorithms_page  # noqa: E402
import cases  # noqa: E402
import data_sets  # noqa: E402
import main_program  # noqa: E402
import options  # noqa: E402
import page_writer  # noqa: E402
import texts  # noqa: E402
import workers_page  # noqa: E402
from effects import PageJob  # noqa: E402
from kept_runs import KeptRun, KeptRuns  # noqa: E402
from run_figures import RunFigures  # noqa: E402
from workers_bench import WorkersBench, WorkersBenchOptions  # noqa: E402
from workers_cases import JOBS, KILLS, QUIET, VARIANTS, WorkersOptions  # noqa: E402

_DENSE_JOB = "examples/jobs/algorithms_fashion.yaml"
_SPARSE_JOB = "examples/jobs/algorithms_clicks.yaml"
_CLICKS = "--rows 60000 --test-rows 10000 --vocabulary 10,100,1000,10000 --rank 0 --interactions 0"
_SERVERS = 2
_MOST_WORKERS = 256
#: The names of the page's two parts for --only.
_ALGORITHMS, _WORKERS = "algorithms", "workers"

_MORE = """\
Runs each algorithm with more and more workers, and under churn. The gradients are
real; batches take a while, as there are more workers than cores. Figures of finished
runs are kept, so an interrupted benchmark goes on.
Examples:
  ebb bench algorithms --only algorithms --workers 1 8
  ebb bench algorithms --only workers --data ratings --counts 1 16"""


def _flags() -> argparse.Namespace:
    defaults, workers = cases.CaseOptions(), WorkersOptions()
    parser = options.Parser("ebb bench algorithms", "Compares the distributed algorithms", _MORE)
    add = parser.add_argument
    add("--quick", action="store_true",
        help="only print a rough result: 8 workers, one pass over the data, batches of 20 ms; 1 and "
        "16 for section workers")
    add("--folder", type=Path, default=Path("runs/algorithms"),
        help="folder that keeps the figures (%(default)s)")
    add("--page", type=Path, default=Path("docs/measured/algorithms.md"),
        help="page to write; its charts go to images/ (%(default)s)")
    add("--workers", nargs="+", type=options.within(1, _MOST_WORKERS), default=defaults.workers,
        help="numbers of workers to run with (1 2 4 8 16)")
    add("--batch", type=options.within(1, 1 << 16), default=defaults.batch,
        help="examples in a batch (%(default)s)")
    add("--batch-time", type=options.seconds, default=defaults.batch_time,
        help="least time of a batch, as there are more workers than cores (40ms)")
    add("--epochs", default=defaults.epochs, help="epochs of the dense job (%(default)s)")
    add("--sparse-epochs", default=defaults.passes, help="epochs of the sparse job (%(default)s)")
    add("--rate", type=float, default=defaults.rate, help="learning rate of plain SGD (%(default)s)")
    add("--targets", nargs=2, type=float, default=[0.7, 0.53],
        help="training losses of the two jobs: measures the times to reach them (0.7 0.53)")
    every = dict.fromkeys(one.algorithm for one in cases.all_cases(cases.CaseOptions(workers=(1,))))
    names = [*every, _ALGORITHMS, _WORKERS]
    add("--only", nargs="+", choices=names, default=[], metavar="NAME",
        help=f"run only these ({', '.join(names)})")
    add("--job", default=_DENSE_JOB, help="the dense job (%(default)s)")
    add("--sparse-job", default=_SPARSE_JOB, help="the sparse job (%(default)s)")
    add = parser.add_argument_group("Section workers").add_argument
    data = [job.data for job in JOBS]
    add("--data", nargs="+", choices=data, default=[], metavar="NAME",
        help=f"run only these jobs ({', '.join(data)})")
    add("--counts", nargs="+", type=options.within(1, _MOST_WORKERS), default=workers.counts,
        help="numbers of workers to run with (1 4 16 64 200)")
    add("--seeds", nargs="+", type=options.within(1, 1 << 31), default=workers.seeds,
        help="seeds of the jobs (1 2 3)")
    add("--variants", nargs="+", choices=VARIANTS, default=VARIANTS, metavar="NAME",
        help=f"what runs beside the default job ({' '.join(VARIANTS)})")
    add("--disturbances", nargs="+", choices=workers.disturbances, default=workers.disturbances,
        metavar="NAME", help=f"what happens to the workers ({' '.join(workers.disturbances)})")
    add("--held-out", action="store_true",
        help="run also on the data sets that no default was chosen by")
    add("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="settings of all its jobs, such as train.epochs=1")
    add("--run-time", type=options.seconds, default=15.0, help="least time of a run (15s)")
    add("--speed-batch-time", type=options.seconds, default=0.12,
        help="time of a batch where speed is measured (120ms)")
    add("--cores", type=options.within(0.01, 1e6, float), default=1.5,
        help="processors that a run may use (%(default)s)")
    flags = parser.parse_args()
    if flags.quick:
        flags.workers, flags.epochs, flags.batch_time = [8], "1", 0.02
        flags.seeds, flags.counts, flags.disturbances = [1], [1, 16], [QUIET, KILLS]
        flags.run_time = 5.0
    return flags


class _Bench:
    def __init__(self, flags: argparse.Namespace) -> None:
        self._flags = flags
        self._cases = cases.CaseOptions(
            flags.workers, flags.batch, flags.batch_time, flags.epochs, flags.sparse_epochs, flags.rate
        )
        self._kept = KeptRuns(flags.folder, "quick-" if flags.quick else "")
        workers = WorkersOptions(
            flags.counts, flags.seeds, flags.data, flags.variants, flags.disturbances, flags.held_out
        )
        self._workers = WorkersBench(
            WorkersBenchOptions(workers, flags.set, flags.run_time, flags.cores, flags.speed_batch_time),
            self._kept,
        )
        self._with_workers = not flags.only or _WORKERS in flags.only
        self._with_algorithms = not flags.only or any(one != _WORKERS for one in flags.only)
        self._begun = time.monotonic()
        self._all: List[RunFigures] = []

    def run(self) -> int:
        flags = self._flags
        self._kept.check()
        if not flags.quick:
            page_writer.check(flags.page)
        print(options.where_line(), file=sys.stderr, flush=True)
        if self._with_algorithms:
            self._run_algorithms()
        if self._with_workers:
            self._workers.run(self._tell)
            for line in self._workers.skipped:
                print(f"ebb: {line}", file=sys.stderr)
        options.tell("")
        page = self._page_options()
        print(
            algorithms_page.terminal_text(self._all, page)
            + workers_page.terminal_text(self._workers.figures),
            end="",
        )
        if not flags.quick:
            self._write(page)
            print(f"written: {flags.page}")
        wrong = sum(one.missing + one.doubled for one in [*self._all, *self._workers.figures])
        if wrong:
            print(f"ebb: the audits found {texts.count(wrong, 'example')} missing or doubled", file=sys.stderr)
        return 1 if wrong else 0

    def _tell(self, text: str) -> None:
        options.tell(f"{text}; {texts.took(time.monotonic() - self._begun)}")

    def _run_algorithms(self) -> None:
        flags = self._flags
        data = self._find_data()
        chosen = cases.all_cases(self._cases)
        if flags.only and _ALGORITHMS not in flags.only:
            chosen = [one for one in chosen if one.algorithm in flags.only]
        for i, case in enumerate(chosen):
            self._tell(f"{i + 1} of {len(chosen)}, {case.name}")
            self._all.append(self._take(case, data[case.data]))

    def _find_data(self) -> "dict[str, List[str]]":
        """The data of the jobs that are ebb's own, where this machine has it."""
        dense, sparse = [], []
        if self._flags.job == _DENSE_JOB:
            fashion = data_sets.fashion_folder()
            if not fashion:
                raise FileNotFoundError(data_sets.NO_FASHION)
            dense = [f"data.train.idx.prefix={fashion}/train", f"data.test.idx.prefix={fashion}/t10k"]
        if self._flags.sparse_job == _SPARSE_JOB:
            clicks = data_sets.generated(self._flags.folder / "clicks", "clicks", _CLICKS.split())
            sparse = [
                f"data.train.libsvm.path={clicks}.train.libsvm",
                f"data.test.libsvm.path={clicks}.test.libsvm",
            ]
        return {cases.DENSE: dense, cases.SPARSE: sparse}

    def _take(self, case: cases.Case, data: List[str]) -> RunFigures:
        job = self._flags.job if case.data == cases.DENSE else self._flags.sparse_job
        settings = f"{job} {' '.join(case.settings)} batch_time={texts.duration(self._cases.batch_time)}"
        settings += "" if case.backup_tasks else " backup_tasks=false"
        kept = KeptRun(
            case.name, settings, job, [*data, *case.settings], _SERVERS, case.workers,
            self._cases.batch, self._cases.batch_time, case.backup_tasks,
            events=cases.churn_events() if case.churn else [],
        )

        def add(_: object, figures: RunFigures) -> None:
            figures.data, figures.algorithm = case.data, case.algorithm
            figures.workers, figures.period, figures.churn = case.workers, case.period, case.churn

        return self._kept.take(kept, add)

    def _page_options(self) -> algorithms_page.PageOptions:
        flags, chosen = self._flags, self._cases
        batch_time = texts.duration(chosen.batch_time)
        command = (
            f"ebb bench algorithms --workers {' '.join(map(str, chosen.workers))} "
            f"--batch-time {batch_time} --epochs {chosen.epochs}"
        )
        command += f" --only {' '.join(flags.only)}" if flags.only else ""
        how = (
            f"Real daemons on one machine, {_SERVERS} servers; every gradient is computed. A batch of "
            f"{chosen.batch} examples takes a worker at least {batch_time}, waited out where computing "
            "took less, so that more workers than cores are like workers on machines of their own; "
            f"worker-7 and worker-15 take three times as long. The dense job (`{flags.job}`) goes "
            f"through its data {chosen.epochs} times, at a rate of {chosen.rate:g} where nothing else "
            f"is said, the sparse one (`{flags.sparse_job}`) {chosen.passes} times. Under churn workers "
            "are killed five times and told to leave three times, and start again. Times are from the "
            "first example computed; losses are those of the training, over the latest 32 batches, "
            "where workers computed them: for those that train a copy, in the copy. *Waited* is what "
            "workers were there without computing, until nine tenths of the examples were counted; "
            "loading the data after a start is in it."
        )
        jobs = (
            PageJob(cases.DENSE, "Fashion-MNIST, a perceptron", flags.targets[0]),
            PageJob(cases.SPARSE, "Clicks, logistic regression over keys", flags.targets[1]),
        )
        return algorithms_page.PageOptions(jobs, command, cases.compared_workers(chosen), how)

    def _write(self, page: algorithms_page.PageOptions) -> None:
        path = self._flags.page
        page = dataclasses.replace(page, notes=page_writer.notes_of(path))
        # The part that was not measured stays as it is.
        algorithms, workers = workers_page.split(path.read_text() if path.exists() else "")
        images = []
        if self._with_algorithms:
            images += algorithms_images.images(self._all, page.jobs, page.compared_workers)
            algorithms = algorithms_page.page(self._all, images, page)
        if self._with_workers:
            figures = self._workers.figures
            shown = workers_page.images(figures)
            workers = workers_page.section(figures, shown, self._workers.section_options())
            images += shown
        page_writer.write(path, workers_page.join(algorithms, workers), images)


def main() -> int:
    return _Bench(_flags()).run()


if __name__ == "__main__":
    main_program.run(main)
