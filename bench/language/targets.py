"""The targets of the study, and whether its figures reach them."""

import dataclasses
import statistics
from typing import Any, Dict, List, Optional, Sequence

Kept = Dict[str, Any]
#: Bytes a parameter of a step that sends its gradient and gets the values in bf16.
STEP_BYTES = 4


@dataclasses.dataclass(frozen=True)
class Target:
    """A row of the table; ``required`` is empty for a figure that is only shown."""

    what: str
    reached: str
    required: str = ""
    verdict: str = ""

    @property
    def holds(self) -> bool:
        return self.verdict in ("", "holds")


@dataclasses.dataclass(frozen=True)
class Spread:
    low: float
    median: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> "Spread":
        return Spread(min(values), statistics.median(values), max(values))

    def text(self, digits: int = 3) -> str:
        low, median, high = (f"{one:.{digits}f}" for one in (self.low, self.median, self.high))
        return median if low == high else f"{median} ({low}–{high})"


def of_row(kept: Sequence[Kept], row: str, workers: Optional[int] = None) -> List[Kept]:
    """Returns the runs of a row that have figures."""
    return [
        one
        for one in kept
        if one["row"] == row
        and "failure" not in one["figures"]
        and (workers is None or one["settings"].get("workers") == workers)
    ]


def losses(kept: Sequence[Kept]) -> Dict[int, float]:
    """Returns the held-out loss by seed."""
    return {one["settings"]["seed"]: one["figures"]["loss"] for one in kept}


def ratio(kept: Sequence[Kept], row: str, to: str, workers: int) -> Optional[Spread]:
    """Returns the losses of a row as shares of another's, in pairs of equal seeds."""
    ours, others = losses(of_row(kept, row, workers)), losses(of_row(kept, to, workers))
    both = sorted(set(ours) & set(others))
    return Spread.of([ours[seed] / others[seed] for seed in both]) if both else None


def step_bytes(one: Kept) -> float:
    """Returns the bytes a token of bf16 steps."""
    settings = one["settings"]
    return float(STEP_BYTES * one["figures"]["parameters"] / (settings["batch"] * settings["context"]))


def seldom_bytes(one: Kept) -> float:
    """Returns those of bf16 steps of many batches, of which each worker computes a part."""
    return step_bytes(one) * float(one["settings"]["workers"] / one["settings"]["accumulated"])


def run_bytes(one: Kept) -> float:
    """Returns the bytes a token of runs, by their settings."""
    settings = one["settings"]
    filters = settings["filters"] or {}
    each = {"int8": 1, "bf16": 2, "fp16": 2}
    both = each.get(filters.get("push"), 4) + each.get(filters.get("pull"), 4)
    return step_bytes(one) * both / STEP_BYTES / float(settings["steps"])


def bytes_of(one: Kept) -> Dict[str, float]:
    """Returns bytes a token, counted and by the settings, and those of bf16 steps."""
    figures = one["figures"]
    step, computed = step_bytes(one), run_bytes(one)
    counted = (figures["pushed_bytes"] + figures["pulled_bytes"]) / figures["tokens"]
    return {
        "step": step,
        "computed": computed,
        "counted": counted,
        "computed_factor": step / computed,
        "counted_factor": step / counted,
    }


def all_targets(kept: Sequence[Kept]) -> List[Target]:
    """The rows of those figures that are there."""
    made: List[Target] = []
    for row, name, most in (("diloco", "rounds", 1.01), ("diloco_asp", "asp", 1.03)):
        for workers in (4, 8):
            share = ratio(kept, row, "ddp", workers)
            if share:
                what = f"loss at equal tokens, {workers} workers, {name} / DDP"
                made.append(_at_most(what, share.median, most, share.text()))
    made += _kills(kept)
    for one in of_row(kept, "bytes"):
        if one["settings"]["filters"]:
            factors = bytes_of(one)
            steps = one["settings"]["steps"]
            for how in ("computed", "counted"):
                what = f"fewer bytes a token than bf16 steps, H = {steps}, int8 and bf16, {how}"
                made.append(_at_least(what, factors[f"{how}_factor"], 60, digits=1))
    for one in of_row(kept, "market"):
        what = f"work that counts, {one['name'].replace('market-', '')}"
        made.append(_at_least(what, one["figures"]["goodput"], 0.97))
    for one in of_row(kept, "speed"):
        speed = Spread.of(one["figures"]["ratios"])
        what = "speed of a copy / the loop without ebb, the example"
        made.append(_at_least(what, speed.median, 0.97, speed.text()))
        cpu = Spread.of(one["figures"]["cpu_ratios"])
        made.append(Target("the same in CPU time of the process", cpu.text()))
    return made


def _kills(kept: Sequence[Kept]) -> List[Target]:
    made = []
    for one in of_row(kept, "kills"):
        figures = one["figures"]
        reached = f"{figures['lost']} / {figures['doubled']}"
        wrong = figures["lost"] + figures["doubled"]
        verdict = "holds" if not wrong and figures["exact"] else f"misses by {wrong}"
        made.append(Target("sequences lost / doubled under kills, audit", reached, "0 / 0", verdict))
        quiet = [
            other
            for other in of_row(kept, "diloco", one["settings"]["workers"])
            if other["settings"]["seed"] == one["settings"]["seed"]
        ]
        if quiet:
            same = quiet[0]["figures"]["digest"] == figures["digest"]
            reached = "the same bits" if same else "other bits"
            verdict = "holds" if same else "misses"
            made.append(Target("values under kills, and undisturbed", reached, "the same", verdict))
    for one in of_row(kept, "torchft_kills"):
        reached = f"{one['figures']['lost']} / {one['figures']['doubled']}"
        made.append(Target("torchft: sequences lost / doubled, replicas killed", reached))
    return made


def _at_most(what: str, value: float, most: float, shown: str) -> Target:
    verdict = "holds" if value <= most else f"misses by {value - most:.3f}"
    return Target(what, shown, f"≤ {most:g}", verdict)


def _at_least(what: str, value: float, least: float, shown: str = "", digits: int = 3) -> Target:
    verdict = "holds" if value >= least else f"misses by {least - value:.{digits}f}"
    return Target(what, shown or f"{value:.{digits}f}", f"≥ {least:g}", verdict)
