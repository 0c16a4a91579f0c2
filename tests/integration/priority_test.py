#!/usr/bin/env python3
"""A job of higher priority takes half of a hundred workers, and gives them
back: real daemons, computing emulated.

  priority_test.py BIN_FOLDER
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from daemons import Daemons, wait_until

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 120
WORKERS = 100
TAKEN = 50
BATCH = 10

JOB = """
name: {name}
priority: {priority}
model: linear
data: {{train: {{csv: {{path: rows.csv, label: y}}}}}}
train: {{epochs: {epochs}, batch: %d, item_examples: %d}}
workers: {{max: {workers}}}
partitions: 2
""" % (BATCH, 2 * BATCH)
ROWS = 10_000


class PriorityTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_priority_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ)
        self.environment.pop("EBB_RUN", None)
        self.daemons = Daemons(BIN, self.folder, self.environment)
        self.addCleanup(self.daemons.end)
        with open(self.path("rows.csv"), "w") as file:
            file.write("x,y\n")
            file.writelines(f"{i % 7},{i % 7 * 2 + 1}\n" for i in range(ROWS))

    def path(self, name):
        return os.path.join(self.folder, name)

    def wait(self, so, what):
        return wait_until(so, what, LIMIT_S)

    def ebb(self, *arguments):
        ran = subprocess.run(
            [os.path.join(BIN, "ebb"), *arguments], cwd=self.folder, text=True,
            env=self.environment, timeout=LIMIT_S, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        return ran.stdout

    def jobs(self):
        status = json.loads(self.ebb("status", "--json"))
        return {job["name"]: job for job in status["jobs"]}

    def marks(self):
        return {name: job["marks"]["least"] for name, job in self.jobs().items()}

    def submit(self, name, **values):
        with open(self.path(name + ".yaml"), "w") as file:
            file.write(JOB.format(name=name, **values))
        self.ebb("submit", name + ".yaml")

    def test_half_of_a_hundred_are_taken_and_given_back(self):
        self.daemons.start("scheduler", "--listen", "127.0.0.1:0",
                           "--min-servers", "2", "--state-dir", "scheduler",
                           "--address-file", "address")
        self.wait(lambda: os.path.exists(self.path("address")), "no scheduler")
        with open(self.path("address")) as file:
            self.environment["EBB_SCHEDULER"] = file.read().strip()
        for i in range(2):
            self.daemons.start(f"ps-{i}", "--id", str(i), "--state-dir",
                               f"ps-{i}")
        for i in range(WORKERS):
            self.daemons.start(f"worker-{i}", "--name", f"worker-{i}",
                               "--batch-time", "200ms")
        self.submit("patient", priority=0, epochs=16, workers=WORKERS)
        self.wait(lambda: self.jobs()["patient"]["workers"]["has"] == WORKERS,
                  "not all work")
        begun = self.jobs()["patient"]["marks"]["least"]

        self.submit("urgent", priority=10, epochs=4, workers=TAKEN)
        self.wait(lambda: self.jobs()["urgent"]["workers"]["has"] == TAKEN,
                  "not taken")
        self.assertEqual(self.jobs()["patient"]["workers"]["has"],
                         WORKERS - TAKEN)
        # Again and again examples of both are counted.
        grown, before = 0, self.marks()
        while before["urgent"] < 39_000:
            def grows():
                now = self.marks()
                return now if now["urgent"] >= 39_000 or all(
                    now[name] > before[name] for name in before) else None
            before = self.wait(grows, "one of them stands still")
            grown += 1
        self.assertGreaterEqual(grown, 3)
        self.assertGreater(before["patient"], begun)
        self.assertNotEqual(self.jobs()["patient"]["state"], "complete")

        self.wait(lambda: self.jobs()["patient"]["workers"]["has"] == WORKERS,
                  "not given back")
        self.wait(lambda: self.jobs()["patient"]["state"] == "complete",
                  "stuck")
        for name, epochs in (("patient", 16), ("urgent", 4)):
            audit = json.loads(self.ebb("audit", name, "--json"))
            self.assertEqual((audit["missing"], audit["doubled"]), (0, 0))
            self.assertTrue(audit["exact"], audit)


if __name__ == "__main__":
    unittest.main()
