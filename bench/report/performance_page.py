"""The page of the documentation with the figures of benchmarks, with charts."""

from typing import NamedTuple, Sequence

import charts
import page_writer
from bench_figures import Contestant, Section
from row_tables import bound_text, row_table
from texts import markdown_cell

_COMMAND = "ebb bench report"


class RowCount(NamedTuple):
    """Rows that must reach something, and how many do."""

    required: int
    hold: int
    benches_skipped: int


def count_rows(sections: Sequence[Section]) -> RowCount:
    bound = [row for section in sections for row in section.figures.rows if row.bound]
    skipped = sum(bool(section.figures.skipped) for section in sections)
    return RowCount(len(bound), sum(row.holds for row in bound), skipped)


def page(sections: Sequence[Section], images: Sequence[charts.Image], notes: str = "") -> str:
    """notes: a page beside this one, written by hand, about the rows that miss."""
    count = count_rows(sections)
    text = f"# Performance\n\nWritten by `{_COMMAND}`; do not edit.\n\n{_machine(sections)}"
    text += (
        f"\n**{count.hold} of {count.required} rows hold.** Each ratio is the median over "
        "interleaved pairs of ebb and a limit of the same machine, or another system, with the "
        "lowest and highest pair as its spread; a row holds if its median does.\n"
    )
    text += _misses(sections, notes) + page_writer.section_of(images)
    return text + "".join(map(_section, sections))


def _sides(contestants: Sequence[Contestant]) -> str:
    if not contestants:
        return ""
    text = "\n| | examples/s | CPU s per million examples | accuracy |\n|---|--:|--:|--:|\n"
    for one in contestants:
        accuracy = "" if one.accuracy is None else f"{one.accuracy:.4f}"
        text += f"| {markdown_cell(one.name)} | {one.examples_per_second:.0f} | {one.cpu:.1f} | {accuracy} |\n"
    return text


def _section(section: Section) -> str:
    figures = section.figures
    text = f"\n## {section.title}\n\n`{section.command}`"
    if figures.skipped:
        return f"{text}: not measured: {figures.skipped}\n"
    text += f", {figures.measured}, commit {figures.commit}, in {figures.seconds:.0f} s.\n\n"
    text += row_table(section.limit, figures.rows) + _sides(figures.contestants)
    return text + "".join(f"\nNot measured: {note}\n" for note in figures.notes)


def _machine(sections: Sequence[Section]) -> str:
    for section in sections:
        one = section.figures
        if one.machine:
            return (
                f"Machine: {one.machine}; Linux {one.kernel}, congestion control "
                f"{one.congestion_control}, loopback; build {one.build}.\n"
            )
    return ""


def _misses(sections: Sequence[Section], notes: str) -> str:
    lines = ""
    for section in sections:
        for row in section.figures.rows:
            if row.bound is None or row.holds:
                continue
            sign = 1 if row.bound.at_least else -1
            # By how much of the bound, in percent.
            miss = 100 * sign * (row.bound.value - row.ratio.median) / row.bound.value
            lines += (
                f"| {section.figures.name} | {markdown_cell(row.what)} | {markdown_cell(row.measure)} | "
                f"{row.ratio.median:.2f} | {bound_text(row.bound)} | {miss:.0f} % |\n"
            )
    if not lines:
        return ""
    text = "\n## What misses\n\n"
    if notes:
        text += f"What bounds these rows, and what was tried: [{notes}]({notes}).\n\n"
    return text + "| | | | ratio | required | misses by |\n|---|---|---|--:|---|--:|\n" + lines
