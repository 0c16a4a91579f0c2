#!/usr/bin/env python3
"""`ebb scale` on the job of an `ebb run`: the local cluster starts and drains
real daemons, and every example counts once.

  scale_test.py BIN_FOLDER
"""
import os
import shutil
import signal
import sys
import tempfile
import unittest

from background_run import BackgroundRun

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"

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
        folder = tempfile.mkdtemp(prefix="ebb_scale_test_")
        self.addCleanup(shutil.rmtree, folder)
        self.cluster = BackgroundRun(self, BIN, folder, "lines")
        with open(self.cluster.path("job.yaml"), "w") as file:
            file.write(JOB)
        with open(self.cluster.path("lines.csv"), "w") as file:
            file.writelines(f"{i % 7},{i % 11},{i % 5},{i % 3}\n"
                            for i in range(ROWS))

    def start_and_train(self, *arguments):
        self.cluster.start(*arguments)
        self.cluster.wait(self.cluster.trains, "it does not train")

    def exact(self, report):
        self.assertTrue(report["passed"], report)
        audit = report["audit"]
        self.assertTrue(audit["exact"], audit)
        self.assertTrue(audit["oracle_exact"], audit)
        self.assertEqual(audit["applied"], ROWS * EPOCHS)

    def test_processes_follow_the_scale_of_the_job(self):
        self.start_and_train()
        self.assertEqual(self.cluster.processes(), self.cluster.names(2, 3))
        # Its folder names the cluster, whatever EBB_SCHEDULER says.
        self.assertIn("lines", self.cluster.of_folder("status").stdout)
        self.assertEqual(self.cluster.of_folder("explain").returncode, 0)
        self.cluster.scale(4, 5)
        self.cluster.scale(1, 1)
        self.cluster.scale(3, 8)
        self.cluster.ends(0)
        report = self.cluster.report()
        self.exact(report)
        over = self.cluster.of_folder("explain")
        self.assertEqual(over.returncode, 1, over.stdout)
        self.assertIn("run in run is complete, and has no daemons: its report is "
                      "run/report.html", over.stdout)
        # All ended in good order: nobody was started again.
        self.assertEqual(report["restarts"]["total"], 0)
        lines = [line for line in self.cluster.said().splitlines()
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
        self.assertNotIn(" lost", self.cluster.said())

    def test_it_is_exact_while_daemons_are_killed_too(self):
        self.start_and_train("--kill-every", "1")
        for servers, workers in ((3, 6), (1, 2), (2, 8)):
            scaled = lambda: self.cluster.ebb(
                "scale", "lines", "--servers", str(servers), "--workers",
                str(workers)).returncode == 0
            self.cluster.wait(scaled, "no answer")
            names = set(self.cluster.names(servers, workers))
            self.cluster.wait(
                lambda: set(self.cluster.processes()) <= names, "not drained")
        self.cluster.ends(0)
        report = self.cluster.report()
        self.exact(report)
        # 1,500 batches of 40 ms on 8 workers take 7 s.
        self.assertGreater(len(report["kills"]), 0)

    def test_a_run_that_is_gone_on_with_has_what_it_was_scaled_to(self):
        self.start_and_train()
        self.cluster.scale(3, 5)
        self.cluster.process.send_signal(signal.SIGTERM)
        self.cluster.ends(130)
        self.cluster.start("--resume")
        names = self.cluster.names(3, 5)
        self.cluster.wait(lambda: self.cluster.processes() == names,
                          "not as before")
        self.cluster.wait(self.cluster.trains, "it does not train")
        self.cluster.scale(2, 8)
        self.cluster.ends(0)
        self.exact(self.cluster.report())


if __name__ == "__main__":
    unittest.main()
