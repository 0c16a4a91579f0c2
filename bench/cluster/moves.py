"""`ebb bench moves`: partitions change their servers again and again while a job trains."""

import statistics
from typing import Any, Dict, List, Optional, Sequence

import disturbed_run
import ebb_program
import options
import texts
from rates import RateMeter, counted_of, seconds_of

#: The required bound: docs/fault-tolerance.md.
_MOST_PAUSE_S = 0.1
_PATIENCE_S = 60.0
_MORE = """\
A cluster of real daemons trains while its job moves to one server less, and back to
all, in turns. A partition is unavailable from the last cut, at which the former server
takes no more pushes, until the next server serves it. The part for storing the copy is
printed separately. Audits the result.
Example:
  ebb bench moves --moves 20"""


class Moves:
    """The job is put on one server less, and on all again, in turns."""

    def __init__(self, servers: int, moves: int, undisturbed: float) -> None:
        """moves: at least; at most as many as a scheduler remembers, 64."""
        self.done = False
        self.problems: List[str] = []
        self._servers, self._moves, self._undisturbed = servers, moves, undisturbed
        self._meter = RateMeter()
        self._begun: Optional[float] = None
        self._rate = self._moving_rate = 0.0
        self._moving_since, self._counted_then = 0.0, 0
        self._last_change, self._moved_when_scaled = 0.0, -1
        self._on_fewer = False
        self.paused: List[float] = []  # Seconds, by move.
        self.stored: List[float] = []

    def see(self, status: ebb_program.Status, run: ebb_program.Run) -> None:
        now, counted = seconds_of(status), counted_of(status)
        if self._begun is None:
            self._begun = now if counted else None
        elif not self._rate:
            self._meter.add(now, counted)
            if now >= self._begun + self._undisturbed and self._meter.rate:
                self._rate = self._meter.rate
                self._moving_since, self._counted_then = now, counted
                self._scale(status)
        else:
            self._move(status)

    def _move(self, status: ebb_program.Status) -> None:
        now, servers = seconds_of(status), status["jobs"][0]["servers"]
        pauses = servers["pauses"]
        if len(pauses) != len(self.paused):
            self.paused = [one["paused_s"] for one in pauses]
            self.stored = [one["stored_s"] for one in pauses]
            self._last_change = now
            # Several may have ended since the last look.
            done = min(len(pauses), self._moves)
            last = 1000 * self.paused[-1]
            options.tell(f"{done} of {self._moves} moves, the last paused for {last:.0f} ms")
        # The last scaling is carried out: every partition is where it is to be.
        settled = servers["moving"] == 0 and servers["moved"] > self._moved_when_scaled
        if len(pauses) >= self._moves:
            counted = counted_of(status) - self._counted_then
            self._moving_rate = counted / (now - self._moving_since)
            self.done = True
        elif settled and servers["moved"] == len(pauses):
            self._scale(status)
        elif now - self._last_change > _PATIENCE_S:
            self.problems.append(f"no partition moved for {texts.duration(_PATIENCE_S)}")
            self.done = True

    def _scale(self, status: ebb_program.Status) -> None:
        self._on_fewer = not self._on_fewer
        self._moved_when_scaled = status["jobs"][0]["servers"]["moved"]
        self._last_change = seconds_of(status)
        address = next(one["address"] for one in status["roles"] if one["role"] == "scheduler")
        servers = self._servers - 1 if self._on_fewer else 0
        try:
            ebb_program.call(
                "scale", str(status["jobs"][0]["id"]), "--servers", str(servers), "--scheduler", address
            )
        except ebb_program.Failed as error:
            self.problems.append(f"scaling: {error}")
            self.done = True

    def finish(self, _: Dict[str, Any]) -> None:
        """The report says nothing more."""

    @property
    def _rest(self) -> List[float]:
        """The pauses without what the disks took."""
        return [paused - stored for paused, stored in zip(self.paused, self.stored)]

    def as_json(self) -> Dict[str, Any]:
        if not self.paused:
            return {}
        return {
            "moves": len(self.paused),
            "paused_s": _spread(self.paused),
            "stored_s": _spread(self.stored),
            "paused_without_disk_s": _spread(self._rest),
            "at_most_s": _MOST_PAUSE_S,
            "undisturbed_examples_per_second": self._rate,
            "throughput_ratio": self._moving_rate / self._rate,
        }

    def text(self) -> str:
        over = "" if _spread(self._rest)["p95"] <= _MOST_PAUSE_S else ", OVER"
        return (
            f"{len(self.paused)} moves; {self._moving_rate / self._rate:.2f} x the undisturbed "
            f"{texts.short(self._rate)} examples/s meanwhile\n"
            f"{'milliseconds':<28} {'p50':>8} {'p95':>8} {'max':>8}\n"
            + _line("pause of the partition", self.paused)
            + _line("of that, on the disk", self.stored)
            + _line("without the disk", self._rest)
            + f"required: p95 without the disk at most {1e3 * _MOST_PAUSE_S:g} ms{over}\n"
        )


def _spread(seconds: Sequence[float]) -> Dict[str, float]:
    ordered = sorted(seconds)
    p95 = ordered[int(0.95 * (len(ordered) - 1) + 0.5)]
    return {"p50": statistics.median(ordered), "p95": p95, "max": ordered[-1]}


def _line(what: str, seconds: Sequence[float]) -> str:
    one = _spread(seconds)
    return f"{what:<28} {1e3 * one['p50']:8.1f} {1e3 * one['p95']:8.1f} {1e3 * one['max']:8.1f}\n"


def main(words: Sequence[str]) -> int:
    about = "Measures how long a partition is unavailable while it moves"
    parser = options.Parser("ebb bench moves", about, _MORE)
    disturbed_run.add_flags(parser, servers=2, workers=1, batch_time=None)
    parser.add_argument("--moves", type=options.within(1, 64), default=20,
                        help="moves to measure, at least (%(default)s)")
    flags = parser.parse_args(words)
    return disturbed_run.run(
        flags,
        "batch: 20, item_examples: 200",
        lambda: Moves(flags.servers, flags.moves, flags.undisturbed),
    )
