"""The figures of short samples of benchmarks, without a verdict."""

from typing import Sequence

import texts
from bench_figures import Record, Section, contestants_text


def quick_look(sections: Sequence[Section], record: Record) -> str:
    """A table for each benchmark that was measured.

    Each row stands beside its record at full length. Records without a measurement are
    left out, and so are requirements.
    """
    return "".join(f"{_text(one, record)}\n" for one in sections if one.figures.rows)


def _text(section: Section, record: Record) -> str:
    figures = section.figures
    rows = [["", "", section.limit.upper(), "EBB", "RATIO", "RECORDED"]]
    for row in figures.rows:
        recorded = record.find(figures.name, row)
        rows.append(
            [row.what, row.measure, f"{row.limit:.3g}", f"{row.ours:.3g}", str(row.ratio)]
            + [str(recorded.ratio) if recorded else ""]
        )
    text = f"{section.title} ({section.command})\n{texts.table(rows, (2, 3, 4, 5))}"
    text += contestants_text(figures.contestants)
    return text + "".join(f"not measured: {note}\n" for note in figures.notes)
