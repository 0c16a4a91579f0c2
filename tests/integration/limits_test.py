#!/usr/bin/env python3
"""Tests that what is larger than a message travels in pieces, and that what
can never be sent is told instead of being tried for ever.

  limits_test.py BIN_FOLDER [TEST...]
"""
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from daemons import Daemons, wait_until

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 120

# 40,000 parameters in one partition: 160 KB of values, and as much of a
# gradient.
JOB = """
name: large
model: {kind: mlp, layers: [8, 4000, 1]}
data: {train: {csv: rows.csv}, test: {csv: rows.csv}}
train: {epochs: 2, batch: 20, item_examples: 100}
# A hidden layer as wide as this one takes only short steps, however late.
optimizer: {kind: sgd, rate: 0.0001}
evaluate: {every: 1 epoch}
partitions: 1
"""


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_limits_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ, EBB_SHARED_MEMORY="off")
        self.environment.pop("EBB_RUN", None)
        self.daemons = Daemons(BIN, self.folder, self.environment)
        self.addCleanup(self.daemons.end)
        rng = random.Random(1)
        with open(self.path("rows.csv"), "w") as file:
            file.write(",".join("abcdefgh") + ",label\n")
            for _ in range(1000):
                row = [rng.random() for _ in range(8)]
                file.write(",".join(f"{one:.3f}" for one in row)
                           + f",{sum(row):.3f}\n")
        with open(self.path("job.yaml"), "w") as file:
            file.write(JOB)

    def path(self, name):
        return os.path.join(self.folder, name)

    def ebb(self, *arguments, code=0):
        done = subprocess.run([os.path.join(BIN, "ebb"), *arguments],
                              cwd=self.folder, env=self.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout

    def wait(self, so, what):
        return wait_until(so, what, LIMIT_S)

    def log(self, name):
        with open(self.path(name + ".log")) as file:
            return file.read()

    def cluster(self, **limits):
        """`limits`: the --message-limit of each daemon, by its role."""
        self.daemons.start("scheduler", "--listen", "127.0.0.1:0",
                           "--state-dir", "scheduler",
                           "--address-file", "address")
        self.wait(lambda: os.path.exists(self.path("address")), "no scheduler")
        with open(self.path("address")) as file:
            self.environment["EBB_SCHEDULER"] = file.read().strip()
        self.daemons.start("ps-0", "--id", "0", "--state-dir", "ps-0",
                           *limits.get("ps", ()))
        self.daemons.start("worker-0", "--name", "worker-0",
                           *limits.get("worker", ()))

    def job(self):
        (job,) = json.loads(self.ebb("status", "--json"))["jobs"]
        return job


class PiecesTest(Folder):
    # A job whose partition was larger than a message may be never trained.
    def test_a_partition_over_the_limit_is_trained(self):
        self.environment["EBB_MESSAGE_LIMIT"] = "64KiB"
        said = self.ebb("run", "job.yaml", "--workers", "2", "--servers", "2",
                        "--run-dir", "run")
        self.assertIn("exact", said)


class OverLimitTest(Folder):
    # It was tried for ever, with 57 GB pulled in a minute, and explained by a
    # worker that hangs.
    def test_what_can_never_be_sent_pauses_the_job_with_its_reason(self):
        # The worker's pieces, of 4 MiB at most, are over the server's limit.
        self.cluster(ps=["--message-limit", "32KiB"])
        self.ebb("submit", "job.yaml")
        self.wait(lambda: self.job()["state"] == "paused", "not paused")
        said = json.loads(self.ebb("explain", "large", "--json"))
        reasons = {one["kind"]: one["text"] for one in said["reasons"]}
        self.assertIn("message_limit", reasons)
        self.assertIn("is over --message-limit, which is 32768 bytes",
                      reasons["message_limit"])
        self.assertIn("is over --message-limit", reasons["paused"])
        self.assertIn("is over --message-limit", self.log("worker-0"))


class DamagedStoreTest(Folder):
    def start_run(self, *more):
        """Returns when it has trained for a while."""
        with open(self.path("output"), "w") as output:
            run = subprocess.Popen(
                [os.path.join(BIN, "ebb"), "run", "job.yaml", "--workers", "1",
                 "--servers", "1", "--run-dir", "run", "--set",
                 "train.epochs=2000", "--set", "checkpoint.every=100ms",
                 *more], cwd=self.folder, env=self.environment, stdout=output,
                stderr=subprocess.STDOUT)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)
        self.wait(lambda: len(self.samples()) >= 3, "it does not train")
        return run

    def samples(self):
        """How many examples were applied, as often as it is written."""
        try:
            with open(self.path("run/metrics.csv")) as file:
                return {int(line.split(",")[2])
                        for line in file.readlines()[1:]} - {0}
        except FileNotFoundError:
            return set()

    def interrupt(self, run):
        """Returns what it said."""
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(timeout=LIMIT_S), 130)
        with open(self.path("output")) as file:
            return file.read()

    # A damaged store was set aside, and a run said only "ps-1 is back".
    def test_a_run_tells_of_a_damaged_store(self):
        self.interrupt(self.start_run())
        (manifest,) = glob.glob(self.path("run/state/ps-0/db/MANIFEST-*"))
        os.truncate(manifest, os.path.getsize(manifest) // 2)
        os.remove(self.path("run/metrics.csv"))
        said = self.interrupt(self.start_run("--resume"))
        aside = self.path("run/state/ps-0/db.damaged-1")
        self.assertTrue(os.path.exists(aside))
        self.assertIn("ps-0: its store is damaged: ", said)
        self.assertIn(f"the damaged files are in {aside}", said)
        self.assertRegex(said, r"computed again")


if __name__ == "__main__":
    unittest.main()
