#!/usr/bin/env python3
"""Every process stays below its --memory, whatever is slow, and what does not
fit is refused with a reason instead of being tried.

  memory_test.py BIN_FOLDER [TEST...]
"""
import csv
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 240
MIB = 1 << 20

# 48 MiB of parameters that cost nothing to compute: each example has three
# features of many.
FEATURES = 12 * MIB
ROWS = 240
JOB = """
name: wide
model: logistic
data: {train: {libsvm: lines.svm}, test: {libsvm: test.svm}}
train: {epochs: 1, batch: 4, item_examples: 16}
optimizer: {kind: sgd, rate: 0.0001}
evaluate: {every: 1 epoch}
checkpoint: {every: 2s}
"""

# Each example has four keys of its own, of which none comes again: rows of 20
# and of 140 bytes.
KEYED_ROWS = 40_000
KEYED = """
name: keys
model: {kind: fm, rank: 16}
data: {train: {libsvm: keys.svm}, test: {libsvm: test.svm}}
train: {epochs: 1, batch: 50, item_examples: 1000}
optimizer: {kind: adagrad, rate: 0.1}
checkpoint: {every: 500ms}
"""

# A tenth of the processor's time, from before the first third to after the
# second.
SCENARIO = """
name: a server at a tenth
workers: 2
servers: 2
events:
  - {at: 30%, slow: ps-0, to: 0.1}
  - {at: 70%, slow: ps-0, to: 1}
"""

# Fifty whose pulls of 12 MiB each take a second or more, in which the server's
# values change; what they push at once is twenty times what it has room for.
SLOW_PULLERS = 50
PULLED_FEATURES = 3 * MIB
PULLED_ROWS = 120
PULLED_JOB = (JOB.replace("lines.svm", "pulled.svm")
              .replace("test.svm", "pulled_test.svm")
              .replace("item_examples: 16", "item_examples: 4"))
SLOW_LINKS = f"""
name: slow pullers
workers: {SLOW_PULLERS}
servers: 1
events:
""" + "".join(
    f"  - {{at: 0s, limit: {{between: worker-{i}, and: ps-0, rate: 20MB/s}}}}\n"
    for i in range(SLOW_PULLERS))


def peak_bytes(pid):
    """The most that the process ever had in memory; 0: it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            found = re.search(r"VmHWM:\s*(\d+) kB", status.read())
        return int(found[1]) * 1024 if found else 0
    except OSError:
        return 0


def daemons_of(pid):
    """(name, pid) of the daemons that the process started."""
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(f"{folder}/stat", encoding="ascii") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
            with open(f"{folder}/cmdline", encoding="utf-8") as line:
                words = line.read().split("\0")
        except (OSError, ValueError):
            continue
        program = os.path.basename(words[0])
        if parent != pid or not program.startswith("ebb-"):
            continue
        which = [words[i + 1] for i, word in enumerate(words)
                 if word in ("--id", "--name")]
        yield " ".join([program, *which]), int(os.path.basename(folder))


class MemoryTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_memory_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.write("job.yaml", JOB)
        self.write("pulled.yaml", PULLED_JOB)
        self.write("scenario.yaml", SCENARIO)
        self.write("slow_links.yaml", SLOW_LINKS)
        self.write("lines.svm", self.lines(ROWS, FEATURES))
        self.write("test.svm", self.lines(16, FEATURES))
        self.write("pulled.svm", self.lines(PULLED_ROWS, PULLED_FEATURES))
        self.write("pulled_test.svm", self.lines(16, PULLED_FEATURES))

    @staticmethod
    def lines(rows, features):
        return "".join(
            f"{i % 2} {i % 1000 + 1}:1 {1001 + i * 7919 % MIB}:{i % 5 + 1} "
            f"{features}:1\n" for i in range(rows))

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w",
                  encoding="utf-8") as file:
            file.write(text)

    def start(self, *arguments):
        process = subprocess.Popen(
            [os.path.join(BIN, "ebb"), *arguments], cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()
        self.addCleanup(end)
        return process

    def rate(self, first, last):
        """Examples per second between two shares of the job."""
        with open(os.path.join(self.folder, "run", "metrics.csv"),
                  encoding="ascii") as file:
            samples = [(float(row["seconds"]), int(row["applied"]))
                       for row in csv.DictReader(file)]
        within = [(at, applied) for at, applied in samples
                  if first * ROWS <= applied <= last * ROWS]
        (begun, before), (ended, after) = within[0], within[-1]
        return (after - before) / (ended - begun)

    def peaks_of(self, rows, *arguments):
        """The most that each daemon had in memory in `ebb chaos`, which counts
        each of these rows once."""
        process = self.start("chaos", *arguments, "--report", "report.json",
                             "--run-dir", "run")
        peaks = {}
        deadline = time.monotonic() + LIMIT_S
        while process.poll() is None and time.monotonic() < deadline:
            for name, pid in daemons_of(process.pid):
                peaks[name] = max(peaks.get(name, 0), peak_bytes(pid))
            # Of a sample, not for an event: peaks do not fall.
            time.sleep(0.02)
        said = process.communicate()[0]
        self.assertEqual(process.returncode, 0, said)
        with open(os.path.join(self.folder, "report.json"),
                  encoding="utf-8") as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], said)
        self.assertEqual(report["audit"]["applied"], rows)
        return peaks

    def test_a_slow_server_holds_back_workers_that_stay_within_their_memory(
            self):
        peaks = self.peaks_of(ROWS, "job.yaml", "--scenario", "scenario.yaml",
                              "--memory", "288MiB")
        print({name: f"{peak / MIB:.0f} MiB" for name, peak in peaks.items()},
              f"{self.rate(0.05, 0.3):.1f} examples/s,",
              f"{self.rate(0.35, 0.7):.1f} with a slow server")
        self.assertEqual(sorted(peaks), ["ebb-ps 0", "ebb-ps 1",
                                         "ebb-scheduler", "ebb-worker worker-0",
                                         "ebb-worker worker-1"])
        for name, peak in peaks.items():
            self.assertLess(peak, 288 * MIB, peaks)
        # They wait for it instead of filling it. Before or after, the machine
        # may be busy with something else.
        self.assertLess(self.rate(0.35, 0.7),
                        max(self.rate(0.05, 0.3), self.rate(0.75, 0.95)))

    def test_slow_pullers_do_not_fill_a_server(self):
        peaks = self.peaks_of(PULLED_ROWS, "pulled.yaml", "--scenario",
                              "slow_links.yaml", "--memory", "160MiB")
        print(f"server {peaks['ebb-ps 0'] / MIB:.0f} MiB with {SLOW_PULLERS} "
              f"pullers of 12 MiB at 20 MB/s")
        self.assertEqual(len(peaks), SLOW_PULLERS + 2)
        self.assertLess(peaks["ebb-ps 0"], 160 * MIB)

    def test_servers_refuse_what_they_have_no_room_for(self):
        process = self.start("run", "job.yaml", "--memory", "128MiB",
                             "--run-dir", "run")
        self.wait_explained(
            process, "wide", r"ps [01] is loading \d+ partitions: no "
            r"room for another partition of "
            r"job wide: in all its partitions it takes 9\d MiB .* of the "
            r"\d+ MiB that this server's --memory leaves for values are "
            r"taken; raise --memory, or add servers")
        for name, pid in daemons_of(process.pid):
            self.assertLess(peak_bytes(pid), 128 * MIB, name)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=LIMIT_S), 130)

    # Rows took all blocks that there were, with their index beside these: what
    # a server had could not be loaded again.
    def test_rows_that_do_not_fit_wait_for_a_server_that_has_room(self):
        self.write("keys.yaml", KEYED)
        self.write("keys.svm", "".join(
            f"{i % 2} " + " ".join(f"{4 * i + k + 1}:1" for k in range(4)) +
            "\n" for i in range(KEYED_ROWS)))
        self.write("test.svm", "1 1:1\n0 5:1\n")
        run = ["run", "keys.yaml", "--servers", "1", "--workers", "2",
               "--run-dir", "run"]
        refused = r"ps 0 .*: no room for more rows of table '\w+' in a " \
            r"partition: \d+ are there; .* that this server's --memory " \
            r"leaves for values are taken; raise --memory, add servers, or " \
            r"bound the table"
        # Both are told: as it grew, and as it was loaded again.
        for more in ([], ["--resume"]):
            process = self.start(*run, *more, "--memory", "128MiB")
            self.wait_explained(process, "keys", refused)
            for name, pid in daemons_of(process.pid):
                self.assertLess(peak_bytes(pid), 128 * MIB, name)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=LIMIT_S), 130)
        process = self.start(*run, "--resume", "--memory", "512MiB",
                             "--report", "report.json")
        said = process.communicate(timeout=LIMIT_S)[0]
        self.assertEqual(process.returncode, 0, said)
        with open(os.path.join(self.folder, "report.json"),
                  encoding="utf-8") as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], said)
        self.assertEqual(report["audit"]["applied"], KEYED_ROWS)

    def wait_explained(self, process, job, pattern):
        address_file = os.path.join(self.folder, "run", "scheduler.address")
        explained = ""
        deadline = time.monotonic() + 60
        while not re.search(pattern, explained):
            self.assertIsNone(process.poll())
            self.assertLess(time.monotonic(), deadline, explained)
            if not os.path.exists(address_file):
                time.sleep(0.05)
                continue
            with open(address_file, encoding="ascii") as file:
                address = file.read().strip()
            explained = subprocess.run(
                [os.path.join(BIN, "ebb"), "explain", job, "--scheduler",
                 address], text=True, timeout=LIMIT_S, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, check=False).stdout

    def test_less_than_the_program_needs_is_refused(self):
        for program, arguments in [
                ("ebb-ps", ["--id", "0", "--state-dir", "state"]),
                ("ebb-worker", [])]:
            ran = subprocess.run(
                [os.path.join(BIN, program), "--memory", "64MiB", *arguments],
                cwd=self.folder, text=True, timeout=LIMIT_S,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            self.assertEqual(ran.returncode, 2)
            self.assertIn("--memory is 67108864 bytes; ", ran.stderr)


if __name__ == "__main__":
    unittest.main()
