"""Figures that are taken in turns, and the rows of a table that they make.

A contest has sides. Each of its rounds measures all of them, one after the other, and
each side is first in turn. So whatever disturbs the machine for a while
disturbs all. A row compares two sides: its ratio is the median over the rounds.
"""

import dataclasses
import json
import statistics
from pathlib import Path
from typing import Callable, Dict, List, Optional

Sample = Dict[str, float]
#: Begins the keys of a sample that say where the time of a batch went.
PART = "us a batch: "


@dataclasses.dataclass(frozen=True)
class Bound:
    """The bound that a ratio, or a figure, must keep."""

    kind: str  # "at least" or "at most"
    value: float

    def allows(self, value: float) -> bool:
        if self.kind == "at least":
            return value >= self.value
        return value <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.kind == 'at least' else '≤'} {self.value:g}"


def at_least(value: float) -> Bound:
    return Bound("at least", value)


def at_most(value: float) -> Bound:
    return Bound("at most", value)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Which figure of which sides a row shows.

    Without a ``limit`` the figure itself is what the bound is for. With ``means``
    the ratio is that of the means over the rounds: one seed tells little.
    """

    what: str
    measure: str  # The key in the samples, and the unit.
    ours: str
    limit: Optional[str] = None
    bound: Optional[Bound] = None
    means: bool = False


@dataclasses.dataclass(frozen=True)
class Contest:
    """Sides that take turns.

    name: what ``--only`` names.
    sides: each measures itself once.
    settings: all that decides about the figures, for those that are kept.
    missing: why it cannot run here; empty: it can.
    seeded: whether the sides take a seed. Each round has another one.
    least_rounds: how many rounds it takes at least, where a seed decides much.
    """

    name: str
    sides: Dict[str, Callable[..., Sample]]
    comparisons: List[Comparison]
    settings: str = ""
    missing: str = ""
    seeded: bool = False
    least_rounds: int = 1


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: medians, or means, over the rounds."""

    contest: str
    comparison: Comparison
    ours: float
    limit: Optional[float]
    ratio: float  # The figure itself where there is no limit.
    ratios: List[float]  # By round.

    @property
    def holds(self) -> bool:
        bound = self.comparison.bound
        return bound is None or bound.allows(self.ratio)

    def as_json(self) -> Dict[str, object]:
        bound = self.comparison.bound
        return {
            "contest": self.contest,
            "what": self.comparison.what,
            "measure": self.comparison.measure,
            "ours": self.ours,
            "limit": self.limit,
            "ratio": self.ratio,
            "low": min(self.ratios),
            "high": max(self.ratios),
            "rounds": len(self.ratios),
            "bound": str(bound) if bound else None,
            "holds": self.holds,
        }


class Kept:
    """Rounds that were measured, a file for each, so that a benchmark goes on.

    versions: of all that is compared. A round of others is measured again.
    """

    def __init__(self, folder: Optional[Path], versions: str = "") -> None:
        self._folder, self._versions = folder, versions

    def load(self, contest: Contest, number: int) -> Optional[Dict[str, Sample]]:
        """The round, if it was measured with the same settings."""
        try:
            found = json.loads(self._file(contest, number).read_text())
        except (OSError, ValueError, TypeError):
            return None
        same = found["settings"] == self._settings(contest)
        return found["samples"] if same else None

    def save(self, contest: Contest, number: int, samples: Dict[str, Sample]) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"settings": self._settings(contest), "samples": samples}, indent=1)
        self._file(contest, number).write_text(text + "\n")

    def _settings(self, contest: Contest) -> str:
        return f"{contest.settings}; {self._versions}"

    def _file(self, contest: Contest, number: int) -> Path:
        if self._folder is None:
            raise TypeError
        return self._folder / f"{contest.name}-{number}.json"


def measure(
    contest: Contest, rounds: int, kept: Kept, tell: Callable[[str], None]
) -> List[Dict[str, Sample]]:
    """Returns the samples of each round by side. There are at least ``rounds``."""
    rounds = max(rounds, contest.least_rounds)
    done = []
    names = list(contest.sides)
    for number in range(rounds):
        samples = kept.load(contest, number)
        if samples is None:
            samples = {}
            first = number % len(names)
            for side in names[first:] + names[:first]:
                tell(f"{contest.name}, round {number + 1} of {rounds}: {side}")
                seed = [number + 1] if contest.seeded else []
                samples[side] = contest.sides[side](*seed)
            kept.save(contest, number, samples)
        done.append(samples)
    return done


def parts_of(
    contest: Contest, rounds: List[Dict[str, Sample]]
) -> Dict[str, Dict[str, float]]:
    """The microseconds of a batch by part, for the sides that tell; medians."""
    found = {}
    for side in contest.sides:
        keys = [key for key in rounds[0][side] if key.startswith(PART)]
        if keys:
            found[f"{contest.name}: {side}"] = {
                key[len(PART) :]: statistics.median(each[side][key] for each in rounds)
                for key in keys
            }
    return found


def rows_of(contest: Contest, rounds: List[Dict[str, Sample]]) -> List[Row]:
    """The rows of a contest that was measured."""
    rows = []
    for comparison in contest.comparisons:
        middle = statistics.fmean if comparison.means else statistics.median
        figures = [each[comparison.ours][comparison.measure] for each in rounds]
        ours, limit = middle(figures), None
        ratio, ratios = ours, figures
        if comparison.limit is not None:
            limits = [each[comparison.limit][comparison.measure] for each in rounds]
            limit = middle(limits)
            ratios = [mine / theirs for mine, theirs in zip(figures, limits)]
            ratio = ours / limit if comparison.means else middle(ratios)
        rows.append(Row(contest.name, comparison, ours, limit, ratio, ratios))
    return rows
