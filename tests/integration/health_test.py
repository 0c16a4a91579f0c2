#!/usr/bin/env python3
"""Tests what something that restarts daemons needs of them: `ebb health`, a
server that is named by its pod, and a submission that may be repeated.

  health_test.py BIN_FOLDER
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from reserved_port import ReservedPort
from shirts import shirts

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 60


class HealthTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_health_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.address = ReservedPort(self).address
        self.environment = dict(os.environ, EBB_SCHEDULER=self.address)
        self.daemons = []
        self.addCleanup(self.end)

    def end(self):
        for daemon in self.daemons:
            daemon.kill()
            daemon.wait()

    def daemon(self, program, *flags):
        daemon = subprocess.Popen([os.path.join(BIN, program), *flags],
                                  cwd=self.folder, env=self.environment,
                                  stderr=subprocess.DEVNULL)
        self.daemons.append(daemon)
        return daemon

    def scheduler(self):
        path = os.path.join(self.folder, "address")
        if os.path.exists(path):
            os.remove(path)
        daemon = self.daemon("ebb-scheduler", "--listen", self.address,
                             "--state-dir", "scheduler", "--address-file",
                             "address", "--health-socket", "scheduler.sock")
        self.wait(lambda: os.path.exists(path), "no scheduler")
        return daemon

    def ebb(self, *arguments):
        return subprocess.run([os.path.join(BIN, "ebb"), *arguments],
                              cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=LIMIT_S)

    def health(self, name, *flags):
        return self.ebb("health", f"unix:{name}.sock", *flags).returncode

    def wait(self, condition, otherwise):
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, otherwise)
            time.sleep(0.05)

    def test_who_knows_its_scheduler_serves(self):
        scheduler = self.scheduler()
        self.wait(lambda: self.health("scheduler") == 0, "no scheduler serves")
        self.daemon("ebb-ps", "--id", "ebb-ps-3", "--state-dir", "ps",
                    "--health-socket", "ps.sock")
        self.daemon("ebb-worker", "--health-socket", "worker.sock")
        for name in ("ps", "worker"):
            self.wait(lambda: self.health(name) == 0, f"no {name} serves")

        scheduler.send_signal(signal.SIGKILL)
        for name in ("ps", "worker"):
            self.wait(lambda: self.health(name) == 1, f"{name} serves alone")
            self.assertEqual(self.health(name, "--alive"), 0)
        self.scheduler()
        for name in ("ps", "worker"):
            self.wait(lambda: self.health(name) == 0, f"{name} is not back")
        self.assertIn("\nps-3 ", self.ebb("status").stdout)

    def test_at_its_listen_a_daemon_answers_too(self):
        self.scheduler()
        answer = self.ebb("health", self.environment["EBB_SCHEDULER"])
        self.assertEqual((answer.returncode, answer.stdout), (0, "serving\n"))

    def test_nobody_there_is_neither_alive_nor_serving(self):
        answer = self.ebb("health", "unix:nobody.sock", "--alive")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("unix:nobody.sock does not answer", answer.stdout)

    def test_a_name_without_a_number_is_no_server(self):
        made = subprocess.run(
            [os.path.join(BIN, "ebb-ps"), "--id", "ebb-ps", "--state-dir", "p"],
            cwd=self.folder, capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(made.returncode, 2)
        self.assertIn("--id", made.stderr)

    def test_a_submission_that_is_repeated_is_one_job(self):
        self.scheduler()
        with open(os.path.join(self.folder, "job.yaml"), "w") as file:
            file.write(shirts(epochs=1))

        first = self.ebb("submit", "job.yaml", "--request-id", "pod-uid")
        again = self.ebb("submit", "job.yaml", "--request-id", "pod-uid")

        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn("shirts is job ", first.stdout)
        self.assertEqual(again.stdout, first.stdout)
        # Bug: another content under that id was answered with the first job.
        for change in "train.epochs=7", "name=coats":
            changed = self.ebb("submit", "job.yaml", "--request-id", "pod-uid",
                               "--set", change)
            self.assertEqual(changed.returncode, 2, changed.stdout)
            self.assertIn("request id pod-uid is that of job shirts (id ",
                          changed.stderr)
        other = self.ebb("submit", "job.yaml", "--request-id", "other")
        self.assertIn("is there already", other.stderr)


if __name__ == "__main__":
    unittest.main()
