"""A quick look at short samples."""

import unittest

import sections_for_tests  # noqa: F401
from bench_figures import (
    BenchFigures, Bound, Contestant, Ratio, Record, RecordedRow, Row, Section)
from quick_look import quick_look


def row_of(what, ours):
    return Row(what, "GB/s", 10, ours, Ratio(ours / 10, 0.1, 0.9, 3), Bound(True, 0.8))


class QuickLookTest(unittest.TestCase):
    # Bug: a look said which rows hold, warned of those that it does not measure, and told
    # that short samples were worse than long ones.
    def test_it_has_figures_beside_what_was_recorded_and_no_verdict(self):
        rows = [row_of("push 4 MiB", 5), row_of("pull 4 MiB", 7)]
        dense = Section(
            "Dense", "ebb bench dense --quick", "socket", BenchFigures("dense", rows=rows))
        other = Section("Other", "", "", BenchFigures("other", skipped="not asked for"))
        record = Record(rows=[
            RecordedRow("dense", "push 4 MiB", "GB/s", Ratio(0.9, 0.85, 0.95, 7)),
            RecordedRow("dense", "push 64 MiB", "GB/s", Ratio(0.9, 0.85, 0.95, 7)),
            RecordedRow("other", "push 4 MiB", "GB/s", Ratio(0.3, 0.2, 0.4, 7))])
        self.assertEqual(
            quick_look([dense, other], record),
            "Dense (ebb bench dense --quick)\n"
            "                  SOCKET  EBB             RATIO          RECORDED\n"
            "push 4 MiB  GB/s      10    5  0.50 (0.10-0.90)  0.90 (0.85-0.95)\n"
            "pull 4 MiB  GB/s      10    7  0.70 (0.10-0.90)\n\n")

    def test_it_has_the_sides_of_a_comparison(self):
        peers = Section("Peers", "", "PyTorch", BenchFigures("peers", rows=[row_of("speed", 5)]))
        peers.figures.contestants = [Contestant("ebb", 60000, 20, 0.87)]
        peers.figures.notes = ["a peer exited with 1"]
        text = quick_look([peers], Record())
        self.assertIn("ebb       60000           20.0    0.8700\n", text)
        self.assertIn("not measured: a peer exited with 1\n", text)
        self.assertNotIn("MISS", text)


if __name__ == "__main__":
    unittest.main()
