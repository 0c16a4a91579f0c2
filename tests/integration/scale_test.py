#!/usr/bin/env python3
"""`ebb scale` on the job of an `ebb run`: the local cluster starts and drains
real daemons, and every example counts once.

  scale_test.py BIN_FOLDER
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
LIMIT_S = 120

ROWS, EPOCHS = 2000, 30
JOB = f"""
name: lines
model: softmax
data: {{train: {{csv: lines.csv}}}}
train: {{epochs: {EPOCHS}, batch: 40, item_examples: 200}}
optimizer: {{kind: sgd, rate: 0.001}}
checkpoint: {{every: 200ms}}
oracle: {{width: 4}}
partitions: 8
"""


class ScaleTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_scale_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        # A batch takes at least so long: the job lasts while it is scaled.
        self.environment = dict(os.environ, EBB_BATCH_TIME="40ms")
        self.environment.pop("EBB_RUN", None)
        with open(self.path("job.yaml"), "w") as file:
            file.write(JOB)
        with open(self.path("lines.csv"), "w") as file:
            file.writelines(f"{i % 7},{i % 11},{i % 5},{i % 3}\n"
                            for i in range(ROWS))

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, *arguments):
        self.output = open(self.path("output"), "w+")
        self.addCleanup(self.output.close)
        self.cluster = subprocess.Popen(
            [os.path.join(BIN, "ebb"), "run", "job.yaml", "--run-dir", "run",
             *arguments], cwd=self.folder, env=self.environment,
            stdout=self.output, stderr=subprocess.STDOUT)
        self.addCleanup(self.cluster.wait)
        self.addCleanup(self.cluster.kill)

    def said(self):
        with open(self.path("output")) as file:
            return file.read()

    def wait(self, so, what):
        limit = time.monotonic() + LIMIT_S
        while not so():
            if time.monotonic() > limit or self.cluster.poll() is not None:
                raise AssertionError(f"{what}\n{self.said()}")
            time.sleep(0.05)

    def ends(self, code):
        self.assertEqual(self.cluster.wait(timeout=LIMIT_S), code, self.said())

    def ebb(self, *arguments):
        with open(self.path("run/scheduler.address")) as file:
            environment = dict(self.environment,
                               EBB_SCHEDULER=file.read().strip())
        return subprocess.run(
            [os.path.join(BIN, "ebb"), *arguments], cwd=self.folder, text=True,
            env=environment, timeout=LIMIT_S, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)

    def status(self):
        if not os.path.exists(self.path("run/scheduler.address")):
            return {"jobs": [], "roles": []}
        asked = self.ebb("status", "--json")
        return (json.loads(asked.stdout) if asked.returncode == 0
                else {"jobs": [], "roles": []})

    def processes(self):
        """Names of the daemons whose processes run: one of each."""
        names = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline") as file:
                    words = file.read().split("\0")
                if (os.readlink(f"/proc/{pid}/cwd") !=
                        os.path.realpath(self.path("run"))):
                    continue
            except OSError:  # It has ended.
                continue
            program = os.path.basename(words[0])
            if program == "ebb-ps":
                names.append("ps-" + words[words.index("--id") + 1])
            elif program == "ebb-worker":
                names.append(words[words.index("--name") + 1])
        return sorted(names)

    def owners(self):
        return sorted(role["name"] for role in self.status()["roles"]
                      if role["role"] == "server" and role["partitions"] > 0)

    def names(self, servers, workers):
        return sorted([f"ps-{i}" for i in range(servers)]
                      + [f"worker-{i}" for i in range(workers)])

    def scale(self, servers, workers):
        scaled = self.ebb("scale", "lines", "--servers", str(servers),
                          "--workers", str(workers))
        self.assertEqual(scaled.returncode, 0, scaled.stdout)
        self.wait(lambda: self.processes() == self.names(servers, workers),
                  f"not {servers} servers and {workers} workers")
        self.wait(lambda: self.owners() == self.names(servers, 0),
                  f"the job is not on {servers} servers")
        job = self.status()["jobs"][0]
        self.assertEqual(job["state"], "running", self.said())

    def trains(self):
        jobs = self.status()["jobs"]
        return bool(jobs) and jobs[0]["marks"]["least"] > 0

    def exact(self, report):
        self.assertTrue(report["passed"], report)
        audit = report["audit"]
        self.assertTrue(audit["exact"], audit)
        self.assertTrue(audit["oracle_exact"], audit)
        self.assertEqual(audit["applied"], ROWS * EPOCHS)

    def report(self):
        with open(self.path("run/report.json")) as file:
            return json.load(file)

    def test_processes_follow_the_scale_of_the_job(self):
        self.start()
        self.wait(self.trains, "it does not train")
        self.assertEqual(self.processes(), self.names(2, 3))
        self.scale(4, 5)
        self.scale(1, 1)
        self.scale(3, 8)
        self.ends(0)
        report = self.report()
        self.exact(report)
        # All ended in good order: nobody was started again.
        self.assertEqual(report["restarts"]["total"], 0)
        lines = [line for line in self.said().splitlines()
                 if " starts: " in line or " has left: " in line]
        told = {}
        for line in lines:
            daemon = line.split(" starts: ")[0].split(" has left: ")[0]
            told.setdefault(daemon.split()[-1], []).append(
                "+" if " starts: " in line else "-")
        expected = {"ps-1": ["-", "+"], "ps-2": ["+", "-", "+"],
                    "ps-3": ["+", "-"]}
        expected.update({"worker-1": ["-", "+"], "worker-2": ["-", "+"],
                         "worker-3": ["+", "-", "+"],
                         "worker-4": ["+", "-", "+"]})
        expected.update({f"worker-{i}": ["+"] for i in range(5, 8)})
        self.assertEqual(told, expected)
        self.assertNotIn(" lost", self.said())

    def test_it_is_exact_while_daemons_are_killed_too(self):
        self.start("--kill-every", "1")
        self.wait(self.trains, "it does not train")
        for servers, workers in ((3, 6), (1, 2), (2, 8)):
            scaled = lambda: self.ebb(
                "scale", "lines", "--servers", str(servers), "--workers",
                str(workers)).returncode == 0
            self.wait(scaled, "no answer")
            self.wait(lambda: set(self.processes())
                      <= set(self.names(servers, workers)), "not drained")
        self.ends(0)
        self.exact(self.report())

    def test_a_run_that_is_gone_on_with_has_what_it_was_scaled_to(self):
        self.start()
        self.wait(self.trains, "it does not train")
        self.scale(3, 5)
        self.cluster.send_signal(signal.SIGTERM)
        self.ends(130)
        self.start("--resume")
        self.wait(lambda: self.processes() == self.names(3, 5), "not as before")
        self.wait(self.trains, "it does not train")
        self.scale(2, 8)
        self.ends(0)
        self.exact(self.report())


if __name__ == "__main__":
    unittest.main()
