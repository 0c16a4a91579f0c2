#!/usr/bin/env python3
"""Figures of trained models, on real processes: they are those of the model's
predictions; `expect:` judges them; a model that is of no use is warned of; a
training that diverges is told, paused or rolled back.

  figures_test.py BIN_FOLDER [TEST...]
"""
import csv
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 240
PYTHON = os.environ.get("EBB_PYTHON", "/usr/bin/python3")
HAS_SKLEARN = subprocess.run([PYTHON, "-c", "import sklearn"],
                             stderr=subprocess.DEVNULL).returncode == 0

# Standard input: pairs of a label and a probability. Output: the observed shares
# and the mean probabilities of the bins that have examples.
SKLEARN = """
import json, sys
from sklearn.calibration import calibration_curve
labels, probabilities = zip(*json.load(sys.stdin))
observed, predicted = calibration_curve(labels, probabilities, n_bins=10)
print(json.dumps([[*observed], [*predicted]]))
"""

CLASSES = """
name: classes
model: logistic
data: {train: {csv: train.csv}, test: {csv: test.csv}}
train: {epochs: 4, batch: 20}
"""
VALUES = """
name: values
model: linear
data: {train: {csv: train.csv}, test: {csv: test.csv}}
train: {epochs: 20, batch: 20}
optimizer: {kind: adam, rate: 0.05}
"""
# A third of the labels are wrong, so that weights that are much too large are
# dear, however they stand.
STEEP = """
name: steep
model: {kind: logistic, l2: 0}
data: {train: {csv: train.csv}, test: {csv: test.csv}}
train: {epochs: 400, batch: 20, item_examples: 400}
optimizer: {kind: sgd, rate: 10000, schedule: constant}
checkpoint: {every: 10s, keep: 5}
"""


class FiguresTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_figures_test_")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    # Rows of three features and what `label` makes of them.
    def tables(self, label, rows=2000):
        draw = random.Random(1)
        for name, count in (("train.csv", rows), ("test.csv", 500)):
            lines = ["a,b,c,y"]
            for _ in range(count):
                row = [round(draw.gauss(0, 1), 4) for _ in range(3)]
                lines.append(",".join(map(str, row + [label(row, draw)])))
            self.write(name, "\n".join(lines) + "\n")

    def classes(self, wrong=0.1, rows=2000):
        self.tables(lambda x, draw: int((x[0] + x[1] / 2 > 0.3) !=
                                        (draw.random() < wrong)), rows)

    def values(self):
        self.tables(lambda x, draw: round(
            300_000 + 50_000 * x[0] - 20_000 * x[2] +
            draw.gauss(0, 10_000), 2))

    def ebb(self, *arguments, rc=0):
        ran = subprocess.run([os.path.join(BIN, "ebb"), *arguments],
                             cwd=self.folder, text=True, timeout=LIMIT_S,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(ran.returncode, rc, ran.stdout)
        return ran.stdout

    def run_job(self, job, *arguments, rc=0):
        self.write("job.yaml", job)
        said = self.ebb("run", "job.yaml", "--workers", "2", "--run-dir", "run",
                        "--report", "report.json", *arguments, rc=rc)
        with open(self.path("report.json")) as file:
            return json.load(file), said

    # (label, the last cell of the prediction) of each test example.
    def predicted(self):
        self.ebb("predict", "run", "test.csv", "--labelled", "-o", "p.csv")
        with open(self.path("test.csv")) as tests, \
                open(self.path("p.csv")) as predictions:
            labels = [float(row["y"]) for row in csv.DictReader(tests)]
            cells = [float(row[-1]) for row in list(csv.reader(predictions))[1:]]
        self.assertEqual(len(labels), len(cells))
        return list(zip(labels, cells))

    def test_figures_of_classes_are_those_of_the_predictions(self):
        self.classes()
        report, said = self.run_job(
            CLASSES + "expect: {auc: '>= 0.8', f1: '>= 0.5'}\n")
        pairs = self.predicted()
        test = report["test"]
        right = sum((p > 0.5) == (y == 1) for y, p in pairs)
        self.assertAlmostEqual(test["accuracy"], right / len(pairs))
        loss = -sum(math.log(p if y == 1 else 1 - p) for y, p in pairs)
        self.assertAlmostEqual(test["log_loss"], loss / len(pairs), delta=1e-4)
        ones = [p for y, p in pairs if y == 1]
        zeros = [p for y, p in pairs if y == 0]
        ordered = sum((a > b) + (a == b) / 2 for a in ones for b in zeros)
        self.assertAlmostEqual(test["auc"], ordered / len(ones) / len(zeros),
                               delta=1e-4)
        matrix = test["confusion"]
        self.assertEqual(sum(map(sum, matrix)), len(pairs))
        self.assertEqual(matrix[0][0] + matrix[1][1], right)
        found = matrix[1][1]
        self.assertAlmostEqual(test["f1"], 2 * found / (
            sum(matrix[1]) + matrix[0][1] + found))
        self.assertRegex(said, r"test AUC +0\.\d{4} \(expected >= 0\.8\)")
        self.assertRegex(said, r"epoch 4: test accuracy 0\.\d+, log loss "
                               r"0\.\d+, AUC 0\.\d+, F1 0\.\d+")
        with open(self.path("run/metrics.csv")) as file:
            last = list(csv.DictReader(file))[-1]
        self.assertAlmostEqual(float(last["test_auc"]), test["auc"], delta=1e-3)
        self.assertNotIn("no better", said)

    @unittest.skipUnless(HAS_SKLEARN, f"{PYTHON} has no sklearn")
    def test_the_calibration_is_that_of_scikit_learn(self):
        self.classes(wrong=0.2)
        report, said = self.run_job(
            CLASSES + "expect: {calibration_error: '<= 0.2'}\n"
            "keep_best: calibration_error\n")
        pairs = self.predicted()
        done = subprocess.run([PYTHON, "-c", SKLEARN], input=json.dumps(pairs),
                              text=True, check=True, capture_output=True,
                              timeout=LIMIT_S)
        observed, predicted = json.loads(done.stdout)
        test = report["test"]
        bins = test["calibration"]
        self.assertGreater(len(bins), 5)
        self.assertEqual(sum(one["examples"] for one in bins), len(pairs))
        self.assertEqual(len(bins), len(observed))
        for one, share, probability in zip(bins, observed, predicted):
            self.assertAlmostEqual(one["observed"], share, delta=1e-9)
            self.assertAlmostEqual(one["predicted"], probability, delta=1e-4)
        error = sum(one["examples"] * abs(one["observed"] - one["predicted"])
                    for one in bins) / len(pairs)
        self.assertAlmostEqual(test["calibration_error"], error, delta=1e-9)
        self.assertEqual(report["best"]["figure"], "calibration_error")
        self.assertEqual(report["best"]["value"], min(
            one["calibration_error"] for one in report["evaluations"]))
        self.assertRegex(said, r"test ECE +0\.\d{4} of '1' +\(expected <= 0\.2\)")
        self.assertRegex(said, r"calibration +predicted 0\.\d+, observed")
        scored = self.ebb("predict", "run", "test.csv", "--score")
        self.assertRegex(scored, rf"ECE {test['calibration_error']:.4f}")
        self.assertEqual(scored.count("observed"), len(bins))
        with open(self.path("run/metrics.csv")) as file:
            last = list(csv.DictReader(file))[-1]
        self.assertTrue(last["test_calibration_error"], last)
        with open(self.path("run/report.html")) as file:
            self.assertRegex(file.read(), r"Calibration of \S+: observed")

    def test_the_calibration_is_the_same_whatever_the_number_of_workers(self):
        self.classes()
        self.write("job.yaml", CLASSES + "consistency: {kind: rounds, "
                   "examples: 40}\n")
        tests = []
        for workers in ("1", "3"):
            self.ebb("run", "job.yaml", "--workers", workers, "--run-dir",
                     "run" + workers, "--report", "report.json", "--quiet")
            with open(self.path("report.json")) as file:
                tests.append(json.load(file)["test"])
        self.assertGreater(len(tests[0]["calibration"]), 5)
        for name in ("calibration", "calibration_error"):
            self.assertEqual(tests[0][name], tests[1][name])

    def test_figures_of_values_are_in_their_units(self):
        self.values()
        report, said = self.run_job(
            VALUES + "expect: {rmse: '<= 15000', r2: '>= 0.9'}\n")
        pairs = self.predicted()
        squares = sum((p - y) ** 2 for y, p in pairs) / len(pairs)
        test = report["test"]
        self.assertAlmostEqual(test["rmse"] / math.sqrt(squares), 1, delta=1e-3)
        self.assertAlmostEqual(
            test["mae"] / (sum(abs(p - y) for y, p in pairs) / len(pairs)), 1,
            delta=1e-3)
        mean = sum(y for y, _ in pairs) / len(pairs)
        variance = sum((y - mean) ** 2 for y, _ in pairs) / len(pairs)
        self.assertAlmostEqual(test["r2"], 1 - squares / variance, delta=1e-3)
        self.assertAlmostEqual(test["baseline_rmse"], math.sqrt(variance),
                               delta=1)
        self.assertNotIn("accuracy", said)
        self.assertRegex(said, r"test RMSE +[\d,]+\.\d\d \(expected")

    def test_a_missed_figure_is_an_error(self):
        self.classes()
        _, said = self.run_job(CLASSES + "expect: {auc: '>= 0.9999'}\n", rc=1)
        self.assertRegex(said, r"error: expected auc >= 0.9999, found 0\.")

    def test_a_model_of_no_use_is_warned_of(self):
        # The label says nothing of the features.
        self.tables(lambda x, draw: round(draw.gauss(100, 5), 3))
        report, said = self.run_job(
            VALUES, "--set", "train.epochs=1", "--set", "optimizer.rate=1e-7",
            "--set", "optimizer.kind=sgd")
        self.assertIn("warning: the model predicts no better than always "
                      "saying the mean of the test data", said)
        self.assertTrue(report["passed"])
        self.assertIn("always saying the mean", " ".join(report["warnings"]))

    def test_a_training_that_diverges_is_told(self):
        self.classes(wrong=0.3, rows=4000)
        report, said = self.run_job(STEEP)
        self.assertRegex(said, r"the training loss is [\d.e+]+, and guessing "
                               r"has 0\.6931: the model is worse than that")
        self.assertIn("warning: the training loss is ", said)
        self.assertTrue(report["audit"]["exact"])

    def test_it_pauses_and_goes_on_when_resumed(self):
        self.classes(wrong=0.3, rows=4000)
        pause = STEEP + "on_divergence: pause\n"
        _, said = self.run_job(pause, rc=1)
        self.assertIn("(on_divergence: pause)", said)
        self.assertIn("hint: --resume ", said)
        # Bug: it paused at once again.
        resumed = self.ebb("run", "job.yaml", "--workers", "2", "--resume",
                           "--run-dir", "run")
        self.assertIn("done in", resumed)

    # Bug: it was over before three reports came, and good.
    def test_a_run_of_a_moment_that_diverged_is_told_and_pauses(self):
        self.classes(wrong=0.3, rows=400)
        short = STEEP.replace("epochs: 400", "epochs: 1")
        report, said = self.run_job(short)
        self.assertIn("warning: the training loss is ", said)
        self.assertTrue(report["passed"])
        shutil.rmtree(os.path.join(self.folder, "run"))
        _, said = self.run_job(short + "on_divergence: pause\n", rc=1)
        self.assertIn("(on_divergence: pause)", said)

    def test_it_goes_back_and_learns_with_a_smaller_rate(self):
        self.classes(wrong=0.3, rows=4000)
        report, said = self.run_job(
            STEEP + "on_divergence: rollback\non_nonfinite_rollback: "
            "{factor: 0.000001, versions: 2, most: 2}\n")
        self.assertTrue(report["audit"]["exact"], said)
        self.assertEqual(report["nonfinite_rollbacks"], 1, said)
        self.assertIn("(on_divergence: rollback 1 of at most 2)",
                      report["rolled_back"])
        self.assertLess(report["test"]["log_loss"], 0.6931, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
