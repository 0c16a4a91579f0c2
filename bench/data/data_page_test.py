"""The section of the page that `ebb bench data` writes."""

import dataclasses
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "pages")]

import charts  # noqa: E402
from bench_figures import BenchFigures, Bound, Ratio, Row  # noqa: E402
from data_page import Part, Reading, Table, read_table, section, with_section  # noqa: E402


def table():
    """Examples a second: 100 times the size of a batch."""
    groups = [(reader, cached) for reader in ("ebb", "tf.data") for cached in (False, True)]
    readings = [
        Reading("PNG files", reader, cached, batch, batches, 100.0 * batch)
        for reader, cached in groups
        for batch in (10, 20)
        for batches in (1, 2)
    ]
    lines = [
        {"format": "PNG files", "reader": reader, "cached": cached, "over": over, "slope": slope,
         "intercept": intercept, "r_squared": r_squared}
        for reader, cached in groups
        for over, slope, intercept, r_squared in (
            ("batch", 100.0, 0.0, 1.0), ("batches", 0.0, 1500.0, 0.0), ("examples", -2.5, 1.0, 0.5))
    ]
    return Table("Fashion-MNIST", "TensorFlow 2", "", 3, readings, lines)


class DataPageTest(unittest.TestCase):
    @unittest.skipUnless(charts.available(), charts.MISSING)
    def test_it_has_tables_lines_and_charts(self):
        figures = BenchFigures(
            "table", machine="a machine", build="Release", commit="abc", measured="today", seconds=61)
        part = Part(figures, table())
        text, images = section([part])
        self.assertEqual(
            [image.file for image in images],
            ["data-formats.svg", "data-PNG-files-examples.svg", "data-PNG-files-batch.svg"])
        for image in images:
            self.assertIn("<svg", image.svg)
        for words in (
            "`ebb bench data --only table`, today, commit abc",
            "| batch | batches | PNG files, ebb | PNG files, tf.data |",
            "| 20 | 2 | 2,000 | 2,000 |",
            "| format | reader |  | x = batch | x = batches | x = examples |",
            "| PNG files | ebb | not cached | 0 + 100·x, R² 1.00 | 1.5e+03 + 0·x, R² 0.00 | "
            "1 − 2.5·x, R² 0.50 |",
            "](images/data-formats.svg)"):
            self.assertIn(words, text)
        part.table.peer_skipped = "no TensorFlow"
        self.assertIn("tf.data, skipped: no TensorFlow.", section([part])[0])

    def test_it_tells_of_skipped_parts_and_verdicts(self):
        row = Row("pack", "examples/s", 10, 4, Ratio(0.4, 0.3, 0.5, 7), Bound(True, 0.5))
        rows = Part(BenchFigures("rows", rows=[row]), title="Reading", limit="limit")
        objects = Part(BenchFigures("objects", skipped="no bucket"), title="Objects")
        text, images = section([rows, objects])
        self.assertIn("| pack | examples/s | 10 | 4 | 0.40 | 0.30–0.50 | ≥ 0.5 | **misses** |", text)
        self.assertIn("`ebb bench data --only rows --pairs 7`", text)
        self.assertIn("Skipped: no bucket.", text)
        self.assertNotIn("Formats, caching", text)
        self.assertEqual(images, [])

    def test_it_replaces_its_section_only(self):
        page = "# Data\n\nA guide.\n"
        once = with_section(page, "## Measured\n\nold\n")
        self.assertEqual(once, "# Data\n\nA guide.\n\n## Measured\n\nold\n")
        self.assertEqual(
            with_section(once, "## Measured\n\nnew\n"), "# Data\n\nA guide.\n\n## Measured\n\nnew\n")

    def test_a_table_is_read(self):
        text = (
            '{"images": "generated images", "peer": "", "peer_skipped": "none here", "rounds": 3,'
            ' "readings": [{"format": "TFRecord", "reader": "ebb", "cached": true, "batch": 16,'
            ' "batches": 4, "examples_per_second": 1000}], "lines": [], "rows": []}')
        read = read_table(text)
        self.assertEqual((read.images, read.peer_skipped, read.rounds), ("generated images", "none here", 3))
        self.assertEqual(read.readings[0].examples, 64)
        self.assertEqual(dataclasses.astuple(read.readings[0])[-1], 1000)
        with self.assertRaises(ValueError):
            read_table('{"rows": []}')


if __name__ == "__main__":
    unittest.main()
