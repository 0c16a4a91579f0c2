"""`ebb bench recovery`: daemons are lost again and again, one kind of loss after the other,
each as soon as the one before is made up for."""

import dataclasses
import itertools
import random
import statistics
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import disturbed_run
import ebb_program
import options
import texts
from rates import RateMeter, counted_of, roles_of, seconds_of

_SETTLE_S = 1.0
_GRACE = "20s"
#: Of all that is required, the longest is 3.5 s.
_PATIENCE_S = 60.0
_MORE = """\
A cluster of real daemons trains. Workers are killed, stopped until their leases have run
out, and told to leave; then servers and the scheduler are killed. The losses come one at
a time, each after the cluster has recovered from the one before. Prints the seconds until
the next example of the lost work was counted, and examples/s as a ratio to the
undisturbed cluster of the same run. Audits the result.
Example:
  ebb bench recovery --kills 20"""


class Bound(NamedTuple):
    """A required bound: docs/fault-tolerance.md.

    of: finds the figure in an event of the report, and in what a status said of the loss.
    """

    what: str
    seconds: float
    of: Callable[[Dict[str, Any], Dict[str, Any]], Optional[float]]


def _leased_again(_: Dict[str, Any], told: Dict[str, Any]) -> Optional[float]:
    lost = told["lost_unix_us"]
    return (told["resumed_unix_us"] - lost) * 1e-6 if lost else None


@dataclasses.dataclass(frozen=True)
class Loss:
    """event: what `ebb chaos` does; did: how its report says that it did so."""

    name: str
    role: str
    event: str
    did: str
    bound: Optional[Bound] = None


LOSSES = (
    Loss("worker killed", "worker", "kill", "killed",
         Bound("its connection broke to its item leased again", 0.3, _leased_again)),
    Loss("worker stopped", "worker", "stop", "stopped",
         Bound("stopped to its item leased again", 3.5, lambda event, _: event["resumed_s"])),
    Loss("worker told to leave", "worker", "terminate", "asked to end",
         Bound("told to leave to exit 0", 1, lambda event, _: event["ended_s"])),
    Loss("server killed", "server", "kill", "killed",
         Bound("killed to counting again, but for loading", 1, lambda event, _: event["recovery_s"])),
    Loss("scheduler killed", "scheduler", "kill", "killed"),
)


@dataclasses.dataclass
class LossFigures:
    """The figures of one kind of loss, in seconds.

    - strikes: the daemons. told: what a status said of the loss of each.
    - resumed: from each loss until the item was leased again (partitions served, first
      lease).
    - recovered: until the next example of it was counted.
    - bounded: those with a bound.
    - seconds: the time of all of them. rate: examples per second meanwhile.
    """

    loss: Loss
    strikes: List[str] = dataclasses.field(default_factory=list)
    told: List[Dict[str, Any]] = dataclasses.field(default_factory=list)
    resumed: List[float] = dataclasses.field(default_factory=list)
    recovered: List[float] = dataclasses.field(default_factory=list)
    bounded: List[float] = dataclasses.field(default_factory=list)
    seconds: float = 0
    rate: float = 0


class Recovery:
    def __init__(
        self, servers: int, workers: int, kills: int, undisturbed: float, seed: int
    ) -> None:
        """kills: losses of each kind. seed: of the pauses."""
        self.done = False
        self.problems: List[str] = []
        self.figures: List[LossFigures] = []
        self._servers, self._workers, self._kills = servers, workers, kills
        self._undisturbed = undisturbed
        self._random = random.Random(seed)
        self._meter = RateMeter()
        self._rate = 0.0
        self._phase: Callable[[ebb_program.Status, ebb_program.Run], None] = self._start
        self._next = 0.0  # Not before.
        self._kind_began, self._counted_then = 0.0, 0
        # The last strike.
        self._daemon, self._process, self._struck = "", 0, 0.0
        self._exited = self._noted = False
        self._seen: Dict[Any, Dict[str, Any]] = {}  # Losses that the schedulers told of.

    def see(self, status: ebb_program.Status, run: ebb_program.Run) -> None:
        life = roles_of(status, "scheduler")[0]["since_unix_ms"]
        for place, one in enumerate(status["jobs"][0]["recoveries"]):
            self._seen[life, one["lost_unix_us"], one["daemon"], place] = one
        self._phase(status, run)

    def _whole(self, status: ebb_program.Status) -> bool:
        """All daemons are there and work."""
        working = sum(bool(one["items"]) for one in roles_of(status, "worker"))
        connected = sum(one["connected"] for one in roles_of(status, "server"))
        running = status["jobs"][0]["state"] == "running"
        return working == self._workers and connected == self._servers and running

    def _start(self, status: ebb_program.Status, _: ebb_program.Run) -> None:
        if self._whole(status) and counted_of(status):
            self._next = seconds_of(status) + _SETTLE_S
            self._phase = self._undisturbed_speed

    def _undisturbed_speed(self, status: ebb_program.Status, _: ebb_program.Run) -> None:
        now = seconds_of(status)
        if now < self._next:
            return
        self._meter.add(now, counted_of(status))
        if now >= self._next + self._undisturbed and self._meter.rate:
            self._rate = self._meter.rate
            self._begin_kind(status)

    def _begin_kind(self, status: ebb_program.Status) -> None:
        self.figures.append(LossFigures(LOSSES[len(self.figures)]))
        self._kind_began, self._counted_then = seconds_of(status), counted_of(status)
        self._pause(status)

    def _end_kind(self, status: ebb_program.Status) -> None:
        figures = self.figures[-1]
        figures.seconds = seconds_of(status) - self._kind_began
        figures.rate = (counted_of(status) - self._counted_then) / figures.seconds
        if len(self.figures) == len(LOSSES):
            self.done = True
        else:
            self._begin_kind(status)

    def _pause(self, status: ebb_program.Status) -> None:
        """Not in step with anything that is regular."""
        self._next = seconds_of(status) + self._random.uniform(0.1, 0.4)
        self._phase = self._strike

    def _strike(self, status: ebb_program.Status, run: ebb_program.Run) -> None:
        if seconds_of(status) < self._next or not self._whole(status):
            return
        figures = self.figures[-1]
        loss, number = figures.loss, len(figures.strikes)
        self._daemon = {
            "worker": f"worker-{number % self._workers}",
            "server": f"ps-{number % self._servers}",
            "scheduler": "scheduler",
        }[loss.role]
        figures.strikes.append(self._daemon)
        self._process = self._process_of(status)
        self._struck = seconds_of(status)
        self._exited = self._noted = False
        run.do(**{loss.event: self._daemon}, **({"grace": _GRACE} if loss.event == "terminate" else {}))
        self._phase = self._follow

    def _process_of(self, status: ebb_program.Status) -> int:
        return next((one["process_id"] for one in status["roles"] if one["name"] == self._daemon), 0)

    def _follow(self, status: ebb_program.Status, run: ebb_program.Run) -> None:
        loss, now = self.figures[-1].loss, seconds_of(status)
        self._exited = self._exited or self._process_of(status) != self._process
        found = self._counted_again()
        if found and not self._noted and (self._exited or loss.event != "terminate"):
            self._noted = True
            self.figures[-1].told.append(found)
            if loss.event == "stop":
                run.do(**{"continue": self._daemon})
            place = len(self.figures[-1].strikes)
            took = _counted_at(found) - self._struck
            options.tell(f"{loss.name}, {place} of {self._kills}: {took:.2f} s")
        if self._noted and self._whole(status):
            if len(self.figures[-1].strikes) < self._kills:
                self._pause(status)
            else:
                self._end_kind(status)
        elif now - self._struck > _PATIENCE_S:
            what = "not everybody was at work again"
            if not self._noted:
                what = "nothing of what it had was counted again"
            patience = texts.duration(_PATIENCE_S)
            self.problems.append(f"{self._daemon}, {loss.name}: {what} after {patience}")
            self.done = True

    def _counted_again(self) -> Optional[Dict[str, Any]]:
        """The first loss of it of which an example was counted; None: none yet.

        A lease that ran out shows when the item is leased again.
        """
        counted = [
            one
            for one in self._seen.values()
            if one["daemon"] == self._daemon
            and one["resumed_unix_us"]
            and one["counted_unix_us"]
            and (one["lost_unix_us"] or one["resumed_unix_us"]) * 1e-6 >= self._struck
        ]
        return min(counted, key=_counted_at, default=None)

    def finish(self, report: Dict[str, Any]) -> None:
        """Takes the exact times, which are those of the report's events."""
        events = iter(report["events"] if "events" in report else [])
        for figures in self.figures:
            for daemon, told in itertools.zip_longest(figures.strikes, figures.told):
                what = f"{daemon} {figures.loss.did}"
                event = next((one for one in events if one["what"] == what), None)
                if event is None:
                    continue
                bound = figures.loss.bound
                for values, value in (
                    (figures.resumed, event["resumed_s"]),
                    (figures.recovered, event["recovery_s"]),
                    (figures.bounded, bound.of(event, told) if bound and told else None),
                ):
                    if value is not None:
                        values.append(value)

    def as_json(self) -> Dict[str, Any]:
        if not self._rate:
            return {}
        losses = []
        for one in self.figures:
            made: Dict[str, Any] = {
                "loss": one.loss.name,
                "times": len(one.recovered),
                "seconds": one.seconds,
                "resumed_s": _spread(one.resumed),
                "recovery_s": _spread(one.recovered),
            }
            if one.loss.bound:
                made["required"] = {
                    "what": one.loss.bound.what,
                    "at_most_s": one.loss.bound.seconds,
                    "found_s": _spread(one.bounded),
                }
            made["throughput_ratio"] = one.rate / self._rate
            losses.append(made)
        return {"undisturbed_examples_per_second": self._rate, "losses": losses}

    def text(self) -> str:
        out = (
            f"undisturbed: {texts.short(self._rate)} examples/s\n"
            "seconds from the loss, median (longest)\n"
            f"{'':<21} {'times':>5}  {'taken up again':<15} {'counted again':<15} {'examples/s':<10} "
            "required\n"
        )
        for one in self.figures:
            ratio = f"{one.rate / self._rate:.2f} x"
            line = (
                f"{one.loss.name:<21} {len(one.recovered):5d}  {_figure(one.resumed):<15} "
                f"{_figure(one.recovered):<15} {ratio:<10} "
            )
            bound = one.loss.bound
            if bound and one.bounded:
                over = "" if max(one.bounded) <= bound.seconds else ", OVER"
                line += f"{bound.what}, {bound.seconds:g} s: {_figure(one.bounded)}{over}"
            out += line + "\n"
        return out


def _counted_at(told: Dict[str, Any]) -> float:
    return float(told["counted_unix_us"]) * 1e-6


def _spread(values: Sequence[float]) -> Optional[Dict[str, float]]:
    return {"p50": statistics.median(values), "max": max(values)} if values else None


def _figure(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f} ({max(values):.3f})" if values else ""


def main(words: Sequence[str]) -> int:
    about = "Measures how long it takes to recover from lost daemons"
    parser = options.Parser("ebb bench recovery", about, _MORE)
    disturbed_run.add_flags(parser, servers=1, workers=2, batch_time="10ms")
    parser.add_argument("--kills", type=options.within(1, 1000), default=20,
                        help="losses of each kind (%(default)s)")
    parser.add_argument("--seed-pauses", type=int, default=1,
                        help="seed of the pauses between losses (%(default)s)")
    flags = parser.parse_args(words)
    # An item is a tenth of a second.
    return disturbed_run.run(
        flags,
        "batch: 20, item_examples: 200",
        lambda: Recovery(flags.servers, flags.workers, flags.kills, flags.undisturbed, flags.seed_pauses),
    )
