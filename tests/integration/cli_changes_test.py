#!/usr/bin/env python3
"""The commands of `ebb` that change a cluster, and a cluster that changes: jobs
are cancelled, paused and rolled back, data changes, and a server is away.

  cli_changes_test.py BIN_FOLDER
"""
import json
import os
import re
import shutil
import signal
import sys
import unittest

from trained_cluster import IMAGES, TrainedCluster

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"


class ChangesTest(TrainedCluster):
    programs = BIN

    def submit(self, name, *more):
        self.good("submit", "job.yaml", "--set", "name=" + name, *more)

    def state(self, name):
        status = json.loads(self.good("status", "--json"))
        return {job["name"]: job for job in status["jobs"]}[name]

    def test_a_cancelled_job_leaves_its_checkpoints(self):
        self.submit("long", "--epochs", "100000", "--set",
                    "checkpoint.every=100ms")
        self.wait(lambda: self.state("long")["durable_items"] > 0, "no version")
        said = self.good("cancel", "long")
        self.assertRegex(said, r"long \(job \d+\) is cancelled: nothing more")
        self.assertIn("checkpoints stay with the servers", said)
        self.assertEqual(self.state("long")["state"], "cancelled")
        self.assertIn("It is cancelled", self.good("explain", "long"))
        self.good("cancel", "long")  # Again: nothing more.
        self.fails(1, "is cancelled, and cannot be resumed", "resume", "long")
        self.fails(1, "is complete already", "cancel", "shirts")
        self.assertIn("ps-0", self.good("checkpoint", "list", "long"))
        export = ["checkpoint", "export", "long", "-o", "long.safetensors"]
        self.fails(1, "--incomplete takes what is stored now", *export)
        self.assertFalse(os.path.exists(self.path("long.safetensors")))
        self.fails(0, "warning: the job is not complete: ", *export,
                   "--incomplete")
        # Bug: what it was exported from was forgotten.
        self.fails(0, "warning: the job is not complete: ", "predict",
                   "long.safetensors", IMAGES)
        # The cluster is free for others.
        self.submit("next", "--epochs", "1")
        self.wait(lambda: self.state("next")["state"] == "complete", "stuck")

    def versions(self, name):
        listed = json.loads(self.good("checkpoint", "list", name, "--json"))
        of = {}
        for version in listed["versions"]:
            of.setdefault(version["partition"], []).append(version)
        return of

    def test_operators_change_a_job_while_it_trains(self):
        self.submit("busy", "--epochs", "40", "--set",
                    "checkpoint.every=100ms")
        self.assertIn("takes 1 worker at most, before 8 workers",
                      self.good("scale", "busy", "--workers", "1"))
        self.assertTrue(self.state("busy")["workers"]["scaled"])
        self.wait(lambda: self.state("busy")["workers"]["has"] == 1, "two")
        most = min(256, max(16, 8 * len(os.sched_getaffinity(0))))
        self.assertIn(f"starts {most} of them at most, or its --workers",
                      self.good("scale", "busy", "--workers", "20000"))
        self.good("scale", "busy", "--workers", "0")
        self.fails(2, "name --workers N", "scale", "busy")

        self.assertIn("is paused: ", self.good("pause", "busy"))
        self.assertIn("is paused already", self.good("pause", "busy"))
        state = self.state("busy")
        self.assertEqual((state["state"], state["paused_by_operator"],
                          state["workers"]["has"]), ("paused", True, 0))
        self.assertIn("an operator paused it", self.good("explain", "busy"))
        # Its workers are free for others.
        self.submit("urgent", "--epochs", "1", "--set", "priority=10")
        self.wait(lambda: self.state("urgent")["state"] == "complete", "stuck")
        self.assertIn("goes on", self.good("resume", "busy"))
        self.assertIn("is not paused", self.good("resume", "busy"))

        self.wait(lambda: len(self.versions("busy")) == 3 and all(
            len(one) > 1 for one in self.versions("busy").values()), "no two")
        before = self.state("busy")["generation"]
        said = self.good("checkpoint", "rollback", "busy", "--versions-ago",
                         "1")
        self.assertIn("rolls back to the version 1 before the newest: an "
                      "operator said so (ebb checkpoint rollback)", said)
        self.assertGreater(self.state("busy")["generation"], before)
        self.fails(2, "busy has no rounds", "checkpoint", "rollback", "busy",
                   "--to-round", "1")
        self.fails(2, "none of the", "checkpoint", "rollback", "busy", "--to",
                   "240h")
        self.fails(2, "is no time", "checkpoint", "rollback", "busy", "--to",
                   "soon")
        self.fails(2, "name one of", "checkpoint", "rollback", "busy")
        self.fails(2, "--rate-factor", "checkpoint", "rollback", "busy", "--to",
                   "1m", "--rate-factor", "0")

        self.wait(lambda: self.state("busy")["state"] == "complete", "stuck")
        self.assertIn("exact", self.good("audit", "busy"))
        self.assertEqual(self.state("busy")["rate_factor"], 1)
        # A complete job opens again.
        self.good("checkpoint", "rollback", "busy", "--versions-ago", "1",
                  "--rate-factor", "0.5")
        self.wait(lambda: self.state("busy")["state"] == "complete", "stuck")
        said = self.good("audit", "busy")
        self.assertIn("exact", said)
        self.assertIn("it trains at 0.5 times the rate of the job file", said)
        self.assertEqual(self.state("busy")["rate_factor"], 0.5)
        self.assertIn("ebb checkpoint rollback",
                      self.state("busy")["rolled_back"])

    # Bug: while others trained, only its log told of a worker that did not.
    def test_a_worker_whose_data_has_changed_is_named(self):
        rows = "".join(f"{x % 7},{x % 2}\n" for x in range(2000))
        with open(self.path("rows.csv"), "w") as file:
            file.write("x,label\n" + rows)
        with open(self.path("rows.yaml"), "w") as file:
            file.write("name: rows\nmodel: softmax\n"
                       "data: {train: {csv: {path: rows.csv, label: label}}}\n"
                       "train: {epochs: 100000, batch: 50}\n")
        self.good("submit", "rows.yaml")

        def workers():
            computed = self.state("rows")["computed"]
            return {one["worker"] for one in computed if one["examples"] > 0}
        self.wait(lambda: len(workers()) == 2, "not both train")
        with open(self.path("rows.csv"), "a") as file:
            file.write("1,1\n")
        self.daemons["worker-1"].kill()
        self.daemons["worker-1"].wait()
        self.daemons.start("worker-1", "--name", "worker-1")

        def refusals():
            explained = json.loads(self.good("explain", "rows", "--json"))
            return [one for one in explained["reasons"]
                    if one["kind"] == "worker_refuses"]
        self.wait(refusals, "nobody refuses")
        (refusal,) = refusals()
        self.assertEqual(refusal["subject"], "worker-1")
        self.assertRegex(
            refusal["text"], "worker-1 refuses this job: " +
            re.escape(os.path.realpath(self.path("rows.csv"))) + " is not the "
            r"file that was indexed: .*; bring the old file back, .*\. What "
            "to do: mend that; the worker is asked again when it is started "
            "anew")
        for said in (self.good("explain", "rows"), self.good("status")):
            self.assertIn(refusal["text"], said)
        with open(self.path("rows.csv"), "w") as file:
            file.write("x,label\n" + rows)
        self.daemons["worker-1"].kill()
        self.daemons["worker-1"].wait()
        self.daemons.start("worker-1", "--name", "worker-1")
        self.wait(lambda: not refusals() and
                  self.state("rows")["workers"]["has"] == 2, "not both train")
        self.good("cancel", "rows")

    # The newest of several was taken, whatever was meant.
    def test_a_folder_with_several_jobs_asks_which(self):
        self.submit("socks", "--epochs", "1")
        self.wait(lambda: self.state("socks")["state"] == "complete", "stuck")
        ids = {name: str(self.state(name)["id"]) for name in
               ("shirts", "socks")}
        for i in "01":
            shutil.copytree(self.path(f"ps-{i}"), self.path(f"both/ps-{i}"))
        for command in (["checkpoint", "list", "both"],
                        ["checkpoint", "verify", "both"],
                        ["checkpoint", "export", "both", "-o", "b.safetensors"],
                        ["predict", "both", IMAGES]):
            self.fails(2, "Choose with --job NAME or NUMBER: ", *command)
            for name, job in ids.items():
                self.fails(2, f"{name} ({job})", *command)
            self.fails(2, "holds no job hats", *command, "--job", "hats")
        for name, job in ids.items():
            for choice in (name, job):
                listed = self.good("checkpoint", "list", "both", "--json",
                                   "--job", choice)
                self.assertEqual(json.loads(listed)["job"], name)
            self.good("checkpoint", "verify", "both", "--job", name)
            self.assertEqual(
                self.good("predict", "both", IMAGES, "--job", name),
                self.good("predict", name, IMAGES))
        self.fails(2, "there is no folder shirts", "checkpoint", "list",
                   "shirts", "--job", "shirts")

    # A server that was away counted as one that had stored or applied nothing.
    def test_who_did_not_answer_is_said(self):
        self.daemons["ps-1"].kill()
        self.daemons["ps-1"].wait()
        for command in (["list", "shirts"], ["verify", "shirts"],
                        ["export", "shirts", "-o", "part.safetensors"]):
            done = self.ebb("checkpoint", *command)
            self.assertEqual(done.returncode, 1, done)
            self.assertRegex(done.stderr,
                             r"no answer from ps-1 \(partitions? \d")
        self.assertFalse(os.path.exists(self.path("part.safetensors")))
        self.fails(1, "no answer from ps-1", "predict", "shirts", IMAGES)
        # Bug: "complete; nothing waits", and its model was not there.
        self.wait(lambda: "It is complete, but its model is not whole now:"
                  in self.good("explain", "shirts"), "it is said to be whole")
        for command in ("explain", "status"):
            said = self.good(command, "shirts")
            self.assertIn("is complete, but its model is not whole now:", said)
            self.assertRegex(said, r"ps 1, which owns \d of 3 partitions, is "
                             r"away")
            self.assertIn("if that is lost, with an empty one: workers then",
                          said)
        self.assertIn("shirts (", self.good("explain"))
        listed = json.loads(
            self.ebb("checkpoint", "list", "shirts", "--json").stdout)
        stored = {v["partition"] for v in listed["versions"]}
        self.assertEqual([s["server"] for s in listed["no_answer"]], ["ps-1"])
        self.assertEqual(stored | set(listed["no_answer"][0]["partitions"]),
                         {0, 1, 2})
        done = self.ebb("audit", "shirts")
        self.assertEqual((done.returncode, done.stderr), (1, ""), done)
        self.assertRegex(done.stdout, r"no answer from ps-1 \(partitions? \d")
        self.assertIn("NOT KNOWN to be exact", done.stdout)
        audit = json.loads(self.ebb("audit", "shirts", "--json").stdout)
        self.assertFalse(audit["exact"])
        self.assertIsNone(audit["applied"])
        self.assertIsNone(audit["missing"])
        self.assertEqual([s["server"] for s in audit["no_answer"]], ["ps-1"])
        self.assertEqual(len(audit["problems"]), 1)
        self.daemons.start("ps-1", "--id", "1", "--state-dir", "ps-1")
        self.wait(lambda: self.ebb("audit", "shirts").returncode == 0,
                  "it is not back")
        self.lose("ps-1")

    # Bug: untrained models were exported, and predicted with, as if they were
    # the result.
    def lose(self, server):
        for daemon in (server, "worker-0", "worker-1"):
            self.daemons[daemon].kill()
            self.daemons[daemon].wait()
        shutil.rmtree(self.path(server))
        self.daemons.start(server, "--id", server[3:], "--state-dir", server)
        self.wait(lambda: self.job()["marks"]["least"] == 0
                  and self.job()["state"] != "complete", "it is whole still")
        export = ["checkpoint", "export", "shirts", "-o", "lost.safetensors"]
        self.wait(lambda: "the job is not complete: 0 of 20,000 examples"
                  in self.ebb(*export).stderr, "it is not stored yet")
        for command in (export, ["predict", "shirts", IMAGES]):
            self.fails(1, "the job is not complete: 0 of 20,000 examples are "
                       "in this model\nhint: wait until the job is "
                       "complete; --incomplete takes", *command)
        self.assertFalse(os.path.exists(self.path("lost.safetensors")))
        for i in "01":
            self.daemons.start(f"worker-{i}", "--name", f"worker-{i}")
        self.wait(lambda: self.job()["state"] == "complete", "not made up for")
        self.good(*export)


if __name__ == "__main__":
    signal.alarm(280)  # Nothing waits for ever.
    unittest.main(verbosity=2)
