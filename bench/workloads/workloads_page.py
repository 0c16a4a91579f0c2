"""The page that `ebb bench workloads` writes."""

import dataclasses
import time
from pathlib import Path
from typing import Dict, List

import chart
import runs
from figures import Row
from page import machine, row_cells, text  # noqa: F401


@dataclasses.dataclass
class Part:
    """The measurements of a workload."""

    title: str
    rows: List[Row] = dataclasses.field(default_factory=list)
    charts: List[chart.Chart] = dataclasses.field(default_factory=list)
    skipped: Dict[str, str] = dataclasses.field(default_factory=dict)


def write(page: Path, where: str, parts: List[Part], rounds: int) -> None:
    """Writes the page, and its charts into images/ beside it."""
    required = [row for part in parts for row in part.rows if row.comparison.bound]
    hold = sum(row.holds for row in required)
    lines = [
        "# Workloads without a gradient, measured",
        "",
        "Written by `ebb bench workloads`; do not edit.",
        "",
        f"Machine: {where}, {runs.others()}. Measured on {time.strftime('%Y-%m-%d')}.",
        "",
        f"**{hold} of {len(required)} rows hold.** The sides of a row took turns, and each process "
        "had one thread to compute with; a worker of ebb gathers its next batches in another. "
        f"A ratio is the median of {rounds} rounds or more, with the "
        "lowest and the highest as its spread; that of qualities is the ratio of means, and each "
        "round has another seed. Rows without a limit are figures of ebb alone.",
    ]
    for part in parts:
        lines += ["", f"## {part.title}"]
        if part.rows:
            lines += [
                "",
                "| | | limit | ebb | ratio | spread | required | |",
                "|---|---|--:|--:|--:|---|---|---|",
            ]
            lines += ["| " + " | ".join(row_cells(row)) + " |" for row in part.rows]
        for one in part.charts:
            image = page.parent / "images" / one.file
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_text(one.svg())
            lines += ["", f"![{one.title}](images/{one.file})"]
        for name, why in part.skipped.items():
            lines += ["", f"Not measured: {name}: {why}."]
    page.write_text("\n".join(lines) + "\n")
