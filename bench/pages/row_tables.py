"""Tables of rows that were measured in pairs, for pages."""

from typing import Iterable

from bench_figures import Bound, Row
from texts import markdown_cell


def bound_text(bound: Bound) -> str:
    return f"{'≥' if bound.at_least else '≤'} {bound.value:g}"


def row_table(limit: str, rows: Iterable[Row]) -> str:
    """limit: what the rows are compared with."""
    return (
        f"| | | {markdown_cell(limit)} | ebb | ratio | spread | required | |\n"
        "|---|---|--:|--:|--:|---|---|---|\n"
    ) + "".join(map(_line, rows))


def _line(row: Row) -> str:
    verdict = "" if not row.bound else "holds" if row.holds else "**misses**"
    required = bound_text(row.bound) if row.bound else ""
    return (
        f"| {markdown_cell(row.what)} | {markdown_cell(row.measure)} | {row.limit:.3g} | "
        f"{row.ours:.3g} | {row.ratio.median:.2f} | {row.ratio.low:.2f}–{row.ratio.high:.2f} | "
        f"{required} | {verdict} |\n"
    )
