#!/usr/bin/env python3
"""A job on a packed set trains window by window: exactly once under kills, in
less memory than the data takes, and as well as in memory. Clusters and trees
are those of the same data in memory.

  packed_test.py BIN_FOLDER [TEST...]
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
ROWS = 6000
WINDOW = 512
FEATURES = 30

JOB = """
name: %s
model: softmax
data: {train: {%s}, test: {%s}}
train: {epochs: 3, batch: 50}
optimizer: {kind: sgd, rate: 0.1}
partitions: 4
evaluate: {every: 1 epoch}
"""
PACKED = JOB % ("packed", "packed: p/train", "packed: p/test")

COLUMNS, GROUPS = 4, 5
CLUSTERS = f"""
name: clusters
model: {{kind: kmeans, clusters: {GROUPS}%s}}
data: {{train: {{%s}}}}
algorithm: {{%s}}
train: {{batch: 64, item_examples: 128}}
partitions: 2
"""
TREES = """
name: trees
model: {kind: boosted_trees, labels: values, trees: 8, depth: 3%s}
data: {train: {%s}, test: {%s}}
train: {batch: 64, item_examples: 128}
partitions: 2
evaluate: 6 epochs
"""

# 200 MiB of bytes, of which a job needs two windows of 6.4 MiB.
WIDE_ROWS = 131_072
WIDE_FEATURES = 1600
WIDE = """
name: wide
model: softmax
data: {train: {%s, scale: 1/255}}
train: {epochs: 1, batch: 512}
optimizer: {kind: sgd, rate: 0.01}
"""


def rows(seed, count):
    """Sorted by class: class c has larger numbers in every third column."""
    draw = random.Random(seed)
    for i in range(count):
        c = 3 * i // count
        yield ",".join(
            [f"{draw.gauss(0.5 if j % 3 == c else 0, 1):.2f}"
             for j in range(FEATURES)] + [f"c{c}"]) + "\n"


def write_centroids(path, rows):
    data = struct.pack(f"<{GROUPS * COLUMNS}f", *(x for row in rows
                                                  for x in row))
    header = json.dumps({"centroids": {
        "dtype": "F32", "shape": [GROUPS, COLUMNS],
        "data_offsets": [0, len(data)]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + data)


def write_idx(path, kind, shape, parts):
    """An IDX file of unsigned bytes."""
    with open(path, "wb") as file:
        file.write(b"\0\0" + bytes([kind, len(shape)]))
        for size in shape:
            file.write(size.to_bytes(4, "big"))
        file.writelines(parts)


class PackedTest(JobTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        cls.make_data({
            "train.csv": "".join(rows(1, ROWS)),
            "test.csv": "".join(rows(2, 600)),
            "memory.yaml": JOB % ("memory", "csv: train.csv",
                                  "csv: test.csv"),
            "packed.yaml": PACKED,
            "deaths.yaml": deaths("15ms"),
        })

    def packed(self):
        """A folder with the packed set `p`, and what packing said."""
        folder = self.copy_of_data()
        said = self.run_ebb(folder, "data", "pack", "memory.yaml", "p",
                            "--window", str(WINDOW))
        return folder, said

    def accuracy(self, report):
        return report["accuracy"]

    def test_is_exact_under_kills_and_as_good_as_in_memory(self):
        folder, said = self.packed()
        self.assertIn(f"p/train: {ROWS:,} examples of {FEATURES} features",
                      said)
        self.assertIn(f"{ROWS // WINDOW + 1} windows of {WINDOW}", said)
        memory, _ = self.run_to_the_end(folder, "memory.yaml",
                                        "--workers", "2")
        folder, _ = self.packed()
        packed, _ = self.run_to_the_end(
            folder, "packed.yaml", "--workers", "2", "--scenario",
            "deaths.yaml", command="chaos")
        self.assertEqual(packed["restarts"]["total"], 3)
        self.assertEqual(packed["audit"]["expected"],
                         memory["audit"]["expected"])
        self.assertGreater(self.accuracy(memory), 0.75)
        self.assertAlmostEqual(self.accuracy(packed), self.accuracy(memory),
                               delta=0.05)
        predicted = self.run_ebb(folder, "predict", "run", "p/test",
                                 "--labelled", "-o", "predicted.csv")
        with open(os.path.join(folder, "predicted.csv")) as file:
            self.assertEqual(len(file.readlines()), 601, predicted)

    def test_looks_into_a_set_and_finds_damage(self):
        folder, _ = self.packed()
        said = self.run_ebb(folder, "data", "verify", "p")
        self.assertIn("p/train: 6,000 examples in 12 windows, all of them "
                      "sound", said)
        lines = self.run_ebb(folder, "data", "cat", "p/train", "--from",
                             str(WINDOW - 1), "--count", "2").splitlines()
        self.assertEqual([len(line.split()) for line in lines],
                         [FEATURES + 1] * 2)
        windows = os.path.join(folder, "p", "train", "windows-00000.ebbp")
        with open(windows, "r+b") as file:
            file.seek(os.path.getsize(windows) // 2)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 255]))
        said = self.run_ebb(folder, "data", "verify", "p", rc=1)
        self.assertRegex(said, r"windows-00000\.ebbp: window \d+ is damaged")
        self.assertIn("1 damaged", said)

    def test_says_what_is_wrong(self):
        folder, _ = self.packed()
        for wrong, said in (
                ("train.item_examples=100",
                 "item_examples: 64"),
                ("data.split=0.2", "ebb data pack --split"),
                ("model=forest", "needs all of the data in memory"),
                ("data.train.packed=p", "p/train"),
                ("data.train.packed=test.csv", "a packed set is a folder")):
            with self.subTest(wrong):
                self.assertIn(said, self.run_ebb(
                    folder, "job", "check", "packed.yaml", "--set", wrong,
                    rc=2))
        self.assertIn("is there already", self.run_ebb(
            folder, "data", "pack", "memory.yaml", "p", rc=2))
        self.assertEqual("", self.run_ebb(
            folder, "data", "pack", "csv:test.csv", "still", "--quiet"))
        self.assertIn("csv:train.csv", self.run_ebb(
            folder, "data", "pack", "train.csv", "q", rc=2))
        good = self.run_ebb(folder, "job", "check", "packed.yaml")
        self.assertIn("packed is good: 6,000 examples", good)

    def write(self, folder, name, text):
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)

    def write_in_the_order_of_the_set(self, folder, part, name):
        """The examples of p/PART as a table, the label last."""
        said = self.run_ebb(folder, "data", "cat", f"p/{part}", "--count",
                            str(ROWS))
        rows = [line.split() for line in said.splitlines()]
        self.write(folder, name, "".join(
            ",".join(["" if word == "nan" else word for word in row[1:]] +
                     [row[0]]) + "\n" for row in rows))

    def clusters(self):
        """A folder with packed whole numbers, sorted by their group."""
        folder = self.new_folder()
        draw = random.Random(5)
        rows = [[20 * (GROUPS * i // 3000) + draw.randrange(30)
                 for _ in range(COLUMNS)] for i in range(3000)]
        self.write(folder, "table.csv", "".join(
            ",".join(map(str, row)) + ",0\n" for row in rows))
        write_centroids(os.path.join(folder, "first.safetensors"),
                        rows[:GROUPS])
        self.write(folder, "deaths.yaml", deaths("20ms"))
        self.write(folder, "memory.yaml", CLUSTERS % (
            ", initial: first.safetensors", "csv: again.csv",
            "max_rounds: 8, tolerance: 0"))
        self.write(folder, "source.yaml",
                   CLUSTERS % ("", "csv: table.csv", "max_rounds: 8"))
        self.run_ebb(folder, "data", "pack", "source.yaml", "p", "--window",
                     str(WINDOW))
        self.write_in_the_order_of_the_set(folder, "train", "again.csv")
        return folder

    # Sums differ in their last bits, for they are added in another order.
    def test_clusters_are_those_of_the_data_in_memory(self):
        folder = self.clusters()
        memory, _ = self.run_to_the_end(folder, "memory.yaml",
                                        run_dir="memory")
        self.run_ebb(folder, "checkpoint", "export", "memory", "-o",
                     "memory.safetensors")
        self.write(folder, "packed.yaml", CLUSTERS % (
            ", initial: first.safetensors", "packed: p/train",
            "max_rounds: 8, tolerance: 0"))
        packed, _ = self.run_to_the_end(
            folder, "packed.yaml", "--workers", "2", "--scenario",
            "deaths.yaml", command="chaos")
        self.export(folder)
        self.assertEqual(packed["restarts"]["total"], 3)
        self.assertEqual(packed["epochs"], memory["epochs"])
        of = [read_tensors(os.path.join(folder, name))["centroids"].values()
              for name in ("model.safetensors", "memory.safetensors")]
        for one, other in zip(*of):
            self.assertAlmostEqual(one / other, 1, delta=1e-6)
        self.assertAlmostEqual(packed["inertia"] / memory["inertia"], 1,
                               delta=1e-6)

    def test_clusters_begin_with_examples_of_all_windows(self):
        folder = self.clusters()
        for name, seeding, algorithm in (
                ("plus", ", seeding: plus_plus", "max_rounds: 8"),
                ("parallel", ", seeding: parallel", "max_rounds: 8"),
                ("batches", "", "kind: mini_batch")):
            with self.subTest(name):
                self.write(folder, name + ".yaml", CLUSTERS % (
                    seeding, "packed: p/train", algorithm))
                report, _ = self.run_to_the_end(folder, name + ".yaml",
                                                run_dir=name)
                if name == "batches":
                    continue  # Its steps have no inertia.
                # 300 of each example is the scatter within its group.
                self.assertLess(report["inertia"] / 3000, 400)
        self.assertIn("leave model.restarts out", self.run_ebb(
            folder, "job", "check", "plus.yaml", "--set", "model.restarts=3",
            rc=2))

    def test_trees_are_those_of_the_data_in_memory(self):
        folder = self.new_folder()
        draw = random.Random(6)
        for name, count in (("table.csv", 3000), ("test.csv", 400)):
            rows = []
            for _ in range(count):
                row = [draw.randrange(-40, 40) / 4 for _ in range(COLUMNS)]
                label = 3 * (row[0] > 1) + row[1] * (row[2] > 0)
                # A missing value says something, too.
                cells = ["" if draw.random() < (0.4 if x > 5 else 0.1)
                         else str(x) for x in row]
                rows.append(",".join(cells + [str(label)]) + "\n")
            self.write(folder, name, "".join(rows))
        for name, model, train, test in (
                ("source", "", "csv: table.csv", "csv: test.csv"),
                ("memory", "", "csv: again.csv", "csv: test-again.csv"),
                ("packed", "", "packed: p/train", "packed: p/test"),
                ("drawn", ", patience: 8, validation_share: 0.2, row_share: 0.5",
                 "packed: p/train", "packed: p/test")):
            text = TREES % (model, train, test)
            if name == "drawn":  # The batch that ebb chooses is a window.
                text = text.replace("train: {batch: 64, item_examples: 128}\n",
                                    "")
            self.write(folder, name + ".yaml", text)
        self.write(folder, "deaths.yaml", deaths("20ms"))
        self.run_ebb(folder, "data", "pack", "source.yaml", "p", "--window",
                     str(WINDOW))
        self.write_in_the_order_of_the_set(folder, "train", "again.csv")
        self.write_in_the_order_of_the_set(folder, "test", "test-again.csv")
        predicted = {}
        for name, data in (("memory", "test-again.csv"), ("packed", "p/test")):
            more = ["--workers", "2", "--scenario", "deaths.yaml"]
            self.run_to_the_end(folder, name + ".yaml",
                                *(more if name == "packed" else []),
                                command="chaos" if name == "packed" else "run",
                                run_dir=name)
            self.run_ebb(folder, "predict", name, data, "--labelled", "-o",
                         "predicted.csv")
            with open(os.path.join(folder, "predicted.csv")) as file:
                predicted[name] = [float(row["prediction"])
                                   for row in csv.DictReader(file)]
        self.assertEqual(len(predicted["packed"]), 400)
        # Sums of floats differ in their last bits with the order.
        for one, other in zip(predicted["packed"], predicted["memory"]):
            self.assertAlmostEqual(one, other, delta=1e-3)
        # A share of the examples, by their numbers in the set.
        report, _ = self.run_to_the_end(folder, "drawn.yaml", run_dir="drawn")
        self.assertGreater(report["epochs"], 1)

    def test_needs_memory_for_two_windows_only(self):
        folder = self.new_folder()
        draw = random.Random(3)
        some = [draw.randbytes(WIDE_FEATURES) for _ in range(64)]
        write_idx(os.path.join(folder, "x"), 8, (WIDE_ROWS, WIDE_FEATURES),
                  (some[i % 64] for i in range(WIDE_ROWS)))
        write_idx(os.path.join(folder, "y"), 8, (WIDE_ROWS,),
                  (bytes([i % 2]) for i in range(WIDE_ROWS)))
        for name, data in (
                ("memory", "idx: {images: x, labels: y}"),
                ("packed", "packed: p/train")):
            with open(os.path.join(folder, name + ".yaml"), "w") as file:
                file.write(WIDE % data)
        self.run_ebb(folder, "data", "pack", "memory.yaml", "p", "--window",
                     "4096", "--raw")
        self.run_to_the_end(folder, "packed.yaml", "--workers", "1",
                            "--memory", "128MiB")
        with open(os.path.join(folder, "clusters.yaml"), "w") as file:
            file.write("name: clusters\nmodel: {kind: kmeans, clusters: 3}\n"
                       "data: {train: {packed: p/train}}\n"
                       "algorithm: {max_rounds: 2}\n"
                       "train: {batch: 512}\n"
                       "consistency: {kind: rounds, examples: epoch}\n")
        self.run_to_the_end(folder, "clusters.yaml", "--workers", "1",
                            "--memory", "128MiB", run_dir="clusters")


if __name__ == "__main__":
    unittest.main()
