"""The page that `ebb bench workloads` writes."""

import dataclasses
import time
from pathlib import Path
from typing import Dict, List

import charts
import page_writer
import runs
import texts
from figures import Row
from page import ROW_HEADER, machine, row_cells, text  # noqa: F401


@dataclasses.dataclass(frozen=True)
class Chart:
    """Lines over the same places, which are at equal distances.

    lines: by name, the values at the places.
    """

    file: str
    title: str
    x_title: str
    y_title: str
    places: List[str]
    lines: Dict[str, List[float]]

    def image(self) -> charts.Image:
        curves = [
            charts.Curve(name, [(float(x), value) for x, value in enumerate(values)])
            for name, values in self.lines.items()
        ]
        svg = charts.lines(
            self.title, curves, floor=0, places=self.places, x_title=self.x_title, y_title=self.y_title
        )
        return charts.Image(self.file, self.title, svg)


@dataclasses.dataclass
class Part:
    """The measurements of a workload."""

    title: str
    rows: List[Row] = dataclasses.field(default_factory=list)
    charts: List[Chart] = dataclasses.field(default_factory=list)
    skipped: Dict[str, str] = dataclasses.field(default_factory=dict)


def write(page: Path, where: str, parts: List[Part], rounds: int) -> None:
    """Writes the page, and its charts into images/ beside it."""
    required = [row for part in parts for row in part.rows if row.comparison.bound]
    hold = sum(row.holds for row in required)
    made = (
        "# Workloads without a gradient, measured\n\n"
        "Written by `ebb bench workloads`; do not edit.\n\n"
        f"Machine: {where}, {runs.others()}. Measured on {time.strftime('%Y-%m-%d')}.\n\n"
        f"**{hold} of {len(required)} rows hold.** The sides of a row took turns, and each process "
        "had one thread to compute with; a worker of ebb gathers its next batches in another. "
        f"A ratio is the median of {rounds} rounds or more, with the "
        "lowest and the highest as its spread; that of qualities is the ratio of means, and each "
        "round has another seed. Rows without a limit are figures of ebb alone.\n"
    )
    images = []
    for part in parts:
        made += f"\n## {part.title}\n"
        if part.rows:
            made += "\n" + ROW_HEADER + "".join(texts.markdown_row(row_cells(row)) for row in part.rows)
        for one in part.charts:
            images.append(one.image())
            made += "\n" + page_writer.shown(images[-1])
        for name, why in part.skipped.items():
            made += f"\nNot measured: {name}: {why}.\n"
    page_writer.write(page, made, images)
