#!/usr/bin/env python3
"""Tests what the daemons tell monitoring systems while a job trains: it is
what the format's own parser reads, docs/metrics.md names all of it and nothing
else, and the alerts and the dashboard of deploy/monitoring ask for nothing
else.

  metrics_test.py BIN_FOLDER SOURCE_FOLDER
"""
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import yaml
from prometheus_client.openmetrics import parser

from shirts import FASHION, shirts

SOURCE = os.path.abspath(sys.argv.pop(2)) if len(sys.argv) > 2 else "."
BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 60

# Longer than a test looks.
EPOCHS = 500

# The format and Prometheus' conventions have these.
UNITS = ("seconds", "bytes")
NOT_A_NAME = ("_total", "_count", "_sum", "_bucket", "_info", "_created")


def documented():
    with open(os.path.join(SOURCE, "docs", "metrics.md")) as file:
        return set(re.findall(r"^\| `([a-z0-9_]+)`", file.read(), re.MULTILINE))


class MetricsTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_metrics_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ)
        self.daemons = []
        self.addCleanup(self.end)

    def end(self):
        for daemon, log in self.daemons:
            daemon.kill()
            daemon.wait()
            log.close()

    def daemon(self, program, *flags):
        """Starts one and tells the port of its metrics."""
        path = os.path.join(self.folder, f"{program}-{len(self.daemons)}.log")
        log = open(path, "w")
        daemon = subprocess.Popen(
            [os.path.join(BIN, program), "--metrics-port", "0", *flags],
            cwd=self.folder, env=self.environment, stderr=log)
        self.daemons.append((daemon, log))
        line = re.compile(r"metrics at http://127\.0\.0\.1:(\d+)/metrics")

        def port():
            with open(path) as file:
                return line.search(file.read())

        self.wait(port, f"{program}: no port")
        return int(port().group(1))

    def wait(self, condition, otherwise):
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, otherwise)
            time.sleep(0.05)

    def scrape(self, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics",
                                    timeout=LIMIT_S) as response:
            self.assertIn("openmetrics-text", response.headers["Content-Type"])
            text = response.read().decode()
        return {family.name: family
                for family in parser.text_string_to_metric_families(text)}

    def value(self, port, sample_name, **labels):
        samples = [sample.value
                   for family in self.scrape(port).values()
                   for sample in family.samples
                   if sample.name == sample_name
                   and labels.items() <= sample.labels.items()]
        return sum(samples) if samples else None

    def cluster(self, job=shirts(EPOCHS), *worker_flags):
        """The ports of a scheduler, a server and a worker that train."""
        scheduler = self.daemon("ebb-scheduler", "--listen", "127.0.0.1:0",
                                "--state-dir", "scheduler", "--address-file",
                                "address")
        self.environment["EBB_SCHEDULER"] = self.address("address")
        server = self.daemon("ebb-ps", "--id", "0", "--state-dir", "ps")
        worker = self.daemon("ebb-worker", *worker_flags)
        self.write_job(job)
        self.ebb("submit", "job.yaml")
        return scheduler, server, worker

    def test_all_daemons_tell_what_they_do(self):
        scheduler, server, worker = self.cluster()

        self.wait(lambda: self.value(worker, "ebb_worker_examples_total"),
                  "the worker computes nothing")
        self.wait(lambda: self.value(server, "ebb_server_push_segments_total",
                                     verdict="applied"), "nothing is applied")
        self.wait(lambda: self.value(scheduler,
                                     "ebb_scheduler_job_applied_examples",
                                     name="shirts"), "nothing is counted")
        self.wait(lambda: self.value(server, "ebb_server_versions_total",
                                     result="written"), "nothing is stored")
        self.assertEqual(1, self.value(scheduler, "ebb_scheduler_server_up",
                                       server="0"))
        self.assertEqual(1, self.value(scheduler, "ebb_scheduler_workers"))
        self.assertEqual(1, self.value(scheduler, "ebb_scheduler_jobs",
                                       state="running"))
        self.assertEqual(EPOCHS * 10_000,
                         self.value(scheduler, "ebb_scheduler_job_examples"))
        for port in (scheduler, server, worker):
            self.assertEqual(0, self.value(port, "ebb_network_tls"))
            self.assertEqual(0, self.value(port, "ebb_network_refusals_total"))
        self.assertEqual(1, self.value(server, "ebb_server_ready"))
        self.assertEqual(1, self.value(worker, "ebb_worker_ready"))
        # Four bytes a weight and more.
        self.assertGreater(self.value(server, "ebb_server_push_bytes_total"), 31400)
        self.assertGreater(self.value(server, "ebb_server_pull_bytes_total"), 31400)
        self.assertGreater(self.value(server, "ebb_server_version_bytes_total"),
                      31400)
        before = self.value(server, "ebb_server_push_seconds_count")
        self.wait(lambda: self.value(server, "ebb_server_push_seconds_count") >
                  before, "pushes are not counted")

        families = {}
        for port in (scheduler, server, worker):
            families |= self.scrape(port)
        self.check_names(families)
        self.assertEqual(documented(), set(families))

    def check_names(self, families):
        for name, family in families.items():
            self.assertRegex(name, r"^(ebb_(scheduler|server|worker|network|build)|"
                                   r"process)_[a-z0-9]+(_[a-z0-9]+)*$")
            self.assertTrue(family.documentation, name)
            if name != "ebb_build_info":
                self.assertFalse(name.endswith(NOT_A_NAME), name)
            for unit in UNITS:
                if unit in name.split("_"):
                    self.assertTrue(name.endswith("_" + unit), name)
                    self.assertEqual(unit, family.unit, name)

    def test_counters_count_the_events_that_they_are_named_after(self):
        """Two servers and two workers; a server is killed twice, a worker
        once, and the job rolled back. What came of it is known."""
        scheduler = self.daemon("ebb-scheduler", "--listen", "127.0.0.1:0",
                                "--state-dir", "scheduler", "--min-servers",
                                "2", "--address-file", "address")
        self.environment["EBB_SCHEDULER"] = self.address("address")
        for i in "01":
            self.daemon("ebb-ps", "--id", i, "--state-dir", f"ps-{i}")
        for i in "01":
            self.daemon("ebb-worker", "--name", f"worker-{i}")
        _, _, ps_1, _, worker_1 = [one for one, _ in self.daemons]
        self.write_job(shirts(
            EPOCHS, "checkpoint: {every: 500ms}\npartitions: 2\n"))
        self.ebb("submit", "job.yaml")
        count = lambda what: self.value(
            scheduler, f"ebb_scheduler_job_{what}", name="shirts")
        trains = lambda before: self.wait(
            lambda: count("applied_examples") > before, "it does not train")
        served = lambda: self.wait(
            lambda: self.status()["jobs"][0]["state"] == "running", "it waits")

        self.wait(lambda: count("durable_items") > 2, "nothing is stored")
        self.assertEqual(0, count("losses_total"))
        self.assertEqual(0, count("repeated_leases_total"))
        for losses in (1, 2):
            ps_1.kill()
            ps_1.wait()
            self.wait(lambda: count("losses_total") == losses, "no loss")
            self.daemon("ebb-ps", "--id", "1", "--state-dir", "ps-1")
            ps_1 = self.daemons[-1][0]
            served()
            trains(count("applied_examples"))
        self.assertEqual(2, count("losses_total"))
        # Of what the server lost, a few items had been in work.
        repeated = count("repeated_leases_total")
        self.assertLess(repeated, 10)
        self.kill_at_work(worker_1)
        self.wait(lambda: count("losses_total") == 3, "no loss of a worker")
        self.wait(lambda: count("repeated_leases_total") > repeated,
                  "no lease again")
        # It held the item that it worked on, and a few that come next.
        self.assertLess(count("repeated_leases_total"), repeated + 10)
        before = count("generation")
        self.ebb("checkpoint", "rollback", "shirts", "--versions-ago", "0")
        self.wait(lambda: count("generation") > before, "no rollback")
        served()
        trains(0)
        self.assertEqual(3, count("losses_total"))
        self.assertLess(count("repeated_leases_total"), repeated + 10)
        self.assertEqual(0, count("moved_partitions_total"))
        self.assertEqual(0, count("taken_over_partitions_total"))
        kinds = [event["kind"] for event in
                 json.loads(self.ebb("events", "--json"))]
        self.assertEqual(2, kinds.count("server_away"))
        self.assertEqual(4, kinds.count("server_up"))
        self.assertEqual(1, kinds.count("worker_lost"))
        self.assertEqual(2, kinds.count("worker_up"))
        self.assertEqual(1, kinds.count("job_rolled_back"))
        self.assertEqual(0, kinds.count("worker_silent"))

    def kill_at_work(self, worker):
        """Kills it when it holds an item that it cannot have ended: the server
        is back before all workers have heard of it, and what a worker pushed
        last counts."""
        def caught():
            os.kill(worker.pid, signal.SIGSTOP)
            items = [len(role["items"]) for role in self.status()["roles"]
                     if role.get("process_id") == worker.pid]
            if items and items[0] > 1:
                return True
            os.kill(worker.pid, signal.SIGCONT)
            return False

        self.wait(caught, "it holds less than two items")
        worker.kill()
        worker.wait()

    def test_a_quiet_run_counts_each_example_and_batch_once(self):
        scheduler, server, worker = self.cluster(shirts(epochs=3))
        self.wait(lambda: self.value(scheduler, "ebb_scheduler_jobs",
                                     state="complete"), "it does not end")
        self.assertEqual(30_000,
                         self.value(worker, "ebb_worker_examples_total"))
        batches = self.value(worker, "ebb_worker_batches_total")
        self.assertEqual(300, batches)
        (partitions,) = [one["partitions"] for one in self.status()["roles"]
                         if one["role"] == "server"]
        self.assertEqual(batches * partitions,
                         self.value(server, "ebb_server_push_segments_total",
                                    verdict="applied"))
        for verdict in ("duplicate", "gap", "overlap"):
            self.assertIn(self.value(server, "ebb_server_push_segments_total",
                                     verdict=verdict), (None, 0), verdict)
        self.assertEqual(batches * partitions,
                         self.status()["jobs"][0]["updates"])
        self.assertEqual(0, self.status()["jobs"][0]["lost_daemons"])
        for role in self.status()["roles"]:
            if role["role"] == "worker":
                self.assertEqual("idle", role["state"])
                self.assertEqual(0, role["examples_per_second"])

    def test_figures_of_evaluations_are_there_until_the_job_ends(self):
        job = shirts(EPOCHS).replace(
            "}}", "}, test: {idx: " + FASHION + "t10k, scale: 1/255}}", 1)
        scheduler, _, _ = self.cluster(job)

        def figures():
            found = self.scrape(scheduler)["ebb_scheduler_job_test_figure"]
            return {sample.labels["figure"]: sample.value
                    for sample in found.samples}

        self.wait(figures, "nothing is evaluated")
        first = figures()
        self.assertLessEqual(
            {"accuracy", "f1", "log_loss", "loss", "baseline_accuracy"},
            set(first))
        self.assertGreater(first["accuracy"], 0.5)
        (evaluated,) = self.status()["jobs"]
        self.assertIn(first["accuracy"],
                      [one["accuracy"] for one in evaluated["evaluations"]])
        epoch = self.value(scheduler, "ebb_scheduler_job_test_epoch")
        self.assertGreaterEqual(epoch, 1)
        self.wait(lambda: self.value(
            scheduler, "ebb_scheduler_job_test_epoch") > epoch,
            "only one evaluation is told")

        self.ebb("cancel", "shirts")
        self.wait(lambda: not figures(), "figures outlive their job")
        self.assertIsNone(
            self.value(scheduler, "ebb_scheduler_job_test_epoch"))

    def test_refusals_are_counted_by_their_reason(self):
        self.ebb("certs", "--folder", "tls")
        tls = lambda role: [
            "--tls-cert", f"tls/{role}.pem", "--tls-key", f"tls/{role}.key",
            "--tls-ca", "tls/ca.pem"]
        scheduler = self.daemon("ebb-scheduler", "--listen", "127.0.0.1:0",
                                "--state-dir", "scheduler", "--address-file",
                                "address", *tls("scheduler"))
        address = self.address("address")
        self.environment["EBB_SCHEDULER"] = address
        self.daemon("ebb-ps", "--id", "0", "--state-dir", "ps", *tls("ps"))
        self.write_job(shirts(EPOCHS))
        client = [*tls("client"), "--token-file", "token"]
        self.ebb("submit", "job.yaml", *client)
        refused = lambda reason: self.value(
            scheduler, "ebb_network_refusals_total", reason=reason)
        for reason in ("handshake", "role", "token"):
            self.assertEqual(0, refused(reason), reason)

        # Three strangers, one viewer that asks for too much, and two commands
        # that do not show the job's token.
        for i in range(3):
            with socket.create_connection(address.rsplit(":", 1)) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                while stranger.recv(1 << 16):
                    pass
        self.wait(lambda: refused("handshake") == 3, "no handshake is refused")
        self.fails("pause", "shirts", *tls("viewer"), "--token-file", "token")
        self.assertEqual(1, refused("role"))
        with open(os.path.join(self.folder, "wrong"), "w") as file:
            file.write("0" * 64)
        for _ in range(2):
            self.fails("pause", "shirts", *tls("client"), "--token-file",
                       "wrong")
        self.assertEqual(2, refused("token"))
        self.assertEqual(3, refused("handshake"))
        self.assertEqual(6, self.value(scheduler,
                                       "ebb_network_refusals_total"))

    def test_partitions_that_move_and_are_taken_over_are_counted(self):
        scheduler = self.daemon("ebb-scheduler", "--listen", "127.0.0.1:0",
                                "--state-dir", "scheduler", "--address-file",
                                "address", "--takeover-after", "1s")
        self.environment["EBB_SCHEDULER"] = self.address("address")
        count = lambda what: self.value(
            scheduler, f"ebb_scheduler_job_{what}", name="shirts")
        os.mkdir(os.path.join(self.folder, "shared"))
        server = lambda i: self.daemon(
            "ebb-ps", "--id", str(i), "--state-dir", f"ps-{i}",
            "--shared-checkpoints", "shared")
        server(0)
        first, _ = self.daemons[-1]
        self.daemon("ebb-worker")
        self.write_job(shirts(
            EPOCHS, "model: {kind: mlp, layers: [784, 64, 10]}\n"
                    "partitions: 4\ncheckpoint: {every: 200ms}\n").replace(
                        "model: softmax\n", ""))
        self.ebb("submit", "job.yaml")
        self.wait(lambda: count("durable_items"), "nothing is stored")
        self.assertEqual(0, count("moved_partitions_total"))

        server(1)
        self.wait(lambda: count("moved_partitions_total") == 2,
                  "two of four partitions do not move")
        self.wait(lambda: count("moving_partitions") == 0, "they move on")
        self.assertEqual(0, count("taken_over_partitions_total"))
        before = count("durable_items")
        self.wait(lambda: count("durable_items") > before, "nothing is stored")
        first.kill()
        first.wait()
        self.wait(lambda: count("taken_over_partitions_total") == 2,
                  "two partitions are not taken over")
        before = count("applied_examples")
        self.wait(lambda: count("applied_examples") > before, "it waits")
        self.assertEqual(2, count("moved_partitions_total"))
        self.assertEqual(2, count("taken_over_partitions_total"))
        self.assertEqual(1, count("losses_total"))

    def test_a_rollback_makes_no_counter_fall(self):
        scheduler, server, worker = self.cluster(
            shirts(EPOCHS, "checkpoint: {every: 200ms}\n"))
        count = lambda what: self.value(
            scheduler, f"ebb_scheduler_job_{what}", name="shirts")
        self.wait(lambda: self.value(server, "ebb_server_versions_total",
                                     result="written") > 4, "no version")
        counters = ("updates_total", "repeated_leases_total", "losses_total",
                    "moved_partitions_total", "taken_over_partitions_total",
                    "staleness_count")
        before = {what: count(what) for what in counters}
        generation = count("generation")
        self.ebb("checkpoint", "rollback", "shirts", "--versions-ago", "2")
        self.wait(lambda: count("generation") > generation, "no rollback")
        self.wait(lambda: self.status()["jobs"][0]["state"] == "running",
                  "it waits")
        applied = count("applied_examples")
        self.wait(lambda: count("applied_examples") > applied, "it waits")
        for what in counters:
            self.assertGreaterEqual(count(what), before[what], what)

    def test_what_a_worker_computes_alone_is_counted(self):
        scheduler, server, worker = self.cluster(shirts(
            EPOCHS, "partitions: 2\ncheckpoint: {every: 100ms}\n"
                    "consistency: {kind: asp, local_steps: 16}\n").replace(
                        "batch: 100", "batch: 100, item_examples: 10000"))
        local = lambda: self.value(worker, "ebb_worker_local_batches_total")
        shares = lambda: self.value(worker, "ebb_worker_local_shares_total")
        taken_back = lambda: self.value(
            worker, "ebb_worker_examples_taken_back_total")
        failed = lambda: self.value(worker, "ebb_worker_failed_calls_total")
        self.wait(lambda: self.value(server, "ebb_server_versions_total",
                                     result="written") > 3, "no version")
        self.assertEqual(0, local())
        self.assertEqual(0, failed())
        ps, _ = self.daemons[1]
        ps.kill()
        ps.wait()
        self.wait(lambda: local() == 16, "it does not go on alone")
        self.assertGreater(failed(), 0)
        self.assertEqual((0, 0), (shares(), taken_back()))

        server = self.daemon("ebb-ps", "--id", "0", "--state-dir", "ps")
        self.wait(lambda: self.value(server, "ebb_server_push_segments_total",
                                     verdict="applied") > 100, "it waits")
        self.assertEqual(16, local())
        with open(self.daemons[2][1].name) as log:
            log = log.read()
        told = re.findall(r"share of (\d+) examples, computed without it: "
                          r"applied by", log)
        self.assertEqual(len(told), shares())
        self.assertGreater(shares(), 0)
        # It lost what came since its last version, in whole batches.
        self.assertEqual(0, taken_back() % 100)

    def test_rows_and_keys_are_counted(self):
        self.ebb("generate", "ratings", "movies", "--users", "200", "--items",
                 "100", "--rows", "10000", "--rank", "3")
        scheduler, server, worker = self.cluster("""
name: shirts
model: {kind: matrix_factorisation, rank: 3}
data: {train: {ratings: movies.train.csv}}
train: {epochs: 2, batch: 500}
optimizer: {kind: adam, rate: 0.03}
partitions: 1
tables: {factors: {cache: {rows: 1000, batches: 4}}}
""", "--shared-memory", "off", "--bulk", "off")
        self.wait(lambda: self.value(scheduler, "ebb_scheduler_jobs",
                                     state="complete"), "it does not end")
        self.assertEqual(40, self.value(worker, "ebb_worker_batches_total"))
        # Factors and biases have a row for each user and item of a batch. The
        # factors are kept; a key has 8 bytes.
        rows = (self.value(worker, "ebb_worker_rows_pulled_total") +
                self.value(worker, "ebb_worker_rows_used_again_total"))
        self.assertGreater(rows, 40 * 100)
        self.assertGreater(
            self.value(worker, "ebb_worker_rows_used_again_total"), 0)
        for port in (server, worker):
            sent = self.value(port, "ebb_network_push_keys_bytes_total")
            named = self.value(port, "ebb_network_push_keys_named_bytes_total")
            self.assertGreater(named, 0)
            self.assertEqual(2 * 8 * rows, sent + named)
            self.assertEqual(
                0, self.value(port, "ebb_network_push_keys_unknown_total"))

    def test_a_quiet_run_counts_calls_bytes_and_versions(self):
        scheduler, server, worker = self.cluster(shirts(
            3, "partitions: 1\ncheckpoint: {every: 300ms, keep: 100}\n"))
        of_job = {}  # The job's series end with it.

        def over():
            for family in self.scrape(scheduler).values():
                for sample in family.samples:
                    if sample.labels.get("name") == "shirts":
                        of_job[sample.name] = sample.value
            return self.value(scheduler, "ebb_scheduler_jobs",
                              state="complete")

        self.wait(over, "it does not end")
        of_server = lambda name, **labels: self.value(
            server, f"ebb_server_{name}", **labels)
        pushes, weights_bytes = 300, 4 * (784 * 10 + 10)
        self.assertEqual(pushes * weights_bytes,
                         of_server("push_bytes_total"))
        self.assertEqual(pushes, of_server("push_seconds_count"))
        self.assertEqual(pushes, of_server("updates"))
        pulls = of_server("pull_segments_total", result="values")
        self.assertEqual(pulls * weights_bytes, of_server("pull_bytes_total"))
        self.assertEqual(of_server("pull_segments_total"),
                         of_server("pull_seconds_count"))
        for waiting in ("pushes", "push_bytes", "pulls"):
            self.assertEqual(0, of_server(f"waiting_{waiting}"), waiting)
        versions = json.loads(self.ebb("checkpoint", "list", "shirts",
                                       "--json"))["versions"]
        self.assertEqual(len(versions),
                         of_server("versions_total", result="written"))
        self.assertEqual(0, of_server("versions_total", result="failed"))
        self.assertEqual(sum(one["bytes"] for one in versions),
                         of_server("version_bytes_total"))
        written = max(one["written_unix_ms"] for one in versions) / 1000
        durable = of_server("last_version_timestamp_seconds") - written
        self.assertTrue(0 <= durable < 5, durable)
        self.assertEqual(0, of_server("store_rescues_total"))
        self.assertEqual(0, of_server("versions_lost_total"))
        updates = of_job["ebb_scheduler_job_updates_total"]
        self.assertEqual(updates, of_job["ebb_scheduler_job_staleness_count"])
        self.assertLessEqual(updates, pushes)
        self.assertEqual(0, self.value(worker,
                                       "ebb_worker_failed_calls_total"))

    def test_rescues_of_a_damaged_store_are_counted(self):
        scheduler, server, worker = self.cluster(
            shirts(EPOCHS, "checkpoint: {every: 200ms}\n"))
        database = os.path.join(self.folder, "ps", "db")
        written = lambda: self.value(server, "ebb_server_versions_total",
                                     result="written")
        rescues = lambda: self.value(server, "ebb_server_store_rescues_total")
        # A damaged manifest is found when the store is opened. The counter
        # covers the process's life.
        for _ in range(2):
            self.wait(lambda: written() > 2, "no version")
            self.assertEqual(0, rescues())
            ps, _ = self.daemons[-1 if len(self.daemons) > 3 else 1]
            ps.kill()
            ps.wait()
            (manifest,) = glob.glob(os.path.join(database, "MANIFEST-*"))
            os.truncate(manifest, os.path.getsize(manifest) // 2)
            server = self.daemon("ebb-ps", "--id", "0", "--state-dir", "ps")
            self.assertEqual(1, rescues())
            self.wait(lambda: written() > 2, "no version after the rescue")
            self.assertEqual(1, rescues())
            ps, _ = self.daemons[-1]
            ps.kill()
            ps.wait()
            server = self.daemon("ebb-ps", "--id", "0", "--state-dir", "ps")
        self.assertEqual(2, len(glob.glob(database + ".damaged-*")))

    def address(self, name):
        path = os.path.join(self.folder, name)
        self.wait(lambda: os.path.exists(path), "no scheduler")
        with open(path) as file:
            return file.read().strip()

    def write_job(self, job):
        with open(os.path.join(self.folder, "job.yaml"), "w") as file:
            file.write(job)

    def fails(self, *words):
        done = subprocess.run(
            [os.path.join(BIN, "ebb"), *words], cwd=self.folder,
            env=self.environment, capture_output=True, timeout=LIMIT_S)
        self.assertNotEqual(0, done.returncode, words)

    def ebb(self, *words):
        return subprocess.run(
            [os.path.join(BIN, "ebb"), *words], cwd=self.folder, check=True,
            env=self.environment, stdout=subprocess.PIPE, text=True,
            timeout=LIMIT_S).stdout

    def status(self):
        return json.loads(self.ebb("status", "--json"))

    def test_alerts_and_dashboard_ask_for_what_there_is(self):
        folder = os.path.join(SOURCE, "deploy", "monitoring")
        with open(os.path.join(folder, "alerts.yaml")) as file:
            alerts = yaml.safe_load(file)
        with open(os.path.join(folder, "dashboard.json")) as file:
            dashboard = json.load(file)
        asked = [rule["expr"] for group in alerts["groups"]
                 for rule in group["rules"]]
        asked += [target["expr"] for panel in dashboard["panels"]
                  for target in panel["targets"]]
        self.assertGreater(len(asked), 10)

        names = documented()
        for expression in asked:
            found = re.findall(r"\b(?:ebb|process)_[a-z0-9_]+", expression)
            self.assertTrue(found, expression)
            for name in found:
                self.assertIn(re.sub(r"_(total|bucket|count|sum)$", "", name),
                              names, expression)
        for group in alerts["groups"]:
            for rule in group["rules"]:
                self.assertIn(rule["labels"]["severity"],
                              ("warning", "critical"), rule)
                self.assertIn("summary", rule["annotations"], rule)

    def test_only_who_is_asked_to_serves_metrics(self):
        address = os.path.join(self.folder, "address")
        log = open(os.path.join(self.folder, "log"), "w")
        daemon = subprocess.Popen(
            [os.path.join(BIN, "ebb-scheduler"), "--listen", "127.0.0.1:0",
             "--state-dir", "scheduler", "--address-file", "address"],
            cwd=self.folder, stderr=log)
        self.daemons.append((daemon, log))
        self.wait(lambda: os.path.exists(address), "no scheduler")

        with open(os.path.join(self.folder, "log")) as file:
            self.assertNotIn("metrics at", file.read())

    def test_a_taken_port_is_named(self):
        port = self.daemon("ebb-scheduler", "--listen", "127.0.0.1:0",
                           "--state-dir", "scheduler")
        second = subprocess.run(
            [os.path.join(BIN, "ebb-scheduler"), "--listen", "127.0.0.1:0",
             "--state-dir", "second", "--metrics-port", str(port)],
            cwd=self.folder, capture_output=True, text=True, timeout=LIMIT_S)

        self.assertEqual(2, second.returncode, second.stderr)
        self.assertIn("--metrics-port", second.stderr)


if __name__ == "__main__":
    unittest.main()
