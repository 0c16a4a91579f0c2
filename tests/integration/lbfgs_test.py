#!/usr/bin/env python3
"""L-BFGS on the servers, on real processes that kill themselves between the
steps of an operation: every example counts once, and the values are those of a
run in which nobody died, to the bit.

  lbfgs_test.py BIN_FOLDER [TEST...]
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
from exported import read_tensors
from reserved_port import ReservedPort

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 60

ROWS, ROUNDS, PARTITIONS = 1_200, 12, 4
JOB = f"""
name: blobs
model: softmax
data: {{train: {{csv: blobs.train.csv}}, test: {{csv: blobs.test.csv}}}}
train: {{epochs: {ROUNDS}, batch: 40, item_examples: 400}}
algorithm: lbfgs
consistency: {{kind: rounds, examples: epoch}}
partitions: {PARTITIONS}
checkpoint: {{every: 200ms}}
oracle: {{width: 2}}
"""


class Cluster:
    """A scheduler, two servers and two workers, for one job."""

    def __init__(self, test, data):
        self.folder = tempfile.mkdtemp(prefix="ebb_lbfgs_test_")
        self.test = test
        test.addCleanup(self.end)
        for name in os.listdir(data):
            shutil.copy(os.path.join(data, name), self.folder)
        self.address = ReservedPort(test).address
        self.daemons = Daemons(BIN, self.folder)

    def end(self):
        self.daemons.end()
        shutil.rmtree(self.folder)

    def start(self, name, *more):
        role, _, number = name.partition("-")
        arguments = {
            "scheduler": ["--listen", self.address, "--min-servers", "2",
                          "--state-dir", "scheduler", "--lease-ttl", "1s"],
            "ps": ["--id", number, "--state-dir", name],
            "worker": ["--name", name]}[role]
        if role != "scheduler":
            arguments += ["--scheduler", self.address]
        self.daemons.start(name, *arguments, *more)

    def start_all(self, kills):
        for name in ("scheduler", "ps-0", "ps-1", "worker-0", "worker-1"):
            point = kills.get(name)
            self.start(name, *(["--kill-at", point] if point else []))

    def log(self, name):
        with open(os.path.join(self.folder, name + ".log")) as file:
            return file.read()

    def ebb(self, *arguments):
        return subprocess.run(
            [os.path.join(BIN, "ebb"), *arguments], cwd=self.folder, text=True,
            env=dict(os.environ, EBB_SCHEDULER=self.address), timeout=LIMIT_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def good(self, *arguments):
        done = self.ebb(*arguments)
        self.test.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def wait(self, so, what):
        wait_until(
            so, lambda: f"{what}\n{self.ebb('explain', 'blobs').stdout}"
                        f"{self.log('scheduler')}", LIMIT_S)

    def submit(self):
        self.wait(lambda: self.ebb("submit", "blobs.yaml").returncode == 0,
                  "not submitted")

    def back_after_kills(self, kills, then):
        """Waits until each has died where it was to, and starts it again."""
        left = set(kills)

        def look():
            for name in sorted(left):
                code = self.daemons[name].poll()
                if code is None:
                    continue
                self.test.assertEqual(code, -signal.SIGKILL, self.log(name))
                left.discard(name)
                then(name)
                self.start(name)
            return not left
        self.wait(look, f"{left} did not die at {kills}")

    def complete(self):
        status = self.ebb("status", "--json")
        if status.returncode != 0:
            return False  # There is no scheduler just now.
        jobs = json.loads(status.stdout)["jobs"]
        return jobs and jobs[0]["state"] == "complete"

    def result(self):
        """The values, and the objective of each round."""
        self.wait(self.complete, "not complete")
        audit = json.loads(self.good("audit", "blobs", "--json"))
        self.test.assertTrue(audit["exact"], audit)
        job = json.loads(self.good("status", "--json"))["jobs"][0]
        self.test.assertEqual(job["marks"], {"least": ROWS * ROUNDS,
                                             "most": ROWS * ROUNDS})
        self.good("checkpoint", "export", "blobs", "-o", "blobs.safetensors")
        return (read_tensors(os.path.join(self.folder, "blobs.safetensors")),
                [loss["mean"] for loss in job["losses"]])


class LbfgsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.data = tempfile.mkdtemp(prefix="ebb_lbfgs_data_")
        cls.addClassCleanup(shutil.rmtree, cls.data)
        subprocess.run(
            [os.path.join(BIN, "ebb"), "generate", "clusters", "blobs",
             "--rows", str(ROWS), "--test-rows", "100", "--clusters", "6",
             "--dimensions", "8", "--seed", "3"],
            cwd=cls.data, check=True, timeout=LIMIT_S, capture_output=True)
        with open(os.path.join(cls.data, "blobs.yaml"), "w") as file:
            file.write(JOB)
        cls.undisturbed = None

    def run_job(self, kills, then=lambda name: None):
        cluster = Cluster(self, self.data)
        cluster.start_all(kills)
        cluster.submit()
        cluster.back_after_kills(kills, lambda name: then(
            os.path.join(cluster.folder, name)))
        return cluster.result()

    def assert_as_undisturbed(self, kills, then=lambda folder: None):
        if LbfgsTest.undisturbed is None:
            LbfgsTest.undisturbed = self.run_job({})
            objectives = LbfgsTest.undisturbed[1]
            self.assertEqual(len(objectives), ROUNDS)
            self.assertLess(objectives[-1], objectives[0] / 2)
        values, objectives = self.run_job(kills, then)
        self.assertEqual(values, LbfgsTest.undisturbed[0])
        # The texts show sums in the order in which examples came.
        for told, expected in zip(objectives, LbfgsTest.undisturbed[1]):
            self.assertAlmostEqual(told, expected, places=12)
        self.assertEqual(len(objectives), ROUNDS)

    def assert_the_same(self, kills, then=lambda folder: None):
        for name, point in kills.items():
            with self.subTest(**{name.replace("-", "_"): point}):
                self.assert_as_undisturbed({name: point}, then)

    # Each point is passed by several rounds before it kills.

    def test_a_server_that_dies_with_a_sum_that_nobody_was_told(self):
        self.assert_the_same({"ps-1": "round-measured-not-reported:7"})

    def test_a_server_that_dies_within_an_operation(self):
        # Of one of its two partitions the slots have changed, or of both.
        self.assert_the_same({"ps-1": "operation-computed-not-committed:9",
                              "ps-0": "operation-computed-not-committed:10"})

    def test_a_server_that_dies_with_an_operation_that_nobody_was_told(self):
        self.assert_the_same({"ps-1": "operation-applied-not-reported:6"})

    def test_a_server_that_dies_as_an_operation_becomes_durable(self):
        self.assert_the_same({"ps-1": "version-values-written-not-manifest:6",
                              "ps-0": "manifest-written-not-reported:6"})

    def test_a_scheduler_that_dies_before_anybody_has_the_operation(self):
        self.assert_the_same({"scheduler": "operation-made-not-sent:9"})

    def test_a_scheduler_that_dies_when_one_server_has_the_operation(self):
        self.assert_the_same({"scheduler": "operation-made-not-sent:10"})

    def test_a_scheduler_that_comes_back_without_its_store(self):
        self.assert_the_same({"scheduler": "operation-made-not-sent:10"},
                             then=shutil.rmtree)

    def test_all_of_them_in_one_job(self):
        self.assert_as_undisturbed(
            {"ps-0": "operation-computed-not-committed:5",
             "ps-1": "operation-applied-not-reported:8",
             "scheduler": "operation-made-not-sent:14"})

    def local_run(self, name, *settings):
        """The report, and the values, of `ebb run`."""
        folder = os.path.join(self.folder, name)
        words = ["run", "blobs.yaml", "--run-dir", folder, "--quiet",
                 *(word for one in settings for word in ("--set", one))]
        for arguments in (words, ["checkpoint", "export", folder, "-o",
                                  f"{name}.safetensors"]):
            done = subprocess.run(
                [os.path.join(BIN, "ebb"), *arguments], cwd=self.folder,
                timeout=LIMIT_S, text=True, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, 0, done.stdout)
        with open(os.path.join(folder, "report.json")) as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], report)
        return report, read_tensors(
            os.path.join(self.folder, f"{name}.safetensors"))

    def test_ends_by_itself_as_a_job_of_so_many_rounds(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_lbfgs_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        shutil.copytree(self.data, self.folder, dirs_exist_ok=True)
        report, values = self.local_run(
            "level", "algorithm.tolerance=0.01", "train.epochs=200")
        self.assertTrue(report["converged"])
        self.assertLess(report["epochs"], 200)
        told, same = self.local_run(
            "told", f"train.epochs={report['epochs']}")
        self.assertNotIn("converged", told)
        self.assertEqual(values, same)


if __name__ == "__main__":
    unittest.main()
