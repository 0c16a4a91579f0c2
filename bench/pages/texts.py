"""Numbers, times and tables as text, for people and for pages."""

import math
from typing import Iterable, List, Optional, Sequence


def with_commas(number: int) -> str:
    """60000 -> "60,000"."""
    return f"{number:,}"


def count(number: int, noun: str) -> str:
    """"1 worker", "3 workers"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def short(number: float) -> str:
    """112345 -> "112k"; three digits at most."""
    unit = ""
    for larger in ("k", "M", "G"):
        if abs(number) < 999.5:
            break
        number /= 1000
        unit = larger
    whole = number == math.floor(number) and not unit
    decimals = 0 if whole or abs(number) >= 99.95 else 1 if abs(number) >= 9.995 else 2
    return f"{number:.{decimals}f}{unit}"


def took(seconds: float) -> str:
    """"0.04 s", "4.6 s", "3 min 12 s", "2 h 5 min"."""
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = math.floor(seconds + 0.5)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def duration(seconds: float) -> str:
    """A time as ebb's flags take it: "40ms", "1.5s", "1h30m0s"."""
    for unit, scale, digits in (("us", 1e6, 5), ("ms", 1e3, 8)):
        if 0 < seconds < 1000 / scale:
            return _trimmed(seconds * scale, digits) + unit
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    parts = f"{hours:.0f}h" if hours else ""
    parts += f"{minutes:.0f}m" if minutes else ""
    return parts + (f"{_trimmed(rest, 9)}s" if rest else "" if parts else "0")


def _trimmed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def or_dash(value: Optional[float], digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def table(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> str:
    """A table for a terminal, the header first.

    right: the columns whose cells stand at the right.
    """
    at_right = set(right)
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i in at_right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def markdown_header(names: List[str]) -> str:
    """The names of the columns, all numbers but the first, and the line below them."""
    return markdown_row(names) + "|---|" + "--:|" * (len(names) - 1) + "\n"


def markdown_cell(text: str) -> str:
    """A vertical bar would end the cell."""
    return text.replace("|", "\\|").replace("\n", " ")
