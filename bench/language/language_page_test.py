"""The page of `ebb bench language`."""

import tempfile
import unittest
from pathlib import Path

from language_for_tests import kept

import charts
import language_page

OPTIONS = language_page.PageOptions("machine A; PyTorch", "ebb bench language", "About it.", {"torchft-w4-s1": "no torchft"})
RUNS = [
    kept("ddp", seed=1, loss=2.0, lost=0, doubled=0, sequences=100, parameters=1000, curve=[(10, 4.0), (30, 3.0)]),
    kept("diloco", seed=1, loss=2.1, lost=0, doubled=0, sequences=100, recomputed=0, killed={}, digest="a", parameters=1000),
    kept("diloco", seed=2, loss=2.3, lost=0, doubled=0, sequences=100, recomputed=0, killed={}, digest="b", parameters=1000),
    kept(
        "kills", seed=1, loss=2.1, lost=0, doubled=0, sequences=100, recomputed=40, exact=True,
        killed={"copy": 3, "server": 1}, digest="a", curve=[(10, 4.0), (30, 3.0)],
        kills_at=[("copy", 12), ("server", 25), ("copy", 28)]),
    kept("accumulated", name="accumulated-w4-s1-rate-4", loss=2.9, parameters=1000, _accumulated=200),
    kept("choice", name="choice_rounds-outer_rate-0.5", loss=4.2, parameters=1000),
]


class LanguagePageTest(unittest.TestCase):
    @unittest.skipUnless(charts.available(), charts.MISSING)
    def test_it_has_targets_tables_and_charts(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "page.md")
            language_page.write(file, RUNS, OPTIONS)
            text = file.read_text()
            images = {
                name: Path(folder, "images", f"language-{name}.svg").read_text()
                for name in ("workers", "tokens", "bytes", "loss")
            }
        for words in (
            "Machine A; PyTorch. Command: `ebb bench language`.\n\nAbout it.\n",
            "**2 of 3 targets hold.**",
            "| loss at equal tokens, 4 workers, rounds / DDP | 1.050 | ≤ 1.01 | **misses by 0.040** |\n",
            "| ebb.torch, rounds | 4 | 2 | 2.100 | 2.200 | 2.300 | 1.050 |\n",
            "| ebb.torch, rounds, under kills | 3 × copy, 1 × server | 100 | 0 | 0 | 40 |\n",
            "| rounds: the defaults | 2.100 |  |\n| rounds: outer rate 0.5 | 4.200 | 2.000 |\n",
            "![Held-out loss at equal tokens, by workers](images/language-workers.svg)",
            "\n## Not measured\n\n- torchft-w4-s1: no torchft\n"):
            self.assertIn(words, text)
        # What was not measured has no section.
        for words in ("## Bytes", "## Spot markets"):
            self.assertNotIn(words, text)
        self.assertIn(">rounds<", images["workers"])
        for words in (">DDP<", ">rounds under kills<", ">a copy is killed<", ">a server is killed<"):
            self.assertIn(words, images["tokens"])
        for words in (">DDP, bf16<", ">DDP, as seldom<", ">rounds, float32<"):
            self.assertIn(words, images["bytes"])

    def test_runs_that_begin_anew_are_apart_from_those_that_keep_moments(self):
        rows = language_page.loss_rows(
            [kept("moments", loss=2.0, _moments="kept"), kept("moments", loss=1.9, _moments="anew")])
        self.assertEqual([row[0] for row in rows], [
            "rounds in one process, each worker keeps its moments",
            "rounds in one process, moments begin anew"])

    def test_momentum_in_asp_is_compared_with_none_at_equal_workers(self):
        rows = language_page.late_rows([
            kept("late", loss=2.0, workers=8, _outer_momentum=0.0, _delayed=0),
            kept("late", loss=3.0, workers=8, _outer_momentum=0.5, _delayed=8),
            kept("late", loss=4.0, workers=4, _outer_momentum=0.5, _delayed=0)])
        self.assertEqual(rows, [
            ["4", "0.5, at each step", "4.000", ""],
            ["8", "none", "2.000", ""],
            ["8", "0.5, delayed", "3.000", "1.500"]])

    def test_a_terminal_has_losses_and_targets(self):
        text = language_page.terminal_text(RUNS[:2])
        self.assertIn("ebb.torch, rounds", text)
        self.assertIn("misses by 0.040", text)
        self.assertNotIn("misses", language_page.terminal_text(RUNS[:2], verdicts=False))
        self.assertEqual(language_page.terminal_text([]), "")


if __name__ == "__main__":
    unittest.main()
