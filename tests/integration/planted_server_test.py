#!/usr/bin/env python3
"""The audit can fail: real daemons train over a server with a bug planted in
it, and what the bug loses or doubles is named to the example.

  planted_server_test.py BIN_FOLDER PLANTED_SERVER
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

PLANTED = os.path.abspath(sys.argv.pop(2)) if len(sys.argv) > 2 else ""
BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 60

# Each item is 10 batches, and a planted bug is about the first of them.
EXAMPLES, ITEM, BATCH, EPOCHS = 400, 40, 4, 2
WRONG = EPOCHS * EXAMPLES // ITEM * BATCH
JOB = f"""
name: lines
model: softmax
data: {{train: {{csv: lines.csv}}}}
train: {{epochs: {EPOCHS}, batch: {BATCH}, item_examples: {ITEM}}}
optimizer: {{kind: sgd, rate: 0.001}}
partitions: 2
"""


class PlantedServerTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_planted_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ)
        self.environment.pop("EBB_RUN", None)
        with open(self.path("job.yaml"), "w") as file:
            file.write(JOB)
        with open(self.path("lines.csv"), "w") as file:
            for i in range(EXAMPLES):
                file.write(f"{i % 7},{i % 11},{i % 5},{i % 3}\n")

    def path(self, name):
        return os.path.join(self.folder, name)

    def ebb(self, *arguments, folder=BIN):
        return subprocess.run(
            [os.path.join(folder, "ebb"), *arguments], cwd=self.folder,
            env=self.environment, text=True, timeout=LIMIT_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def wait(self, so, what):
        limit = time.monotonic() + LIMIT_S
        while not so():
            self.assertLess(time.monotonic(), limit, what)
            time.sleep(0.02)

    def daemon(self, name, program, *arguments):
        with open(self.path(name + ".log"), "w") as log:
            child = subprocess.Popen(
                [program, *arguments, "--die-with-parent", str(os.getpid())],
                cwd=self.folder, env=self.environment, stderr=log)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)

    def audited(self, bug):
        """A job of two servers, the second with the bug; its audit."""
        self.daemon("scheduler", BIN + "/ebb-scheduler", "--listen",
                    "127.0.0.1:0", "--min-servers", "2", "--state-dir",
                    "scheduler", "--address-file", "address")
        self.wait(lambda: os.path.exists(self.path("address")), "no scheduler")
        with open(self.path("address")) as file:
            self.environment["EBB_SCHEDULER"] = file.read().strip()
        self.daemon("ps-0", BIN + "/ebb-ps", "--id", "0", "--state-dir", "ps-0")
        self.daemon("ps-1", PLANTED, "--id", "1", "--state-dir", "ps-1",
                    "--plant", bug)
        self.daemon("worker", BIN + "/ebb-worker", "--name", "worker")
        submitted = self.ebb("submit", "job.yaml")
        self.assertEqual(submitted.returncode, 0, submitted.stdout)
        self.wait(lambda: '"complete"' in self.ebb("status", "--json").stdout,
                  "the job does not end")
        return self.ebb("audit", "lines"), self.ebb("audit", "--json", "lines")

    def check_audit(self, bug, missing, doubled):
        text, as_json = self.audited(bug)
        self.assertEqual((text.returncode, as_json.returncode), (1, 1), text)
        self.assertIn("NOT EXACT", text.stdout)
        rows = [line.split() for line in text.stdout.splitlines()]
        found = {row[1]: (int(row[4]), int(row[5])) for row in rows
                 if len(row) == 9 and row[1].startswith("ps-")}
        self.assertEqual(found, {"ps-0": (0, 0), "ps-1": (missing, doubled)})
        audit = json.loads(as_json.stdout)
        self.assertFalse(audit["exact"])
        self.assertEqual((audit["missing"], audit["doubled"]),
                         (missing, doubled))
        self.assertIn(f"partition 1: {missing} examples missing, {doubled} "
                      "applied twice", audit["problems"])

    def test_a_lost_push_is_named_by_the_audit(self):
        self.check_audit("push_lost", WRONG, 0)

    def test_a_push_applied_twice_is_named_by_the_audit(self):
        self.check_audit("push_applied_twice", 0, WRONG)

    def run_job(self, bug):
        """`ebb run` from a folder whose servers are planted ones."""
        programs = tempfile.mkdtemp(dir=os.path.dirname(PLANTED))
        self.addCleanup(shutil.rmtree, programs)
        for name in ("ebb", "ebb-scheduler", "ebb-worker"):
            os.link(os.path.join(BIN, name), os.path.join(programs, name))
        os.link(PLANTED, os.path.join(programs, "ebb-ps"))
        self.environment["EBB_PLANT"] = bug
        return self.ebb("run", "job.yaml", "--run-dir", "run", "--report",
                        "report.json", folder=programs)

    def test_a_run_fails_and_says_what_is_wrong(self):
        for bug, missing, doubled in (("push_lost", WRONG, 0),
                                      ("push_applied_twice", 0, WRONG)):
            with self.subTest(bug):
                run = self.run_job(bug)
                self.assertEqual(run.returncode, 1, run.stdout)
                for partition in range(2):
                    self.assertIn(
                        f"partition {partition}: {missing} examples missing, "
                        f"{doubled} applied twice", run.stdout)
                shutil.rmtree(self.path("run"))

    def test_without_a_bug_the_planted_server_is_a_good_one(self):
        run = self.run_job("")
        self.assertEqual(run.returncode, 0, run.stdout)

    def test_an_unknown_bug_is_refused(self):
        ran = subprocess.run([PLANTED, "--id", "0", "--state-dir", "x",
                              "--plant", "no_such_bug"], text=True,
                             cwd=self.folder, capture_output=True)
        self.assertEqual(ran.returncode, 2)
        self.assertIn("there is no bug no_such_bug", ran.stderr)


if __name__ == "__main__":
    unittest.main()
