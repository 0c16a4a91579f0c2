"""The figures, the charts and the page of the algorithms."""

import dataclasses
import unittest

from runs_for_tests import algorithm_run, needs_charts

import algorithms_images
import run_figures
from algorithms_page import PageOptions, page
from effects import PageJob, known_effects

OPTIONS = PageOptions([PageJob("fashion", "Some job", 0.7)], how="With care.")


def find(effects, part):
    return next((effect for effect in effects if part in effect.name), None)


class RunFiguresTest(unittest.TestCase):
    def test_they_are_read_as_they_were_written(self):
        figures = algorithm_run(
            "adag", 8, 0.75, 12, churn=True, period=16, settings='a="b"', doubled=2, test_loss=None,
            failure="it went astray", disturbance="market", seed=3, score=0.25, at_once=16)
        read = run_figures.read(figures.as_json())
        self.assertEqual(read, figures)
        self.assertTrue(read.churn)
        self.assertEqual(read.seed, 3)
        self.assertEqual(read.score, 0.25)
        self.assertIsNone(read.test_loss)
        self.assertEqual(len(read.curve), 3)
        for text in ("{}", "["):
            with self.assertRaises(ValueError):
                run_figures.read(text)

    def test_they_say_when_a_loss_was_reached_first(self):
        figures = algorithm_run("asp", 8, 0.8, 1)
        self.assertEqual(figures.reached(0.9).examples, 2000)
        self.assertEqual(figures.reached(0.7).seconds, 4)
        self.assertIsNone(figures.reached(0.5))

    def test_they_know_their_loss_and_their_speed(self):
        figures = algorithm_run("asp", 8, 0.8, 1)
        self.assertEqual(figures.loss_at(0.3), 0.9)
        self.assertEqual(figures.rate(0.1, 1), 4000 / 3.0)
        self.assertIsNone(figures.rate(0.9, 1))
        figures.curve.clear()
        self.assertIsNone(figures.loss_at(0.5))


class AlgorithmsPageTest(unittest.TestCase):
    @needs_charts
    def test_it_has_each_run_and_its_charts(self):
        every = [
            algorithm_run("asp", 8, 0.8, 1),
            algorithm_run("dynsgd", 8, 0.7, 2),
            algorithm_run("asp", 1, 0.8, 1),
            algorithm_run("asp", 8, 0.75, 3, churn=True, restarts=8),
        ]
        images = algorithms_images.images(every, OPTIONS.jobs, 8)
        files = [image.file for image in images]
        for name in ("steps-time", "steps-examples", "steps-speedup", "waiting"):
            self.assertIn(f"algorithms-fashion-{name}.svg", files)
        text = page(every, images, OPTIONS)
        for part in (
            "With care.",
            "commit abc; 4 runs",
            "0 examples missing, 0 doubled; 8 restarts",
            "### 8 workers, under churn",
            "| asp | 4.0 | 5,000 | 20.0 | 7 | 1.0 | 1 % | 0.800 | 0.500 | 3.5 | 9 |",
            "![Loss by seconds: Some job",
            "### Seconds to the target, by workers"):
            self.assertIn(part, text)
        self.assertNotIn("did not end as it should", text)

    def test_it_names_runs_that_went_astray(self):
        run = algorithm_run("asp", 16, 0.1, 1, failure="a gradient is not finite", curve=[])
        self.assertIn("- asp, 16 workers: a gradient is not finite", page([run], [], OPTIONS))


class KnownEffectsTest(unittest.TestCase):
    def test_they_are_seen_or_not_or_not_told(self):
        every = [
            algorithm_run(*one)
            for one in (
                ("asp", 8, 0.8, 1), ("ssp", 8, 0.8, 10), ("bsp", 8, 0.8, 5), ("asp", 1, 0.8, 1),
                ("asp", 16, 0.5, 1), ("dynsgd", 1, 0.8, 1), ("dynsgd", 16, 0.78, 1),
                ("adag", 1, 0.8, 1), ("adag", 16, 0.5, 1))
        ]
        rounds = algorithm_run("rounds", 16, 0.8, 1)
        every += [rounds, dataclasses.replace(rounds, algorithm="rounds+backup", seconds=12)]
        effects = known_effects(every, OPTIONS.jobs, 8)
        dynsgd = find(effects, "dynsgd does less")
        self.assertTrue(dynsgd.seen)
        self.assertIn("asp from 0.800 to 0.500", dynsgd.found)
        self.assertFalse(find(effects, "adag does less (Hermans").seen)
        # More waiting with a bound than without any.
        self.assertFalse(find(effects, "SSP waits more").seen)
        self.assertEqual(find(effects, "Backup tasks").found, "")
        self.assertTrue(find(effects, "slow workers, 16 workers").seen)
        text = page(every, [], OPTIONS)
        self.assertIn("| **not seen** |", text)
        self.assertIn("these runs do not tell", text)


if __name__ == "__main__":
    unittest.main()
