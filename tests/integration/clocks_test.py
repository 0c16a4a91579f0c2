#!/usr/bin/env python3
"""A run with deaths on a machine whose wall clock is set to and fro: every
example counts once, and nothing waits until the clock is there again.

  clocks_test.py BIN_FOLDER PRELOADED_CLOCK
"""
import itertools
import json
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

CLOCK = os.path.abspath(sys.argv.pop(2))
BIN = os.path.abspath(sys.argv.pop(1))
LIMIT_S = 120  # A wait by the wall clock would take hours.

ROWS, EPOCHS = 2000, 8
JOB = f"""
name: lines
model: softmax
data: {{train: {{csv: lines.csv}}}}
train: {{epochs: {EPOCHS}, batch: 20, item_examples: 200}}
optimizer: {{kind: sgd, rate: 0.001}}
checkpoint: {{every: 200ms}}
partitions: 4
"""
# The scheduler is away, so servers and workers wait to connect again. A server
# stands still, so calls to it end by their deadlines.
SCENARIO = """
name: clocks
workers: 2
servers: 2
compute: 10ms
events:
  - {at: 5%, kill: scheduler}
  - {at: 15%, kill: ps-1}
  - {at: 25%, kill: worker-0}
  - {at: 35%, kill: scheduler}
  - {at: 50%, stop: ps-0, for: 1s}
  - {at: 65%, split: {between: worker-1, and: ps-0}, for: 300ms}
  - {at: 75%, drop: {between: all}}
  - {at: 85%, kill: scheduler}
"""
HOUR_NS = 3600 * 10**9


class WallClock:
    """Is set back by hours again and again, and forth by less, for as long as
    the context lasts. It never comes to a time that it has shown before."""

    def __init__(self, path):
        with open(path, "w+b") as file:
            file.truncate(8)
            self.ahead = mmap.mmap(file.fileno(), 8)
        self.ended = threading.Event()
        self.set(2000)
        self.person = threading.Thread(target=self.set_to_and_fro)

    def set(self, hours):
        self.ahead[:] = struct.pack("q", int(hours * HOUR_NS))

    def set_to_and_fro(self):
        self.times = 0
        for back in itertools.count(1):
            if self.ended.wait(0.02):
                return
            self.set(2000 - back * (1 if back % 2 else 0.98))
            self.times += 1

    def __enter__(self):
        self.person.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.person.join()


class ClocksTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_clocks_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.write("job.yaml", JOB)
        self.write("scenario.yaml", SCENARIO)
        self.write("lines.csv", "".join(
            f"{i % 7},{i % 11},{i % 5},{i % 3}\n" for i in range(ROWS)))

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def test_a_run_is_exact_and_waits_for_no_clock(self):
        path = os.path.join(self.folder, "clock")
        with WallClock(path) as clock:
            ran = subprocess.run(
                [os.path.join(BIN, "ebb"), "chaos", "job.yaml", "--scenario",
                 "scenario.yaml", "--report", "report.json"],
                cwd=self.folder, text=True, timeout=LIMIT_S,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env={**os.environ, "LD_PRELOAD": CLOCK,
                     "EBB_TEST_WALL_CLOCK": path})
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertGreater(clock.times, 20)
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], ran.stdout)
        self.assertEqual(report["audit"]["applied"], ROWS * EPOCHS)
        self.assertEqual(report["restarts"]["scheduler"], 3, ran.stdout)


if __name__ == "__main__":
    unittest.main()
