"""A benchmark that is one disturbed run of a cluster, as `ebb chaos --live` makes it."""

import argparse
import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Protocol

import ebb_program
import options
from made_up_job import MadeUpJob

_MOST_SERVERS, _MOST_WORKERS = 64, 256


class Disturber(Protocol):
    """done: it has done all that it was to do. problems: sentences that fail the run."""

    done: bool
    problems: List[str]

    def see(self, status: ebb_program.Status, run: ebb_program.Run) -> None:
        """Takes the next status, and acts."""

    def finish(self, report: Dict[str, Any]) -> None:
        """Takes the report of the run that has ended."""

    def as_json(self) -> Dict[str, Any]:
        """Its figures; empty: there are none."""

    def text(self) -> str:
        """The same for people."""


def add_flags(
    parser: options.Parser, servers: int, workers: int, batch_time: Optional[str]
) -> None:
    """servers, workers: fewer could not be disturbed. batch_time: the usual one."""
    add = parser.add_argument
    add("job", nargs="?", metavar="JOB", help="job file (default: a small made-up job)")
    add("--epochs", help="epochs; overrides train.epochs")
    add("--seed", help="overrides seed and train.shuffle_seed")
    add("--set", action="append", default=[], metavar="KEY=VALUE",
        help="set a key of the job, e.g. optimizer.rate=0.01; may be repeated")
    add("--allow-plugins", action="append", default=[], metavar="FOLDER",
        help="folder from which ebb may load models; may be repeated")
    add("--servers", type=options.within(servers, _MOST_SERVERS), default=2,
        help="parameter servers (2)")
    add("--workers", type=options.within(workers, _MOST_WORKERS), default=3, help="workers (3)")
    add("--batch-time", type=options.seconds, default=options.seconds(batch_time) if batch_time else 0,
        help=f"least time of a batch ({batch_time or 0})")
    add("--undisturbed", type=options.seconds, default=5.0,
        help="how long the undisturbed speed is measured first (5s)")
    add("--json", action="store_true", help="print JSON")


def run(flags: argparse.Namespace, train: str, make: Callable[[], Disturber]) -> int:
    """Runs the job of the flags, or one that is made up with ``train``, until it is done.

    Prints the machine first, then the result, unless there is none, and what went wrong.
    Returns the exit code.
    """
    disturber = make()
    print(options.where_line(), file=sys.stderr, flush=True)
    with contextlib.ExitStack() as stack:
        made = None if flags.job else stack.enter_context(MadeUpJob(train))
        if made:
            folder = made.run_folder
        else:
            parent = Path("runs")
            parent.mkdir(exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="bench-", dir=parent)) / "run"
        followed = ebb_program.Run(_words(flags, made), folder)

        def look(status: ebb_program.Status) -> None:
            if disturber.done or not status["jobs"]:
                return
            disturber.see(status, followed)
            if disturber.done:
                followed.end()

        followed.follow(look, live=True)
        options.tell("")
        disturber.finish(followed.report)
        figures = disturber.as_json()
        if figures:
            audit = followed.report["audit"] or {}
            where = {**options.where_it_ran(), "measured": options.now()}
            figures = {
                **where,
                **figures,
                "examples_recomputed": followed.report["examples_recomputed"],
                "doubled": audit.get("doubled"),
            }
            print(json.dumps(figures, indent=2) + "\n" if flags.json else disturber.text(), end="")
        problems = [*followed.report["problems"], *disturber.problems]
        if not problems and not disturber.done:
            problems.append("the job ended too early: give it more --epochs")
        for problem in problems:
            print(f"ebb: {problem}", file=sys.stderr)
        if problems and made:
            print(f"ebb: its run is in {made.keep()}", file=sys.stderr)
        return 1 if problems else 0


def _words(flags: argparse.Namespace, made: Optional[MadeUpJob]) -> List[str]:
    words = ["chaos", str(made.file if made else flags.job), "--live"]
    for name, value in (("--epochs", flags.epochs), ("--seed", flags.seed)):
        words += [name, value] if value else []
    for one in flags.set:
        words += ["--set", one]
    for one in flags.allow_plugins:
        words += ["--allow-plugins", one]
    words += ["--servers", str(flags.servers), "--workers", str(flags.workers)]
    return words + (["--batch-time", f"{flags.batch_time:.9f}s"] if flags.batch_time else [])
