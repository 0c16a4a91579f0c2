#!/usr/bin/env python3
"""Tests that what an older ebb stored is read, and its daemons and those of
today work together while one after the other is replaced.

  upgrade_test.py BIN_FOLDER SOURCE_FOLDER

EBB_PREVIOUS_BIN is a folder with the programs of a build from before. Without it,
those that .ci/previous made of the release before are taken. Where there are none,
nothing is upgraded, and the test says so.
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

from exported import read_values
from reserved_port import ReservedPort

SOURCE = os.path.abspath(sys.argv.pop(2)) if len(sys.argv) > 2 else "."
BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 120
PROGRAMS = ("ebb", "ebb-scheduler", "ebb-ps", "ebb-worker")


def previous_programs():
    """Their folder, and why there is none."""
    folder = os.environ.get("EBB_PREVIOUS_BIN", "")
    if not folder:
        folder = os.path.join(SOURCE, "build-previous", "bin")
        if not os.path.exists(folder):
            return None, ("the release before is not built: .ci/previous "
                          "does so")
    for program in PROGRAMS:
        if not os.path.exists(os.path.join(folder, program)):
            return None, f"there is no {program} in {folder}"
    return os.path.abspath(folder), ""


class Cluster(unittest.TestCase):
    """Daemons, each of this build or of another."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_upgrade_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ)
        self.daemons = {}
        self.addCleanup(self.end)
        self.address = ReservedPort(self).address
        self.environment["EBB_SCHEDULER"] = self.address

    def end(self):
        for daemon in self.daemons.values():
            daemon.kill()
            daemon.wait()

    def start(self, name, programs, program, *flags):
        with open(os.path.join(self.folder, name + ".log"), "a") as log:
            self.daemons[name] = subprocess.Popen(
                [os.path.join(programs, program), *flags], cwd=self.folder,
                env=self.environment, stderr=log)

    def scheduler(self, programs):
        self.start("scheduler", programs, "ebb-scheduler", "--listen",
                   self.address, "--state-dir", "state/scheduler",
                   "--min-servers", "2")

    def server(self, number, programs):
        self.start(f"ps-{number}", programs, "ebb-ps", "--id", str(number),
                   "--state-dir", f"state/ps-{number}")

    def worker(self, number, programs, *flags):
        self.start(f"worker-{number}", programs, "ebb-worker", "--name",
                   f"worker-{number}", *flags)

    def stop(self, name):
        daemon = self.daemons.pop(name)
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(0, daemon.wait(timeout=LIMIT_S), self.log(name))

    def log(self, name):
        with open(os.path.join(self.folder, name + ".log")) as log:
            return log.read()

    def ebb(self, *arguments, programs=BIN, check=True):
        done = subprocess.run([os.path.join(programs, "ebb"), *arguments],
                              cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=LIMIT_S,
                              check=False)
        if check:
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done

    def job(self):
        done = self.ebb("status", "--json", check=False)
        jobs = json.loads(done.stdout)["jobs"] if done.returncode == 0 else []
        return jobs[0] if jobs else None

    def wait(self, so, what):
        deadline = time.monotonic() + LIMIT_S
        while True:
            job = self.job()
            if job is not None and so(job):
                return job
            self.assertLess(time.monotonic(), deadline, f"{what}: {job}")
            time.sleep(0.05)


class GoldenTest(Cluster):

    def test_stores_of_before_are_read(self):
        stores = sorted(glob.glob(os.path.join(
            SOURCE, "tests", "golden", "store_*.tar.gz")))
        self.assertGreaterEqual(len(stores), 3)
        for store in stores:
            with self.subTest(os.path.basename(store)):
                self.read(store)

    def read(self, store):
        shutil.rmtree(os.path.join(self.folder, "state"), ignore_errors=True)
        with tarfile.open(store) as tar:
            tar.extractall(self.folder)
        with open(os.path.join(self.folder, "expected.json")) as file:
            expected = json.load(file)

        self.scheduler(BIN)
        self.server(0, BIN)
        self.server(1, BIN)
        self.wait(lambda job: job["state"] == "complete" and
                  self.ebb("audit", "golden", check=False).returncode == 0,
                  "no exact audit")

        self.assertIn("exact", self.ebb("audit", "golden").stdout)
        self.ebb("checkpoint", "verify", "golden")
        self.ebb("checkpoint", "export", "golden", "--with-slots", "--force",
                 "-o", "values.safetensors")
        exported = read_values(
            os.path.join(self.folder, "values.safetensors"))
        # Exports of then had no steps.
        self.assertEqual(expected, {
            name: values for name, values in exported.items()
            if "/step/" not in name})
        for name in ("ps-0", "ps-1", "scheduler"):
            self.stop(name)


class RollingTest(Cluster):

    def setUp(self):
        super().setUp()
        self.previous, why = previous_programs()
        if self.previous is None:
            print(f"upgrade_test: {why}", file=sys.stderr)
            self.skipTest(why)
        with open(os.path.join(self.folder, "points.csv"), "w") as file:
            file.writelines(f"{i % 7},{3 * i % 5},{i % 2}\n"
                            for i in range(4000))
        with open(os.path.join(self.folder, "job.yaml"), "w") as file:
            file.write("name: rolling\nmodel: softmax\n"
                       "data: {train: {csv: points.csv}}\n"
                       "train: {epochs: 1, batch: 4, item_examples: 40}\n"
                       "optimizer: adam\npartitions: 4\ncheckpoint: 200ms\n")

    def begin(self):
        self.scheduler(self.previous)
        for number in (0, 1):
            self.server(number, self.previous)
            # So slow that all is replaced long before the end.
            self.worker(number, self.previous, "--batch-time", "500ms")
        self.wait_for_scheduler()
        self.ebb("submit", "job.yaml", programs=self.previous)
        self.goes_on()

    def wait_for_scheduler(self):
        deadline = time.monotonic() + LIMIT_S
        while self.ebb("status", check=False).returncode != 0:
            self.assertLess(time.monotonic(), deadline, self.log("scheduler"))
            time.sleep(0.05)

    def goes_on(self):
        before = self.job()
        applied = before["marks"]["least"] if before else 0
        self.wait(lambda job: job["state"] == "complete" or
                  job["marks"]["least"] > applied, "it stands still")

    def replace_servers(self):
        for number in (0, 1):
            self.stop(f"ps-{number}")
            self.server(number, BIN)
            self.goes_on()

    def replace_scheduler(self):
        self.stop("scheduler")
        self.scheduler(BIN)
        self.wait_for_scheduler()
        self.goes_on()

    def replace_workers(self):
        for number in (0, 1):
            self.stop(f"worker-{number}")
            self.worker(number, BIN, "--batch-time", "500ms")
            self.goes_on()

    def finish(self):
        self.assertNotEqual("complete", self.job()["state"],
                            "it ended before all was replaced")
        for number in (0, 1):
            self.stop(f"worker-{number}")
            self.worker(number + 2, BIN)
        self.wait(lambda job: job["state"] == "complete", "not complete")
        self.assertIn("exact", self.ebb("audit", "rolling").stdout)
        self.ebb("checkpoint", "verify", "rolling")

    def test_servers_then_the_scheduler_then_workers(self):
        self.begin()
        self.replace_servers()
        self.replace_scheduler()
        self.replace_workers()
        self.finish()

    def test_workers_then_the_scheduler_then_servers(self):
        self.begin()
        self.replace_workers()
        self.replace_scheduler()
        self.replace_servers()
        self.finish()


if __name__ == "__main__":
    unittest.main()
