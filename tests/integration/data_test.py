#!/usr/bin/env python3
"""Data sets on real daemons: pushed, fetched by workers that share no file
system with who has them, and trained from exactly; whoever is killed meanwhile.

  data_test.py BIN_FOLDER [TEST...]
"""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from daemons import Daemons, wait_until
from reserved_port import ReservedPort

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 120
MIB = 1 << 20
ROWS, EPOCHS = 60_000, 2
CACHE_BYTES = 15 * MIB

JOB = """
name: {name}
model: {{kind: mlp, layers: [10, 8, 2]}}
data: {{train: {{csv: {{path: "ebb://{name}/train.csv", label: label}}}},
       test: {{csv: {{path: "ebb://{name}/test.csv", label: label}}}}}}
train: {{epochs: %d, batch: 50, item_examples: 500}}
optimizer: {{kind: sgd, rate: 0.05}}
partitions: 3
checkpoint: {{every: 200ms}}
""" % EPOCHS


def write_rows(path, rows, seed):
    draw = random.Random(seed)
    with open(path, "w") as file:
        file.write("label," + ",".join(f"f{i}" for i in range(10)) + "\n")
        for _ in range(rows):
            values = [draw.gauss(0, 1) for _ in range(10)]
            label = int(sum(values[:3]) + draw.gauss(0, 0.3) > 0)
            file.write(f"{label}," + ",".join(f"{v:.12f}" for v in values)
                       + "\n")


class DataTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_data_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.address = ReservedPort(self).address
        self.environment = dict(os.environ, EBB_SCHEDULER=self.address,
                                XDG_CACHE_HOME=self.path("home"))
        self.environment.pop("EBB_RUN", None)
        self.daemons = Daemons(BIN, self.folder, self.environment)
        self.addCleanup(self.daemons.end)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def data(self, name, seed):
        os.makedirs(self.path(name))
        write_rows(self.path(name, "train.csv"), ROWS, seed)
        write_rows(self.path(name, "test.csv"), 500, seed + 1)
        # Of no job: for pushes that are long enough to be killed.
        with open(self.path(name, "pad.bin"), "wb") as file:
            file.write(random.Random(seed).randbytes(16 * MIB))

    def scheduler(self, *more):
        """It listens when this returns."""
        file = self.path("scheduler.address")
        if os.path.exists(file):
            os.unlink(file)
        scheduler = self.daemons.start(
            "scheduler", "--listen", self.address, "--state-dir", "scheduler",
            "--address-file", file,
            "--data-folder", "data", "--data-bytes", "100MiB", *more)
        self.wait(lambda: os.path.exists(file), "the scheduler does not listen")
        return scheduler

    def worker(self, i, *more):
        return self.daemons.start(
            f"worker-{i}", "--name", f"worker-{i}", "--data-cache", "cache",
            "--data-cache-bytes", str(CACHE_BYTES), "--batch-time", "5ms",
            *more)

    def server(self, i):
        return self.daemons.start(
            f"ps-{i}", "--id", i, "--state-dir", f"ps-{i}")

    def kill(self, name):
        self.daemons[name].kill()
        self.daemons[name].wait()

    def log(self, name):
        with open(self.path(name + ".log")) as file:
            return file.read()

    def wait(self, so, what):
        wait_until(so, what, LIMIT_S)

    def killed(self, daemon):
        self.assertEqual(daemon.wait(LIMIT_S), -signal.SIGKILL)

    def start_ebb(self, *arguments):
        return subprocess.Popen(
            [os.path.join(BIN, "ebb"), *arguments], cwd=self.folder,
            env=self.environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)

    def finish(self, process, rc=0):
        said, _ = process.communicate(timeout=LIMIT_S)
        self.assertEqual(process.returncode, rc, said)
        return said

    def ebb(self, *arguments, rc=0):
        return self.finish(self.start_ebb(*arguments), rc)

    def push(self, name, *more):
        return json.loads(self.ebb("data", "push", name, self.address,
                                   "--json", *more))

    def job(self, name):
        status = json.loads(self.ebb("status", "--json"))
        return next(one for one in status["jobs"] if one["name"] == name)

    def applied(self, name):
        job = self.job(name)
        return job["full_items"] / job["items"]

    def trains(self, name):
        self.wait(lambda: self.job(name)["state"] == "complete",
                  f"{name} is not complete")
        self.assertIn("exact: every example", self.ebb("audit", name))

    def cached(self):
        folder = self.path("cache")
        return {name: os.path.getsize(os.path.join(folder, name))
                for name in os.listdir(folder)}

    def test_pushed_and_trained_from_whoever_is_killed(self):
        self.data("one", 1)
        self.data("two", 11)
        chunks = sum(-(-os.path.getsize(self.path("one", name)) // MIB)
                     for name in os.listdir(self.path("one")))

        # The pusher dies, then who it pushes to.
        first = self.scheduler("--kill-at", "data-chunk-stored:14")
        self.ebb("data", "push", "one", self.address, "--kill-at",
                 "data-chunk-sent:6", rc=-signal.SIGKILL)
        self.assertFalse(os.path.exists(self.path("data", "one")))
        self.assertIn("being pushed",
                      self.ebb("data", "list", self.address))
        push = self.start_ebb("data", "push", "one", self.address, "--json")
        self.killed(first)
        self.scheduler()
        pushed = json.loads(self.finish(push))
        self.assertEqual(pushed["chunks"], chunks)
        self.assertGreater(pushed["chunks_sent"], 0)
        self.assertLessEqual(pushed["chunks_sent"], chunks - 6)
        for name in os.listdir(self.path("one")):
            with open(self.path("one", name), "rb") as here, \
                    open(self.path("data", "one", name), "rb") as there:
                self.assertEqual(here.read(), there.read(), name)
        self.assertTrue(self.push("one")["was_there"])
        self.assertIn("one", self.ebb("data", "list", self.address))

        # A worker dies while it fetches; while it trains another, a server, and
        # who keeps the data.
        with open(self.path("one.yaml"), "w") as file:
            file.write(JOB.format(name="one"))
        for i in "01":
            self.server(i)
        self.ebb("submit", "one.yaml")
        self.killed(self.worker(0, "--kill-at", "data-chunk-cached:2"))
        self.worker(0)
        self.worker(1)
        self.wait(lambda: self.applied("one") > 0.2, "no progress")
        self.kill("worker-1")
        self.worker(1)
        self.wait(lambda: self.applied("one") > 0.4, "no progress")
        self.kill("ps-0")
        self.server("0")
        self.wait(lambda: self.applied("one") > 0.6, "no progress")
        self.kill("scheduler")
        self.scheduler()
        self.trains("one")
        rows = -(-os.path.getsize(self.path("one", "train.csv")) // MIB)
        # What it had when it was killed was not fetched again.
        fetched = [int(one) for one in re.findall(
            rf"file=train.csv .* fetched_chunks=(\d+) of_chunks={rows}\b",
            self.log("worker-0") + self.log("worker-1"))]
        self.assertEqual(len(fetched), 1, fetched)
        self.assertLessEqual(fetched[0], rows - 2)
        self.assertLessEqual(sum(self.cached().values()), CACHE_BYTES)

        # Another data set has no room beside it; and a cached file rots.
        self.push("two")
        with open(self.path("two.yaml"), "w") as file:
            file.write(JOB.format(name="two"))
        self.ebb("submit", "two.yaml")
        self.trains("two")
        self.assertLessEqual(sum(self.cached().values()), CACHE_BYTES)
        for i in "01":
            self.kill(f"worker-{i}")
        large = max(self.cached().items(), key=lambda one: one[1])[0]
        with open(self.path("cache", large), "r+b") as file:
            file.seek(MIB + 5)
            byte = file.read(1)
            file.seek(MIB + 5)
            file.write(bytes([byte[0] ^ 1]))
        with open(self.path("again.yaml"), "w") as file:
            file.write(JOB.format(name="two").replace("name: two",
                                                      "name: again", 1))
        self.ebb("submit", "again.yaml")
        os.truncate(self.path("worker-0.log"), 0)
        self.worker(0)
        self.trains("again")
        self.assertIn(f"fetched_chunks=1 of_chunks={rows}",
                      self.log("worker-0"))

    def test_several_files_are_one_table_on_the_other_side(self):
        os.makedirs(self.path("parts"))
        for i in range(3):
            write_rows(self.path("parts", f"{i}.csv"), 4000, i)
        subprocess.run(["gzip", self.path("parts", "1.csv")], check=True)
        self.scheduler()
        self.push("parts")
        with open(self.path("parts.yaml"), "w") as file:
            file.write("name: parts\nmodel: logistic\ndata: {train: {csv: "
                       "{path: \"ebb://parts/*.csv*\", label: label}}}\n"
                       "train: {epochs: 2, batch: 50, item_examples: 500}\n")
        self.assertIn("12,000 examples",
                      self.ebb("job", "check", "parts.yaml"))
        self.ebb("submit", "parts.yaml")
        self.server("0")
        self.worker(0)
        self.worker(1)
        self.trains("parts")
        for name in ("0.csv", "1.csv.gz", "2.csv"):
            self.assertIn(f"file={name} ",
                          self.log("worker-0") + self.log("worker-1"))

    def test_a_job_says_what_is_missing(self):
        self.scheduler()
        with open(self.path("one.yaml"), "w") as file:
            file.write(JOB.format(name="one"))
        said = self.ebb("submit", "one.yaml", rc=2)
        self.assertIn("one.yaml:4", said)
        self.assertIn("there is no data set one", said)
        # Bug: it knew of no data sets.
        self.assertIn("there is no data set one",
                      self.ebb("job", "check", "one.yaml", rc=2))
        self.data("one", 1)
        self.push("one")
        self.assertIn("one is good: 60,000 examples",
                      self.ebb("job", "check", "one.yaml"))
        # Also where no cluster is asked, or none answers.
        self.assertIn("`ebb submit` and `ebb job check` read them",
                      self.ebb("run", "one.yaml", rc=2))
        self.assertIn("127.0.0.1:9", self.ebb("job", "check", "one.yaml",
                                              "--scheduler", "127.0.0.1:9",
                                              "--data-cache", "none", rc=2))
        # Bug: the scheduler was said to keep no data.
        self.assertIn("cannot name a data set",
                      self.ebb("data", "remove", b"\xff", rc=2))
        # Bug: EBB_SCHEDULER was no DEST.
        self.assertIn("one", self.ebb("data", "list"))
        self.ebb("data", "push", "one", "--name", "other")
        self.ebb("data", "remove", "other")
        self.assertNotIn("other", self.ebb("data", "list"))

    def test_a_folder_and_its_mistakes(self):
        self.data("one", 1)
        said = self.ebb("data", "push", "one", "volume/sets")
        self.assertIn("jobs name its files volume/sets/one/...", said)
        self.assertTrue(os.path.exists(
            self.path("volume", "sets", "one", "train.csv")))
        self.assertEqual(
            self.ebb("data", "push", "one", "volume/sets", "--quiet"), "")
        os.symlink("/etc/passwd", self.path("one", "link"))
        self.assertIn("link is a symbolic link",
                      self.ebb("data", "push", "one", "volume/sets", rc=2))
        self.assertIn("no such folder",
                      self.ebb("data", "push", "none", "volume/sets", rc=2))
        self.assertIn("--name", self.ebb("data", "push", "one", "volume/sets",
                                         "--name", "../up", rc=2))
        # A mistyped address makes no folder.
        self.assertIn("HOST:PORT", self.ebb("data", "push", "one",
                                            "localhost7000", rc=2))
        for command in (["list"], ["remove", "one"]):
            for place in ("localhost7000", "volume/set", "volume"):
                self.assertIn("HOST:PORT",
                              self.ebb("data", *command, place, rc=2))
        self.assertEqual(sorted(os.listdir(self.folder)), ["one", "volume"])
        self.assertEqual(os.listdir(self.path("volume")), ["sets"])
        self.ebb("data", "remove", "one", "volume/sets")
        self.assertIn("no data sets",
                      self.ebb("data", "list", "volume/sets"))

    def test_each_role_does_what_it_may(self):
        self.data("one", 1)
        self.ebb("certs", "--folder", "tls")

        def tls(role):
            return ["--tls-cert", self.path("tls", role + ".pem"),
                    "--tls-key", self.path("tls", role + ".key"),
                    "--tls-ca", self.path("tls", "ca.pem")]

        self.scheduler(*tls("scheduler"))
        for role in ("worker", "viewer"):
            self.ebb("data", "push", "one", self.address, *tls(role), rc=2)
        self.ebb("data", "push", "one", self.address, *tls("client"))
        self.assertIn("one", self.ebb("data", "list", self.address,
                                      *tls("viewer")))
        self.assertIn("BeginPush needs a certificate of the role client",
                      self.ebb("data", "push", "one", self.address,
                               "--name", "other", *tls("viewer"), rc=2))
        self.assertIn("RemoveSet needs a certificate of the role client",
                      self.ebb("data", "remove", "one", self.address,
                               *tls("viewer"), rc=2))


if __name__ == "__main__":
    unittest.main()
