#!/usr/bin/env python3
"""What the daemons tell monitoring systems while a job trains: it is what the
format's own parser reads, docs/metrics.md names all of it and nothing else, and
the alerts and the dashboard of deploy/monitoring ask for nothing else.

  metrics_test.py BIN_FOLDER SOURCE_FOLDER
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import yaml
from prometheus_client.openmetrics import parser

from shirts import shirts

SOURCE = os.path.abspath(sys.argv.pop(2)) if len(sys.argv) > 2 else "."
BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 60

# Longer than a test looks.
EPOCHS = 500

# As of the format and of Prometheus' conventions.
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

    def cluster(self, job=shirts(EPOCHS)):
        """The ports of a scheduler, a server and a worker that train."""
        address = os.path.join(self.folder, "address")
        scheduler = self.daemon("ebb-scheduler", "--listen", "127.0.0.1:0",
                                "--state-dir", "scheduler", "--address-file",
                                "address")
        self.wait(lambda: os.path.exists(address), "no scheduler")
        with open(address) as file:
            self.environment["EBB_SCHEDULER"] = file.read().strip()
        server = self.daemon("ebb-ps", "--id", "0", "--state-dir", "ps")
        worker = self.daemon("ebb-worker")
        with open(os.path.join(self.folder, "job.yaml"), "w") as file:
            file.write(job)
        subprocess.run([os.path.join(BIN, "ebb"), "submit", "job.yaml"],
                       cwd=self.folder, env=self.environment, check=True,
                       stdout=subprocess.DEVNULL, timeout=LIMIT_S)
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
        address = os.path.join(self.folder, "address")
        scheduler = self.daemon("ebb-scheduler", "--listen", "127.0.0.1:0",
                                "--state-dir", "scheduler", "--min-servers",
                                "2", "--address-file", "address")
        self.wait(lambda: os.path.exists(address), "no scheduler")
        with open(address) as file:
            self.environment["EBB_SCHEDULER"] = file.read().strip()
        for i in "01":
            self.daemon("ebb-ps", "--id", i, "--state-dir", f"ps-{i}")
        for i in "01":
            self.daemon("ebb-worker", "--name", f"worker-{i}")
        _, _, ps_1, _, worker_1 = [one for one, _ in self.daemons]
        with open(os.path.join(self.folder, "job.yaml"), "w") as file:
            file.write(shirts(
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
        worker_1.kill()
        worker_1.wait()
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
