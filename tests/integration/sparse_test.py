#!/usr/bin/env python3
"""Jobs with sparse tables, on real processes: they learn what their data's true
model says, and every example counts once through whatever is killed.

  sparse_test.py BIN_FOLDER [TEST...]
"""
import array
import glob
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

from exported import read_values

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 120

ROWS, EPOCHS = 30_000, 3
JOB = f"""
name: ads
model: sparse_logistic
data: {{train: {{libsvm: ads.train.libsvm}}, test: {{libsvm: ads.test.libsvm}}}}
train: {{epochs: {EPOCHS}, batch: 50, item_examples: 1000}}
optimizer: {{kind: adagrad, rate: 0.2}}
consistency: CONSISTENCY
partitions: 8
checkpoint: {{every: 200ms}}
evaluate: {{every: 1 epoch}}
oracle: {{width: 2}}
"""

# By progress, so that a slow machine does the same, and at a pace that a fast
# one's last events do not come too late.
SCENARIO = """
name: one of each
workers: 3
servers: 2
compute: 4ms
events:
  - {at: 20%, kill: worker-1}
  - {at: 30%, kill: ps-1}
  - {at: 45%, terminate: worker-2}
  - {at: 55%, kill: scheduler}
  - {at: 70%, kill: ps-0}
  - {at: 80%, stop: worker-0, for: 300ms}
"""


class FolderTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_sparse_test_")
        self.addCleanup(shutil.rmtree, self.folder)

    def ebb(self, *arguments, rc=0, **environment):
        ran = subprocess.run([os.path.join(BIN, "ebb"), *arguments],
                             cwd=self.folder, text=True, timeout=LIMIT_S,
                             env=dict(os.environ, **environment),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(ran.returncode, rc, ran.stdout)
        return ran.stdout


class SparseTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.ebb("generate", "clicks", "ads", "--rows", str(ROWS),
                 "--test-rows", "10000", "--fields", "5", "--vocabulary",
                 "10,100,300", "--rank", "0", "--interactions", "0",
                 "--linear", "1.5", "--seed", "3")
        with open(os.path.join(self.folder, "ads.truth.json")) as file:
            self.truth = json.load(file)["test"]
        self.use("asp")

    def use(self, consistency):
        with open(os.path.join(self.folder, "ads.yaml"), "w") as file:
            file.write(JOB.replace("CONSISTENCY", consistency))

    def report(self, command, *arguments, above=0.04, **environment):
        said = self.ebb(command, "ads.yaml", "--report", "report.json",
                        *arguments, **environment)
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], said)
        self.assertEqual(report["audit"]["applied"], ROWS * EPOCHS, said)
        # Some 700 weights are learned from 30,000 rows: 0.012; the rest is
        # what three epochs leave. No better than chance would be 0.11 more.
        loss = report["loss"]
        self.assertLess(loss, self.truth["log_loss"] + above, said)
        return report

    def test_learns_what_is_true(self):
        self.assertGreater(self.truth["constant_log_loss"],
                           self.truth["log_loss"] + 0.08)
        self.report("run", "--workers", "2", "--servers", "2")
        said = self.ebb("checkpoint", "export", "runs/ads-1", "--output",
                        "ads.safetensors")
        self.assertRegex(said, r"3 tensors, 1 parameter, \d+ rows of weights in")
        tensors = self.read("ads.safetensors")
        keys = tensors["weights/keys"]
        self.assertEqual(len(tensors["weights/rows"]), len(keys))
        self.assertEqual(list(keys), sorted(set(keys)))
        # Of some 700 weights all but a few rare ones were met.
        self.assertGreater(len(keys), 350)
        # The result is the same, whichever way it is taken.
        data = "ads.test.libsvm"
        said = self.ebb("predict", "ads.safetensors", data, "--labelled")
        self.assertEqual(
            self.ebb("predict", "runs/ads-1", data, "--labelled"), said)
        # It is what the model says of the rows.
        bias = tensors["bias"][0]
        weights = dict(zip(keys, tensors["weights/rows"]))
        with open(os.path.join(self.folder, data)) as file:
            for line, prediction in zip(file, said.splitlines()[1:]):
                score = bias
                for entry in line.split()[1:]:
                    key, value = entry.split(":")
                    score += weights.get(int(key), 0) * float(value)
                self.assertAlmostEqual(float(prediction.split(",")[2]),
                                       1 / (1 + math.exp(-score)), 4)

    def read(self, name):
        return read_values(os.path.join(self.folder, name))

    def test_a_job_of_a_cluster_is_exported_and_predicted_with(self):
        environment = dict(os.environ, EBB_SHARED_MEMORY="off")
        environment.pop("EBB_RUN", None)
        daemons = []

        def end():
            for one in daemons:
                one.kill()
                one.wait()
        self.addCleanup(end)

        def daemon(program, *arguments, stderr=subprocess.DEVNULL):
            daemons.append(subprocess.Popen(
                [os.path.join(BIN, "ebb-" + program), *arguments,
                 "--die-with-parent", str(os.getpid())],
                cwd=self.folder, env=environment, stderr=stderr))

        def wait(so):
            limit = time.monotonic() + LIMIT_S
            while not so():
                self.assertLess(time.monotonic(), limit)
                time.sleep(0.02)

        address = os.path.join(self.folder, "address")
        daemon("scheduler", "--listen", "127.0.0.1:0", "--min-servers", "2",
               "--state-dir", "scheduler", "--address-file", "address")
        wait(lambda: os.path.exists(address))
        with open(address) as file:
            environment["EBB_SCHEDULER"] = file.read().strip()
        daemon("ps", "--id", "0", "--state-dir", "state/ps-0")
        log = os.path.join(self.folder, "ps-1.log")
        daemon("ps", "--id", "1", "--state-dir", "state/ps-1",
               "--metrics-port", "0", stderr=open(log, "w"))
        daemon("worker", "--name", "worker-0")

        def ebb(*arguments):
            done = subprocess.run(
                [os.path.join(BIN, "ebb"), *arguments], cwd=self.folder,
                env=environment, text=True, timeout=LIMIT_S,
                stdin=subprocess.DEVNULL, capture_output=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
            return done.stdout

        ebb("submit", "ads.yaml", "--set",
            "tables.weights.optimizer.kind=adagrad")
        wait(lambda: json.loads(ebb("status", "--json"))["jobs"][0]["state"]
             == "complete")
        # Keys of pushes came with their pulls.
        with open(log) as file:
            url = re.search(r"metrics at (http://\S+)", file.read()).group(1)
        with urllib.request.urlopen(url, timeout=LIMIT_S) as response:
            metrics = dict(line.rsplit(" ", 1)
                           for line in response.read().decode().splitlines()
                           if line[0] != "#")
        keys = "ebb_network_push_keys_"
        named = float(metrics[keys + "named_bytes_total"])
        self.assertGreater(named, 0)
        self.assertLess(float(metrics[keys + "bytes_total"]), named / 10)

        # By the servers, and without them.
        ebb("checkpoint", "export", "ads", "-o", "live.safetensors",
            "--with-slots")
        predicted = ebb("predict", "ads", "ads.test.libsvm", "--labelled")
        self.assertEqual(predicted, ebb("predict", "live.safetensors",
                                        "ads.test.libsvm", "--labelled"))
        end()
        daemons.clear()
        # A name without a slash would be a job of the cluster that is gone.
        ebb("checkpoint", "export", "./state", "-o", "stored.safetensors",
            "--with-slots")
        live = self.read("live.safetensors")
        self.assertEqual(live, self.read("stored.safetensors"))
        slots = [name for name in live if name.endswith("/weights/rows")]
        self.assertEqual(len(slots), 1, live.keys())
        self.assertEqual(len(live[slots[0]]), len(live["weights/keys"]))
        ebb("checkpoint", "export", "./state", "-o", "dense.safetensors",
            "--without-rows")
        dense = self.read("dense.safetensors")
        self.assertEqual(dense, {"bias": live["bias"]})
        ebb("checkpoint", "export", "./state", "-o", "npy/")
        with open(os.path.join(self.folder, "npy/weights.keys.npy"),
                  "rb") as file:
            keys = file.read()
        self.assertIn(b"'descr': '<u8'", keys)
        stored = array.array("Q", keys[-8 * len(live["weights/keys"]):])
        self.assertEqual(list(stored), live["weights/keys"])

    def test_every_example_counts_once_whatever_is_killed(self):
        with open(os.path.join(self.folder, "scenario.yaml"), "w") as file:
            file.write(SCENARIO)
        report = self.report("chaos", "--scenario", "scenario.yaml")
        self.assertGreaterEqual(report["restarts"]["total"], 5)

    def test_pushes_name_keys_of_servers_that_may_be_gone(self):
        """Over the network, where pushes name the keys of their pulls."""
        with open(os.path.join(self.folder, "scenario.yaml"), "w") as file:
            file.write(SCENARIO)
        report = self.report("chaos", "--scenario", "scenario.yaml",
                             EBB_SHARED_MEMORY="off")
        self.assertGreaterEqual(report["restarts"]["total"], 5)

    def test_tables_have_options_of_their_own(self):
        with open(os.path.join(self.folder, "ads.yaml"), "a") as file:
            file.write("""
tables:
  weights:
    optimizer: {kind: ftrl, rate: 0.3, l2: 1}
    admit: {kind: count, count: 2}
    expire_after: 5000
    max_rows: 240  # Of 520 keys: the rare ones come and go.
    at_limit: evict
""")
        with open(os.path.join(self.folder, "scenario.yaml"), "w") as file:
            file.write(SCENARIO)
        # The keys without a row are worth nothing.
        self.report("chaos", "--scenario", "scenario.yaml", above=0.07)
        said = self.ebb("job", "check", "ads.yaml", "--set",
                        "tables.wieghts.max_rows=5", rc=2)
        self.assertIn("tables.wieghts: sparse_logistic has no such", said)

    def test_workers_use_rows_again(self):
        cache = "tables: {weights: {cache: {rows: 200, batches: 3}}}\n"
        with open(os.path.join(self.folder, "scenario.yaml"), "w") as file:
            file.write(SCENARIO)
        for consistency in "asp", "{kind: ssp, bound: 4}":
            self.use(consistency)
            with open(os.path.join(self.folder, "ads.yaml"), "a") as file:
                file.write(cache)
            self.report("chaos", "--scenario", "scenario.yaml")
        self.report("run", "--workers", "1", "--servers", "1")
        with open(max(glob.glob(os.path.join(
                self.folder, "runs", "*", "logs", "worker-0*")),
                key=os.path.getmtime)) as file:
            did = re.search(r" rows_pulled=(\d+) rows_used_again=(\d+) ",
                            file.read())
        # Half of what a batch reads are some twenty keys.
        pulled, used = map(int, did.groups())
        self.assertGreater(used, pulled / 2)
        said = self.ebb("job", "check", "ads.yaml", "--set",
                        "consistency=bsp", rc=2)
        self.assertIn("tables.weights.cache: each batch needs the newest",
                      said)

    def test_the_fastest_worker_waits_for_the_slowest(self):
        self.use("{kind: ssp, bound: 2}")
        self.report("run", "--workers", "2", "--servers", "2")

    # FullTable of `ebb run` knows these words.
    def test_a_full_table_is_named(self):
        with subprocess.Popen(
                [os.path.join(BIN, "ebb"), "run", "ads.yaml", "--set",
                 "tables.weights.max_rows=80"], cwd=self.folder, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            limit = threading.Timer(LIMIT_S, process.kill)
            limit.start()
            self.addCleanup(limit.cancel)
            said = ""
            for line in process.stdout:
                said += line
                if re.search(r"waiting: ps \d refused [\d,]+ push(es)? .* ago: "
                             r"table 'weights': a push makes", line):
                    process.send_signal(signal.SIGTERM)
                    break
            said += process.stdout.read()
        self.assertEqual(process.returncode, 130, said)

    def test_rounds_are_refused(self):
        self.use("{kind: rounds, examples: 1000}")
        said = self.ebb("run", "ads.yaml", rc=2)
        self.assertIn("sparse tables need asp or ssp", said)


CLICKS = ("clicks", "--fields", "4", "--vocabulary", "10,20", "--linear", "1",
          "--interactions", "1.5", "--format", "libffm", "--seed", "5")
RATINGS = ("ratings", "--users", "200", "--items", "150", "--rank", "2",
           "--seed", "5")


class ModelsTest(FolderTest):
    """The models of keys, each on data that another could not explain."""

    def train(self, model, data, epochs, rows=20_000):
        """The loss of a model, and the truth of its data."""
        kind, *options = data
        self.ebb("generate", kind, "data", "--rows", str(rows), "--test-rows",
                 "5000", "--force", *options)
        with open(os.path.join(self.folder, "data.truth.json")) as file:
            truth = json.load(file)["test"]
        source = ("ratings: data.PART.csv" if kind == "ratings"
                  else "libffm: data.PART.ffm")
        with open(os.path.join(self.folder, "model.yaml"), "w") as file:
            file.write(f"""
name: keyed
model: {model}
data: {{train: {{{source.replace("PART", "train")}}},
       test: {{{source.replace("PART", "test")}}}}}
train: {{epochs: {epochs}, batch: 50}}
optimizer: {{kind: adam, rate: 0.02}}
partitions: 8
""")
        said = self.ebb("run", "model.yaml", "--workers", "2", "--servers",
                        "2", "--report", "report.json")
        with open(os.path.join(self.folder, "report.json")) as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], said)
        self.assertEqual(report["audit"]["applied"], rows * epochs, said)
        return report["loss"], truth

    def test_interactions(self):
        """Checks that the others find what logistic regression leaves."""
        linear, truth = self.train("sparse_logistic", CLICKS, 2)
        most = linear - truth["log_loss"]
        self.assertGreater(most, 0.05)
        # Late updates of the layers step less, so these need more epochs.
        for model, epochs in (("{kind: fm, rank: 4}", 3),
                              ("{kind: wide_deep, dim: 4}", 8),
                              ("{kind: deepfm, dim: 4}", 8)):
            loss, _ = self.train(model, CLICKS, epochs)
            self.assertLess(loss, truth["log_loss"] + most / 2, model)

    def test_interactions_by_field(self):
        loss, truth = self.train("{kind: ffm, rank: 4}",
                                 (*CLICKS, "--field-aware"), 3)
        plain, _ = self.train("{kind: fm, rank: 4}",
                              (*CLICKS, "--field-aware"), 3)
        self.assertLess(loss, plain)

    def test_ratings(self):
        loss, truth = self.train("{kind: matrix_factorisation, rank: 2}",
                                 RATINGS, 8)
        # Without factors it would be 0.86: noise and products together.
        self.assertLess((2 * loss) ** 0.5, 1.2 * truth["rmse"])


if __name__ == "__main__":
    unittest.main()
