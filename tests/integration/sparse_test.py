#!/usr/bin/env python3
"""Jobs with sparse tables, on real processes: they learn what their data's true
model says, and every example counts once through whatever is killed.

  sparse_test.py BIN_FOLDER [TEST...]
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

ROWS, EPOCHS = 30_000, 3
JOB = f"""
name: ads
model: sparse_logistic
data: {{train: {{libsvm: ads.train.libsvm}}, test: {{libsvm: ads.test.libsvm}}}}
train: {{epochs: {EPOCHS}, batch: 50, item_examples: 1000}}
optimizer: {{kind: adagrad, rate: 0.2}}
consistency: CONSISTENCY
partitions: 8
checkpoint: {{every: 200ms}}
evaluate: {{every: 1 epoch}}
oracle: {{width: 2}}
"""

# By progress, so that a slow machine does the same.
SCENARIO = """
name: one of each
workers: 3
servers: 2
events:
  - {at: 20%, kill: worker-1}
  - {at: 30%, kill: ps-1}
  - {at: 45%, terminate: worker-2}
  - {at: 55%, kill: scheduler}
  - {at: 70%, kill: ps-0}
  - {at: 80%, stop: worker-0, for: 300ms}
"""


class FolderTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_sparse_test_")
        self.addCleanup(shutil.rmtree, self.folder)

    def ebb(self, *arguments, rc=0):
        ran = subprocess.run([os.path.join(BIN, "ebb"), *arguments],
                             cwd=self.folder, text=True, timeout=LIMIT_S,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(ran.returncode, rc, ran.stdout)
        return ran.stdout


class SparseTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.ebb("generate", "clicks", "ads", "--rows", str(ROWS),
                 "--test-rows", "10000", "--fields", "5", "--vocabulary",
                 "10,100,300", "--rank", "0", "--interactions", "0",
                 "--linear", "1.5", "--seed", "3")
        with open(os.path.join(self.folder, "ads.truth.json")) as file:
            self.truth = json.load(file)["test"]
        self.use("asp")

    def use(self, consistency):
        with open(os.path.join(self.folder, "ads.yaml"), "w") as file:
            file.write(JOB.replace("CONSISTENCY", consistency))

    def report(self, command, *arguments, above=0.04):
        said = self.ebb(command, "ads.yaml", "--report", "report.json",
                        *arguments)
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], said)
        self.assertEqual(report["audit"]["applied"], ROWS * EPOCHS, said)
        # Some 700 weights are learned from 30,000 rows: 0.012; the rest is
        # what three epochs leave. No better than chance would be 0.11 more.
        loss = report["loss"]
        self.assertLess(loss, self.truth["log_loss"] + above, said)
        return report

    def test_learns_what_is_true(self):
        self.assertGreater(self.truth["constant_log_loss"],
                           self.truth["log_loss"] + 0.08)
        self.report("run", "--workers", "2", "--servers", "2")
        # It has no dense vector that another program could read as the model.
        said = self.ebb("checkpoint", "export", "runs/ads-1", "--output", "ads.safetensors",
                        rc=1)
        self.assertIn("sparse tables", said)

    def test_every_example_counts_once_whatever_is_killed(self):
        with open(os.path.join(self.folder, "scenario.yaml"), "w") as file:
            file.write(SCENARIO)
        report = self.report("chaos", "--scenario", "scenario.yaml")
        self.assertGreaterEqual(report["restarts"]["total"], 5)

    def test_tables_have_options_of_their_own(self):
        with open(os.path.join(self.folder, "ads.yaml"), "a") as file:
            file.write("""
tables:
  weights:
    optimizer: {kind: ftrl, rate: 0.3, l2: 1}
    admit: {kind: count, count: 2}
    expire_after: 5000
    max_rows: 240  # Of 520 keys: the rare ones come and go.
    at_limit: evict
""")
        with open(os.path.join(self.folder, "scenario.yaml"), "w") as file:
            file.write(SCENARIO)
        # The keys without a row are worth nothing.
        self.report("chaos", "--scenario", "scenario.yaml", above=0.07)
        said = self.ebb("job", "check", "ads.yaml", "--set",
                        "tables.wieghts.max_rows=5", rc=2)
        self.assertIn("tables.wieghts: sparse_logistic has no such", said)

    def test_the_fastest_worker_waits_for_the_slowest(self):
        self.use("{kind: ssp, bound: 2}")
        self.report("run", "--workers", "2", "--servers", "2")

    def test_rounds_are_refused(self):
        self.use("{kind: rounds, examples: 1000}")
        said = self.ebb("run", "ads.yaml", rc=2)
        self.assertIn("sparse tables need asp or ssp", said)


CLICKS = ("clicks", "--fields", "4", "--vocabulary", "10,20", "--linear", "1",
          "--interactions", "1.5", "--format", "libffm", "--seed", "5")
RATINGS = ("ratings", "--users", "200", "--items", "150", "--rank", "2",
           "--seed", "5")


class ModelsTest(FolderTest):
    """The models of keys, each on data that another could not explain."""

    def train(self, model, data, epochs, rows=20_000):
        """The loss of a model, and the truth of its data."""
        kind, *options = data
        self.ebb("generate", kind, "data", "--rows", str(rows), "--test-rows",
                 "5000", "--force", *options)
        with open(os.path.join(self.folder, "data.truth.json")) as file:
            truth = json.load(file)["test"]
        source = ("ratings: data.PART.csv" if kind == "ratings"
                  else "libffm: data.PART.ffm")
        with open(os.path.join(self.folder, "model.yaml"), "w") as file:
            file.write(f"""
name: keyed
model: {model}
data: {{train: {{{source.replace("PART", "train")}}},
       test: {{{source.replace("PART", "test")}}}}}
train: {{epochs: {epochs}, batch: 50}}
optimizer: {{kind: adam, rate: 0.02}}
partitions: 8
""")
        said = self.ebb("run", "model.yaml", "--workers", "2", "--servers",
                        "2", "--report", "report.json")
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], said)
        self.assertEqual(report["audit"]["applied"], rows * epochs, said)
        return report["loss"], truth

    def test_interactions(self):
        """What logistic regression leaves, the others find."""
        linear, truth = self.train("sparse_logistic", CLICKS, 2)
        most = linear - truth["log_loss"]
        self.assertGreater(most, 0.05)
        for model in ("{kind: fm, rank: 4}", "{kind: wide_deep, dim: 4}",
                      "{kind: deepfm, dim: 4}"):
            loss, _ = self.train(model, CLICKS, 3)
            self.assertLess(loss, truth["log_loss"] + most / 2, model)

    def test_interactions_by_field(self):
        loss, truth = self.train("{kind: ffm, rank: 4}",
                                 (*CLICKS, "--field-aware"), 3)
        plain, _ = self.train("{kind: fm, rank: 4}",
                              (*CLICKS, "--field-aware"), 3)
        self.assertLess(loss, plain)

    def test_ratings(self):
        loss, truth = self.train("{kind: matrix_factorisation, rank: 2}",
                                 RATINGS, 8)
        # Without factors it would be 0.86: noise and products together.
        self.assertLess((2 * loss) ** 0.5, 1.2 * truth["rmse"])


if __name__ == "__main__":
    unittest.main()
