#!/usr/bin/env python3
"""Averages of weights (optimizer.ema and swa): they are what the formulas say,
the same to the bit whatever is killed, and exported beside the values or in
their place.

  averages_test.py BIN_FOLDER
"""
import json
import os
import sys
import unittest

from exported import read_export
from job_test_case import OneFolderTestCase, deaths

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
ROWS = 1000
TABLES = ["layer1.weights", "layer1.bias", "layer2.weights", "layer2.bias"]
# Rounds: the values are the same to the bit however many workers there are.
JOB = """
name: averaged
model: {kind: mlp, layers: [3, 16, 3]}
data: {train: {csv: lines.csv}, test: {csv: lines.csv}}
train: {epochs: 6, batch: 50, item_examples: 250}
algorithm: sgd
consistency: {kind: rounds, examples: 500}
optimizer: {kind: adam, rate: 0.01, schedule: constant, ema: 0.75}
evaluate: {every: 1 epoch}
checkpoint: {every: 200ms}
partitions: 5
oracle: {width: 4}
"""
SWA = ["--set", "optimizer={kind: sgd, rate: 0.1, schedule: constant, swa: 3}"]


class AveragesTest(OneFolderTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        cls.make_data({
            "lines.csv": "".join(f"{i % 7},{i % 11},{i % 5},{i % 3}\n"
                                 for i in range(ROWS)),
            "job.yaml": JOB, "deaths.yaml": deaths("20ms")})
        cls.plain = cls.train("plain")

    @classmethod
    def train(cls, name, *more, export=(), command="run"):
        cls.ebb(command, "job.yaml", "--run-dir", name, *more)
        return cls.tensors(name, *export)

    # --- What is computed -----------------------------------------------------

    def after_rounds(self, name, *more):
        """The tensors after 0, 1, 2, ... epochs, which are steps here."""
        whole = ["--workers", "1", "--set", f"train.batch={ROWS}",
                 "--set", f"train.item_examples={ROWS}",
                 "--set", "consistency={kind: rounds, examples: epoch}", *more]
        steps = [self.train(f"{name}-0", *whole, "--set", "train.epochs=1",
                            "--set", "optimizer.rate=1e-35")]
        for epochs in range(1, 6):
            steps.append(self.train(name, *whole, *["--resume"][:epochs > 1],
                                    "--set", f"train.epochs={epochs}"))
        return steps

    def compare(self, name, tensors, want):
        for table in TABLES:
            for got, expected in zip(tensors[f"averages/{table}"].values(),
                                     want[table]):
                self.assertAlmostEqual(got, expected, 5, f"{name}: {table}")

    def test_a_moving_average_is_what_the_formula_says(self):
        steps = self.after_rounds("ema")
        want = {table: steps[0][table].values() for table in TABLES}
        for tensors in steps[1:]:
            want = {table: [0.75 * a + 0.25 * w
                            for a, w in zip(want[table],
                                            tensors[table].values())]
                    for table in TABLES}
            self.compare("ema", tensors, want)
        last = steps[-1]
        self.assertNotEqual(last["averages/layer1.weights"],
                            last["layer1.weights"])

    def test_an_equal_mean_is_what_the_formula_says(self):
        steps = self.after_rounds("swa", *SWA)
        for table in TABLES:  # Up to the first step that counts: the values.
            for tensors in steps[1:5]:
                self.assertEqual(tensors[f"averages/{table}"], tensors[table])
        want = {table: [(a + b) / 2 for a, b in zip(steps[4][table].values(),
                                                    steps[5][table].values())]
                for table in TABLES}
        self.compare("swa", steps[5], want)

    def test_kills_and_more_workers_change_no_bit(self):
        # Without averages the values are the same.
        bare = self.train("bare", "--set",
                          "optimizer={kind: adam, rate: 0.01, schedule: "
                          "constant}")
        self.assertEqual(bare, {table: self.plain[table] for table in TABLES})
        long = ["--set", "train.epochs=15"]
        killed = self.train("killed", "--scenario", "deaths.yaml", *long,
                            command="chaos")
        self.assertEqual(killed, self.train("long", "--workers", "1", *long))
        self.check_deaths("killed")

    def test_other_algorithms_average_the_servers_values_after_each_push(self):
        for name, more in (
                ("asp", ["consistency=asp", "algorithm=dynsgd"]),
                ("copies", ["consistency=asp", "algorithm=aeasgd",
                            "optimizer={kind: sgd, ema: 0.75}"]),
                ("rounds", ["algorithm=local_sgd",
                            "optimizer={kind: sgd, ema: 0.75}"]),
                ("frozen", ["freeze=[layer1.weights]"])):
            with self.subTest(name):
                tensors = self.train(name, "--workers", "2",
                                     *(word for one in more
                                       for word in ("--set", one)))
                moved = [table for table in TABLES if table != "layer1.weights"]
                for table in moved:
                    self.assertNotEqual(tensors[f"averages/{table}"],
                                        tensors[table])
                self.assertEqual("averages/layer1.weights" in tensors,
                                 name != "frozen")
                self.assertTrue(self.report(name)["audit"]["exact"])

    # --- What is exported -----------------------------------------------------

    def test_averages_in_the_place_of_values_predict(self):
        self.assertEqual(sorted(self.plain),
                         sorted([*TABLES, *(f"averages/{t}" for t in TABLES)]))
        said = self.ebb("checkpoint", "export", "plain", "--averages", "-o",
                        "placed.safetensors")
        self.assertIn("averages in the place of the values", said)
        tensors, about = read_export(self.path("placed.safetensors"))
        self.assertTrue(about["averages"])
        self.assertEqual(tensors, {table: self.plain[f"averages/{table}"]
                                   for table in TABLES})
        of_values = self.ebb("predict", "plain", "lines.csv", "--labelled")
        self.assertEqual(of_values, self.ebb("predict", "plain.safetensors",
                                             "lines.csv", "--labelled"))
        self.assertNotEqual(of_values, self.ebb(
            "predict", "placed.safetensors", "lines.csv", "--labelled"))
        self.ebb("checkpoint", "export", "plain", "-o", "folder/")
        with open(self.path("folder", "model.json")) as file:
            self.assertEqual(json.load(file)["files"]["averages/layer1.bias"],
                             "averages.layer1.bias.npy")
        folded = self.tensors("plain", "--fold", "--averages")
        self.assertEqual(sorted(folded), sorted(TABLES))

    def test_a_job_goes_on_from_averages_with_their_state_or_anew(self):
        state = self.train("state", *SWA, "--set", "train.epochs=3", export=[
            "--with-slots"])
        self.assertEqual(state["slots/sgd/step/layer1.bias"].values(), [6])
        self.assertNotIn("slots/sgd/average/layer1.bias", state)
        whole = self.train("whole", *SWA)
        # The order of the examples is another one, so the mean is near.
        on = self.train("on", *SWA, "--set", "train.epochs=3",
                        "--set", "model.initial=state.safetensors",
                        export=["--with-slots"])
        self.assertEqual(on["slots/sgd/step/layer1.bias"].values(), [12])
        for got, want in zip(on["averages/layer2.bias"].values(),
                             whole["averages/layer2.bias"].values()):
            self.assertAlmostEqual(got, want, 1)
        # An export without the state is taken by any optimizer, too.
        self.tensors("state")
        for more in (["optimizer=momentum"],
                     ["optimizer={kind: sgd, ema: 0.5}"]):
            self.ebb("job", "check", "job.yaml", "--set",
                     "model.initial=state.safetensors", "--set", *more)
        self.ebb("job", "check", "job.yaml", "--set", "start=state.safetensors")
        self.ebb("checkpoint", "export", "state", "-o", "npy/")
        self.ebb("job", "check", "job.yaml", "--set", "start=npy/")

    def test_what_cannot_be_is_said(self):
        self.train("none", "--set", "optimizer=sgd")
        export = ["checkpoint", "export", "-o", "no.safetensors"]
        self.assertIn("job averaged keeps no averages",
                      self.ebb(*export, "none", "--averages", rc=1))
        self.assertIn("--averages --with-slots", self.ebb(
            *export, "plain", "--averages", "--with-slots", rc=2))
        said = self.ebb("job", "check", "job.yaml", "--set", "optimizer.swa=5",
                        rc=2)
        self.assertIn("is another average than ema", said)
        said = self.ebb("job", "check", "job.yaml", "--set", "algorithm=lbfgs",
                        "--set", "consistency={kind: rounds, examples: epoch}",
                        "--set", "optimizer={ema: 0.9}", rc=2)
        self.assertIn("optimizer.ema", said)

    # Bug: such a job trained, and nothing said that it averages nothing.
    def test_too_few_updates_for_an_average_are_told(self):
        def said(*words):
            return self.ebb("job", "check", "job.yaml", *(
                word for one in words for word in ("--set", one)))

        # 2 rounds in each of 6 epochs.
        self.assertNotIn("warning", said())
        self.assertRegex(said("optimizer={kind: sgd, swa: 12}"),
                         r"warning: optimizer\.swa: the job makes 12 updates at "
                         r"most, and none beyond the first 12,")
        self.assertNotIn("warning", said("optimizer={kind: sgd, swa: 11}"))
        self.assertIn("more than a tenth of the average is still",
                      said("optimizer.ema=0.9"))
        self.assertIn("tables.layer1.bias.optimizer.ema", said(
            "optimizer=sgd", "tables={layer1.bias: {optimizer: {ema: 0.9}}}"))
        # 20 batches in each epoch.
        self.assertNotIn("warning", said("optimizer.ema=0.98",
                                         "consistency=asp"))
        self.assertIn("120 updates at most",
                      said("optimizer.ema=0.99", "consistency=asp"))


if __name__ == "__main__":
    unittest.main()
