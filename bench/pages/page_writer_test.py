"""The texts, the charts and the files of pages."""

import sys
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE)]

import charts  # noqa: E402
import page_writer  # noqa: E402
import texts  # noqa: E402


class TextsTest(unittest.TestCase):
    def test_times_are_as_long_as_they_say(self):
        for seconds, text in (
            (0.04, "0.04 s"), (4.56, "4.6 s"), (192, "3 min 12 s"), (7500, "2 h 5 min")):
            self.assertEqual(texts.took(seconds), text)

    def test_a_table_is_as_wide_as_its_cells(self):
        self.assertEqual(
            texts.table([["", "EBB"], ["push", "1"], ["a", "12345"]], [1]),
            "        EBB\npush      1\na     12345\n")

    def test_markdown_keeps_its_columns(self):
        self.assertEqual(texts.markdown_row([texts.markdown_cell("x|y"), "1"]), "| x\\|y | 1 |\n")
        self.assertEqual(texts.markdown_header(["", "a", "b"]), "|  | a | b |\n|---|--:|--:|\n")


class PageTest(unittest.TestCase):
    @unittest.skipUnless(charts.available(), charts.MISSING)
    def test_a_page_has_its_charts_beside_it(self):
        lines = charts.lines(
            "Speed", [charts.Curve("ebb", [(0, 1), (1, 2)]), charts.Curve("none")], places=["1", "2"])
        for part in (">Speed<", ">ebb<", ">1<"):
            self.assertIn(part, lines)
        self.assertNotIn(">none<", lines)
        self.assertEqual(charts.lines("Nothing", [charts.Curve("ebb")]), "")
        image = charts.Image("speed.svg", "Speed", lines)
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder, "page.md")
            page_writer.check(page)
            self.assertFalse(page.exists())
            page_writer.write(page, "# Page\n" + page_writer.shown(image), [image])
            self.assertIn("![Speed](images/speed.svg)", page.read_text())
            root = xml.etree.ElementTree.parse(Path(folder, "images", "speed.svg")).getroot()
        self.assertTrue(root.tag.endswith("svg"))


if __name__ == "__main__":
    unittest.main()
