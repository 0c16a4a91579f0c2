#!/usr/bin/env python3
"""The examples of several commands, run as their comments say: transfer
learning and a sweep, with fewer epochs and trials.

  example_runs_test.py BIN_FOLDER SOURCE_FOLDER
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BIN = os.path.abspath(sys.argv.pop(1))
SOURCE = os.path.abspath(sys.argv.pop(1))
LIMIT_S = 120


class ExampleRunsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_example_runs_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ)
        self.environment.pop("EBB_RUN", None)

    def run_good(self, *words):
        ran = subprocess.run(words, cwd=self.folder, env=self.environment,
                             text=True, timeout=LIMIT_S,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        return ran.stdout

    def ebb(self, *words):
        return self.run_good(os.path.join(BIN, "ebb"), *words)

    def example(self, *parts):
        return os.path.join(SOURCE, "examples", *parts)

    def train(self, job, folder, *more):
        self.ebb("run", self.example("transfer", job), "--run-dir", folder,
                 "--workers", "1", "--servers", "1", *more)
        with open(os.path.join(self.folder, folder, "report.json")) as file:
            return json.load(file)

    def test_transfer(self):
        self.run_good("sh", self.example("transfer", "make_data.sh"))
        # An epoch teaches less than is expected of six.
        self.train("eight_classes.yaml", "eight", "--epochs", "1", "--set",
                   "expect.accuracy=>= 0.7")
        for job in ("two_classes.yaml", "two_from_nothing.yaml"):
            report = self.train(job, job.removesuffix(".yaml"))
            # Half of the test data are of each class.
            self.assertGreater(report["accuracy"], 0.6, job)
            self.assertEqual(report["epochs"], 4)

    def test_transfer_of_rows(self):
        self.environment["PATH"] = BIN + os.pathsep + os.environ["PATH"]
        self.run_good("sh", self.example("transfer", "make_clicks.sh"))
        self.train("clicks_old_site.yaml", "old-site", "--epochs", "1")
        checked = self.ebb("job", "check",
                           self.example("transfer", "clicks_new_site.yaml"))
        self.assertIn("frozen: 1 of 3 tables, with the rows of factors",
                      checked)
        losses = [self.train(f"clicks_{name}.yaml", name)["test"]["loss"]
                  for name in ("new_site", "from_nothing")]
        self.assertLess(losses[0], losses[1] - 0.02)

    def test_sweep(self):
        with open(self.example("sweeps", "fashion.yaml")) as file:
            sweep = file.read()
        for whole, small in (("trials: 24", "trials: 3"),
                             ("epochs: 9", "epochs: 2"),
                             ("factor: 3", "factor: 2"),
                             ("parallel: 3", "parallel: 2")):
            self.assertIn(whole, sweep)
            sweep = sweep.replace(whole, small)
        with open(os.path.join(self.folder, "fashion.yaml"), "w") as file:
            file.write(sweep)
        said = self.ebb("sweep", "fashion.yaml", "--run-dir", "swept",
                        "--workers", "2", "--servers", "1", "--json")
        trials = json.loads(said)["trials"]
        self.assertEqual(len(trials), 3)
        best = self.ebb("sweep", "best", "swept")
        with open(os.path.join(self.folder, "best.yaml"), "w") as file:
            file.write(best)
        self.assertIn(" is good: ", self.ebb("job", "check", "best.yaml"))


if __name__ == "__main__":
    unittest.main()
