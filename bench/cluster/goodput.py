"""`ebb bench goodput`: how much of the machines' work counts on a spot market."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Dict, Sequence

import ebb_program
import market_trace
import options
import texts
from made_up_job import MadeUpJob

#: Optional, in a folder beside the sources.
_RECORDED = "../shared/data/spot/bamboo-p3.csv"
_MADE_UP = "a market made up"
_MORE = """\
Workers come and go as the trace says, killed without notice. Goodput = examples counted /
examples that the live workers could have computed at the rate of one undisturbed worker,
which is measured at the start of the run. Audits the result.
Example:
  ebb bench goodput --speed 60 --seconds 60"""


def _made_up(length: float) -> str:
    """A trace with losses about as frequent as in the recorded one; seconds of the market."""
    words = f"chaos --make-trace --nodes 24 --hazard 0.6 --bulk 2 --hours {length / 3600!r}"
    return ebb_program.call(*words.split(), "--chaos-seed", "1")


def figures_of(report: Dict[str, Any], flags: argparse.Namespace) -> Dict[str, Any]:
    goodput = report["goodput"]
    return {
        **options.where_it_ran(),
        "measured": options.now(),
        "trace": flags.trace,
        "speed": flags.speed,
        "batch_time": flags.batch_time,
        "goodput": goodput["value"],
        "counted": goodput["counted"],
        "possible": goodput["possible"],
        "rate_of_one_worker": goodput["rate_of_one_worker"],
        "seconds": goodput["to_seconds"] - goodput["from_seconds"],
        "worker_seconds": goodput["worker_seconds"],
        "events": len(report["events"]),
        "doubled": (report["audit"] or {}).get("doubled"),
    }


def text(figures: Dict[str, Any]) -> str:
    seconds = figures["seconds"]
    return (
        f"goodput {figures['goodput']:.3f}: {texts.with_commas(figures['counted'])} of "
        f"{texts.with_commas(int(figures['possible']))} examples that the workers alive could have "
        f"computed\n{figures['trace']}, {figures['speed']:g} times faster: {figures['events']} events "
        f"in {seconds:.0f} s, {figures['worker_seconds'] / seconds:.1f} workers on average, one alone "
        f"{texts.short(figures['rate_of_one_worker'])} examples/s (a batch takes "
        f"{texts.duration(figures['batch_time'])}, emulated)\n"
    )


def main(words: Sequence[str]) -> int:
    about = "Measures how much of the machines' work counts on a spot market"
    parser = options.Parser("ebb bench goodput", about, _MORE)
    add = parser.add_argument
    add("--trace", default="", help=f"spot-market record ({_RECORDED}, else {_MADE_UP})")
    add("--speed", type=options.within(1e-6, 1e9, float), default=60.0,
        help="play the trace this many times faster (60)")
    add("--seconds", type=options.seconds, default=60.0, help="time of the run to measure (60s)")
    add("--warm-up", type=options.seconds, default=10.0,
        help="how long one worker is alone at the start (10s)")
    add("--batch-time", type=options.seconds, default=0.1,
        help="least time of a batch, as there are more workers than cores (100ms)")
    add("--json", action="store_true", help="print JSON")
    flags = parser.parse_args(words)
    flags.trace = flags.trace or (_RECORDED if Path(_RECORDED).exists() else _MADE_UP)
    made = flags.trace == _MADE_UP
    trace = _made_up(flags.seconds * flags.speed) if made else Path(flags.trace).read_text()
    print(options.where_line(), file=sys.stderr, flush=True)
    with MadeUpJob("batch: 64, item_examples: 640") as job:
        file = job.folder / "trace.csv"
        file.write_text(trace)
        run = ebb_program.Run(
            ["chaos", str(job.file), "--trace", str(file), "--speed", f"{flags.speed!r}"]
            + ["--warm-up", f"{flags.warm_up:.9f}s", "--end-after", f"{flags.seconds:.9f}s"]
            + ["--batch-time", f"{flags.batch_time:.9f}s", "--set", f"workers.max={max(1, market_trace.peak(trace))}"],
            job.run_folder,
        )
        run.follow(lambda status: None)
        for problem in run.report["problems"]:
            print(f"ebb: {problem}", file=sys.stderr)
        if run.report["problems"] or not run.report.get("goodput"):
            print(f"ebb: its run is in {job.keep()}", file=sys.stderr)
            return 1
        figures = figures_of(run.report, flags)
    print(json.dumps(figures, indent=2) + "\n" if flags.json else text(figures), end="")
    return 0
