"""Shows what a benchmark says: a table for people, on the screen or as a page."""

import dataclasses
import os
import platform
import time
from typing import Dict, List, Mapping

import texts
from figures import Row

#: The head of a table of rows on a page.
ROW_HEADER = "| | | limit | ebb | ratio | spread | required | |\n|---|---|--:|--:|--:|---|---|---|\n"
_HEAD = ("", "", "limit", "ebb", "ratio", "spread", "required", "")


def machine() -> str:
    """The machine, how busy it is, and the versions of what is compared."""
    processor = platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            names = [line for line in file if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip()
    except (OSError, IndexError):
        pass
    load = os.getloadavg()[0]
    return (
        f"{processor}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {load:.1f}"
    )


def row_cells(row: Row) -> List[str]:
    """A row of the table."""
    bound = row.comparison.bound
    verdict = "" if bound is None else "holds" if row.holds else "**misses**"
    low, high = min(row.ratios), max(row.ratios)
    alone = row.limit is None
    return [
        row.comparison.what,
        row.comparison.measure,
        "" if row.limit is None else _number(row.limit),
        _number(row.ours),
        "" if alone else f"{row.ratio:.3f}" if row.comparison.means else f"{row.ratio:.2f}",
        f"{_number(low)}–{_number(high)}" if alone else f"{low:.2f}–{high:.2f}",
        str(bound) if bound else "",
        verdict,
    ]


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def text(rows: List[Row]) -> str:
    """The table for a terminal."""
    table = [list(_HEAD), *(row_cells(row) for row in rows)]
    return texts.table(table, range(2, len(_HEAD))).replace("**", "")


@dataclasses.dataclass
class Measurement:
    """Rows of the page that were measured together."""

    about: str  # The line above them: machine, rounds and date.
    rows: List[List[str]]  # The cells of each.

    def lines(self) -> List[str]:
        """The section of the page."""
        return [
            self.about,
            "",
            (ROW_HEADER + "".join(map(texts.markdown_row, self.rows))).rstrip("\n"),
            "",
        ]


def markdown(
    where: str,
    rows: List[Row],
    parts: Mapping[str, Mapping[str, float]],
    skipped: Mapping[str, str],
    rounds: int,
    before: str = "",
) -> str:
    """The page.

    before: the page as it was. Its rows that were not measured again stay, under
    their own machine and date.
    """
    about = f"Machine: {where}. {rounds} rounds, measured on {time.strftime('%Y-%m-%d')}."
    newest = Measurement(about, [row_cells(row) for row in rows])
    measurements, parts_before, skipped_before = _read(before)
    for old in measurements:
        old.rows = [cells for cells in old.rows if cells[:2] not in (new[:2] for new in newest.rows)]
    measurements = [one for one in (*measurements, newest) if one.rows]
    for name in {row.contest for row in rows}:
        skipped_before.pop(name, None)
    verdicts = [cells[-1] for one in measurements for cells in one.rows if cells[-1]]
    lines = [
        "# How fast ebb is in Python",
        "",
        "Written by `ebb bench python`; do not edit.",
        "",
        f"**{verdicts.count('holds')} of {len(verdicts)} rows hold.** The sides of a row took turns, and each "
        "process had one thread to compute with. A ratio is the median of the rounds, with "
        "the lowest and the highest as its spread; that of accuracies is the ratio of means, and "
        "each round has another seed. Rows without a limit are figures of ebb alone. The load is "
        "that of other programs when the benchmark began.",
        "",
    ]
    for one in measurements:
        lines += one.lines()
    if parts_before or parts:
        lines += [_PARTS, ""]
        lines += [*_parts({**parts_before, **parts}), ""]
    for name, why in {**skipped_before, **skipped}.items():
        lines += [f"{_SKIPPED}{name}: {why}.", ""]
    return "\n".join(lines[:-1]) + "\n"


_SKIPPED = "Not measured: "
_PARTS = "## Where the time of a batch goes"


def _read(page: str) -> "tuple[List[Measurement], Dict[str, Dict[str, float]], Dict[str, str]]":
    """Returns what a page says: its rows, the parts of a batch by side, and what it lacks."""
    measurements: List[Measurement] = []
    parts: Dict[str, Dict[str, float]] = {}
    skipped: Dict[str, str] = {}
    names: List[str] = []  # Columns of the table of parts, once it begins.
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("Machine: "):
            measurements.append(Measurement(line, []))
        elif line.startswith(_SKIPPED):
            name, _, why = line[len(_SKIPPED) : -1].partition(": ")
            skipped[name] = why
        elif line == _PARTS:
            names = [""]
        elif not line.startswith("| "):
            continue
        elif cells[0] == "":  # The head of a table.
            names = cells[1:] if names else []
        elif names:
            parts[cells[0]] = dict(zip(names, map(float, cells[1:])))
        elif measurements:
            measurements[-1].rows.append(cells)
    return measurements, parts, skipped


def _parts(parts: Mapping[str, Mapping[str, float]]) -> List[str]:
    names: Dict[str, None] = {name: None for sample in parts.values() for name in sample}
    lines = [
        "Microseconds a batch in the program, as `job.timing` has them.",
        "",
        "| | " + " | ".join(names) + " |",
        "|---|" + "--:|" * len(names),
    ]
    for side, sample in parts.items():
        lines.append(f"| {side} | " + " | ".join(f"{sample.get(n, 0):.0f}" for n in names) + " |")
    return lines
