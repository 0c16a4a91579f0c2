"""`ebb bench scaling`: what more workers and servers bring."""

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import ebb_program
import options
import texts
from made_up_job import MadeUpJob
from rates import RateMeter, counted_of, roles_of, seconds_of

_MOST_SERVERS, _MOST_WORKERS = 64, 256
#: The floats of a hidden unit of the made-up model: 16 features and 4 classes.
_FLOATS_PER_UNIT = 21
_PATIENCE_S, _WARM_UP_S = 60.0, 1.0
_MORE = """\
Each pair is a cluster of real daemons on this machine. With emulated computing, n workers
do n times the work of one until a processor, the network or a lock does not keep up. The
load of the processors tells which. docs/scaling.md explains the result.
Example:
  ebb bench scaling --workers 1 4 --servers 1 --seconds 3"""


@dataclasses.dataclass(frozen=True)
class Point:
    """rate: examples a second. byte_rate: bytes of values a second. busy: the used share of
    this machine's processors meanwhile, by all processes."""

    servers: int
    workers: int
    rate: float
    byte_rate: float
    busy: float

    @property
    def name(self) -> str:
        return f"{texts.count(self.workers, 'worker')}, {texts.count(self.servers, 'server')}"


class _Measurement:
    """It waits until every worker works, then for a second, and measures for ``length``."""

    def __init__(self, workers: int, length: float) -> None:
        self.done = False
        self.problem = ""
        self.rate = self.byte_rate = self.busy = 0.0
        self._workers, self._length = workers, length
        self._meter = RateMeter()
        self._began: Optional[float] = None  # The warm-up.
        self._since: Optional[Tuple[float, int, Tuple[int, int]]] = None
        self._first: Optional[float] = None

    def see(self, status: ebb_program.Status) -> None:
        if self.done or not status["jobs"]:
            return
        now, counted = seconds_of(status), counted_of(status)
        self._first = self._first or now
        traffic = status["jobs"][0]["traffic"]
        moved = traffic["pulled_bytes"] + traffic["pushed_bytes"]
        if self._began is None:
            states = [one["state"] for one in roles_of(status, "worker")]
            working = sum(state in ("working", "parked") for state in states)
            if working == self._workers and counted:
                self._began = now
            elif now > self._first + _PATIENCE_S:
                self.problem = (
                    f"not all of {self._workers} workers began to work within "
                    f"{texts.duration(_PATIENCE_S)}"
                )
                self.done = True
        elif self._since is None:
            if now >= self._began + _WARM_UP_S:
                self._since = now, moved, _ticks()
                self._meter.add(now, counted)
        else:
            self._meter.add(now, counted)
            began, moved_then, ticks_then = self._since
            if now < began + self._length or self._meter.rate is None:
                return
            self.rate = self._meter.rate
            self.byte_rate = (moved - moved_then) / (now - began)
            every, idle = (now_is - was for now_is, was in zip(_ticks(), ticks_then))
            self.busy = 1 - idle / every if every else 0
            self.done = True


def _ticks() -> Tuple[int, int]:
    """The times of all processors since the system started: all of them, and the idle ones."""
    # proc_stat(5): user nice system idle iowait irq softirq steal.
    numbers = [int(word) for word in Path("/proc/stat").read_text().split()[1:9]]
    return sum(numbers), numbers[3] + numbers[4]


def measure(
    servers: int, workers: int, model_kib: int, batch_time: float, length: float
) -> Point:
    units = max(1, model_kib * 256 // _FLOATS_PER_UNIT)
    model = f"{{kind: mlp, layers: [16, {units}, 4]}}"
    with MadeUpJob("batch: 8, item_examples: 80", model, partitions=8) as job:
        words = ["chaos", str(job.file), "--live", "--set", "checkpoint.every=10s"]
        words += ["--servers", str(servers), "--workers", str(workers)]
        run = ebb_program.Run([*words, "--batch-time", f"{batch_time:.9f}s"], job.run_folder)
        measured = _Measurement(workers, length)

        def look(status: ebb_program.Status) -> None:
            if not measured.done:
                measured.see(status)
                if measured.done:
                    run.end()

        run.follow(look, live=True)
        problems = [*run.report["problems"], *([measured.problem] if measured.problem else [])]
        if problems or not measured.rate:
            why = problems[0] if problems else "the job ended too early"
            raise ebb_program.Failed(f"{why}; its run is in {job.keep()}")
    return Point(servers, workers, measured.rate, measured.byte_rate, measured.busy)


def ratios_of(points: Sequence[Point]) -> List[float]:
    """Beside what so many of the first's workers would do alone."""
    one = points[0].rate / points[0].workers
    return [point.rate / (one * point.workers) for point in points]


def text(points: Sequence[Point], workers: Sequence[int]) -> str:
    """By servers, then workers, as they were measured."""
    out = "examples/s / (workers x those of the first); % of the processors in use\nservers"
    out += "".join(f"  {texts.count(count, 'worker'):>16}" for count in workers) + "\n"
    for i, (point, ratio) in enumerate(zip(points, ratios_of(points))):
        out += f"{point.servers:7d}" if i % len(workers) == 0 else ""
        out += f"  {ratio:8.2f} {100 * point.busy:5.0f} %"
        out += "\n" if (i + 1) % len(workers) == 0 else ""
    first, last = points[0], points[-1]
    return out + (
        f"the first: {texts.short(first.rate)} examples/s, {first.byte_rate * 1e-6:.1f} MB/s of "
        f"values; the last: {texts.short(last.rate)}, {last.byte_rate * 1e-6:.1f}\n"
    )


def as_json(points: Sequence[Point], flags: argparse.Namespace, took: float) -> Dict[str, Any]:
    one = points[0].rate / points[0].workers
    rows = [
        {
            "what": point.name, "measure": "examples/s", "limit": one * point.workers,
            "ours": point.rate, "ratio": ratio, "lowest_ratio": ratio, "highest_ratio": ratio,
            "pairs": 1,
        }
        for point, ratio in zip(points, ratios_of(points))
    ]
    listed = [
        {
            "servers": point.servers, "workers": point.workers, "examples_per_second": point.rate,
            "bytes_per_second": point.byte_rate, "busy": point.busy,
        }
        for point in points
    ]
    return {
        **options.where_it_ran(), "measured": options.now(), "seconds": took,
        "model_bytes": flags.model_kib * 1024, "batch_s": flags.batch_time, "points": listed,
        "rows": rows, "all_hold": True,
    }


def main(words: Sequence[str]) -> int:
    about = "Measures what more workers and servers bring"
    parser = options.Parser("ebb bench scaling", about, _MORE)
    add = parser.add_argument
    add("--workers", nargs="+", type=options.within(1, _MOST_WORKERS), default=[1, 2, 4, 8],
        help="numbers of workers to measure (1 2 4 8)")
    add("--servers", nargs="+", type=options.within(1, _MOST_SERVERS), default=[1, 2, 4, 8],
        help="numbers of servers to measure (1 2 4 8)")
    add("--model-kib", type=options.within(1, 1 << 18), default=1024,
        help="size of the model in KiB (%(default)s)")
    add("--batch-time", type=options.seconds, default=0.1,
        help="least time of a batch, as there are more workers than cores (100ms)")
    add("--seconds", type=options.seconds, default=5.0, help="how long to measure each pair (5s)")
    add("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    flags = parser.parse_args(words)
    if flags.json and not os.access(flags.json.resolve().parent, os.W_OK):
        raise PermissionError(f"cannot write {flags.json}")
    print(options.where_line(), file=sys.stderr, flush=True)
    begun = time.monotonic()
    points: List[Point] = []
    total = len(flags.servers) * len(flags.workers)
    for servers in flags.servers:
        for workers in flags.workers:
            who = f"{texts.count(servers, 'server')}, {texts.count(workers, 'worker')}"
            options.tell(f"{len(points) + 1} of {total}: {who}")
            points.append(measure(servers, workers, flags.model_kib, flags.batch_time, flags.seconds))
    options.tell("")
    print(text(points, flags.workers), end="")
    if flags.json:
        made = as_json(points, flags, time.monotonic() - begun)
        flags.json.write_text(json.dumps(made, indent=2) + "\n")
    return 0
