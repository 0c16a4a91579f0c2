#!/usr/bin/env python3
"""`ebb chaos`: real daemons are disturbed by a plan, and every example counts
once.

  chaos_test.py BIN_FOLDER EXAMPLES_FOLDER
"""
import glob
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

EXAMPLES = os.path.abspath(sys.argv.pop(2)) if len(sys.argv) > 2 else "examples"
BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 120

ROWS, EPOCHS = 2000, 8
JOB = f"""
name: lines
model: softmax
data: {{train: {{csv: lines.csv}}}}
train: {{epochs: {EPOCHS}, batch: 20, item_examples: 200}}
optimizer: {{kind: sgd, rate: 0.001}}
checkpoint: {{every: 200ms}}
partitions: 4
"""

# 800 batches of 10 ms on three workers; by progress, so that a slow machine
# does the same.
SCENARIO = """
name: one of each
workers: 3
servers: 2
compute: 10ms
events:
  - {at: 10%, kill: worker-1}
  - {at: 15%, add: worker-3}
  - {at: 20%, terminate: worker-2}
  - {at: 30%, stop: worker-0, for: 300ms}
  - {at: 40%, split: {between: worker-1, and: ps-0}, for: 300ms}
  - {at: 50%, kill: ps-1}
  - {at: 60%, kill: scheduler}
  - {at: 70%, delay: {between: all, by: 20ms}, for: 300ms}
  - {at: 75%, drop: {between: all}}
  - {at: 90%, remove: worker-0}
"""
HAPPENED = [
    "worker-1 killed", "worker-3 added", "worker-2 asked to end", "worker-0 stopped",
    "worker-0 continued", "worker-1 and ps-0: split",
    "worker-1 and ps-0: healed", "ps-1 killed", "scheduler killed",
    "all links: delayed by 20ms", "all links: healed",
    "all links: connections dropped", "worker-0 removed"]


class ChaosTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_chaos_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.write("job.yaml", JOB)
        self.write("lines.csv", "".join(
            f"{i % 7},{i % 11},{i % 5},{i % 3}\n" for i in range(ROWS)))

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def chaos(self, *arguments):
        return subprocess.run(
            [os.path.join(BIN, "ebb"), "chaos", *arguments], cwd=self.folder,
            text=True, timeout=LIMIT_S, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)

    def report(self, *arguments):
        ran = self.chaos("job.yaml", "--report", "report.json", *arguments)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], ran.stdout)
        self.assertEqual(report["audit"]["applied"],
                         report["epochs"] * ROWS)
        return report

    def test_every_example_counts_once_whatever_is_done(self):
        self.write("scenario.yaml", SCENARIO)
        report = self.report("--scenario", "scenario.yaml")
        happened = [event["what"] for event in report["events"]]
        # What is undone after a time may come after what comes by progress.
        self.assertCountEqual(happened, HAPPENED)
        begun = [what for what in HAPPENED
                 if "healed" not in what and "continued" not in what]
        self.assertEqual([what for what in happened if what in begun], begun)
        # A worker that is asked to end comes back; one removed does not.
        self.assertEqual(report["restarts"]["workers"], 2)
        self.assertEqual(report["restarts"]["servers"], 1)
        self.assertEqual(report["restarts"]["scheduler"], 1)
        self.assertIsNone(report["goodput"])
        # Whoever is added works, too.
        shares = {one["name"]: one["share"] for one in report["workers"]}
        self.assertGreater(shares["worker-3"], 0)

    def test_a_trace_brings_and_takes_workers(self):
        self.write("trace.csv", "t_s,op,node\n0,add,a\n0,add,b\n0,add,c\n"
                   "60,remove,a\n120,add,d\n180,remove,b\n200,add,a\n")
        report = self.report("--trace", "trace.csv", "--speed", "60",
                             "--batch-time", "20ms", "--warm-up", "1s",
                             "--epochs", "8")
        self.assertEqual([event["what"] for event in report["events"]], [
            "worker-1 added", "worker-2 added", "worker-0 removed",
            "worker-3 added", "worker-1 removed", "worker-0 added"])
        self.assertEqual(report["restarts"]["total"], 0)
        goodput = report["goodput"]
        # 20 examples in 20 ms at most; the figure itself is a benchmark's.
        self.assertLessEqual(goodput["rate_of_one_worker"], 1010)
        self.assertGreater(goodput["value"], 0.1)
        self.assertLess(goodput["value"], 10)
        self.assertGreater(goodput["worker_seconds"], 3)

    def test_what_was_not_done_is_a_problem(self):
        self.write("late.yaml",
                   "name: late\nevents:\n  - {at: 1h, kill: worker}\n")
        ran = self.chaos("job.yaml", "--scenario", "late.yaml")
        self.assertEqual(ran.returncode, 1, ran.stdout)
        self.assertIn("ended before all of the scenario was done", ran.stdout)

    def test_whoever_is_named_must_be_there(self):
        self.write("nine.yaml",
                   "name: nine\nevents:\n  - {at: 1s, kill: worker-9}\n")
        ran = self.chaos("job.yaml", "--scenario", "nine.yaml")
        self.assertEqual(ran.returncode, 2, ran.stdout)
        self.assertIn("worker-9, which is not there", ran.stdout)

    def test_a_plan_that_never_began_is_a_problem(self):
        self.write("trace.csv", "t_s,op,node\n0,add,a\n1,remove,a\n")
        ran = self.chaos("job.yaml", "--trace", "trace.csv", "--epochs", "1",
                         "--warm-up", "1h")
        self.assertEqual(ran.returncode, 1, ran.stdout)
        self.assertIn("ended before the plan began", ran.stdout)

    def test_a_worker_comes_back_while_it_still_leaves(self):
        self.write("trace.csv", "t_s,op,node\n0,add,a\n0,add,b\n"
                   "60,remove,b\n60,add,b\n")
        for notice in [], ["--notice", "5s"]:
            report = self.report("--trace", "trace.csv", "--speed", "60",
                                 "--batch-time", "10ms", "--warm-up", "500ms",
                                 *notice)
            self.assertEqual([event["what"] for event in report["events"]],
                             ["worker-1 added", "worker-1 removed",
                              "worker-1 added"])

    def test_an_interrupted_run_is_gone_on_with_as_it_says(self):
        self.write("late.yaml",
                   "name: late\nevents:\n  - {at: 1h, kill: worker}\n")
        chaos = subprocess.Popen(
            [os.path.join(BIN, "ebb"), "chaos", "job.yaml", "--scenario",
             "late.yaml", "--batch-time", "20ms", "--set",
             "optimizer.rate=0.002"],
            cwd=self.folder, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.addCleanup(chaos.kill)
        said = ""
        while "ex/s" not in said:  # It trains.
            line = chaos.stdout.readline()
            self.assertTrue(line, said)
            said += line
        chaos.send_signal(signal.SIGINT)
        said += chaos.communicate(timeout=LIMIT_S)[0]
        self.assertEqual(chaos.returncode, 130, said)
        hint = said.split("go on with: ebb ")[1].splitlines()[0]
        ran = subprocess.run(
            [os.path.join(BIN, "ebb"), *shlex.split(hint)], cwd=self.folder,
            text=True, timeout=LIMIT_S, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertIn("exact", ran.stdout)

    def test_mistakes_are_told_before_anything_starts(self):
        self.write("bad.yaml", "name: bad\nevents:\n  - {at: 1s, kil: ps}\n")
        ran = self.chaos("job.yaml", "--scenario", "bad.yaml")
        self.assertEqual(ran.returncode, 2, ran.stdout)
        self.assertIn("bad.yaml:3", ran.stdout)
        ran = self.chaos("job.yaml")
        self.assertEqual(ran.returncode, 2, ran.stdout)
        self.assertIn("--scenario", ran.stdout)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "runs")))

    def test_a_trace_can_be_made(self):
        made = self.chaos("--make-trace", "--nodes", "4", "--hazard", "2",
                          "--hours", "1", "--chaos-seed", "3")
        self.assertEqual(made.returncode, 0, made.stdout)
        self.assertTrue(made.stdout.startswith("t_s,op,node\n0,add,"))
        bad = self.chaos("--make-trace", "--nodes", "0")
        self.assertEqual(bad.returncode, 2, bad.stdout)

    def test_the_example_scenarios_are_good(self):
        files = glob.glob(os.path.join(EXAMPLES, "chaos", "*.yaml"))
        self.assertGreater(len(files), 5)
        for file in files:
            ran = self.chaos("missing.yaml", "--scenario", file)
            self.assertEqual(ran.returncode, 2, ran.stdout)
            # It got as far as the job.
            self.assertIn("missing.yaml", ran.stdout)


if __name__ == "__main__":
    unittest.main()
