#!/usr/bin/env python3
"""`ebb advise`, on real processes.

  advise_test.py BIN_FOLDER [TEST...]
"""
import glob
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import unittest

from daemons import wait_until
from job_test_case import JobTestCase

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"

JOB = """
name: points
model: logistic
data: {train: {csv: train.csv}}
train: {epochs: 4000, batch: 32}
"""
PRICES = """kind,role,price,speed,losses,most
spot,worker,0.03,1,0.5,16
plain,worker,0.12,1,0,16
steady,server,0.20,4,,
"""


def points(count):
    draw = random.Random(count)
    lines = []
    for _ in range(count):
        values = [draw.gauss(0, 1) for _ in range(4)]
        lines.append(",".join([*(f"{value:.4f}" for value in values),
                               str(int(sum(values) > 0))]))
    return "\n".join(lines) + "\n"


class AdviseTest(JobTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        cls.make_data({"train.csv": points(400), "job.yaml": JOB,
                       "prices.csv": PRICES})

    def advise(self, *flags, prices="prices.csv", job="job.yaml"):
        return subprocess.run(
            [f"{BIN}/ebb", "advise", job, "--prices", prices, *flags],
            cwd=self.data, input=JOB, capture_output=True, text=True,
            timeout=120)

    def test_a_rate_that_is_given_is_a_division(self):
        # 1,600,000 examples at 100 a second are 4 hours and 27 minutes.
        done = self.advise("--rate", "100", "--rate-error", "0", "--json",
                           "--load-time", "1s", "--hazard", "0")
        self.assertEqual(done.returncode, 0, done.stderr)
        advice = json.loads(done.stdout)
        self.assertEqual(advice["examples"], 1.6e6)
        plain = {offer["workers"]: offer for offer in advice["offers"]
                 if offer["kind"] == "plain"}
        self.assertAlmostEqual(plain[4]["hours"]["middle"], 1.6e6 / 400 / 3600,
                               delta=0.02)
        self.assertEqual(advice["best"]["kind"], "spot")
        with_deadline = self.advise("--rate", "100", "--deadline", "1h")
        self.assertEqual(with_deadline.returncode, 0, with_deadline.stderr)
        self.assertIn("Cheapest that is done in 1 h", with_deadline.stdout)

    def test_no_machines_are_fast_enough(self):
        done = self.advise("--rate", "100", "--deadline", "1m")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("the fastest", done.stdout)

    def test_the_job_is_measured_here(self):
        with tempfile.TemporaryDirectory() as temporary:
            done = subprocess.run(
                [f"{BIN}/ebb", "advise", "job.yaml", "--prices", "prices.csv",
                 "--measure", "2s", "--json"],
                cwd=self.data, capture_output=True, text=True, timeout=120,
                env={**os.environ, "TMPDIR": temporary})
            self.assertEqual(done.returncode, 0, done.stderr)
            advice = json.loads(done.stdout)
            self.assertGreater(advice["examples_per_second"], 100)
            self.assertGreater(advice["server_seconds_per_example"], 0)
            # Nothing is left of the run.
            self.assertEqual(glob.glob(f"{temporary}/ebb-advise-*"), [])

    # Bug: the folder of the run that measures stayed.
    def test_an_interrupt_leaves_no_files(self):
        with tempfile.TemporaryDirectory() as temporary:
            process = subprocess.Popen(
                [f"{BIN}/ebb", "advise", "job.yaml", "--prices", "prices.csv",
                 "--measure", "10m"], cwd=self.data, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, env={**os.environ,
                                               "TMPDIR": temporary})
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)

            def measures():
                self.assertIsNone(process.poll())
                return glob.glob(f"{temporary}/ebb-advise-*/run/metrics.csv")
            wait_until(measures, lambda: os.listdir(temporary), self.limit_s,
                       0.05)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(self.limit_s), 130)
            self.assertEqual(os.listdir(temporary), [])

    # Bug: 200 lines were printed.
    def test_a_trace_of_another_kind_is_told_in_few_lines(self):
        done = self.advise("--rate", "100", "--trace", "train.csv")
        self.assertEqual(done.returncode, 2, done.stderr)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 11, done.stderr)
        self.assertIn("train.csv:1: the header is ", lines[0])
        self.assertRegex(lines[-1], r"train.csv: 3\d\d more mistakes$")

    def test_mistakes_are_named(self):
        os.makedirs(f"{self.data}/bad", exist_ok=True)
        with open(f"{self.data}/bad/p.csv", "w", encoding="utf-8") as file:
            file.write(PRICES.replace("0.03", "cheap"))
        for done, code, message in (
                (self.advise(prices="bad/p.csv"), 2,
                 'bad/p.csv:2: price: "cheap" is not a number'),
                (self.advise(prices="none.csv"), None, "none.csv"),
                (self.advise(job="none.yaml"), 2, "none.yaml"),
                (self.advise(job="-"), None, "--rate"),
                (self.advise("--deadline", "0s"), 2, "more than nothing"),
                (self.advise("--rate", "100", "--bulk", "0.5"), None,
                 "0.5 workers taken at one instant")):
            with self.subTest(message=message):
                self.assertNotEqual(done.returncode, 0)
                if code is not None:
                    self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(message, done.stderr)
                self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main()
