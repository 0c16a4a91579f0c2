#!/usr/bin/env python3
"""`ebb chaos`: real daemons are disturbed by a plan, and every example counts
once. RowsTest has the rows of the table in docs/fault-tolerance.md: who
stopped, what was computed again. How long it took is `ebb bench recovery`'s.

  chaos_test.py BIN_FOLDER EXAMPLES_FOLDER [SHARED_DATA_FOLDER] [TEST...]

Tests of SharedTest need the folder.
"""
import csv
import glob
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SHARED = (os.path.abspath(sys.argv.pop(3))
          if len(sys.argv) > 3 and os.path.isdir(sys.argv[3]) else None)
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


class Fixture(unittest.TestCase):
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
            text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def report(self, *arguments):
        ran = self.chaos("job.yaml", "--report", "report.json", *arguments)
        self.said = ran.stdout
        self.assertEqual(ran.returncode, 0, ran.stdout)
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], ran.stdout)
        self.assertEqual(report["audit"]["applied"],
                         report["epochs"] * self.rows)
        return report

    rows = ROWS

    def run_events(self, epochs, *events, compute="10ms"):
        """The report of a job to which this is done, all of it."""
        self.write("scenario.yaml",
                   f"name: test\nworkers: 3\nservers: 2\ncompute: {compute}\n"
                   "events:\n"
                   + "".join(f"  - {{{event}}}\n" for event in events))
        return self.report("--scenario", "scenario.yaml", "--epochs",
                           str(epochs), "--details")

    def event(self, report, what):
        found = [one for one in report["events"] if one["what"] == what]
        self.assertEqual(len(found), 1, report["events"])
        return found[0]

    def restarts(self, report, scheduler=0, servers=0, workers=0):
        self.assertEqual(
            report["restarts"],
            {"total": scheduler + servers + workers, "scheduler": scheduler,
             "servers": servers, "workers": workers}, self.said)


class ChaosTest(Fixture):
    # Bug: it waited for ever for the second, which was to come after it.
    def test_a_job_that_no_worker_begins_alone_is_refused(self):
        self.write("scenario.yaml", SCENARIO)
        ran = self.chaos("job.yaml", "--scenario", "scenario.yaml", "--warm-up",
                         "1s", "--set", "workers.min=2")
        self.assertEqual(ran.returncode, 1, ran.stdout)
        self.assertIn("hint: --set workers.min=1", ran.stdout)

    def test_every_example_counts_once_whatever_is_done(self):
        self.write("scenario.yaml", SCENARIO)
        report = self.report("--scenario", "scenario.yaml")
        happened = [event["what"] for event in report["events"]]
        # An event that ends after a time may come after those by progress.
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
        report = self.report("--trace", "trace.csv", "--speed", "120",
                             "--batch-time", "20ms", "--warm-up", "1s",
                             "--epochs", "5")
        self.assertEqual([event["what"] for event in report["events"]], [
            "worker-1 added", "worker-2 added", "worker-0 removed",
            "worker-3 added", "worker-1 removed", "worker-0 added"])
        self.assertEqual(report["restarts"]["total"], 0)
        goodput = report["goodput"]
        # 20 examples in 20 ms at most, seen over a second of a machine that
        # may be busy; undisturbed computing would be some 50 times as fast.
        self.assertLessEqual(goodput["rate_of_one_worker"], 2000)
        self.assertGreater(goodput["value"], 0.1)
        self.assertLess(goodput["value"], 10)
        self.assertGreater(goodput["worker_seconds"], 3)

    def test_what_was_not_done_is_a_problem(self):
        self.write("late.yaml",
                   "name: late\nevents:\n  - {at: 1h, kill: worker}\n")
        ran = self.chaos("job.yaml", "--scenario", "late.yaml")
        self.assertEqual(ran.returncode, 1, ran.stdout)
        self.assertIn("ended before all of the scenario was done", ran.stdout)

    def test_a_job_may_end_before_its_scenario_if_one_says_so(self):
        self.write("late.yaml",
                   "name: late\nevents:\n  - {at: 1h, kill: worker}\n")
        report = self.report("--scenario", "late.yaml", "--may-end-early")
        self.assertEqual(report["events"], [])

    def read_statuses(self):
        path = os.path.join(self.folder, "statuses")
        if not os.path.exists(path):
            return []
        with open(path) as file:
            lines = file.read().split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def await_status(self, chaos, there):
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end and chaos.poll() is None:
            for status in self.read_statuses():
                if status["jobs"] and there(status["jobs"][0]):
                    return
            time.sleep(0.05)  # Nothing tells that a line was written.
        self.fail(chaos.communicate()[0] if chaos.poll() is not None else
                  "no such status")

    def test_a_program_sees_statuses_and_sends_events(self):
        chaos = subprocess.Popen(
            [os.path.join(BIN, "ebb"), "chaos", "job.yaml", "--live",
             "--statuses", "statuses", "--report", "report.json", "--epochs",
             "5000", "--batch-time", "10ms", "--batch-time", "worker-1=20ms"],
            cwd=self.folder, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(chaos.kill)
        self.await_status(chaos, lambda job: job["marks"]["least"] > 0)
        chaos.stdin.write('{"at": "0s", "kill": "worker-0"}\n')
        chaos.stdin.flush()
        self.await_status(chaos, lambda job: any(
            one["daemon"] == "worker-0" and one["counted_unix_us"]
            for one in job["recoveries"]))
        # What is still to come is done before the run ends.
        said = chaos.communicate(
            "{at: 1s, terminate: worker-1}\n", timeout=LIMIT_S)[0]
        self.assertEqual(chaos.returncode, 0, said)
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        self.assertFalse(report["complete"])
        self.assertEqual(report["audit"]["doubled"], 0)
        self.assertEqual(report["batch_time"], 0.01)
        self.assertEqual([one["what"] for one in report["events"]],
                         ["worker-0 killed", "worker-1 asked to end"])
        killed = report["events"][0]
        self.assertGreaterEqual(killed["recovery_s"], killed["resumed_s"])
        self.assertLess(killed["ended_s"], killed["recovery_s"])

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
                                 "--epochs", "5", *notice)
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
        chaos.send_signal(signal.SIGTERM)
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
        for words, said in (
                (["job.yaml", "--live", "--scenario", "bad.yaml"], "and --live"),
                (["job.yaml", "--live", "--may-end-early"], "hint: leave it out"),
                (["-", "--live"], "hint: write the job to a file"),
                (["job.yaml", "--live", "--batch-time", "ps-0=1s"],
                 "write worker-7=120ms"),
                (["job.yaml", "--live", "--batch-time", "worker-1=0"],
                 "more than nothing")):
            ran = self.chaos(*words)
            self.assertEqual(ran.returncode, 2, ran.stdout)
            self.assertIn(said, ran.stdout)
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


class RowsTest(Fixture):
    # A worker's batch, and what all may have on their way to the servers.
    BATCH = 20
    ON_THEIR_WAY = 3 * 4 * BATCH
    ITEM = 200

    def helped(self, report):
        # A machine that stands still makes a worker slow: what it has is
        # computed by another, too, or goes to another when its beginning is
        # not heard of yet.
        backups = report["backups"]
        return (self.ITEM * backups["leased"] +
                self.ON_THEIR_WAY // 3 * backups["moved"])

    def test_what_a_worker_had_goes_to_another(self):
        report = self.run_events(
            32, "at: 5%, kill: worker-1", "at: 12%, stop: worker-0, for: 4s",
            "at: 55%, split: {between: worker-2}, for: 4s")
        # The others never stop, and who was away comes back by itself.
        self.restarts(report, workers=1)
        killed = self.event(report, "worker-1 killed")
        stopped = self.event(report, "worker-0 stopped")
        split = self.event(report, "worker-2 and all: split")
        counted = 0
        for one in killed, stopped, split:
            # A slow worker's item may be done by another before it is lost.
            if one["resumed_s"] is None and report["backups"]["leased"] > 0:
                continue
            self.assertGreater(one["resumed_s"], 0, one)
            # All of an item may have been pushed before its worker was lost.
            if one["recovery_s"] is not None:
                self.assertGreaterEqual(one["recovery_s"], one["resumed_s"])
                counted += 1
        self.assertGreater(counted, 0, report["events"])
        # A lease is 3 s, and was renewed a little before.
        self.assertGreater(stopped["resumed_s"] or 3, 1)
        self.assertGreaterEqual(report["leases_repeated"], 3)
        for one in report["workers"]:
            self.assertGreater(one["examples"], 0, one)

    def test_who_is_told_to_leave_wastes_nothing(self):
        report = self.run_events(
            12, "at: 10%, terminate: worker-1", "at: 30%, terminate: worker-2",
            "at: 50%, terminate: worker-0", "at: 70%, terminate: worker")
        self.restarts(report, workers=4)
        for worker in range(3):
            self.assertIn(f"worker-{worker} exited with 0, as planned",
                          self.said)
        again = report["examples_recomputed"]
        self.assertLessEqual(again, self.helped(report))
        self.assertEqual(sum(one["examples"] for one in report["workers"]),
                         12 * ROWS + again)

    def test_a_server_that_is_told_to_leave_keeps_all_it_applied(self):
        report = self.run_events(
            12, "at: 20%, terminate: ps-0", "at: 60%, terminate: ps-1")
        self.restarts(report, servers=2)
        for server in range(2):
            self.assertIn(f"ps-{server} exited with 0, as planned", self.said)
        # Batches while its partitions leave, and come back, are computed
        # again; a last version that is not written would be thousands.
        self.assertLessEqual(report["examples_recomputed"],
                             2 * 2 * self.ON_THEIR_WAY + self.helped(report))

    def test_a_server_comes_back_at_once_or_after_a_while(self):
        report = self.run_events(
            10, "at: 20%, kill: ps-1", "at: 60%, kill: ps-0, for: 2s")
        # No worker exits.
        self.restarts(report, servers=2)
        at_once = self.event(report, "ps-1 killed")
        self.assertGreaterEqual(at_once["recovery_s"], at_once["resumed_s"])
        later = self.event(report, "ps-0 killed, away for 2s")
        self.assertGreaterEqual(later["resumed_s"], 2)
        self.assertGreaterEqual(later["recovery_s"], later["resumed_s"])

    def test_a_scheduler_may_forget(self):
        report = self.run_events(
            12, "at: 10%, kill: scheduler", "at: 10%, keep: scheduler",
            "at: 40%, kill: scheduler", "at: 40%, restore: scheduler",
            "at: 70%, kill: scheduler", "at: 70%, lose: scheduler")
        # Nobody else stops, and all that was computed counts, but for leases
        # that no scheduler knew any more.
        self.restarts(report, scheduler=3)
        killed = [one for one in report["events"]
                  if one["what"] == "scheduler killed"]
        self.assertEqual(len(killed), 3)
        for one in killed:
            self.assertGreater(one["recovery_s"], 0)
        self.assertLess(report["examples_recomputed"], 12 * ROWS / 10)

    def test_everything_may_die_at_once(self):
        report = self.run_events(8, "at: 30%, kill: all", "at: 70%, kill: all")
        self.restarts(report, scheduler=2, servers=4, workers=6)
        scheduler = [one["recovery_s"] for one in report["events"]
                     if one["what"] == "scheduler killed"]
        self.assertEqual(len(scheduler), 2)
        self.assertNotIn(None, scheduler)

    def test_machines_may_fail_that_daemons_stand_on(self):
        report = self.run_events(
            16, "at: 10%, fill_disk: ps-0, for: 1500ms",
            "at: 50%, kill: ps-1", "at: 50%, damage: ps-1, file: newest",
            "at: 70%, slow: ps-0, to: 0.2, for: 1s",
            "at: 70%, slow: worker-1, to: 0.2")
        # The server without space serves on, and tells.
        self.restarts(report, servers=1)
        # Of its own, or of the shared one, whichever it wrote to first.
        self.assertRegex(
            self.said,
            r"ps-0: disk full: (checkpoint store|shared checkpoints)")
        self.assertRegex(self.said, r"ps-1 damaged: db/\S+, \d+ bytes")

    # With SSP(4) the others wait for one that stands still: a gradient misses
    # no more than what they may be ahead.
    def test_a_slow_worker_is_helped_at_the_end(self):
        report = self.run_events(16, "at: 10%, slow: worker-1, to: 0.1")
        self.restarts(report)
        backups = report["backups"]
        self.assertGreater(backups["leased"], 0, self.said)
        self.assertGreaterEqual(backups["leased"],
                                backups["won"] + backups["lost"])
        self.assertLess(backups["computed_twice"], 16 * ROWS / 10)
        self.assertIn("backup tasks", self.said)
        ends = report["epoch_ends"]
        self.assertGreater(ends["epochs"], 8)
        self.assertGreaterEqual(ends["longest_s"], ends["mean_s"])
        # A batch takes 10 ms, of the slow one 100 ms: or fewer, where a machine
        # at load stops it late.
        self.assertGreater(ends["slowest_batch_s"], 0.02, self.said)
        self.assertIn("epoch ends", self.said)

    def test_a_bound_holds_whoever_stands_still(self):
        report = self.run_events(
            8, "at: 10%, stop: worker-0, for: 2s", "at: 40%, kill: worker-1",
            "at: 60%, stop: worker-2, for: 500ms")
        late = report["staleness"]["max"]
        self.assertIsNone(report["clock_lead"])
        self.assertIsNone(report["bound_wait_seconds"])
        self.write("job.yaml",
                   JOB + "consistency: {kind: ssp, bound: 4}\n")
        report = self.run_events(
            8, "at: 10%, stop: worker-0, for: 2s", "at: 40%, kill: worker-1",
            "at: 60%, stop: worker-2, for: 500ms")
        # Each other worker, of four lives: 4 batches behind to 4 ahead. Clocks
        # count what was acknowledged, so at either end come up to four that
        # were pulled for, computed or on their way.
        bound = 3 * (2 * 4 + 2 * 4)
        self.assertLessEqual(report["staleness"]["max"], bound)
        # The servers saw it when they answered pulls: it was reached.
        self.assertEqual(report["clock_lead"], 4)
        # At least for the worker that stood still for 2 s.
        self.assertGreater(report["bound_wait_seconds"], 1)
        self.assertGreater(report["worker_seconds"],
                           report["bound_wait_seconds"])
        # Without the bound they do not wait.
        self.assertGreater(late, bound)


class FewPartitionsTest(Fixture):
    def test_servers_without_partitions_hold_no_new_scheduler_up(self):
        """A table as small as this one is a single partition by default."""
        self.write("job.yaml", JOB.replace("partitions: 4", "partitions: 1"))
        environment = {**os.environ, "EBB_BATCH_TIME": "20ms"}
        ran = subprocess.run(
            [os.path.join(BIN, "ebb"), "run", "job.yaml", "--kill-every", "1",
             "--report", "report.json"], cwd=self.folder, env=environment,
            text=True, timeout=LIMIT_S, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        self.assertGreater(report["restarts"]["scheduler"], 0, ran.stdout)
        self.assertTrue(report["audit"]["exact"], ran.stdout)


class SharedTest(Fixture):
    # Half a minute of the recorded market at 60 times its speed. It begins with
    # the 32 workers that are there after half an hour. Most of them leave.
    def test_the_trace_leaves_most_of_the_work(self):
        begin_s, end_s = 1800, 3600
        with open(os.path.join(SHARED, "spot", "bamboo-p3.csv")) as file:
            lines = [row for row in csv.DictReader(file)
                     if float(row["t_s"]) <= end_s]
        self.write("trace.csv", "t_s,op,node\n" + "".join(
            f"{max(0, float(row['t_s']) - begin_s)},{row['op']},{row['node']}\n"
            for row in lines))
        self.write("job.yaml", JOB.replace("batch: 20, item_examples: 200",
                                           "batch: 64, item_examples: 640")
                   + "consistency: {kind: ssp, bound: 4}\n")
        report = self.report("--trace", "trace.csv", "--speed", "60",
                             "--batch-time", "100ms", "--warm-up", "3s",
                             "--epochs", "290")
        # All that the record says, but that the first is there already.
        added = sum(row["op"] == "add" for row in lines)
        done = [one["what"].split()[1] for one in report["events"]]
        self.assertGreaterEqual(done.count("added"), added - 1)
        self.assertEqual(done.count("removed"), len(lines) - added)
        self.assertEqual(report["restarts"]["total"], 0)
        goodput = report["goodput"]
        self.assertGreater(goodput["value"], 0.097)
        self.assertLess(goodput["value"], 1.5)
        lives = added + 1
        self.assertLessEqual(report["staleness"]["max"],
                             (lives - 1) * (2 * 4 + 3))
        self.assertLessEqual(report["clock_lead"], 4)

    def test_a_bad_network_makes_it_slower_and_no_worse(self):
        digits = os.path.join(SHARED, "sklearn", "digits.csv")
        self.rows = 1797
        self.write("job.yaml", f"""
name: digits
model: {{kind: mlp, layers: [64, 32, 10]}}
data: {{train: {{csv: {digits}}}}}
train: {{batch: 32, item_examples: 320}}
partitions: 4
""")
        report = self.run_events(
            6, "at: 5%, delay: {between: all, by: 50ms}",
            "at: 5%, limit: {between: ps-1, rate: 10Mbit/s}",
            "at: 1s, every: 2s, times: 3, drop: {between: all}")
        # Nobody dies of it.
        self.restarts(report)
        dropped = [one for one in report["events"]
                   if one["what"] == "all links: connections dropped"]
        self.assertEqual(len(dropped), 3)
        self.assertLess(report["training_loss"][-1],
                        report["training_loss"][0])


if __name__ == "__main__":
    unittest.main()
