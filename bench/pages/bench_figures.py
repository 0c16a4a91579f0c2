"""The figures of benchmarks, as their --json has them, and earlier records."""

import dataclasses
import json
import math
from typing import Any, Dict, List, Optional, Sequence

import texts


@dataclasses.dataclass(frozen=True)
class Bound:
    """A bound that a ratio must keep."""

    at_least: bool
    value: float

    def allows(self, value: float) -> bool:
        return value >= self.value if self.at_least else value <= self.value

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.value:g}"


@dataclasses.dataclass(frozen=True)
class Ratio:
    """The median of interleaved pairs, and the lowest and highest of them."""

    median: float = 0
    low: float = 0
    high: float = 0
    pairs: int = 0

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


@dataclasses.dataclass(frozen=True)
class Row:
    what: str
    measure: str
    limit: float
    ours: float
    ratio: Ratio
    bound: Optional[Bound] = None

    @property
    def holds(self) -> bool:
        return self.bound is None or self.bound.allows(self.ratio.median)


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One side of a comparison of jobs; medians. cpu: seconds for a million examples, of
    all its processes. accuracy: None: not measured."""

    name: str
    examples_per_second: float
    cpu: float
    accuracy: Optional[float] = None


@dataclasses.dataclass
class BenchFigures:
    """The figures of one run of a benchmark.

    measured: when; seconds: how long it took. server_cpu: seconds for a GB, for `bench
    dense`, by operation. notes: the figures that are missing. skipped: why nothing was
    measured; empty: it was.
    """

    name: str
    machine: str = ""
    build: str = ""
    commit: str = ""
    kernel: str = ""
    congestion_control: str = ""
    measured: str = ""
    seconds: float = 0
    rows: List[Row] = dataclasses.field(default_factory=list)
    contestants: List[Contestant] = dataclasses.field(default_factory=list)
    server_cpu: Dict[str, float] = dataclasses.field(default_factory=dict)
    notes: List[str] = dataclasses.field(default_factory=list)
    skipped: str = ""


@dataclasses.dataclass
class Section:
    """A benchmark as a part of a page.

    command: the one that measured it. limit: heads the column of what it is compared with.
    """

    title: str
    command: str
    limit: str
    figures: BenchFigures


def _object(text: str, what: str) -> Dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{what} is no JSON: {error}")
    if not isinstance(found, dict) or not isinstance(found.get("rows"), list):
        raise ValueError(f'{what} has no "rows"')
    return found


def _ratio(row: Dict[str, Any]) -> Ratio:
    return Ratio(
        row.get("ratio") or 0,
        row.get("lowest_ratio") or 0,
        row.get("highest_ratio") or 0,
        row.get("pairs") or 0,
    )


def _row(row: Dict[str, Any]) -> Row:
    bound = None
    for key in ("at_least", "at_most"):
        if row.get(key) is not None:
            bound = Bound(key == "at_least", row[key])
    # What is not finite is null in JSON.
    limit, ours = row.get("limit") or 0, row.get("ours") or 0
    return Row(row.get("what", ""), row.get("measure", ""), limit, ours, _ratio(row), bound)


def read(name: str, text: str) -> BenchFigures:
    """Raises ValueError if this is not what a benchmark writes."""
    found = _object(text, name)
    words = ("machine", "build", "commit", "kernel", "congestion_control", "measured", "skipped")
    sides = [
        Contestant(
            one["name"],
            one.get("examples_per_second") or 0,
            one.get("cpu_s_per_million_examples") or 0,
            one.get("accuracy"),
        )
        for one in found.get("contestants") or []
    ]
    cells = found.get("cells") or []
    return BenchFigures(
        name,
        **{word: found.get(word) or "" for word in words},
        seconds=found.get("seconds") or 0,
        rows=[_row(row) for row in found["rows"]],
        contestants=sides,
        server_cpu={one["what"]: one.get("server_cpu_seconds_per_gb") or 0 for one in cells},
        notes=list(found.get("notes") or []),
    )


def contestants_text(contestants: Sequence[Contestant]) -> str:
    """A table of them; empty: there are none."""
    if not contestants:
        return ""
    rows = [["", "EXAMPLES/S", "CPU S/MILLION", "ACCURACY"]]
    for one in contestants:
        accuracy = "" if one.accuracy is None else f"{one.accuracy:.4f}"
        rows.append([one.name, f"{one.examples_per_second:.0f}", f"{one.cpu:.1f}", accuracy])
    return texts.table(rows, (1, 2, 3))


@dataclasses.dataclass(frozen=True)
class RecordedRow:
    bench: str
    what: str
    measure: str
    ratio: Ratio

    def is_of(self, row: Row) -> bool:
        return (self.what, self.measure) == (row.what, row.measure)


@dataclasses.dataclass
class Record:
    """The rows that were recorded. machine, commit: those of the newest figures."""

    machine: str = ""
    commit: str = ""
    rows: List[RecordedRow] = dataclasses.field(default_factory=list)

    def find(self, bench: str, row: Row) -> Optional[RecordedRow]:
        """The record of this row of the benchmark; None: there is none."""
        return next((one for one in self.rows if one.bench == bench and one.is_of(row)), None)

    def as_json(self) -> str:
        rows = [
            {
                "bench": row.bench,
                "what": row.what,
                "measure": row.measure,
                "ratio": _rounded(row.ratio.median),
                "lowest_ratio": _rounded(row.ratio.low),
                "highest_ratio": _rounded(row.ratio.high),
                "pairs": row.ratio.pairs,
            }
            for row in self.rows
        ]
        made = {"machine": self.machine, "commit": self.commit, "rows": rows}
        return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _rounded(ratio: float) -> float:
    """Three digits after the point, as a person compares them; whole numbers without."""
    rounded = math.floor(ratio * 1000 + 0.5) / 1000
    return int(rounded) if rounded == int(rounded) else rounded


def read_record(text: str) -> Record:
    """Raises ValueError if it is none."""
    found = _object(text, "the record")
    rows = [
        RecordedRow(one.get("bench", ""), one.get("what", ""), one.get("measure", ""), _ratio(one))
        for one in found["rows"]
    ]
    return Record(found.get("machine", ""), found.get("commit", ""), rows)


def record_of(figures: Sequence[BenchFigures], earlier: Record) -> Record:
    """The rows of ``figures`` that must reach something, and those of ``earlier`` of
    benchmarks that are not among them."""
    record = Record(earlier.machine, earlier.commit)
    renewed = []
    for one in figures:
        if not one.rows:
            continue
        renewed.append(one.name)
        record.machine, record.commit = one.machine, one.commit
        record.rows += [
            RecordedRow(one.name, row.what, row.measure, row.ratio) for row in one.rows if row.bound
        ]
    record.rows += [row for row in earlier.rows if row.bench not in renewed]
    return record


def worse_than_recorded(record: Record, figures: Sequence[BenchFigures]) -> List[str]:
    """A sentence for each recorded row that is no longer measured, though its benchmark is,
    or whose median is now worse than every pair that was recorded of it."""
    # Others were not measured this time, or not here.
    measured = {one.name: one.rows for one in figures if one.rows}
    worse = []
    for recorded in record.rows:
        if recorded.bench not in measured:
            continue
        name = f"{recorded.bench}: {recorded.what}, {recorded.measure}: "
        row = next((one for one in measured[recorded.bench] if recorded.is_of(one)), None)
        if row is None or row.bound is None:
            worse.append(f"{name}it was recorded, and is no longer measured")
            continue
        now, was = _rounded(row.ratio.median), recorded.ratio
        if now >= was.low if row.bound.at_least else now <= was.high:
            continue
        worse.append(
            f"{name}{now:.2f} now, {was.median:.2f} recorded ({was.low:.2f}-{was.high:.2f}; it must "
            f"be {row.bound})"
        )
    return worse
