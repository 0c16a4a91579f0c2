#!/usr/bin/env python3
"""A worker and a viewer in Python, from the protos alone, on a cluster of ebb:
alone, beside C++ workers, under kills, and when it is told to leave.

  conformance_test.py BIN_FOLDER PROTO_FOLDER
"""
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
PROTO = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "proto"
SKIPPED = 77
LIMIT_S = 120
ROWS = 2000

for module in ("grpc", "google.protobuf", "numpy", "xxhash"):
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        print(f"skipped: {sys.executable} has no module {module}")
        sys.exit(SKIPPED)
PLUGIN = shutil.which("grpc_python_plugin")
if PLUGIN is None or shutil.which("protoc") is None:
    print("skipped: no protoc, or no grpc_python_plugin")
    sys.exit(SKIPPED)

STUBS = tempfile.mkdtemp(prefix="ebb_conformance_stubs_")
subprocess.run(
    ["protoc", "-I", PROTO, f"--python_out={STUBS}",
     f"--grpc_python_out={STUBS}", f"--plugin=protoc-gen-grpc_python={PLUGIN}"]
    + [os.path.join("ebb/v1", name)
       for name in os.listdir(os.path.join(PROTO, "ebb/v1"))],
    cwd=PROTO, check=True)
sys.path[:0] = [STUBS, HERE, os.path.join(HERE, "..", "integration")]

import grpc  # noqa: E402
import numpy as np  # noqa: E402

import ebb_data  # noqa: E402
from ebb.v1 import common_pb2, scheduler_pb2  # noqa: E402
from ebb_client import Channels, Viewer  # noqa: E402
from reserved_port import ReservedPort  # noqa: E402


def tearDownModule():
    shutil.rmtree(STUBS)


def job(name, model, epochs, consistency="asp"):
    return f"""
name: {name}
model: {{kind: {model}, l2: 0.001}}
data: {{train: {{csv: {{path: {model}.csv, header: false}}}}}}
train: {{epochs: {epochs}, batch: 40, item_examples: 200}}
optimizer: {{kind: momentum, rate: 0.02}}
consistency: {consistency}
checkpoint: {{every: 200ms}}
oracle: {{width: 4}}
partitions: 3
quarantine_after: 20
"""


class OrderTest(unittest.TestCase):
    """The vectors of docs/data-order.md."""

    def test_examples(self):
        for seed, epoch, n, size, shard, expected in (
                (1, 0, 10, 10, 0, [2, 1, 6, 3, 8, 0, 4, 5, 7, 9]),
                (2, 0, 10, 10, 0, [3, 2, 9, 6, 8, 0, 7, 4, 1, 5]),
                (1, 0, 25, 10, 2, [12, 14, 4, 22, 8]),
                (2**64 - 1, 3, 60000, 1280, 17,
                 [33401, 53681, 47661, 2441, 24565])):
            grid = ebb_data.Grid(common_pb2.Plan(
                seed=seed, examples=n, shard_size=size))
            self.assertEqual(
                list(grid.examples((epoch, shard), 0, len(expected))),
                expected)

    def test_hashes(self):
        self.assertEqual(int(ebb_data.example_hashes((7, 469), 127, 128)[0]),
                         0x46bd1a1372ebc6d4)
        self.assertEqual(ebb_data.ledger_row((3, 17), 0, 128).hash,
                         0x7ecb6f1d4816b532)


class ConformanceTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_conformance_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.daemons = {}
        self.addCleanup(self.end)
        self.address = ReservedPort(self).address
        self.environment = dict(os.environ, EBB_SCHEDULER=self.address,
                                PYTHONPATH=os.pathsep.join([STUBS, HERE]))
        self.environment.pop("EBB_RUN", None)
        self.write_tables()
        self.scheduler = Channels().scheduler(self.address)
        self.start("scheduler")
        self.start("ps-0")
        self.start("ps-1")
        self.wait(self.cluster, "no scheduler")

    def write_tables(self):
        """Numbers y and classes of a noisy plane."""
        drawn = random.Random(1)
        with open(self.path("linear.csv"), "w") as numbers, \
                open(self.path("logistic.csv"), "w") as classes:
            for _ in range(ROWS):
                x = [drawn.gauss(1, 3) for _ in range(6)]
                y = 2 * x[0] - x[1] + x[2] / 2 + drawn.gauss(3, 2)
                features = ",".join(f"{value:.5g}" for value in x)
                numbers.write(f"{features},{y:.5g}\n")
                classes.write(f"{features},{int(y > 5)}\n")

    def end(self):
        for daemon in self.daemons.values():
            daemon.kill()
            daemon.wait()

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, name, *flags):
        """Starts scheduler, ps-N, worker-N, or a Python worker of a job:
        python-N JOB."""
        kind, _, number = name.partition("-")
        command = [os.path.join(BIN, "ebb-" + kind)]
        if kind == "scheduler":
            command += ["--listen", self.address, "--state-dir", name,
                        "--min-servers", "2"]
        elif kind == "ps":
            command += ["--id", number, "--state-dir", name]
        elif kind == "worker":
            command += ["--name", name]
        else:
            command = [sys.executable, "-B",
                       os.path.join(HERE, "ebb_worker.py"), "--name", name,
                       self.address]
        with open(self.path(name + ".log"), "a") as log:
            self.daemons[name] = subprocess.Popen(
                command + list(flags), cwd=self.folder, env=self.environment,
                stderr=log)
        return self.daemons[name]

    def kill_and_start(self, name, *flags):
        self.daemons[name].kill()
        self.daemons[name].wait()
        self.start(name, *flags)

    def ebb(self, *words, code=0):
        done = subprocess.run(
            [os.path.join(BIN, "ebb"), *words], cwd=self.folder, text=True,
            env=self.environment, timeout=LIMIT_S, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def submit(self, text):
        with open(self.path("job.yaml"), "w") as file:
            file.write(text)
        self.ebb("submit", "job.yaml")

    def cluster(self):
        """Returns what the daemons do; None: the scheduler does not answer."""
        try:
            return self.scheduler.GetStatus(scheduler_pb2.GetStatusRequest(),
                                            timeout=2, wait_for_ready=True)
        except grpc.RpcError:
            return None

    def status(self, name):
        jobs = [job for job in getattr(self.cluster(), "jobs", [])
                if job.summary.name == name]
        return jobs[0] if jobs else None

    def wait(self, so, what):
        limit = time.monotonic() + LIMIT_S
        while not so():
            if time.monotonic() > limit:
                for log in os.listdir(self.folder):
                    if log.endswith(".log"):
                        with open(self.path(log)) as file:
                            print(log, file.read()[-2000:], sep="\n")
                self.fail(what)
            time.sleep(0.05)

    def computed(self, name):
        """Examples of a worker, as far as the scheduler knows."""
        return max((worker.examples for worker in
                    getattr(self.cluster(), "workers", [])
                    if worker.name == name), default=0)

    def applied(self, name):
        status = self.status(name)
        return status.applied_min if status else -1

    def complete(self, name):
        status = self.status(name)
        return status is not None and \
            status.summary.state == scheduler_pb2.JOB_STATE_COMPLETE

    def exact(self, name, epochs):
        audit = json.loads(self.ebb("audit", name, "--json"))
        self.assertTrue(audit["exact"] and audit["oracle_exact"], audit)
        self.assertEqual((audit["applied"], audit["missing"],
                          audit["doubled"]), (ROWS * epochs, 0, 0))

    def exported(self, name):
        """The vector of all parameters, as other programs get it."""
        folder = self.path(f"export-{name}")
        self.ebb("checkpoint", "export", name, "-o", folder + "/", "--force",
                 "--incomplete")
        return np.concatenate(
            [np.load(os.path.join(folder, table + ".npy")).ravel()
             for table in ("weights", "bias")])

    def test_alone_it_learns_what_a_cpp_worker_learns(self):
        for model in ("linear", "logistic"):
            self.submit(job(model + "-python", model, 3))
            python = self.start("python-0", model + "-python")
            self.assertEqual(python.wait(timeout=LIMIT_S), 0)
            self.exact(model + "-python", 3)
            # It does one thing after the other, too.
            cpp = self.start("worker-0", "--no-prefetch",
                             "--batches-in-flight", "1")
            self.submit(job(model + "-cpp", model, 3))
            self.wait(lambda: self.complete(model + "-cpp"), "no C++ result")
            cpp.kill()
            cpp.wait()
            losses = [[epoch.mean for epoch in
                       self.status(f"{model}-{which}").losses]
                      for which in ("python", "cpp")]
            np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
            np.testing.assert_allclose(
                self.exported(model + "-python"),
                self.exported(model + "-cpp"), rtol=1e-4, atol=1e-5)

    def disturbed(self, consistency, epochs, victims,
                  others=("worker-0", "worker-1")):
        """Trains by one Python worker and others, and kills each victim in turn
        where the job is so and so far."""
        name = "disturbed"
        self.environment["EBB_BATCH_TIME"] = "30ms"
        self.submit(job(name, "logistic", epochs, consistency))
        flags = {"python-0": (name, "--batch-time", "0.03")}
        self.start("python-0", *flags["python-0"])
        self.wait(lambda: self.computed("python-0") > 0, "it computes nothing")
        for other in others:
            self.start(other)
        for i, victim in enumerate(victims, start=1):
            mark = ROWS * epochs * i // (len(victims) + 5)
            self.wait(lambda: self.applied(name) >= mark,
                      f"the job stands still before {victim} is killed")
            self.assertLess(self.applied(name), ROWS * epochs, victim)
            self.kill_and_start(victim, *flags.get(victim, ()))
        self.wait(lambda: self.complete(name), "the job stands still")
        self.assertEqual(self.daemons["python-0"].wait(timeout=LIMIT_S), 0)
        self.exact(name, epochs)
        viewer = Viewer(self.address, name)
        np.testing.assert_array_equal(viewer.stored(), self.exported(name))
        if consistency != "asp":
            self.assertRaises(ebb_data.Refused, viewer.pull)

    def test_beside_cpp_workers_under_kills(self):
        self.disturbed("asp", 24, ["python-0", "ps-0", "worker-0", "scheduler",
                                   "ps-1", "python-0", "worker-1", "ps-0"])

    # The Python worker computes again by itself what a server lost.
    def test_alone_under_kills(self):
        self.disturbed("asp", 6, ["ps-0", "scheduler", "python-0", "ps-1"],
                       others=())

    def test_within_a_clock_bound_under_kills(self):
        self.disturbed("{kind: ssp, bound: 2}", 12,
                       ["ps-0", "python-0", "scheduler", "worker-0"])

    def test_in_rounds_under_kills(self):
        self.disturbed("{kind: rounds, examples: 800}", 12,
                       ["ps-0", "python-0", "scheduler", "worker-0"])

    def test_it_leaves_in_good_order(self):
        self.environment["EBB_BATCH_TIME"] = "30ms"
        self.submit(job("drained", "linear", 8))
        python = self.start("python-0", "drained", "--batch-time", "0.03")
        self.wait(lambda: self.computed("python-0") > 0, "it computes nothing")
        self.start("worker-0")
        python.terminate()
        began = time.monotonic()
        self.assertEqual(python.wait(timeout=LIMIT_S), 0)
        self.assertLess(time.monotonic() - began, 5)
        self.assertLess(self.applied("drained"), ROWS * 8)
        events = [event.kind for event in self.cluster().events
                  if event.subject == "python-0"]
        self.assertEqual(events, [scheduler_pb2.Event.KIND_WORKER_UP,
                                  scheduler_pb2.Event.KIND_WORKER_LEFT])
        self.wait(lambda: self.complete("drained"), "the job stands still")
        self.exact("drained", 8)

    def test_what_it_does_not_know_it_refuses(self):
        self.submit(job("deep", "mlp", 1).replace(
            "l2: 0.001", "layers: [6, 4, 1]").replace("mlp.csv", "linear.csv"))
        python = self.start("python-0", "deep")
        self.assertEqual(python.wait(timeout=LIMIT_S), 1)
        self.wait(lambda: "model mlp: linear and logistic only" in
                  self.ebb("explain", "deep"), "no reason is told")
        # Others may go on with the item.
        self.start("worker-0")
        self.wait(lambda: self.complete("deep"), "the job stands still")

    def test_it_skips_what_the_scheduler_decides(self):
        with open(self.path("linear.csv")) as file:
            lines = file.readlines()
        lines[700] = ",".join(["1e30"] * 7) + "\n"
        with open(self.path("steep.csv"), "w") as file:
            file.writelines(lines)
        self.submit(job("steep", "linear", 1).replace(
            "{path: linear.csv, header: false}}",
            "{path: steep.csv, header: false}}, standardise: false, "
            "standardise_labels: false").replace(
                "rate: 0.02", "rate: 0.001").replace(
                    "quarantine_after: 20", "on_nonfinite: skip"))
        python = self.start("python-0", "steep")
        self.assertEqual(python.wait(timeout=LIMIT_S), 0)
        audit = json.loads(self.ebb("audit", "steep", "--json"))
        self.assertTrue(audit["oracle_exact"], audit)
        self.assertEqual(
            [audit[key] for key in ("applied", "skipped", "missing",
                                    "doubled")], [ROWS - 40, 40, 0, 0])

    def test_a_viewer_reads_what_is_exported(self):
        name = "viewed"
        self.environment["EBB_BATCH_TIME"] = "10ms"
        self.submit(job(name, "logistic", 20))
        self.start("worker-0")
        self.start("worker-1")
        self.wait(lambda: self.applied(name) > 0, "it does not train")
        viewer = Viewer(self.address, name)
        first, updates = viewer.pull()
        self.wait(lambda: viewer.pull()[1] > updates, "it sees no update")
        self.assertFalse(np.array_equal(first, viewer.pull()[0]))
        self.assertEqual(
            {worker.name for worker in self.cluster().workers},
            {"worker-0", "worker-1"})
        # Servers store a job that is paused, and all values are the same.
        self.ebb("pause", name)
        self.wait(lambda: np.array_equal(viewer.pull()[0], viewer.stored()),
                  "live and stored values differ")
        np.testing.assert_array_equal(viewer.pull()[0], self.exported(name))
        self.ebb("resume", name)
        self.wait(lambda: self.complete(name), "the job stands still")
        np.testing.assert_array_equal(viewer.pull()[0], self.exported(name))
        np.testing.assert_array_equal(viewer.stored(), self.exported(name))
        self.exact(name, 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
