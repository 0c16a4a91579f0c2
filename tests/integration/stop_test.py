#!/usr/bin/env python3
"""Jobs that end when their evaluations no longer become better (`stop`), and
that go back to their best version (`keep_best`): exact, whatever is killed.

  stop_test.py BIN_FOLDER
"""
import json
import os
import random
import re
import sys
import unittest

from job_test_case import JobTestCase, deaths

PROGRAMS = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else (
    "build/bin")
TRAIN, TEST, COLUMNS = 120, 400, 20
EPOCHS = 60

# Few examples, many weights and noise in the labels: it learns the noise soon.
JOB = f"""
name: noise
model: {{kind: mlp, layers: [{COLUMNS}, 64, 2]}}
data: {{train: {{csv: train.csv}}, test: {{csv: test.csv}}}}
train: {{epochs: {EPOCHS}, batch: 10, item_examples: 20}}
optimizer: {{kind: adam, rate: 0.01, schedule: constant}}
checkpoint: {{every: 100ms, keep: 1}}
evaluate: 1 epoch
oracle: {{width: 4}}
partitions: 3
"""


def examples(count, seed):
    """The class is the sign of a sum of three columns, or for a fifth of them
    the other."""
    draw = random.Random(seed)
    lines = []
    for _ in range(count):
        row = [draw.gauss(0, 1) for _ in range(COLUMNS)]
        label = int(sum(row[:3]) > 0) ^ int(draw.random() < 0.2)
        lines.append(",".join([f"{one:.5f}" for one in row] + [str(label)]))
    return lines


class StopTest(JobTestCase):
    programs = PROGRAMS
    limit_s = 200

    @classmethod
    def setUpClass(cls):
        cls.test_lines = examples(TEST, 2)
        cls.make_data({"train.csv": "\n".join(examples(TRAIN, 1)) + "\n",
                       "test.csv": "\n".join(cls.test_lines) + "\n"})

    def train(self, keys, *arguments, command="run", rc=0):
        """Returns what it prints, its report, and its folder."""
        folder = self.new_folder()
        for name in ("train.csv", "test.csv"):
            os.symlink(os.path.join(self.data, name),
                       os.path.join(folder, name))
        with open(os.path.join(folder, "job.yaml"), "w") as file:
            file.write(JOB + keys)
        with open(os.path.join(folder, "deaths.yaml"), "w") as file:
            file.write(deaths("50ms"))
        said = self.run_ebb(folder, command, "job.yaml", "--run-dir", "run",
                            *arguments, rc=rc)
        report = None
        if rc == 0:
            with open(os.path.join(folder, "run", "report.json")) as file:
                report = json.load(file)
        return said, report, folder

    def exact(self, report, epochs):
        self.assertTrue(report["passed"], report["problems"])
        audit = report["audit"]
        self.assertTrue(audit["exact"] and audit["oracle_exact"], audit)
        self.assertEqual(audit["applied"], TRAIN * epochs)
        self.assertEqual(report["epochs"], epochs)

    def test_it_ends_after_evaluations_without_a_better_one(self):
        said, report, folder = self.train(
            "stop: {metric: loss, patience: 4}\n")
        stopped = re.search(r"stopped after epoch (\d+): 4 evaluations without "
                            r"a better loss than that of epoch (\d+)", said)
        self.assertIsNotNone(stopped, said)
        last, best = int(stopped[1]), int(stopped[2])
        self.assertEqual(last, best + 4)
        self.assertLess(last, EPOCHS)
        self.exact(report, last)
        self.assertEqual(report["rollbacks"], 0)
        losses = [one["loss"] for one in report["evaluations"]]
        self.assertEqual(len(losses), last)
        self.assertEqual(min(losses), losses[best - 1])
        self.assertIn("stopped after epoch", report["ended"])
        # It is complete, also if one says the same again.
        self.assertIn("the run is complete", self.run_ebb(
            folder, "run", "job.yaml", "--run-dir", "run", "--resume"))

    def check_best(self, report, folder):
        """The result is the best version, and reaches what is said of it."""
        best = report["best"]
        self.assertEqual(best["figure"], "loss")
        self.exact(report, best["epoch"])
        evaluations = report["evaluations"]
        self.assertEqual(evaluations[-1]["epoch"], best["epoch"])
        self.assertEqual(evaluations[-1]["loss"], best["value"])
        self.assertEqual(min(one["loss"] for one in evaluations),
                         best["value"])
        said = self.run_ebb(folder, "predict", "run", "test.csv", "--score")
        loss = re.search(r"log loss\s+([\d.]+)", said)
        self.assertIsNotNone(loss, said)
        self.assertAlmostEqual(float(loss[1]), best["value"], places=3)

    def test_it_goes_back_to_the_best(self):
        said, report, folder = self.train(
            "stop: {metric: loss, patience: 6}\nkeep_best: loss\n")
        self.assertRegex(said, r"went back from epoch \d+ to epoch \d+, the "
                         "best by loss")
        self.assertEqual(report["rollbacks"], 0)
        self.check_best(report, folder)

    def test_whatever_is_killed(self):
        # At least 7 epochs of 12 batches.
        _, report, folder = self.train(
            "stop: {metric: loss, patience: 6}\nkeep_best: loss\n",
            "--scenario", "deaths.yaml", command="chaos")
        self.assertEqual(report["restarts"]["total"], 3)
        self.check_best(report, folder)

    def test_rounds_end_the_same_whatever_is_killed(self):
        keys = ("consistency: {kind: rounds, examples: 40}\n"
                "keep_best: loss\nstop: {metric: loss, patience: 3}\n")
        _, calm, folder = self.train(keys, "--workers", "2")
        # At least 4 epochs of 12 batches.
        _, killed, _ = self.train(keys, "--scenario", "deaths.yaml",
                                  command="chaos")
        self.assertEqual(killed["restarts"]["total"], 3)
        self.assertEqual(killed["ended"], calm["ended"])
        self.assertEqual(killed["evaluations"][-1]["loss"],
                         calm["evaluations"][-1]["loss"])
        self.check_best(calm, folder)

    def test_what_cannot_be_is_refused(self):
        for keys, said in (
                ("stop: rmse\n", "is a figure of numbers to predict"),
                ("keep_best: perplexity\n", "of documents whose topics"),
                ("stop: los\n", 'there is no figure "los"'),
                ("stop: {metric: loss, patience: 60}\n",
                 "never pass without a better one"),
                ("keep_best: loss\non_nonfinite: rollback\n",
                 "cannot be with on_nonfinite: rollback")):
            self.assertIn(said, self.train(keys, rc=2)[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
