#!/usr/bin/env python3
"""A job on a packed set trains window by window: exactly once under kills, in
less memory than the data takes, and as well as in memory.

  packed_test.py BIN_FOLDER [TEST...]
"""
import os
import random
import sys
import unittest

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
        self.assertIn("csv:train.csv", self.run_ebb(
            folder, "data", "pack", "train.csv", "q", rc=2))
        good = self.run_ebb(folder, "job", "check", "packed.yaml")
        self.assertIn("packed is good: 6,000 examples", good)

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


if __name__ == "__main__":
    unittest.main()
