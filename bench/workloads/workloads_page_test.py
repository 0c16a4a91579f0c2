"""The page of `ebb bench workloads`."""

import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "python"), str(HERE.parent / "pages")]

import charts  # noqa: E402
import page  # noqa: E402
import workloads_page  # noqa: E402
from figures import Comparison, Row, at_least  # noqa: E402

ROW = Row("kmeans", Comparison("a round", "s", "ebb", "other", at_least(0.8)), 2, 2.5, 0.8, [0.7, 0.8])


class WorkloadsPageTest(unittest.TestCase):
    @unittest.skipUnless(charts.available(), charts.MISSING)
    def test_it_has_the_rows_and_charts_of_each_part(self):
        chart = workloads_page.Chart(
            "workloads-kmeans.svg", "Speed-up", "workers", "times", ["1", "2"], {"ebb": [1, 1.9]})
        part = workloads_page.Part("K-Means", [ROW], [chart], {"kmeans-x": "no scikit-learn"})
        with tempfile.TemporaryDirectory() as folder, mock.patch("runs.others", lambda: "others"):
            file = Path(folder, "page.md")
            workloads_page.write(file, "a machine", [part], 3)
            text = file.read_text()
            image = Path(folder, "images", "workloads-kmeans.svg").read_text()
        for words in (
            "Machine: a machine, others.",
            "**1 of 1 rows hold.**",
            "\n## K-Means\n\n| | | limit | ebb | ratio | spread | required | |\n"
            "|---|---|--:|--:|--:|---|---|---|\n"
            "| a round | s | 2.5 | 2 | 0.80 | 0.70–0.80 | ≥ 0.8 | holds |\n"
            "\n![Speed-up](images/workloads-kmeans.svg)\n"
            "\nNot measured: kmeans-x: no scikit-learn.\n"):
            self.assertIn(words, text)
        for words in (">ebb<", ">workers<", ">times<", ">2<"):
            self.assertIn(words, image)


class RowsTest(unittest.TestCase):
    def test_they_are_a_table_for_a_terminal(self):
        self.assertEqual(
            page.text([ROW]),
            "            limit  ebb  ratio     spread  required\n"
            "a round  s    2.5    2   0.80  0.70–0.80     ≥ 0.8  holds\n")

    def test_a_page_keeps_the_rows_that_were_not_measured_again(self):
        before = page.markdown("old machine", [ROW], {}, {}, 3)
        self.assertEqual(before.count("| a round | s |"), 1)
        again = page.markdown("new machine", [], {}, {}, 3, before)
        self.assertIn("Machine: old machine. 3 rounds", again)
        self.assertEqual(again.count("| a round | s |"), 1)


if __name__ == "__main__":
    unittest.main()
