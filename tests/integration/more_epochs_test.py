#!/usr/bin/env python3
"""`ebb run --resume` with another job: more epochs of a run that was complete,
or was interrupted, are exact over all of them; what may not change is refused
by name.

  more_epochs_test.py BIN_FOLDER
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 120
ROWS = 2000


def job(consistency="asp", optimizer="{kind: sgd, rate: 0.001}"):
    return f"""
name: lines
model: softmax
data: {{train: {{csv: lines.csv}}, test: {{csv: lines.csv}}}}
train: {{epochs: 3, batch: 40, item_examples: 200}}
optimizer: {optimizer}
consistency: {consistency}
checkpoint: {{every: 200ms}}
evaluate: {{every: 1 epoch}}
oracle: {{width: 4}}
partitions: 3
"""


class MoreEpochsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_more_epochs_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ)
        self.environment.pop("EBB_RUN", None)
        self.write_job(job())
        with open(self.path("lines.csv"), "w") as file:
            # The class follows from the first column: each epoch learns more.
            file.writelines(f"{i % 7},{i % 11},{i % 5},{i % 7 // 3}\n"
                            for i in range(ROWS))

    def path(self, name):
        return os.path.join(self.folder, name)

    def write_job(self, text):
        with open(self.path("job.yaml"), "w") as file:
            file.write(text)

    def start(self, *words):
        return subprocess.Popen(
            [os.path.join(BIN, "ebb"), "run", "job.yaml", "--run-dir", "run",
             *words], cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def ebb(self, code, *words):
        process = self.start(*words)
        self.addCleanup(process.kill)
        said, _ = process.communicate(timeout=LIMIT_S)
        self.assertEqual(process.returncode, code, said)
        return said

    def applied(self):
        """Of the run's last sample."""
        csv = self.path("run/metrics.csv")
        if not os.path.exists(csv):
            return 0
        with open(csv) as file:
            lines = file.readlines()[1:]
        return int(lines[-1].split(",")[2]) if lines else 0

    def exact(self, epochs):
        with open(self.path("run/report.json")) as file:
            report = json.load(file)
        audit = report["audit"]
        self.assertTrue(report["passed"] and audit["exact"], report)
        self.assertTrue(audit["oracle_exact"], audit)
        self.assertEqual(audit["applied"], ROWS * epochs)
        self.assertEqual([one["epoch"] for one in report["evaluations"]],
                         list(range(1, epochs + 1)))
        return report

    def test_a_complete_run_goes_on_to_more_epochs(self):
        self.ebb(0)
        first = self.exact(3)
        said = self.ebb(0, "--resume", "--epochs", "6")
        self.assertIn("6 epochs", said)
        second = self.exact(6)
        # What was evaluated before is as it was.
        self.assertEqual([one["loss"] for one in first["evaluations"]],
                         [one["loss"] for one in second["evaluations"][:3]])
        self.assertLess(second["evaluations"][5]["loss"],
                        first["evaluations"][2]["loss"])
        # It is complete now, with six.
        self.assertIn("the run is complete", self.ebb(0, "--resume",
                                                      "--epochs", "6"))
        self.assertIn("has 6 epochs, and cannot go on with 3",
                      self.ebb(2, "--resume"))
        # And once more.
        self.ebb(0, "--resume", "--epochs", "7")
        self.exact(7)

    # Bug: the number that the data chooses was taken for what the user wants,
    # and refused.
    def test_a_run_keeps_epochs_that_the_job_file_leaves_open(self):
        self.write_job(job().replace("epochs: 3, ", ""))
        self.ebb(0, "--set", "evaluate.every=5 epochs")
        with open(self.path("run/report.json")) as file:
            chosen = json.load(file)["epochs"]
        self.ebb(0, "--resume", "--epochs", str(chosen + 2), "--set",
                 "evaluate.every=5 epochs")
        said = self.ebb(0, "--resume", "--set", "evaluate.every=5 epochs")
        self.assertIn("the run is complete", said)
        self.assertEqual(self.applied(), ROWS * (chosen + 2))

    # Bug: it went on to as many as the data suggests.
    def test_a_run_with_fewer_epochs_than_the_data_suggests_keeps_them(self):
        self.write_job(job().replace("epochs: 3, ", ""))
        self.ebb(0, "--epochs", "2")
        self.exact(2)
        self.assertIn("the run is complete", self.ebb(0, "--resume"))
        self.exact(2)

    # Bug: a cluster was started to find it out, and wrote and deleted versions.
    def test_versions_that_are_not_there_are_refused_before_anything_starts(
            self):
        self.ebb(0)
        before = self.versions()
        self.assertGreater(len(before), 0)
        self.assertIn("is so old", self.ebb(
            2, "--resume", "--epochs", "6", "--versions-ago", "500"))
        self.assertEqual(self.versions(), before)

    def versions(self):
        listed = subprocess.run(
            [os.path.join(BIN, "ebb"), "checkpoint", "list", "run", "--json"],
            cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, check=True)
        return json.loads(listed.stdout)

    def test_rounds_and_slots_go_on_too(self):
        for consistency in ("{kind: rounds, examples: 400}", "ssp"):
            self.write_job(job(consistency, "{kind: adam, rate: 0.01}"))
            self.ebb(0)
            self.exact(3)
            self.ebb(0, "--resume", "--epochs", "5", "--set",
                     "optimizer.rate=0.002")
            self.exact(5)
            shutil.rmtree(self.path("run"))

    def test_daemons_that_die_meanwhile_change_nothing(self):
        self.ebb(0)
        # 150 batches on 3 workers take 5 s, and a daemon of each role dies in
        # the first 3.
        self.environment["EBB_BATCH_TIME"] = "100ms"
        self.ebb(0, "--resume", "--epochs", "6", "--kill-every", "1",
                 "--workers", "3")
        self.assertGreaterEqual(len(self.exact(6)["kills"]), 3)

    def test_an_interrupted_run_goes_on_to_more_epochs(self):
        self.environment["EBB_BATCH_TIME"] = "20ms"
        run = self.start()
        self.addCleanup(run.kill)
        limit = time.monotonic() + LIMIT_S
        while self.applied() <= ROWS:
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        said, _ = run.communicate(timeout=LIMIT_S)
        self.assertEqual(run.returncode, 130, said)
        self.environment.pop("EBB_BATCH_TIME")
        # Bug: such a model was taken home without a word.
        for more, front in ([], "ebb: "), (["--incomplete"], "warning: "):
            exported = subprocess.run(
                [os.path.join(BIN, "ebb"), "checkpoint", "export", "run", "-o",
                 "model.safetensors", *more], cwd=self.folder,
                env=self.environment, text=True, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            self.assertRegex(exported.stdout,
                             front + r"the job is not complete: "
                             r"[0-9,]+ of 6,000 examples are in this model")
            self.assertEqual(exported.returncode, 0 if more else 1)
        self.ebb(0, "--resume", "--epochs", "4")
        self.exact(4)

    def test_what_may_not_change_is_refused_by_name(self):
        self.ebb(0)
        for change, key in (("train.batch=50", "train.batch"),
                            ("train.item_examples=100", "train.item_examples"),
                            ("seed=7", "seed"),
                            ("partitions=4", "partitions"),
                            ("optimizer=adam", "optimizer.kind"),
                            ("consistency=ssp", "consistency.kind")):
            said = self.ebb(2, "--resume", "--epochs", "6", "--set", change)
            self.assertIn("is of another job: ", said)
            self.assertIn(key, said.split("cannot change")[0], said)
        self.assertIn("has 3 epochs, and cannot go on with 2",
                      self.ebb(2, "--resume", "--epochs", "2"))
        self.exact(3)
        self.assertIn("the run is complete", self.ebb(0, "--resume"))

    def test_an_lbfgs_job_is_not_changed(self):
        self.write_job(job("{kind: rounds, examples: epoch}").replace(
            "optimizer: {kind: sgd, rate: 0.001}", "algorithm: lbfgs"))
        self.ebb(0)
        first = self.exact(3)
        for words, key in ((("--epochs", "6"), "train.epochs"),
                           (("--set", "checkpoint.every=1s"),
                            "checkpoint.every"),
                           (("--set", "priority=3"), "priority")):
            said = self.ebb(2, "--resume", *words)
            self.assertIn(f"is of another job: {key} is another, and nothing "
                          "of a job with `algorithm: lbfgs` can change", said)
            self.assertNotIn("examples ×", said)  # Nothing was started.
        self.assertIn("the run is complete", self.ebb(0, "--resume"))
        self.assertEqual(first["evaluations"], self.exact(3)["evaluations"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
