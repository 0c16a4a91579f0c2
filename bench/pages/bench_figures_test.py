"""The figures of benchmarks, and their records."""

import json
import unittest

import rows_for_tests  # noqa: F401
from bench_figures import (
    BenchFigures, Bound, Ratio, Record, Row, read, read_record, record_of, worse_than_recorded)

LEAST, MOST = Bound(True, 0.8), Bound(False, 1.5)


def row_of(what, ratio, low, high, bound):
    return Row(what, "GB/s", 2, 2 * ratio, Ratio(ratio, low, high, 7), bound)


def figures_of(name, *rows):
    return BenchFigures(name, machine="a machine", commit="abc", rows=list(rows))


def written(row):
    """Returns the row as the programs write it."""
    made = {
        "what": row.what, "measure": row.measure, "limit": row.limit, "ours": row.ours,
        "ratio": row.ratio.median, "lowest_ratio": row.ratio.low, "highest_ratio": row.ratio.high,
        "pairs": row.ratio.pairs, "holds": row.holds}
    if row.bound:
        made["at_least" if row.bound.at_least else "at_most"] = row.bound.value
    return made


class ReadTest(unittest.TestCase):
    def test_it_reads_what_benchmarks_write(self):
        rows = [
            row_of("push", 0.9, 0.7, 1.1, LEAST), row_of("pull", 2, 1, 3, MOST),
            row_of("told", 1, 1, 1, None)]
        figures = read("dense", json.dumps({
            "machine": "two cores", "commit": "abc", "seconds": 12.5,
            "rows": [written(row) for row in rows]}))
        self.assertEqual(figures.name, "dense")
        self.assertEqual(figures.machine, "two cores")
        self.assertEqual(figures.seconds, 12.5)
        self.assertEqual(figures.rows, rows)
        self.assertEqual(figures.rows[0].ratio.low, 0.7)
        self.assertTrue(figures.rows[0].holds)
        self.assertEqual(str(figures.rows[1].bound), "<= 1.5")
        self.assertFalse(figures.rows[1].holds)
        self.assertIsNone(figures.rows[2].bound)

    def test_it_refuses_what_is_none(self):
        for text in ("torn {", "{}", "[]"):
            with self.assertRaises(ValueError):
                read("x", text)


class RecordTest(unittest.TestCase):
    def test_it_keeps_what_is_required_and_comes_back_as_it_was(self):
        record = record_of(
            [figures_of("dense", row_of("push", 0.91234, 0.7, 1.1, LEAST),
                        row_of("told", 1, 1, 1, None))], Record())
        again = read_record(record.as_json())
        self.assertEqual(again.machine, "a machine")
        self.assertEqual([(row.bench, row.what) for row in again.rows], [("dense", "push")])
        self.assertEqual(again.rows[0].ratio.median, 0.912)
        with self.assertRaises(ValueError):
            read_record("[]")

    def test_what_was_not_measured_stays_recorded(self):
        earlier = record_of(
            [figures_of("dense", row_of("push", 1, 1, 1, LEAST)),
             figures_of("peers", row_of("main job", 3, 3, 3, LEAST))], Record())
        skipped = figures_of("peers")
        skipped.skipped = "no PyTorch"
        renewed = record_of([figures_of("dense", row_of("push", 2, 2, 2, LEAST)), skipped], earlier)
        self.assertEqual(
            [(row.what, row.ratio.median) for row in renewed.rows], [("push", 2), ("main job", 3)])


class WorseThanRecordedTest(unittest.TestCase):
    def test_it_warns_beyond_the_spread_on_the_bad_side_only(self):
        record = record_of(
            [figures_of("dense", row_of("push", 0.9, 0.8, 1.0, LEAST),
                        row_of("cpu", 1.2, 1.1, 1.4, MOST))], Record())

        def warnings(push, cpu):
            return worse_than_recorded(
                record, [figures_of("dense", row_of("push", push, 0, 9, LEAST),
                                    row_of("cpu", cpu, 0, 9, MOST))])

        self.assertEqual(warnings(0.8, 1.4), [])
        self.assertEqual(warnings(5, 0.1), [])
        self.assertEqual(
            warnings(0.79, 1.4),
            ["dense: push, GB/s: 0.79 now, 0.90 recorded (0.80-1.00; it must be >= 0.8)"])
        self.assertEqual(len(warnings(0.8, 1.41)), 1)
        self.assertIn("cpu, GB/s: 1.41", warnings(0.8, 1.41)[0])

    def test_a_row_that_is_gone_is_warned_of_unless_its_benchmark_is(self):
        record = record_of([figures_of("dense", row_of("push", 1, 1, 1, LEAST))], Record())
        self.assertEqual(
            worse_than_recorded(record, [figures_of("dense", row_of("x", 1, 1, 1, LEAST))]),
            ["dense: push, GB/s: it was recorded, and is no longer measured"])
        self.assertEqual(worse_than_recorded(record, []), [])
        self.assertEqual(worse_than_recorded(record, [figures_of("dense")]), [])


if __name__ == "__main__":
    unittest.main()
