"""The runs of `ebb bench language`, with their settings and costs."""

import dataclasses
from typing import Any, Dict, List, Sequence

#: What the page compares, in its order. A case of ``choice`` tries another default.
ROWS = {
    "adamw": "one process of AdamW, a step of each batch",
    "adamw_outer": "the same with an outer Nesterov step (SNOO)",
    "ddp": "data-parallel steps over gloo (DDP)",
    "accumulated": "data-parallel steps that exchange as seldom as rounds",
    "diloco": "ebb.torch, rounds",
    "diloco_asp": "ebb.torch, a step when a run arrives",
    "moments": "rounds in one process",
    "late": "asp in one process",
    "torchft": "torchft's DiLoCo",
    "kills": "ebb.torch, rounds, under kills",
    "torchft_kills": "torchft's DiLoCo, replicas killed",
    "bytes": "ebb.torch, bytes that were counted",
    "market": "ebb on recorded spot markets",
    "speed": "a copy beside the same loop without ebb",
    "choice": "other defaults",
}
#: Those whose losses are compared.
LOSS_ROWS = ("adamw", "adamw_outer", "moments", "ddp", "accumulated", "diloco", "diloco_asp", "torchft")
#: Of the outer step of rounds.
RATE, MOMENTUM = 1.0, 0.5
#: Batches of a run in which its rate grows, if the run is long.
_WARM_UP = 10
#: What becomes of the moments of AdamW after a run.
MOMENTS = {
    "kept": "each worker keeps its moments",
    "anew": "moments begin anew",
    "mean": "moments are averaged after each round",
}
_FILTERS = {"push": "int8", "pull": "bf16"}
#: Batches of a run where bytes are counted.
BYTES_STEPS = 50
#: Processes that compute rounds of any number of workers: their values do not depend on it.
_ROUND_COPIES = 2
#: Runs of each worker in a round that is longer than others.
_LONG_ROUND = 4
#: CPU seconds until a process has PyTorch and the text.
START_S = 6.0
#: What a batch of the example costs, in batches of the study.
_EXAMPLE_COST = 6
#: Market seconds of a batch, and seconds of the market.
_MARKET_BATCH_S, _MARKET_S, _MARKET_SPEED = 1.2, 4800.0, 20.0


@dataclasses.dataclass(frozen=True)
class Options:
    """How large the study is.

    rows: those that it has. pairs: workers of the runs with each seed. more_workers: those with
    the first seed alone. cores: processors that emulated workers may use together. batch_s: CPU
    seconds of a batch.
    """

    text: str
    seeds: Sequence[int] = (1, 2, 3)
    cores: float = 1.5
    quick: bool = False
    rows: Sequence[str] = tuple(ROWS)
    pairs: Sequence[int] = (4, 8)
    more_workers: Sequence[int] = (1, 2, 16, 32)
    characters: int = 0
    layers: int = 2
    width: int = 96
    context: int = 32
    batch: int = 8
    epochs: int = 2
    rate: float = 2e-3
    steps: int = 20
    batch_s: float = 0.03
    traces: Sequence[str] = ()

    @property
    def model(self) -> Dict[str, Any]:
        keys = "text characters layers width context batch epochs rate".split()
        return {key: getattr(self, key) for key in keys}


def quick(options: Options) -> Options:
    """A look that takes minutes: a smaller model, less text, one seed."""
    return dataclasses.replace(
        options, quick=True, seeds=options.seeds[:1], pairs=(4,), more_workers=(),
        characters=40_000, layers=1, width=32, epochs=1, steps=4, batch_s=0.015,
    )


def large(options: Options) -> Options:
    """Compares the main rows with a model of 1.8 million parameters."""
    return dataclasses.replace(
        options, rows=("adamw", "ddp", "diloco"), seeds=options.seeds[:1], pairs=(4,),
        more_workers=(), layers=4, width=192, epochs=1, batch_s=0.1,
    )


@dataclasses.dataclass(frozen=True)
class Case:
    """A run: its name is that of its file; ``settings`` decide about it.

    processes: those that compute. batches: of all processes together.
    """

    name: str
    row: str
    settings: Dict[str, Any]
    processes: int = 1
    batches: int = 0

    def cpu_seconds(self, batch_s: float) -> float:
        """About what it costs."""
        return self.batches * batch_s + self.processes * START_S


def all_cases(options: Options, batches: int) -> List[Case]:
    """batches: of all epochs."""
    return [one for one in _Cases(options, batches).made if one.row in options.rows]


class _Cases:
    def __init__(self, options: Options, batches: int) -> None:
        self.made: List[Case] = []
        self._options, self._batches = options, batches
        first = options.seeds[0]
        for seed in options.seeds:
            self._one_process("adamw", f"adamw-s{seed}", seed)
            self._rounds("adamw_outer", 1, seed)
        for workers in options.pairs:
            for seed in options.seeds:
                self._ddp("ddp", f"ddp-w{workers}-s{seed}", workers, seed)
                self._diloco("diloco", workers, seed)
                self._diloco("diloco_asp", workers, seed)
            # A step of many batches may be longer.
            for factor in (1, 4):
                self._one_process(
                    "accumulated", f"accumulated-w{workers}-s{first}-rate-{factor}", first,
                    workers=workers, accumulated=workers * self._options.steps,
                    rate=factor * self._options.rate,
                )
        for workers in options.more_workers:
            self._diloco("diloco", workers, first)
            self._diloco("diloco_asp", workers, first)
        for moments in MOMENTS:
            self._rounds("moments", 4, first, moments)
        self._late(first)
        self._torchft("torchft", first, {})
        self._kills(first)
        self._torchft("torchft_kills", first, {"copy": 10.0})
        self._bytes(first)
        self._markets()
        self._speed(first)
        self._choices(first)

    def _add(self, row: str, name: str, processes: int = 1, share: float = 1.0, **settings: Any) -> None:
        batches = round(self._batches * share)
        self.made.append(Case(name, row, {**self._options.model, **settings}, processes, batches))

    def _one_process(self, row: str, name: str, seed: int, **more: Any) -> None:
        self._add(row, name, program="one_process", seed=seed, **more)

    def _rounds(self, row: str, workers: int, seed: int, moments: str = "kept") -> None:
        name = f"{row}-w{workers}-s{seed}" + (f"-{moments}" if row == "moments" else "")
        self._one_process(
            row, name, seed, workers=workers, steps=self._options.steps, outer_rate=RATE,
            outer_momentum=MOMENTUM, moments=moments,
            warm_up=min(_WARM_UP, self._options.steps // 2) if moments == "anew" else 0,
        )

    def _late(self, seed: int) -> None:
        """Adds runs that arrive late, with an outer momentum and without."""
        workers = 4
        for momentum, delayed in ((0.0, 0), (0.5, 0), (0.5, workers), (0.9, workers)):
            name = f"late-w{workers}-s{seed}-momentum-{momentum:g}" + ("-delayed" if delayed else "")
            self._add(
                "late", name, program="late", seed=seed, workers=workers,
                steps=self._options.steps, outer_rate=RATE, outer_momentum=momentum,
                delayed=delayed, warm_up=min(_WARM_UP, self._options.steps // 2),
            )

    def _ddp(self, row: str, name: str, workers: int, seed: int, factor: float = 1.0) -> None:
        self._add(
            row, name, workers, program="ddp", workers=workers, seed=seed, rate_factor=factor
        )

    def _diloco(self, row: str, workers: int, seed: int, name: str = "", **more: Any) -> None:
        rounds = more.pop("rounds", row != "diloco_asp")
        copies = more.pop("copies", min(workers, _ROUND_COPIES) if rounds else workers)
        # In rounds nothing depends on how long a batch takes.
        batch_time = 0.0 if rounds else workers * self._options.batch_s / self._options.cores
        settings = {
            "steps": self._options.steps, "outer_rate": None, "outer_momentum": None,
            "warm_up": None,
            "rounds": rounds, "filters": None, "copies": copies, "kills": {},
            "network": row == "bytes", "batch_time": round(batch_time, 3), **more,
        }
        self._add(
            row, name or f"{row}-w{workers}-s{seed}", copies + 1, program="diloco",
            workers=workers, seed=seed, **settings,
        )

    def _kills(self, seed: int) -> None:
        quick = self._options.quick
        every = {"copy": 10.0, "server": 20.0, "scheduler": 20.0}
        kills = every if quick else {"copy": 10.0, "server": 60.0, "scheduler": 60.0}
        self._diloco(
            "kills", 4, seed, copies=4, kills=kills, batch_time=0.3 if quick else 0.1
        )

    def _torchft(self, row: str, seed: int, kills: Dict[str, float]) -> None:
        quick = self._options.quick
        self._add(
            row, f"{row}-w4-s{seed}", 5, program="torchft", workers=4, seed=seed,
            steps=self._options.steps, outer_rate=1.0, outer_momentum=0.0, moments="kept",
            kills=kills, batch_time=0.3 if quick else 0.1, limit_s=300.0 if quick else 1800.0,
        )

    def _bytes(self, seed: int) -> None:
        steps = self._options.steps if self._options.quick else BYTES_STEPS
        for name, filters in (("float32", None), ("int8-bf16", _FILTERS)):
            self._diloco(
                "bytes", 4, seed, f"bytes-{name}", copies=4, steps=steps, filters=filters
            )

    def _markets(self) -> None:
        for trace in self._options.traces:
            name = trace.rpartition("/")[2].replace(".csv", "")
            for kind, runs in (("asp", 0), ("rounds", 1), ("rounds", _LONG_ROUND)):
                quick = self._options.quick
                settings = {
                    "program": "market", "trace": trace, "consistency": kind, "runs": runs,
                    "steps": BYTES_STEPS,
                    "speed": _MARKET_SPEED, "batch_time": _MARKET_BATCH_S / _MARKET_SPEED,
                    "seconds": (300.0 if quick else _MARKET_S) / _MARKET_SPEED,
                }
                kind += f"-of-{runs}-runs" if runs > 1 else ""
                self.made.append(Case(f"market-{name}-{kind}", "market", settings))

    def _speed(self, seed: int) -> None:
        pairs, most = (1, 128) if self._options.quick else (5, 150)
        # Its model is as large as the example is if nothing else is said.
        as_example = {} if self._options.quick else {"layers": 3, "context": 64, "batch": 16}
        cost = 1 if self._options.quick else _EXAMPLE_COST
        self._add(
            "speed", "speed", 2 * pairs, 2 * pairs * most * cost / self._batches, program="speed",
            seed=seed, pairs=pairs, most_batches=most, workers=1, steps=BYTES_STEPS, **as_example,
        )

    def _choices(self, seed: int) -> None:
        def rounds(**more: Any) -> None:
            self._diloco("choice", 4, seed, _choice("rounds", more), **more)

        def late(**more: Any) -> None:
            self._diloco("choice", 4, seed, _choice("asp", more), rounds=False, **more)

        rounds(outer_rate=0.7)
        if self._options.quick:
            return
        for rate, momentum in ((1.0, 0.0), (0.7, 0.9)):
            rounds(outer_rate=rate, outer_momentum=momentum)
        rounds(warm_up=0)
        for steps in (50, 100):
            rounds(steps=steps)
        late(steps=50)
        for factor in (0.5, 2.0):
            self._ddp("choice", f"choice_ddp-rate_factor-{factor:g}", 4, seed, factor)


def _choice(kind: str, more: Dict[str, Any]) -> str:
    """"choice_rounds-outer_rate-0.5"."""
    return f"choice_{kind}-" + "-".join(f"{key}-{value:g}" for key, value in more.items())
