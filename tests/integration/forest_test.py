#!/usr/bin/env python3
"""Random forests as tasks, on real processes. The forest is a function of the
seed and the data, to the bit, however many workers there were and whatever was
killed.

  forest_test.py BIN_FOLDER [TEST...]
"""
import csv
import json
import os
import random
import struct
import sys
import unittest

from exported import read_tensors
from job_test_case import JobTestCase, deaths

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"

ROWS, TEST_ROWS, CLASSES, SIDE, TREES = 1_200, 300, 10, 8, 40
JOB = f"""
name: digits
model: {{kind: forest, trees: {TREES}}}
data: {{train: {{csv: train.csv}}, test: {{csv: test.csv}}}}
partitions: 3
checkpoint: {{every: 200ms}}
oracle: {{width: 2}}
expect: {{accuracy: ">= 0.9"}}
"""


def values_of(folder):
    """Those of the exported tensors, by name."""
    tensors = read_tensors(os.path.join(folder, "model.safetensors"))
    return {name: tensor.values() for name, tensor in tensors.items()}


def predict(tensors, row, classes):
    """What the exported trees say: the mean of the leaves' shares."""
    outputs = max(1, classes)
    sums = [0.0] * outputs
    starts = tensors["tree_starts"]
    for start in starts[:-1]:
        at = 0
        while tensors["feature"][start + at] >= 0:
            left = (row[tensors["feature"][start + at]]
                    <= tensors["threshold"][start + at])
            at = tensors["left" if left else "right"][start + at]
        values = tensors["value"][(start + at) * outputs:
                                  (start + at + 1) * outputs]
        total = sum(values) if classes else 1
        sums = [a + b / total for a, b in zip(sums, values)]
    return [one / (len(starts) - 1) for one in sums]


def digits(draw, rows):
    """Noisy images of CLASSES patterns, with pixels from 0 to 16."""
    patterns = random.Random(1)
    bright = [[patterns.random() < 0.4 for _ in range(SIDE * SIDE)]
              for _ in range(CLASSES)]
    for row in range(rows):
        label = row % CLASSES
        yield [min(16, max(0, round(draw.gauss(11 if one else 4, 4))))
               for one in bright[label]], label


def write_rows(path, rows):
    with open(path, "w") as file:
        for features, label in rows:
            file.write(",".join(map(str, features)) + f",{label}\n")


class ForestTest(JobTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        cls.make_data({"digits.yaml": JOB, "deaths.yaml": deaths("70ms")})
        draw = random.Random(4)
        cls.test = list(digits(draw, TEST_ROWS))
        write_rows(os.path.join(cls.data, "train.csv"), digits(draw, ROWS))
        write_rows(os.path.join(cls.data, "test.csv"), cls.test)

    def run_job(self, *more, command="run"):
        """The folder, and the report, of a run of the job."""
        folder = self.copy_of_data()
        report, _ = self.run_to_the_end(folder, "digits.yaml", *more,
                                        command=command)
        self.export(folder)
        return folder, report

    def test_predicts_what_the_exported_trees_say(self):
        folder, report = self.run_job()
        self.assertGreater(report["accuracy"], 0.9)
        self.assertEqual(report["audit"]["expected"], TREES)
        tensors = values_of(folder)
        self.assertEqual(len(tensors["tree_starts"]), TREES + 1)
        self.assertEqual(tensors["tree_numbers"], list(range(TREES)))
        # By the file, and by the run's folder.
        right = 0
        for model in ("model.safetensors", "run"):
            said = self.run_ebb(folder, "predict", model, "test.csv",
                                "--labelled")
            told = list(csv.DictReader(said.splitlines()))
            self.assertEqual(len(told), TEST_ROWS)
            for row, (features, label) in zip(told, self.test):
                plain = predict(tensors, features, CLASSES)
                for c in range(CLASSES):
                    self.assertAlmostEqual(float(row[f"p({c})"]), plain[c],
                                           delta=1e-5)
                right += int(row["prediction"]) == label
        self.assertAlmostEqual(report["accuracy"], right / 2 / TEST_ROWS)
        # The whole data set came to the root of each tree.
        roots = tensors["tree_starts"][:-1]
        self.assertEqual([tensors["examples"][root] for root in roots],
                         [ROWS] * TREES)
        forest = report["forest"]
        self.assertEqual(forest["trees"], TREES)
        self.assertEqual(forest["nodes"], len(tensors["feature"]))
        self.assertEqual(forest["out_of_bag"]["examples"], ROWS)
        self.assertAlmostEqual(forest["out_of_bag"]["accuracy"],
                               report["accuracy"], delta=0.05)
        self.assertAlmostEqual(
            sum(one["share"] for one in forest["importances"]), 1)

    # Bug: another right child was not noticed, and the tree read as it was not.
    def test_a_file_with_another_child_is_refused(self):
        folder, _ = self.run_job("--set", "expect={}")
        path = os.path.join(folder, "model.safetensors")
        with open(path, "rb") as file:
            whole = bytearray(file.read())
        size, = struct.unpack_from("<Q", whole)
        header = json.loads(whole[8:8 + size])
        for name in ("left", "right"):
            with self.subTest(name):
                other = bytearray(whole)
                at = 8 + size + header[name]["data_offsets"][0]
                child, = struct.unpack_from("<q", other, at)
                struct.pack_into("<q", other, at, child + 1)
                with open(path, "wb") as file:
                    file.write(other)
                self.assertIn(
                    "tree 0: node 0 has the children",
                    self.run_ebb(folder, "predict", path, "test.csv",
                                 "--labelled", rc=1))

    def test_predicts_values(self):
        folder, report = self.run_job(
            "--set", "model.labels=values", "--set", "model.depth=8",
            "--set", "expect={r2: '>= 0.7'}")
        self.assertGreater(report["forest"]["out_of_bag"]["r2"], 0.7)
        tensors = values_of(folder)
        told = self.run_ebb(folder, "predict", "run", "test.csv",
                            "--labelled").split()[1:]
        for text, (features, _) in zip(told, self.test):
            self.assertAlmostEqual(float(text),
                                   predict(tensors, features, 0)[0], delta=1e-4)

    def test_is_the_same_whatever_dies_and_however_many_workers(self):
        folder, _ = self.run_job("--workers", "1")
        forest = read_tensors(os.path.join(folder, "model.safetensors"))
        for command, more in (
                ("run", ["--workers", "3"]),
                ("chaos", ["--workers", "2", "--scenario", "deaths.yaml"])):
            with self.subTest(command=command):
                folder, report = self.run_job(*more, command=command)
                self.assertEqual(forest, read_tensors(
                    os.path.join(folder, "model.safetensors")))
                if command == "chaos":
                    self.assertEqual(report["restarts"]["total"], 3)

    # Bug: a forest that tells nothing apart was good without a word.
    def test_trees_without_a_split_are_warned_of(self):
        folder = self.copy_of_data()
        write_rows(os.path.join(folder, "train.csv"),
                   [([7, 7], i % 2) for i in range(40)])
        write_rows(os.path.join(folder, "test.csv"), [([7, 7], 1)])
        _, said = self.run_to_the_end(folder, "digits.yaml", "--set",
                                      "expect={accuracy: '>= 0'}")
        self.assertIn("no tree has a split", said)
        # Bug: its trees were called examples.
        self.assertIn(f"digits: {TREES} trees, ", said)

    def test_bad_input_is_refused(self):
        folder = self.copy_of_data()
        for setting, said in (
                ("model.trees=0", "model.trees"),
                ("model.bins=257", "model.bins"),
                ("model.split_features=65", "more than the 64 features"),
                ("train.epochs=3", "each task is computed once"),
                ("consistency=bsp", "do not depend on one another"),
                ("optimizer=adam", "a forest has none"),
                ("algorithm=sgd", "a forest has no gradient")):
            with self.subTest(setting=setting):
                self.assertIn(said, self.run_ebb(
                    folder, "job", "check", "digits.yaml", "--set", setting,
                    rc=2))
        self.assertIn("none is for kmeans", self.run_ebb(
            folder, "job", "check", "digits.yaml", "--set",
            "data.train.csv.label=none", rc=2))
        write_rows(os.path.join(folder, "train.csv"),
                   [([i, 2], 1) for i in range(20)])
        write_rows(os.path.join(folder, "test.csv"), [([1, 2], 1)])
        self.assertIn("has only one class", self.run_ebb(
            folder, "job", "check", "digits.yaml", rc=2))


if __name__ == "__main__":
    unittest.main()
