"""What a benchmark says: a table for people, on the screen or as a page."""

import os
import platform
import time
from typing import Dict, List, Mapping

from figures import Row

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
    widths = [max(len(line[i]) for line in table) for i in range(len(_HEAD))]
    lines = []
    for line in table:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))
        ]
        lines.append("  ".join(cells).replace("**", "").rstrip())
    return "\n".join(lines) + "\n"


def markdown(
    where: str,
    rows: List[Row],
    parts: Mapping[str, Mapping[str, float]],
    skipped: Mapping[str, str],
    rounds: int,
) -> str:
    """The page."""
    required = [row for row in rows if row.comparison.bound]
    hold = sum(row.holds for row in required)
    lines = [
        "# How fast ebb is in Python",
        "",
        "Written by `ebb bench python`; do not edit.",
        "",
        f"Machine: {where}. Measured on {time.strftime('%Y-%m-%d')}.",
        "",
        f"**{hold} of {len(required)} rows hold.** The sides of a row took turns, and each "
        f"process had one thread to compute with. A ratio is the median of {rounds} rounds, with "
        "the lowest and the highest as its spread; that of accuracies is the ratio of means, and "
        "each round has another seed. Rows without a limit are figures of ebb alone.",
        "",
        "| | | limit | ebb | ratio | spread | required | |",
        "|---|---|--:|--:|--:|---|---|---|",
    ]
    lines += ["| " + " | ".join(row_cells(row)) + " |" for row in rows]
    if parts:
        lines += ["", "## Where the time of a batch goes", ""]
        lines += _parts(parts)
    for name, why in skipped.items():
        lines += ["", f"Not measured: {name}: {why}."]
    return "\n".join(lines) + "\n"


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
