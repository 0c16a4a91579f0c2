#!/usr/bin/env python3
"""Gradient-boosted trees, on real processes. The trees are those of a plain
program that has the same intervals, and they are those of an undisturbed run
whatever was killed, to the bit.

  boosted_test.py BIN_FOLDER [TEST...]
"""
import bisect
import csv
import math
import os
import random
import struct
import sys
import unittest

from exported import read_tensors
from job_test_case import JobTestCase, deaths

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"

ROWS, FEATURES, TREES, DEPTH = 1_200, 5, 6, 3
SHRINKAGE, L2, LEAF_EXAMPLES = 0.4, 1.5, 8
MODEL = (f"kind: boosted_trees, trees: {TREES}, shrinkage: {SHRINKAGE}, "
         f"l2: {L2}, leaf_examples: {LEAF_EXAMPLES}, bins: 16")
JOB = f"""
name: trees
model: {{{MODEL}, depth: {DEPTH}}}
data: {{train: {{csv: train.csv}}, test: {{csv: test.csv}}}}
train: {{batch: 50, item_examples: 100}}
evaluate: 6 epochs
partitions: 3
checkpoint: {{every: 200ms}}
oracle: {{width: 2}}
"""


def sums_of(members, gradients, curvatures):
    return (sum(gradients[i] for i in members),
            sum(curvatures[i] for i in members))


def score(gradient, curvature):
    return gradient * gradient / (curvature + L2)


def best_split(members, cells, gradients, curvatures, bins):
    """(-gain, feature, bin), or None."""
    best = None
    whole = score(*sums_of(members, gradients, curvatures))
    for feature in range(FEATURES):
        by_bin = [[0, 0, 0] for _ in range(bins)]
        for i in members:
            cell = by_bin[cells[i][feature]]
            cell[0] += gradients[i]
            cell[1] += curvatures[i]
            cell[2] += 1
        total = [sum(column) for column in zip(*by_bin)]
        left = [0, 0, 0]
        for number in range(bins - 1):
            left = [a + b for a, b in zip(left, by_bin[number])]
            right = [a - b for a, b in zip(total, left)]
            if min(left[2], right[2]) < LEAF_EXAMPLES:
                continue
            gain = (score(*left[:2]) + score(*right[:2]) - whole) / 2
            if gain > 1e-6:
                found = (-gain, feature, number)
                if best is None or found[0] < best[0] - 1e-9:
                    best = found
    return best


def plain_tree(cells, gradients, curvatures, bins, leaves):
    """Nodes (feature, bin, left), or (-1, value), and the leaf of each row."""
    nodes = [None]
    members = {0: list(range(len(cells)))}
    depths = {0: 0}
    splits, level = {}, [0]
    most_depth = DEPTH if leaves is None else 99

    def look(node):
        few = len(members[node]) < 2 * LEAF_EXAMPLES
        if depths[node] < most_depth and not few:
            found = best_split(members[node], cells, gradients, curvatures,
                               bins)
            if found:
                splits[node] = found

    def split(node):
        _, feature, number = splits.pop(node)
        left = len(nodes)
        nodes[node] = (feature, number, left)
        nodes.extend([None, None])
        parts = [[], []]
        for i in members.pop(node):
            parts[cells[i][feature] > number].append(i)
        for child, own in zip((left, left + 1), parts):
            members[child] = own
            depths[child] = depths[node] + 1
        return [left, left + 1]

    if leaves is None:
        while level:
            for node in level:
                look(node)
            level = [child for node in sorted(splits)
                     for child in split(node)]
    else:
        look(0)
        while splits and len(nodes) < 2 * leaves - 1:
            best = min(splits, key=lambda node: (splits[node][0], node))
            for child in split(best):
                look(child)
    for node, own in members.items():
        gradient, curvature = sums_of(own, gradients, curvatures)
        nodes[node] = (-1, -SHRINKAGE * gradient / (curvature + L2))
    return nodes, {i: node for node, own in members.items() for i in own}


def kept_back(seed, share, number):
    """Returns whether workloads/boosted/base/boosted_shape.cc keeps the row back."""
    def append(value, more):
        value = (value + (more + 1) * 0x9e3779b97f4a7c15) % 2**64
        value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9 % 2**64
        value = (value ^ value >> 27) * 0x94d049bb133111eb % 2**64
        return value ^ value >> 31
    return (append(append(seed, 3), number) >> 11) * 2.0**-53 < share


def leaf_value(nodes, cells):
    at = nodes[0]
    while at[0] >= 0:
        at = nodes[at[2] + (cells[at[0]] > at[1])]
    return at[1]


def plain_early_stopping(rows, labels, tensors, trees, patience, back):
    """The best trees of two classes, those that grew, and their losses. The
    rows whose numbers are `back` are kept back."""
    edges, base = tensors["edges"].rows(), tensors["base"].values()
    cells = [[bisect.bisect_left(edges[f], struct.unpack(
        "<f", struct.pack("<f", x))[0]) for f, x in enumerate(row)]
        for row in rows]
    learned = [i for i in range(len(rows)) if i not in back]
    margins = [base[0] for _ in rows]
    grown, losses = [], []
    while True:
        losses.append(sum(
            math.log(1 + math.exp(-margins[i] if labels[i] else margins[i]))
            for i in back) / len(back))
        best = losses.index(min(losses))
        if len(grown) == trees or len(grown) - best == patience:
            return grown[:best], len(grown), losses
        ps = [1 / (1 + math.exp(-margins[i])) for i in learned]
        nodes, _ = plain_tree(
            [cells[i] for i in learned],
            [p - labels[i] for p, i in zip(ps, learned)],
            [p * (1 - p) for p in ps], len(edges[0]) + 1, None)
        for i, own in enumerate(cells):
            margins[i] += leaf_value(nodes, own)
        grown.append(nodes)


def plain_boosting(rows, labels, classes, tensors, leaves=None):
    """All trees, and the margins of all rows."""
    edges, base = tensors["edges"].rows(), tensors["base"].values()
    cells = [[bisect.bisect_left(edges[f], struct.unpack(
        "<f", struct.pack("<f", x))[0]) for f, x in enumerate(row)]
        for row in rows]
    bins = len(edges[0]) + 1
    margins = [list(base) for _ in rows]
    trees = []
    for _ in range(TREES):
        derivatives = []
        for own, label in zip(margins, labels):
            if classes == 0:
                derivatives.append([(own[0] - label, 1)])
            elif classes == 2:
                p = 1 / (1 + math.exp(-own[0]))
                derivatives.append([(p - label, p * (1 - p))])
            else:
                powers = [math.exp(one) for one in own]
                ps = [one / sum(powers) for one in powers]
                derivatives.append([(p - (k == label), 2 * p * (1 - p))
                                    for k, p in enumerate(ps)])
        for k in range(len(base)):
            nodes, leaf_of = plain_tree(
                cells, [one[k][0] for one in derivatives],
                [one[k][1] for one in derivatives], bins, leaves)
            for i, leaf in leaf_of.items():
                margins[i][k] += nodes[leaf][1]
            trees.append(nodes)
    return trees, margins


def write_rows(path, rows, labels):
    with open(path, "w") as file:
        for row, label in zip(rows, labels):
            file.write(",".join(map(str, row)) + f",{label}\n")


class BoostedTest(JobTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        cls.make_data({"trees.yaml": JOB, "deaths.yaml": deaths("20ms")})
        draw = random.Random(7)
        cls.rows = [[round(draw.gauss(0, 1), 4) for _ in range(FEATURES)]
                    for _ in range(ROWS)]
        cls.values = [round(2 * r[0] * (r[1] > 0.2) - abs(r[2]) +
                            draw.gauss(0, 0.3) + 5, 4) for r in cls.rows]
        with open(os.path.join(cls.data, "new.csv"), "w") as file:
            for row in cls.rows[:100]:
                file.write(",".join(map(str, row)) + "\n")

    def labels_of(self, classes):
        if classes == 0:
            return self.values
        order = sorted(self.values)
        cuts = [order[len(order) * k // classes] for k in range(1, classes)]
        return [bisect.bisect_right(cuts, one) for one in self.values]

    def make_folder(self, labels, rows=None):
        folder = self.copy_of_data()
        rows = rows or self.rows
        write_rows(os.path.join(folder, "train.csv"), rows, labels)
        write_rows(os.path.join(folder, "test.csv"), rows[:300], labels[:300])
        return folder

    def run_job(self, labels, *more, command="run", rows=None):
        """The folder, the report and the model of a run of the job."""
        folder = self.make_folder(labels, rows)
        report, _ = self.run_to_the_end(folder, "trees.yaml", *more,
                                        command=command)
        self.export(folder)
        return folder, report, read_tensors(
            os.path.join(folder, "model.safetensors"))

    def compare(self, tensors, trees):
        """The tables' trees with those of the plain program."""
        width = tensors["nodes"].shape[1]
        nodes = tensors["nodes"].rows()
        self.assertGreaterEqual(len(nodes), len(trees) * width)
        for number, tree in enumerate(trees):
            for at, plain in enumerate(tree):
                told = nodes[number * width + at]
                where = f"tree {number}, node {at}: {told}, plain {plain}"
                if plain[0] < 0:
                    self.assertEqual(told[0], -1, where)
                    self.assertAlmostEqual(told[4], plain[1], delta=2e-4,
                                           msg=where)
                else:
                    self.assertEqual((told[0], told[1], told[3]), plain, where)

    def predict(self, folder):
        said = self.run_ebb(folder, "predict", "model.safetensors", "new.csv")
        return list(csv.DictReader(said.splitlines()))

    def test_two_classes_have_the_trees_of_a_plain_program(self):
        labels = self.labels_of(2)
        folder, report, tensors = self.run_job(labels)
        trees, margins = plain_boosting(self.rows, labels, 2, tensors)
        self.compare(tensors, trees)
        self.assertEqual(report["epochs"], TREES * DEPTH)
        told = self.predict(folder)
        self.assertEqual(len(told), 100)
        for row, margin in zip(told, margins):
            p = 1 / (1 + math.exp(-margin[0]))
            self.assertAlmostEqual(float(row["p(1)"]), p, delta=1e-4)
            self.assertEqual(row["prediction"], str(int(p > 0.5)))
        self.assertGreater(report["evaluations"][-1]["accuracy"], 0.85)

    def test_three_classes_have_the_trees_of_a_plain_program(self):
        labels = self.labels_of(3)
        folder, report, tensors = self.run_job(labels)
        trees, margins = plain_boosting(self.rows, labels, 3, tensors)
        self.assertEqual(len(trees), 3 * TREES)
        self.compare(tensors, trees)
        for row, margin in zip(self.predict(folder), margins):
            self.assertEqual(int(row["prediction"]),
                             margin.index(max(margin)))

    def test_values_leaf_by_leaf_have_the_trees_of_a_plain_program(self):
        folder, report, tensors = self.run_job(
            self.values, "--set", "model.leaves=9", "--set", "model.depth=20",
            "--set", "model.labels=values")
        trees, margins = plain_boosting(self.rows, self.values, 0, tensors, 9)
        self.compare(tensors, trees)
        for row, margin in zip(self.predict(folder), margins):
            self.assertAlmostEqual(float(row["prediction"]), margin[0],
                                   delta=1e-3)
        self.assertGreater(report["evaluations"][-1]["r2"], 0.6)

    def test_is_the_same_whatever_dies_and_however_many_workers(self):
        labels = self.labels_of(2)
        shares = ["--set", "model.row_share=0.7",
                  "--set", "model.column_share=0.6"]
        _, quiet, model = self.run_job(labels, "--workers", "1", *shares)
        for command, more in (
                ("run", ["--workers", "3"]),
                ("chaos", ["--workers", "2", "--scenario", "deaths.yaml"])):
            with self.subTest(command=command):
                _, report, other = self.run_job(
                    labels, *more, *shares, command=command)
                self.assertEqual(model, other)
                if command == "chaos":
                    self.assertEqual(report["restarts"]["total"], 3)
                self.assertEqual(report["audit"]["expected"],
                                 quiet["audit"]["expected"])

    PATIENCE = ["--set", "model.trees=30", "--set", "model.patience=2",
                "--set", "model.validation_share=0.3", "--set", "seed=5"]

    def test_ends_when_what_is_kept_back_has_no_smaller_loss(self):
        labels = self.labels_of(2)
        folder, report, tensors = self.run_job(labels, *self.PATIENCE)
        back = [i for i in range(ROWS) if kept_back(5, 0.3, i)]
        trees, grown, losses = plain_early_stopping(
            self.rows, labels, tensors, 30, 2, back)
        self.assertLess(grown, 30)
        self.assertGreater(len(trees), 2)
        self.compare(tensors, trees)
        # The trees after the best are taken back.
        rest = tensors["nodes"].rows()[
            len(trees) * tensors["nodes"].shape[1]:]
        self.assertEqual({tuple(row) for row in rest}, {(-1, 0, 0, 0, 0)})
        self.assertEqual(tensors["open"].values()[:2], [len(trees), 0])
        self.assertTrue(report["converged"])
        self.assertLess(report["epochs"], (grown + 1) * DEPTH)
        told = report["validation"]
        self.assertEqual([told["trees"], told["best_trees"], told["left"]],
                         [grown, len(trees), 0])
        self.assertAlmostEqual(told["loss"], losses[-1], delta=1e-4)
        self.assertAlmostEqual(told["best_loss"], min(losses), delta=1e-4)
        for row, cells in zip(self.predict(folder), self.rows):
            margin = tensors["base"].values()[0] + sum(
                leaf_value(nodes, [bisect.bisect_left(edges, x) for edges, x in
                                   zip(tensors["edges"].rows(), cells)])
                for nodes in trees)
            self.assertAlmostEqual(float(row["p(1)"]),
                                   1 / (1 + math.exp(-margin)), delta=1e-4)

    def test_the_last_tree_is_measured(self):
        labels = self.labels_of(2)
        more = ["--set", "model.patience=9", "--set", "seed=5"]
        _, report, tensors = self.run_job(labels, *more)
        self.assertEqual(report["epochs"], TREES * DEPTH + 1)
        trees, grown, _ = plain_early_stopping(
            self.rows, labels, tensors, TREES, 9,
            [i for i in range(ROWS) if kept_back(5, 0.1, i)])
        self.assertEqual(report["validation"]["trees"], grown)
        self.compare(tensors, trees)
        self.assertEqual(tensors["open"].values()[0], len(trees))

    def test_ends_at_the_same_tree_whatever_dies(self):
        for name, more in (("two classes", []),
                           ("values leaf by leaf",
                            ["--set", "model.labels=values", "--set",
                             "model.leaves=5", "--set", "model.depth=20"])):
            labels = self.values if more else self.labels_of(2)
            more = [*self.PATIENCE, "--set", "model.row_share=0.8", *more]
            _, quiet, model = self.run_job(labels, "--workers", "1", *more)
            for command, how in (
                    ("run", ["--workers", "3"]),
                    ("chaos", ["--workers", "2", "--scenario",
                               "deaths.yaml"])):
                with self.subTest(name, command=command):
                    _, report, other = self.run_job(
                        labels, *how, *more, command=command)
                    self.assertEqual(model, other)
                    for key in ("validation", "epochs", "converged"):
                        self.assertEqual(report.get(key), quiet.get(key), key)
                    if command == "chaos":
                        self.assertEqual(report["restarts"]["total"], 3)
                    self.assertEqual(report["audit"]["expected"],
                                     quiet["audit"]["expected"])

    def test_missing_values_go_where_the_gain_is_larger(self):
        draw = random.Random(3)
        rows = [[round(draw.gauss(0, 1), 3) for _ in range(FEATURES)]
                for _ in range(400)]
        labels = [draw.randrange(2) for _ in rows]
        for row, label in zip(rows, labels):
            if label == 1:
                row[2] = ""
        folder, report, tensors = self.run_job(labels, rows=rows)
        self.assertEqual(report["evaluations"][-1]["accuracy"], 1)
        root = tensors["nodes"].rows()[0]
        self.assertEqual(root[0], 2)
        # The last interval has no upper edge: only missing values go right.
        self.assertEqual(root[1:3], [len(tensors["edges"].rows()[0]), 1])

    def test_odd_data(self):
        labels = [int(i == 17) for i in range(ROWS)]
        rows = [[1.5, *row[1:]] for row in self.rows]
        with self.subTest("a class of one example, and a constant feature"):
            _, _, tensors = self.run_job(
                labels, "--set", "model.leaf_examples=1", rows=rows)
            self.assertNotIn(0, {row[0] for row in tensors["nodes"].rows()
                                 if row[3] > 0})
        with self.subTest("nothing to learn from"):
            _, report, tensors = self.run_job(
                [i % 2 for i in range(ROWS)], rows=[[1.5] * FEATURES] * ROWS)
            self.assertEqual(report["epochs"], 1)
            self.assertEqual(tensors["open"].values()[0], 1)
            self.assertIn("no tree has a split", str(report["warnings"]))
        for labels, said in (([0] * ROWS, "has only one class"),
                             (["nan"] + [1] * (ROWS - 1), "label")):
            with self.subTest(said):
                folder = self.make_folder(labels)
                self.assertIn(said, self.run_ebb(
                    folder, "job", "check", "trees.yaml", rc=2))

    # Bug: the leaves' values were not finite, and the run was good.
    def test_labels_beyond_floats_are_refused(self):
        folder = self.make_folder([*self.values[1:], 1e38])
        self.assertIn("its labels deviate by", self.run_ebb(
            folder, "job", "check", "trees.yaml", "--set",
            "model.labels=values", rc=2))

    # Bug: it said that train.epochs, which the job does not name, was too large.
    def test_too_many_trees_are_refused(self):
        folder = self.make_folder(self.labels_of(2))
        said = self.run_ebb(folder, "job", "check", "trees.yaml", "--set",
                            "model.trees=1000000", rc=2)
        self.assertIn("model.trees: 1000000 of them may take 3000000 passes",
                      said)
        self.assertNotIn("train.epochs", said)


if __name__ == "__main__":
    unittest.main()
