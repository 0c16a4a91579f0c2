#!/usr/bin/env python3
"""Signals that are ignored when a program starts stay ignored, as nohup and
shells without job control want it; what is not ignored ends it in good order.

  signals_test.py BIN_FOLDER
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 60

JOB = """
name: lines
model: softmax
data: {train: {csv: lines.csv}}
train: {epochs: 2000, batch: 40, item_examples: 200}
optimizer: {kind: sgd, rate: 0.001}
"""


def ignore(*signals):
    """Returns what the child does before it becomes the program."""
    def act():
        for one in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN if one in signals
                          else signal.SIG_DFL)
    return act


def ignores(pid, number):
    with open(f"/proc/{pid}/status") as file:
        line = next(line for line in file if line.startswith("SigIgn:"))
    return int(line.split()[1], 16) >> (number - 1) & 1 == 1


class SignalsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_signals_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ, EBB_BATCH_TIME="20ms")
        self.environment.pop("EBB_RUN", None)
        with open(self.path("job.yaml"), "w") as file:
            file.write(JOB)
        with open(self.path("lines.csv"), "w") as file:
            file.writelines(f"{i % 7},{i % 11},{i % 5},{i % 3}\n"
                            for i in range(2000))

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, before, *words):
        output = open(self.path("output"), "w")
        self.addCleanup(output.close)
        process = subprocess.Popen(
            [os.path.join(BIN, words[0]), *words[1:]], cwd=self.folder,
            env=self.environment, stdout=output, stderr=subprocess.STDOUT,
            preexec_fn=before)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def said(self):
        with open(self.path("output")) as file:
            return file.read()

    def wait(self, so, what):
        limit = time.monotonic() + LIMIT_S
        while not so():
            self.assertLess(time.monotonic(), limit, f"{what}\n{self.said()}")
            time.sleep(0.05)

    def status(self):
        """Of the run's cluster; None: nobody answers yet."""
        if not os.path.exists(self.path("run/scheduler.address")):
            return None
        with open(self.path("run/scheduler.address")) as file:
            environment = dict(self.environment,
                               EBB_SCHEDULER=file.read().strip())
        asked = subprocess.run(
            [os.path.join(BIN, "ebb"), "status", "--json"], text=True,
            cwd=self.folder, env=environment, timeout=LIMIT_S,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return json.loads(asked.stdout) if asked.returncode == 0 else None

    def applied(self):
        status = self.status()
        jobs = status["jobs"] if status else []
        return jobs[0]["marks"]["least"] if jobs else 0

    def test_a_run_under_nohup_outlives_its_terminal(self):
        run = self.start(ignore(signal.SIGHUP, signal.SIGINT), "ebb", "run",
                         "job.yaml", "--run-dir", "run")
        self.wait(lambda: self.applied() > 0, "it does not train")
        daemons = [role["process_id"] for role in self.status()["roles"]]
        self.assertEqual(len(daemons), 6)
        for pid in daemons:
            self.assertTrue(ignores(pid, signal.SIGHUP), pid)
            self.assertTrue(ignores(pid, signal.SIGINT), pid)
        for pid in [run.pid, *daemons]:
            os.kill(pid, signal.SIGHUP)
            os.kill(pid, signal.SIGINT)
        before = self.applied()
        self.wait(lambda: self.applied() > before, "it does not go on")
        self.assertIsNone(run.poll(), self.said())
        self.assertEqual(
            daemons, [role["process_id"] for role in self.status()["roles"]])
        run.terminate()
        self.assertEqual(run.wait(timeout=LIMIT_S), 130, self.said())

    def test_a_run_that_ignores_nothing_ends_with_its_terminal(self):
        run = self.start(ignore(), "ebb", "run", "job.yaml", "--run-dir",
                         "run")
        self.wait(lambda: self.applied() > 0, "it does not train")
        run.send_signal(signal.SIGHUP)
        self.assertEqual(run.wait(timeout=LIMIT_S), 130, self.said())

    def test_a_daemon_leaves_by_the_signal_that_it_does_not_ignore(self):
        for ignored, heeded in ((signal.SIGINT, signal.SIGTERM),
                                (signal.SIGTERM, signal.SIGINT)):
            daemon = self.start(
                ignore(ignored), "ebb-scheduler", "--listen", "127.0.0.1:0",
                "--state-dir", "scheduler", "--address-file", "address")
            self.wait(lambda: os.path.exists(self.path("address")),
                      "it does not start")
            daemon.send_signal(ignored)
            time.sleep(0.5)
            self.assertIsNone(daemon.poll(), self.said())
            daemon.send_signal(heeded)
            self.assertEqual(daemon.wait(timeout=LIMIT_S), 0, self.said())
            os.remove(self.path("address"))

    def daemons(self):
        """Process ids of the run's daemons by program, without the scheduler's
        word for it."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", errors="replace") as file:
                    words = file.read().split("\0")
                if (os.readlink(f"/proc/{pid}/cwd") ==
                        os.path.realpath(self.path("run"))):
                    program = os.path.basename(words[0])
                    found.setdefault(program, []).append(int(pid))
            except OSError:  # It has ended.
                pass
        return found

    # Bug: the run failed (exit code 1) though its job was complete and exact.
    def test_a_daemon_killed_while_the_run_ends_is_a_warning(self):
        for program in ("ebb-ps", "ebb-scheduler"):
            run = self.start(ignore(), "ebb", "run", "job.yaml", "--epochs",
                             "2", "--run-dir", "run")
            self.wait(lambda: {"ebb-worker", program} <= self.daemons().keys(),
                      "no workers")
            daemons = self.daemons()
            # Workers leave first, and all others after them. Looking for
            # daemons anew would take longer than that on a loaded machine.
            while any(os.path.exists(f"/proc/{pid}")
                      for pid in daemons["ebb-worker"]):
                self.assertIsNone(run.poll(), self.said())
                time.sleep(0.001)
            os.kill(daemons[program][0], signal.SIGKILL)
            self.assertEqual(run.wait(timeout=LIMIT_S), 0, self.said())
            with open(self.path("run/report.json")) as file:
                report = json.load(file)
            self.assertTrue(report["passed"] and report["audit"]["exact"])
            self.assertIn("was killed by signal 9", "".join(report["warnings"]))
            shutil.rmtree(self.path("run"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
