#!/usr/bin/env python3
"""Tables that examples write and nothing trains, on real processes: sums, counts
and names are those of the data, whatever is killed.

  written_rows_test.py BIN_FOLDER [TEST...]
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

from exported import read_values

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
PLUGINS = os.path.join(os.path.dirname(BIN), "plugins")
LIMIT_S = 120

ROWS, EPOCHS, COLUMNS = 6_000, 3, 3
JOB = f"""
name: tally
model: {{kind: tallies, plugin: libtallies.so}}
data: {{train: {{csv: {{path: tally.csv, label: label}}}}}}
train: {{epochs: {EPOCHS}, batch: 20, item_examples: 400}}
optimizer: {{kind: sgd, rate: 0.05}}
partitions: 4
checkpoint: {{every: 200ms}}
"""

# By progress, so that a slow machine does the same, and at a pace that a fast
# one's last events do not come too late.
SCENARIO = """
name: one of each
workers: 3
servers: 2
compute: 5ms
events:
  - {at: 20%, kill: worker-1}
  - {at: 30%, kill: ps-1}
  - {at: 45%, terminate: worker-2}
  - {at: 55%, kill: scheduler}
  - {at: 70%, kill: ps-0}
"""


class WrittenRowsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_written_rows_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        random.seed(7)
        # By key, what one epoch makes of it: examples, those of class 1, the
        # sum of the values, the name.
        self.tallies = {}
        with open(os.path.join(self.folder, "tally.csv"), "w") as file:
            file.write("label,a,b,c\n")
            for _ in range(ROWS):
                values = [random.choice((1, -1)) * random.randrange(40) / 2
                          for _ in range(COLUMNS)]
                label = int(sum(values) + random.gauss(0, 5) > 0)
                file.write(f"{label},{','.join(map(str, values))}\n")
                for j, value in enumerate(values):
                    self.tally(j, value, label)
        self.write("tally.yaml", JOB)

    def tally(self, column, value, label):
        whole = int(value // 1)
        key = column << 32 | whole & 0xffffffff
        one = self.tallies.setdefault(
            key, [0, 0, 0, f"column {column}: {whole}"])
        one[0] += 1
        one[1] += label
        one[2] += value

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def ebb(self, *arguments, rc=0):
        ran = subprocess.run(
            [os.path.join(BIN, "ebb"), *arguments, "--allow-plugins", PLUGINS],
            cwd=self.folder, text=True, timeout=LIMIT_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(ran.returncode, rc, ran.stdout)
        return ran.stdout

    def read(self, name):
        return read_values(os.path.join(self.folder, name))

    def test_they_are_exact_whatever_is_killed(self):
        self.write("scenario.yaml", SCENARIO)
        said = self.ebb("chaos", "tally.yaml", "--scenario", "scenario.yaml",
                        "--report", "report.json")
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], said)
        self.assertGreaterEqual(report["restarts"]["total"], 4, said)
        said = self.ebb("checkpoint", "export", "runs/tally-1", "-o",
                        "tally.safetensors")
        tensors = self.read("tally.safetensors")
        keys = sorted(self.tallies)
        expected = [self.tallies[key] for key in keys]
        for table in ("tallies", "sums", "names"):
            self.assertEqual(list(tensors[table + "/keys"]), keys, table)
        self.assertEqual(
            list(tensors["tallies/rows"]),
            [EPOCHS * n for one in expected for n in one[:2]])
        # Halves and their sums are exact in floats.
        self.assertEqual(list(tensors["sums/rows"]),
                         [EPOCHS * one[2] for one in expected])
        lengths, rows = tensors["names/lengths"], bytes(tensors["names/rows"])
        width = len(rows) // len(keys)
        self.assertEqual(
            [rows[i * width:i * width + lengths[i]].decode()
             for i in range(len(keys))], [one[3] for one in expected])
        # The prediction needs none of it.
        told = self.ebb("predict", "tally.safetensors", "tally.csv",
                        "--labelled")
        self.assertEqual(len(told.splitlines()), ROWS + 1)

    def test_what_such_tables_cannot_have_is_refused(self):
        for keys, named in (("names: {expire_after: 5}",
                             "tables.names.expire_after: what is written"),
                            ("sums: {optimizer: adagrad}",
                             "tables.sums.optimizer: the model's examples"),
                            ("talies: {max_rows: 5}",
                             "tables.talies: tallies has no such")):
            self.write("tally.yaml", JOB + f"tables: {{{keys}}}\n")
            self.assertIn(named, self.ebb("job", "check", "tally.yaml", rc=2))
        self.write("tally.yaml",
                   JOB + "consistency: {kind: rounds, examples: 1200}\n")
        self.assertIn("sparse tables need asp or ssp",
                      self.ebb("job", "check", "tally.yaml", rc=2))


if __name__ == "__main__":
    unittest.main()
