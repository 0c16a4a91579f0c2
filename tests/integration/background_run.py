"""An `ebb run` in the background, to which a test does something meanwhile."""
import json
import os
import subprocess

from daemons import wait_until

LIMIT_S = 120


class BackgroundRun:
    """Runs one job in its folder, and ends with the test. `name` is that of
    the job. The run's own folder is `run`."""

    def __init__(self, test, programs, folder, name, job="job.yaml",
                 batch_time="40ms"):
        self._test, self._programs, self._folder = test, programs, folder
        self._name, self._job = name, job
        # A batch takes at least so long: the job lasts while it is disturbed.
        self.environment = dict(os.environ, EBB_BATCH_TIME=batch_time)
        self.environment.pop("EBB_RUN", None)

    def path(self, name):
        return os.path.join(self._folder, name)

    def start(self, *arguments):
        output = open(self.path("output"), "w")
        self._test.addCleanup(output.close)
        self.process = subprocess.Popen(
            [os.path.join(self._programs, "ebb"), "run", self._job,
             "--run-dir", "run", *arguments], cwd=self._folder,
            env=self.environment, stdout=output, stderr=subprocess.STDOUT)
        self._test.addCleanup(self.process.wait)
        self._test.addCleanup(self.process.kill)

    def said(self):
        with open(self.path("output")) as file:
            return file.read()

    def wait(self, so, what):
        """Waits until so() is true. Fails if the run ends before."""
        def look():
            if self.process.poll() is not None:
                raise AssertionError(f"{what}: it has ended\n{self.said()}")
            return so()
        return wait_until(look, lambda: f"{what}\n{self.said()}", LIMIT_S, 0.05)

    def ends(self, code):
        self._test.assertEqual(self.process.wait(timeout=LIMIT_S), code,
                               self.said())

    def all_end(self):
        """Waits until the run's daemons have ended, too."""
        wait_until(lambda: not self.processes(),
                   lambda: f"{self.processes()} still run", LIMIT_S)

    def ebb(self, *arguments):
        """Runs a command about the cluster. Returns what subprocess.run does.
        FileNotFoundError: the run has no scheduler yet.
        """
        with open(self.path("run/scheduler.address")) as file:
            environment = dict(self.environment,
                               EBB_SCHEDULER=file.read().strip())
        return subprocess.run(
            [os.path.join(self._programs, "ebb"), *arguments],
            cwd=self._folder, text=True, env=environment, timeout=LIMIT_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def of_folder(self, command):
        """Runs a command about the run, which its folder names."""
        return subprocess.run(
            [os.path.join(self._programs, "ebb"), command, "run"],
            cwd=self._folder, text=True, timeout=LIMIT_S,
            env=dict(os.environ, EBB_SCHEDULER="127.0.0.1:9"),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def good(self, *arguments):
        done = self.ebb(*arguments)
        self._test.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def status(self):
        nothing = {"jobs": [], "roles": []}
        try:
            asked = self.ebb("status", "--json")
        except FileNotFoundError:
            return nothing
        return json.loads(asked.stdout) if asked.returncode == 0 else nothing

    def least_mark(self):
        jobs = self.status()["jobs"]
        return jobs[0]["marks"]["least"] if jobs else 0

    def trains(self):
        return self.least_mark() > 0

    def processes(self):
        """Returns the names of the daemons that run, one for each process."""
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

    @staticmethod
    def names(servers, workers):
        return sorted([f"ps-{i}" for i in range(servers)]
                      + [f"worker-{i}" for i in range(workers)])

    def scale(self, servers, workers):
        """Returns when all partitions are on these servers. The job must have
        at least as many partitions, and must not end meanwhile."""
        self.good("scale", self._name, "--servers", str(servers), "--workers",
                  str(workers))
        self.wait(lambda: self.processes() == self.names(servers, workers),
                  f"not {servers} servers and {workers} workers")
        self.wait(lambda: self.owners() == self.names(servers, 0),
                  f"the job is not on {servers} servers")
        job = self.status()["jobs"][0]
        self._test.assertEqual(job["state"], "running", self.said())

    def report(self):
        with open(self.path("run/report.json")) as file:
            return json.load(file)
