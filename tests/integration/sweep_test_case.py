"""The parts that tests of sweeps have in common."""
import json
import os
import random
import signal
import subprocess

from daemons import wait_until
from job_test_case import JobTestCase


def points(count):
    """A table of two classes."""
    draw = random.Random(count)
    lines = []
    for _ in range(count):
        values = [draw.gauss(0, 1) for _ in range(4)]
        label = int(values[0] - 2 * values[1] + draw.gauss(0, 0.5) > 0)
        lines.append(",".join([*(f"{value:.4f}" for value in values),
                               str(label)]))
    return "\n".join(lines) + "\n"


class SweepTestCase(JobTestCase):
    # The sweep starts by this: the command and its file.
    command = ("sweep", "sweep.yaml")

    def trials(self, folder):
        with open(os.path.join(folder, "run/trials.json")) as file:
            return json.load(file)["trials"]

    def jobs(self, folder):
        """Returns what the sweep has as jobs of its own."""
        return self.trials(folder)

    def start(self, folder, *more, batch_time="0"):
        """The sweep, in the background."""
        output = open(os.path.join(folder, "output"), "a")
        self.addCleanup(output.close)
        process = subprocess.Popen(
            [os.path.join(self.programs, "ebb"), *self.command, "--workers",
             "2", "--servers", "1", "--run-dir", "run", *more], cwd=folder,
            env=dict(os.environ, EBB_BATCH_TIME=batch_time), stdout=output,
            stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def said(self, folder):
        with open(os.path.join(folder, "output")) as file:
            return file.read()

    def wait_for_trials(self, process, folder, count):
        """Until so many have ended."""
        def look():
            self.assertIsNone(process.poll(), self.said(folder))
            try:
                jobs = self.jobs(folder)
            except FileNotFoundError:
                return False
            return sum(one["state"] != "running" for one in jobs) >= count
        wait_until(look, lambda: self.said(folder), self.limit_s, 0.05)

    def kill_scheduler(self, process):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline") as file:
                    words = file.read().split("\0")
            except OSError:  # It has ended.
                continue
            if (os.path.basename(words[0]) == "ebb-scheduler" and
                    str(process.pid) in words):
                os.kill(int(pid), signal.SIGKILL)
                return
        self.fail("there is no scheduler")
