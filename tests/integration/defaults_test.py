#!/usr/bin/env python3
"""Jobs that name only their model and data, run on real processes: what ebb
chooses from the data is said, and the model learns.

  defaults_test.py BIN_FOLDER [TEST...]
"""
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
LIMIT_S = 120


class DefaultsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_defaults_test_")
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as out:
            out.write(text)

    def ebb(self, *arguments):
        done = subprocess.run([os.path.join(BIN, "ebb"), *arguments],
                              cwd=self.folder, capture_output=True, text=True,
                              timeout=LIMIT_S)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def run_job(self, *more):
        """Returns what it said, and its report."""
        said = self.ebb("run", "job.yaml", "--servers", "1", "--workers", "2",
                        "--run-dir", "run", "--report", "report.json", *more)
        with open(os.path.join(self.folder, "report.json")) as file:
            return said, json.load(file)

    def houses(self, rows, seed):
        """Prices in the hundred thousands; the noise has deviation 20,000."""
        rng = random.Random(seed)
        lines = ["area,rooms,year,price"]
        for _ in range(rows):
            area, rooms = rng.gauss(1500, 500), rng.randint(1, 8)
            year = rng.randint(1900, 2010)
            price = (100 * area + 5000 * rooms + 600 * (year - 1950) + 10_000
                     + rng.gauss(0, 20_000))
            lines.append(f"{area:.0f},{rooms},{year},{price:.0f}")
        return "\n".join(lines) + "\n"

    def test_house_prices_are_learned_and_predicted_in_their_units(self):
        # Predictions were 22, and the verdict was green.
        self.write("train.csv", self.houses(400, 1))
        self.write("test.csv", self.houses(100, 2))
        self.write("job.yaml", "model: linear\ndata: {train: {csv: train.csv}, "
                               "test: {csv: test.csv}}\n")
        said, report = self.run_job()
        self.assertIn("Chosen from the data: train.batch 16 (the examples of "
                      "all epochs are 30800)", said)
        self.assertIn("workers.max 8 (1925 steps in all", said)
        self.assertIn("data.standardise_labels true (the labels have mean ",
                      said)
        # Half of the squared error; the noise alone is 2e8.
        self.assertLess(report["loss"], 3e8)

        self.ebb("checkpoint", "export", "run", "-o", "houses.safetensors")
        predicted = [float(line) for line in self.ebb(
            "predict", "houses.safetensors", "test.csv",
            "--labelled").split()[1:]]
        with open(os.path.join(self.folder, "test.csv")) as file:
            prices = [float(line.split(",")[-1]) for line in list(file)[1:]]
        squares = [(a - b) ** 2 for a, b in zip(predicted, prices)]
        self.assertEqual(len(predicted), 100)
        # Predictions and evaluation are the same.
        self.assertAlmostEqual(sum(squares) / 200 / report["loss"], 1, 3)

    def test_a_table_of_few_examples_is_learned(self):
        # It was refused: "a batch of 128 is more than the 120 examples".
        rng = random.Random(3)
        centres = [(5.0, 3.4, 1.5, 0.2), (5.9, 2.8, 4.3, 1.3),
                   (6.6, 3.0, 5.6, 2.0)]
        lines = []
        for row in range(150):
            features = [rng.gauss(mean, 0.35) for mean in centres[row % 3]]
            lines.append(",".join([f"{x:.1f}" for x in features]
                                  + [str(row % 3)]))
        self.write("flowers.csv", "\n".join(lines) + "\n")
        self.write("job.yaml", "model: softmax\n"
                               "data: {train: {csv: flowers.csv}, split: 0.2}\n")
        shown = self.ebb("job", "show", "job.yaml")
        self.assertRegex(shown, r"batch: 8 .*Chosen: the examples are 1\d\d\n")
        self.assertRegex(shown, r"rate: 0.1 .*Chosen: 1 divided by the number of features, 4, at")
        self.assertIn("csv: flowers.csv", shown.replace("path: ", "csv: "))
        _, report = self.run_job()
        self.assertGreater(report["accuracy"], 0.9)

    def passengers(self, rows, seed):
        """Two columns of texts that hardly anyone shares, and say nothing."""
        rng = random.Random(seed)
        lines = ["class,sex,age,ticket,cabin,port,outcome"]
        for _ in range(rows):
            cls, male = rng.choice([1, 2, 3, 3]), rng.random() < 0.65
            age = max(1, round(rng.gauss(30, 14)))
            cabin = "" if rng.random() < 0.7 else f"C{rng.randrange(150)}"
            odds = 2.2 - 1.1 * (cls - 1) - 2.6 * male - 0.03 * (age - 30)
            lived = rng.random() < 1 / (1 + math.exp(-odds))
            lines.append(f"{cls},{'male' if male else 'female'},{age},"
                         f"A{rng.randrange(700)},{cabin},{rng.choice('SSSCQ')},"
                         f"{'lived' if lived else 'died'}")
        return "\n".join(lines) + "\n"

    def test_rare_texts_are_not_learned_by_heart(self):
        # The log loss rose from epoch 4 on, beyond that of always saying the
        # shares of the classes, and nothing said so. Precision was of "lived".
        self.write("table.csv", self.passengers(890, 4))
        self.write("job.yaml", "model: logistic\ndata: {train: {csv: table.csv}, "
                               "split: 0.2, positive: died}\n")
        said, report = self.run_job()
        self.assertRegex(said, r"model.l2 1/7\d\d \(1 divided by the number of "
                               r"examples, 7\d\d\)")
        test = report["test"]
        self.assertLess(test["log_loss"], 0.85 * test["baseline_log_loss"])
        losses = [one["log_loss"] for one in report["evaluations"]]
        self.assertLess(losses[-1], 1.05 * min(losses))
        # A run may say that it rose by less than these 5 %.
        warned = " ".join(report["warnings"])
        self.assertNotIn("worse than always saying", warned)
        # The figures are of those that died.
        died = test["confusion"][0]
        self.assertEqual(test["classes"], ["died", "lived"])
        self.assertAlmostEqual(test["recall"], died[0] / sum(died))
        self.assertRegex(said, r"test recall +0\.\d+ of 'died'\n")
        self.assertEqual(test["positive_class"], "died")

    def test_check_says_what_a_job_takes_and_warns_of_a_wide_model(self):
        self.write("ads.svm", "1 7:1 900000000:1\n0 7:1 8:1\n")
        self.write("job.yaml",
                   "model: logistic\ndata: {train: {libsvm: ads.svm}}\n")
        said = self.ebb("job", "check", "job.yaml")
        self.assertRegex(said, r"memory of all servers +13\.4 GiB\n")
        self.assertRegex(said, r"a batch +3\.4 GiB pulled, 3\.4 GiB pushed\n")
        self.assertIn("warning: the model has 900000001 parameters", said)
        self.assertIn("keys: true", said)


if __name__ == "__main__":
    unittest.main()
