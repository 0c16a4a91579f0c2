#!/usr/bin/env python3
"""Tests what an operator asks of a cluster that runs, and is told: who is
stopped, who is missing, what happened, and how a job that is over is
forgotten.

  operators_test.py BIN_FOLDER
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from daemons import Daemons, wait_until

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 60


def job(epochs, consistency="asp"):
    return f"""
name: lines
model: softmax
data: {{train: {{csv: lines.csv}}}}
train: {{epochs: {epochs}, batch: 40, item_examples: 200}}
optimizer: {{kind: sgd, rate: 0.001}}
consistency: {consistency}
checkpoint: {{every: 200ms}}
partitions: 2
"""


class OperatorsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_operators_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ, EBB_BATCH_TIME="20ms")
        self.daemons = Daemons(BIN, self.folder, self.environment)
        self.addCleanup(self.daemons.end)
        with open(self.path("lines.csv"), "w") as file:
            file.writelines(f"{i % 7},{i % 11},{i % 5},{i % 3}\n"
                            for i in range(2000))
        self.daemons.start("scheduler", "--listen", "127.0.0.1:0",
                           "--state-dir", "scheduler", "--min-servers", "2",
                           "--address-file", "address")
        self.wait(lambda: os.path.exists(self.path("address")), "no scheduler")
        with open(self.path("address")) as file:
            self.environment["EBB_SCHEDULER"] = file.read().strip()
        for i in "01":
            self.daemons.start(f"ps-{i}", "--id", i, "--state-dir", f"ps-{i}")
            self.daemons.start(f"worker-{i}", "--name", f"worker-{i}")

    def path(self, name):
        return os.path.join(self.folder, name)

    def wait(self, so, what):
        wait_until(so, what, LIMIT_S)

    def ebb(self, code, *words):
        done = subprocess.run(
            [os.path.join(BIN, "ebb"), *words], cwd=self.folder, text=True,
            env=self.environment, timeout=LIMIT_S, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout

    def submit(self, text):
        with open(self.path("job.yaml"), "w") as file:
            file.write(text)
        self.ebb(0, "submit", "job.yaml")

    def status(self):
        return json.loads(self.ebb(0, "status", "--json"))

    def state(self):
        return self.status()["jobs"][-1]["state"]

    def worker(self, name):
        return next(role for role in self.status()["roles"]
                    if role["name"] == name)

    def kinds(self):
        return [event["kind"] for event in
                json.loads(self.ebb(0, "events", "--json"))]

    def test_a_job_that_is_over_is_forgotten(self):
        self.submit(job(500))
        self.assertIn("only what is over can be forgotten",
                      self.ebb(1, "forget", "lines"))
        self.ebb(0, "cancel", "lines")
        self.ebb(0, "forget", "lines", "--versions")
        self.submit(job(1))
        self.wait(lambda: self.state() == "complete", "it does not end")
        self.assertIn("is forgotten; what servers stored of it stays",
                      self.ebb(0, "forget", "lines"))
        self.assertEqual(self.status()["jobs"], [])
        self.assertIn("there is no job lines", self.ebb(2, "forget", "lines"))
        self.assertEqual(self.kinds()[-1], "job_forgotten")
        # A server that comes back with it does not bring it back.
        self.daemons["ps-0"].kill()
        self.daemons["ps-0"].wait()
        self.daemons.start("ps-0", "--id", "0", "--state-dir", "ps-0")
        self.wait(lambda: self.kinds().count("server_up") == 3, "no server")
        self.assertEqual(self.status()["jobs"], [])
        # Nor does the scheduler remember it, and the cluster trains others.
        self.submit(job(1))
        self.wait(lambda: self.state() == "complete", "it does not end")
        self.assertIn("its versions are deleted",
                      self.ebb(0, "forget", "lines", "--versions"))
        self.daemons["ps-1"].terminate()
        self.assertEqual(self.daemons["ps-1"].wait(timeout=LIMIT_S), 0)
        # The versions of the first stay, those of the second are gone.
        listed = json.loads(self.ebb(0, "checkpoint", "list", "ps-1", "--json"))
        self.assertTrue(listed["versions"])

    def test_a_worker_that_is_stopped_is_singled_out(self):
        self.submit(job(500, "{kind: ssp, bound: 1}"))
        self.wait(lambda: self.worker("worker-0")["examples"] > 0 and
                  self.worker("worker-1")["examples"] > 0, "they do not train")
        os.kill(self.daemons["worker-1"].pid, signal.SIGSTOP)
        self.wait(lambda: self.worker("worker-1")["awaited_by"] == 1,
                  "nobody waits for it")
        self.assertRegex(self.ebb(0, "status"),
                         r"worker-1 .* said nothing for .* 1 worker waits")
        silent = None

        def is_silent():
            nonlocal silent
            silent = self.worker("worker-1")
            return silent["state"] == "silent"
        self.wait(is_silent, "its lease does not run out")
        self.assertEqual(silent["examples_per_second"], 0)
        self.assertRegex(self.ebb(0, "status"),
                         r"worker-1 .* and its lease ran out")
        # The other goes on meanwhile, and the one that is stopped is named.
        self.assertIn("worker-1 said nothing for",
                      self.ebb(0, "explain", "lines"))
        self.assertIn("worker_silent", self.kinds())
        os.kill(self.daemons["worker-1"].pid, signal.SIGCONT)
        self.wait(lambda: self.worker("worker-1")["state"] != "silent",
                  "it does not come back")

    def test_who_is_missing_is_said(self):
        self.submit(job(500))
        self.wait(lambda: self.state() == "running", "it does not run")
        self.assertIn("2 are connected, so 3 are missing",
                      self.ebb(0, "scale", "lines", "--workers", "5"))
        self.assertNotIn("missing",
                         self.ebb(0, "scale", "lines", "--workers", "2"))
        self.assertNotIn("missing",
                         self.ebb(0, "scale", "lines", "--workers", "0"))
        self.assertEqual(3, self.kinds().count("job_scaled"))
        self.wait(lambda: "eta_seconds" in self.status()["jobs"][0], "no ETA")


if __name__ == "__main__":
    unittest.main(verbosity=2)
