#!/usr/bin/env python3
"""Jobs whose workers go on by themselves between a pull and a push, on real
processes: they learn what their data's true model knows, and every example
counts once through whatever is killed.

  algorithms_test.py BIN_FOLDER [TEST...]
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 120

ROWS, EPOCHS = 9_600, 3
JOB = f"""
name: blobs
model: softmax
data: {{train: {{csv: blobs.train.csv}}, test: {{csv: blobs.test.csv}}}}
train: {{epochs: {EPOCHS}, batch: 40, item_examples: 800}}
workers: {{max: 3}}
partitions: 4
checkpoint: {{every: 200ms}}
evaluate: {{every: 1 epoch}}
oracle: {{width: 2}}
"""

# By progress, so that a slow machine does the same.
SCENARIO = """
name: one of each
workers: 3
servers: 2
compute: 4ms
events:
  - {at: 15%, kill: worker-1}
  - {at: 30%, kill: ps-1}
  - {at: 45%, terminate: worker-2}
  - {at: 55%, kill: scheduler}
  - {at: 70%, kill: ps-0}
"""


class FolderTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_algorithms_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.write("scenario.yaml", SCENARIO)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def ebb(self, *arguments, rc=0):
        ran = subprocess.run([os.path.join(BIN, "ebb"), *arguments],
                             cwd=self.folder, text=True, timeout=LIMIT_S,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(ran.returncode, rc, ran.stdout)
        return ran.stdout

    def truth_of(self, name):
        with open(os.path.join(self.folder, name + ".truth.json")) as file:
            return json.load(file)["test"]


class AlgorithmsTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.ebb("generate", "clusters", "blobs", "--rows", str(ROWS),
                 "--test-rows", "4000", "--clusters", "6", "--dimensions", "8",
                 "--seed", "3")
        self.truth = self.truth_of("blobs")

    def report(self, keys, *command, approximate=False):
        self.write("blobs.yaml", JOB + keys)
        said = self.ebb(*command, "--report", "report.json")
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        audit = report["audit"]
        self.assertTrue(audit["exact"], said)
        self.assertEqual(audit["applied"], ROWS * EPOCHS, said)
        self.assertEqual(audit["effect_approximate"], approximate, said)
        # Chance would be right about one point in six.
        self.assertGreater(report["accuracy"],
                           self.truth["nearest_centre_accuracy"] - 0.1, said)
        return report

    def through_kills(self, keys, approximate=False):
        report = self.report(keys, "chaos", "blobs.yaml", "--scenario",
                             "scenario.yaml", approximate=approximate)
        self.assertGreaterEqual(report["restarts"]["total"], 4)
        return report

    def test_downpour(self):
        self.through_kills("algorithm: {kind: downpour, push_every: 4, "
                           "pull_every: 3}\noptimizer: {rate: 0.1}\n")

    def test_adag(self):
        self.through_kills("algorithm: {kind: adag, push_every: 4}\n"
                           "optimizer: {rate: 0.5}\n")

    def test_aeasgd(self):
        self.through_kills("algorithm: {kind: aeasgd, push_every: 2}\n"
                           "optimizer: {rate: 0.2}\n", approximate=True)

    def test_eamsgd(self):
        self.through_kills("algorithm: {kind: eamsgd, push_every: 2}\n"
                           "optimizer: {rate: 0.02}\n", approximate=True)

    def test_one_of_a_plugin(self):
        keys = ("algorithm: {plugin: liblookahead.so, options: {steps: 4, "
                "share: 0.5}}\noptimizer: {rate: 0.5}\n")
        plugins = ["--allow-plugins",
                   os.path.join(os.path.dirname(BIN), "plugins")]
        report = self.report(keys, "chaos", "blobs.yaml", "--scenario",
                             "scenario.yaml", *plugins)
        self.assertGreaterEqual(report["restarts"]["total"], 4)
        self.write("blobs.yaml", JOB + keys)
        said = self.ebb("job", "check", "blobs.yaml", rc=2)
        self.assertIn("--allow-plugins", said)
        self.write("blobs.yaml", JOB + keys.replace("share", "shrae"))
        said = self.ebb("job", "check", "blobs.yaml", *plugins, rc=2)
        self.assertIn("algorithm.options.shrae: lookahead has no such option",
                      said)

    def assert_the_same_whatever_dies(self, keys):
        disturbed = self.through_kills(keys)
        quiet = self.report(keys, "run", "blobs.yaml", "--workers", "2",
                            "--servers", "2")
        self.assertEqual(disturbed["loss"], quiet["loss"])

    def test_local_sgd_is_the_same_whatever_dies(self):
        self.assert_the_same_whatever_dies(
            "algorithm: local_sgd\noptimizer: {rate: 0.2}\n"
            "consistency: {kind: rounds, examples: 2400}\n")

    def test_lbfgs_is_the_same_whatever_dies(self):
        self.assert_the_same_whatever_dies(
            "algorithm: lbfgs\n"
            "consistency: {kind: rounds, examples: epoch}\n")

    def values_of(self, run):
        self.ebb("checkpoint", "export", run, "--with-slots", "-o",
                 run + ".safetensors")
        with open(os.path.join(self.folder, run + ".safetensors"), "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            about = json.loads(file.read(size))
            about.pop("__metadata__", None)
            return about, file.read()

    # An item has 800 examples, which are a run of 20 batches.
    ROUNDS_OF_RUNS = ("algorithm: {kind: diloco, inner: {kind: adamw, rate: "
                      "0.02}, period: 20}\n"
                      "consistency: {kind: rounds, examples: 2400}\n")

    def test_diloco_in_rounds_has_the_same_bits_whatever_dies(self):
        for name, more in (("whole", ""),
                           ("rounded", "filters: {push: int8, pull: bf16}\n")):
            with self.subTest(name):
                keys = self.ROUNDS_OF_RUNS + more
                disturbed = self.report(
                    keys, "chaos", "blobs.yaml", "--scenario", "scenario.yaml",
                    "--run-dir", name + "-disturbed")
                self.assertGreaterEqual(disturbed["restarts"]["total"], 4)
                quiet = self.report(keys, "run", "blobs.yaml", "--workers",
                                    "2", "--servers", "2", "--run-dir",
                                    name + "-quiet")
                self.assertEqual(disturbed["loss"], quiet["loss"])
                self.assertEqual(self.values_of(name + "-disturbed"),
                                 self.values_of(name + "-quiet"))

    def test_diloco_without_waiting(self):
        self.through_kills("algorithm: {kind: diloco, inner: {kind: adamw, "
                           "rate: 0.02}, period: 5}\nconsistency: asp\n")

    def test_diloco_says_what_a_run_costs_and_where_its_keys_belong(self):
        self.write("blobs.yaml", JOB + self.ROUNDS_OF_RUNS)
        said = self.ebb("job", "check", "blobs.yaml")
        # 8 features and a bias, 6 classes: 54 parameters, of 4 bytes.
        self.assertIn("a run                   20 batches of 40: 216 B pulled, "
                      "216 B pushed, 0.54 B per example", said)
        self.assertIn("a lost run              10 batches computed again", said)
        self.assertIn("5: values, start, gradient, 2 of adamw", said)
        self.write("blobs.yaml", JOB + self.ROUNDS_OF_RUNS +
                   "optimizer: {kind: adamw, rate: 0.02}\n")
        said = self.ebb("job", "check", "blobs.yaml", rc=2)
        self.assertIn("inner: {kind: adamw}", said)

    def test_what_they_do_not_go_with_is_refused(self):
        self.write("blobs.yaml",
                   JOB + "algorithm: downpour\nconsistency: rounds\n")
        said = self.ebb("run", "blobs.yaml", rc=2)
        self.assertIn("consistency: asp", said)


CLICKS, PASSES = 12_000, 3
CLICKS_JOB = f"""
name: ads
model: sparse_logistic
data: {{train: {{libsvm: ads.train.libsvm}}, test: {{libsvm: ads.test.libsvm}}}}
train: {{epochs: {PASSES}, batch: 50, item_examples: 1000}}
workers: {{max: 3}}
partitions: 8
checkpoint: {{every: 200ms}}
evaluate: {{every: 1 epoch}}
oracle: {{width: 2}}
"""


class RowsTest(FolderTest):
    """A run's rows are those of all its batches, which have others each."""

    def setUp(self):
        super().setUp()
        self.ebb("generate", "clicks", "ads", "--rows", str(CLICKS),
                 "--test-rows", "4000", "--fields", "4", "--vocabulary",
                 "10,50", "--rank", "0", "--interactions", "0", "--linear",
                 "1.5", "--seed", "3")
        self.truth = self.truth_of("ads")
        self.assertGreater(self.truth["constant_log_loss"],
                           self.truth["log_loss"] + 0.08)

    def through_kills(self, keys):
        self.write("ads.yaml", CLICKS_JOB + keys)
        said = self.ebb("chaos", "ads.yaml", "--scenario", "scenario.yaml",
                        "--report", "report.json")
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], said)
        self.assertEqual(report["audit"]["applied"], CLICKS * PASSES, said)
        self.assertFalse(report["audit"]["effect_approximate"], said)
        self.assertGreaterEqual(report["restarts"]["total"], 4)
        self.assertLess(report["loss"], self.truth["log_loss"] + 0.04, said)

    def test_geo(self):
        self.through_kills("algorithm: {kind: geo, push_every: 4}\n"
                           "optimizer: {rate: 2}\n")

    def test_downpour(self):
        self.through_kills("algorithm: {kind: downpour, push_every: 4}\n"
                           "optimizer: {rate: 0.2}\n")

    def test_adag(self):
        self.through_kills("algorithm: {kind: adag, push_every: 4}\n"
                           "optimizer: {kind: adagrad, rate: 0.2}\n")

    def test_a_push_with_too_many_rows_stops_the_job_and_says_why(self):
        self.write("ads.yaml", CLICKS_JOB +
                   "algorithm: {kind: geo, push_every: 4, most_rows: 60}\n")
        said = self.ebb("run", "ads.yaml", rc=1)
        self.assertIn("algorithm.most_rows", said)

    def test_copies_of_the_whole_model_are_refused(self):
        self.write("ads.yaml", CLICKS_JOB + "algorithm: aeasgd\n")
        said = self.ebb("run", "ads.yaml", rc=2)
        self.assertIn("kind: geo, downpour or adag", said)


if __name__ == "__main__":
    unittest.main()
