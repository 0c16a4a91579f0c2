#!/usr/bin/env python3
"""Jobs that begin from another job's model (start) and keep a part of it
(freeze). What is frozen keeps its bits under every rule and every kill. It is
not pushed and has no slots. What does not fit is named.

  transfer_test.py BIN_FOLDER
"""
import json
import os
import shutil
import sys
import unittest

from daemons import Daemons, wait_until
from job_test_case import OneFolderTestCase, deaths

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
ROWS = 1000
BODY = ["layer1.weights", "layer1.bias", "layer2.weights", "layer2.bias"]
HEAD = ["layer3.weights", "layer3.bias"]


def job(name, classes, more=""):
    return f"""
name: {name}
model: {{kind: mlp, layers: [3, 32, 16, {classes}]}}
data: {{train: {{csv: {classes}.csv}}, test: {{csv: {classes}.csv}}}}
train: {{epochs: 2, batch: 50, item_examples: 250}}
optimizer: adam
evaluate: {{every: 1 epoch}}
checkpoint: {{every: 200ms}}
partitions: 5
oracle: {{width: 4}}
{more}"""


class TransferTest(OneFolderTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        names = ", ".join(BODY)
        files = {
            f"{classes}.csv": "".join(f"{i % 7},{i % 11},{i % 5},{i % classes}\n"
                                      for i in range(ROWS))
            for classes in (2, 3)}
        for name, classes, more in (
                ("first", 3, ""), ("other", 2, ""),
                ("second", 2, f"start: {{from: first, tables: [{names}]}}\n"
                              f"freeze: [{names}]\n")):
            files[name + ".yaml"] = job(name, classes, more)
        cls.make_data(files | {"deaths.yaml": deaths("20ms")})
        cls.ebb("run", "first.yaml", "--run-dir", "first", "--workers", "1")
        cls.first = cls.tensors("first")

    def refused(self, file, *more):
        return self.ebb("job", "check", file, *more, rc=2)

    def train(self, name, *more, command="run"):
        """Trains the head, and returns the whole model with its slots."""
        self.ebb(command, "second.yaml", "--run-dir", name, "--servers", "2",
                 "--workers", "2", *more)
        trained = self.tensors(name, "--with-slots")
        for table in BODY:
            self.assertEqual(trained[table], self.first[table], table)
            self.assertFalse([slot for slot in trained
                              if slot.startswith("slots/") and
                              slot.endswith("/" + table)])
        return trained

    def test_what_is_frozen_keeps_its_bits_and_the_rest_learns(self):
        trained = self.train("plain")
        begun = self.train("still", "--set", "optimizer=sgd", "--set",
                           "optimizer.rate=1e-35")
        for table in HEAD:
            self.assertNotEqual(trained[table], begun[table])
            self.assertIn(f"slots/adam/first_moment/{table}", trained)

    def test_whatever_steps_and_however_it_is_pushed(self):
        for name, more in (
                ("decay", ["optimizer={kind: adamw, weight_decay: 0.1}"]),
                ("penalty", ["model.l2=0.1", "filters.push=int8"]),
                ("sparse", ["filters.push={kind: top_k, share: 0.2}"]),
                ("copies", ["algorithm=aeasgd", "optimizer=sgd"]),
                ("rounds", ["algorithm=local_sgd", "optimizer=sgd",
                            "consistency={kind: rounds, examples: 500}"]),
                ("lbfgs", ["algorithm=lbfgs", "optimizer=sgd",
                           "consistency={kind: rounds, examples: epoch}"])):
            with self.subTest(name):
                self.train(name, *(word for one in more
                                   for word in ("--set", one)))

    def test_kills_change_nothing_of_it(self):
        self.train("killed", "--scenario", "deaths.yaml", "--set",
                   "train.epochs=15", command="chaos")
        self.assertEqual(self.check_deaths("killed")["epochs"], 15)

    def test_frozen_tables_are_not_pushed(self):
        self.train("counted", "--set", "train.epochs=4")
        self.ebb("run", "other.yaml", "--run-dir", "whole", "--servers", "2",
                 "--workers", "2", "--set", "train.epochs=4")
        some = self.pushed_a_batch("second.yaml")
        everything = self.pushed_a_batch("other.yaml")
        self.assertEqual(some, "136 B")
        self.assertEqual(everything, "2.7 KiB")

    def pushed_a_batch(self, file):
        said = self.ebb("job", "check", file)
        (line,) = [line for line in said.splitlines() if " pushed" in line and
                   "a batch" in line]
        return line.split(", ")[1].removesuffix(" pushed")

    def test_a_run_that_goes_on_does_not_read_the_model_again(self):
        run = ["run", "second.yaml", "--run-dir", "on", "--workers", "1",
               "--set", "start.from=copy"]
        shutil.copytree(self.path("first"), self.path("copy"))
        self.ebb(*run)
        shutil.rmtree(self.path("copy"))
        self.ebb(*run, "--resume", "--set", "train.epochs=3")
        self.assertEqual(self.report("on")["epochs"], 3)

    # Bug: a folder of the working directory was taken for it.
    def test_a_command_without_that_job_does_not_take_a_folder(self):
        second = ["second.yaml", "--set", "start.from=job:first"]
        said = self.ebb("run", *second, rc=2)
        self.assertIn("--set: start.from: job:first names a job of a cluster, and "
                      "this command knows no cluster", said)
        self.assertIn("hint: from: first takes the folder", said)
        # No scheduler is named, and none is there.
        self.assertIn("hint: from: first takes the folder",
                      self.refused(*second))
        self.ebb("job", "check", "second.yaml", "--set",
                 "start.from=job:./first")

    def cluster(self):
        """One that is known to all commands of a test, without workers."""
        os.mkdir(self.path("cluster"))
        daemons = Daemons(BIN, self.path("cluster"), self.environment)
        self.addCleanup(daemons.end)
        daemons.start("scheduler", "--listen", "127.0.0.1:0", "--min-servers",
                      "1", "--state-dir", "scheduler", "--address-file",
                      "address")
        address = self.path("cluster", "address")
        wait_until(lambda: os.path.exists(address), "no scheduler",
                   self.limit_s)
        with open(address) as file:
            self.environment["EBB_SCHEDULER"] = file.read().strip()
        self.addCleanup(self.environment.pop, "EBB_SCHEDULER")
        daemons.start("ps-0", "--id", "0", "--scheduler",
                      self.environment["EBB_SCHEDULER"], "--state-dir", "ps-0")

    # Bugs: the folder was taken where a command looked for it first, and
    # nothing said that the job was not complete.
    def test_a_name_is_a_job_of_the_cluster_and_it_is_said_how_far_it_is(self):
        self.ebb("run", "first.yaml", "--run-dir", "night.run",
                 "--shared-checkpoints", "night")
        self.cluster()
        self.ebb("submit", "other.yaml", "--set", "name=night")

        def listed():
            job = self.start_ebb("checkpoint", "list", "night", "--json")
            self.assertEqual(job.returncode, 0, job.stdout)
            stored = json.loads(job.stdout)
            self.assertEqual(stored["job"], "night")
            return {one["partition"] for one in stored["versions"]} >= set(
                range(5))
        wait_until(listed, "no versions", self.limit_s)
        self.assertIn("not exact yet: the job is ",
                      self.ebb("audit", "night", rc=1))
        self.assertIn("exact", self.ebb("audit", "./night"))

        said = self.ebb("job", "check", "other.yaml", "--set",
                        "start=job:night")
        self.assertIn("warning: start: job:night: the job is not complete: 0 "
                      "of 2,000 examples are in this model (stored at ", said)
        # The folder has three classes.
        self.assertIn("tensor layer3.weights of night has the shape (16, 3)",
                      self.refused("other.yaml", "--set", "start=night"))
        said = self.refused("other.yaml", "--set", "start=job:first")
        self.assertIn("there is no job first", said)
        self.assertIn("hint: from: first takes the folder", said)

    def test_what_does_not_fit_is_named(self):
        said = self.refused("other.yaml", "--set", "start=first.safetensors")
        self.assertIn("tensor layer3.weights of first.safetensors has the "
                      "shape (16, 3), the table layer3.weights (16, 2)", said)
        self.assertIn("layer3.bias", said)
        self.assertIn("tables: [" + ", ".join(BODY) + "] takes what fits", said)
        self.assertIn("nothing is left to learn", self.refused(
            "other.yaml", "--set",
            "freeze=[" + ", ".join([*BODY, *HEAD]) + "]"))
        said = self.refused("other.yaml", "--set", "freeze=[layer1.wieghts]")
        self.assertIn("no table layer1.wieghts", said)
        self.assertIn("hint: layer1.weights", said)
        self.assertIn("model.initial", self.refused(
            "second.yaml", "--set", "model.initial=first.safetensors"))
        self.assertIn("clip_norm", self.refused(
            "second.yaml", "--set", "train.clip_norm=1"))
        self.assertIn("job:nothing", self.refused(
            "second.yaml", "--set", "start.from=job:nothing@never"))
        # Nothing trained it, but that may be meant.
        said = self.ebb("job", "check", "other.yaml", "--set",
                        "freeze=[layer1.weights]")
        self.assertIn("begins at random, and stays so", said)


if __name__ == "__main__":
    unittest.main()
