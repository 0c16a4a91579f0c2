"""Made-up sections for the tests of this folder, which import it first."""

import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "command"), str(HERE.parent / "pages")]

import charts  # noqa: E402
from bench_figures import BenchFigures, Bound, Ratio, Row, Section  # noqa: E402

#: For tests of what draws charts.
needs_charts = unittest.skipUnless(charts.available(), charts.MISSING)
LEAST = Bound(True, 0.8)


def row_of(what, measure, ours, bound):
    return Row(what, measure, 4, ours, Ratio(ours / 4, 0.1, 2, 7), bound)


def section_of(name, *rows):
    figures = BenchFigures(
        name, machine="a machine, 2 cores", build="Release", commit="abc", kernel="6.1",
        congestion_control="bbr", measured="today", seconds=61, rows=list(rows))
    return Section(f"Title of {name}", f"ebb bench {name}", "raw socket", figures)
