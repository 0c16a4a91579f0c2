#!/usr/bin/env python3
"""`ebb sweep`, on real processes: each trial is one job, whatever was killed.

  sweep_test.py BIN_FOLDER [TEST...]
"""
import csv
import json
import os
import subprocess
import sys
import time
import unittest

from daemons import wait_until
from sweep_test_case import SweepTestCase, points

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"

SWEEP = """
name: points
model: logistic
data: {train: {csv: train.csv}, test: {csv: test.csv}}
train: {epochs: 4, batch: 32}
consistency: rounds
sweep:
  seed: 5
  parallel: 2
  budget: {trials: 8}
  metric: loss
  space:
    optimizer.kind: [sgd, adam]
    optimizer.rate: {log: [0.001, 1]}
    optimizer.beta1: {values: [0.5, 0.9], when: {optimizer.kind: adam}}
"""


EXAMPLES = 450


class SweepTest(SweepTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        cls.make_data({"train.csv": points(EXAMPLES), "test.csv": points(200),
                       "sweep.yaml": SWEEP})

    def check_counted_once(self, folder, count, unwatched=0):
        """At most `unwatched` trials trained while no sweep looked."""
        trials = self.trials(folder)
        self.assertEqual([one["trial"] for one in trials], list(range(count)))
        self.assertEqual(len({one["job"] for one in trials}), count)
        for one in trials:
            self.assertNotEqual(one["state"], "running", trials)
            if one["state"] == "complete":
                self.assertEqual(one["examples"], 4 * EXAMPLES, one)
        # Bug: the last trial had no time.
        times = [one["seconds"] for one in trials]
        self.assertLessEqual(times.count(None), unwatched, trials)
        known = [seconds for seconds in times if seconds is not None]
        self.assertGreater(min(known), 0, trials)
        return trials

    def test_the_same_seed_gives_the_same_trials(self):
        chosen = []
        for _ in range(2):
            folder = self.copy_of_data()
            process = self.start(folder)
            self.assertEqual(process.wait(self.limit_s), 0, self.said(folder))
            trials = self.check_counted_once(folder, 8)
            chosen.append([one["set"] for one in trials])
            self.assertTrue(all(one["state"] == "complete" for one in trials))
        self.assertEqual(chosen[0], chosen[1])
        for one in chosen[0]:
            self.assertEqual("optimizer.beta1" in one,
                             one["optimizer.kind"] == "adam")

    def test_every_trial_counts_once_whatever_is_killed(self):
        folder = self.copy_of_data()
        began = time.monotonic()
        process = self.start(folder, batch_time="10ms")
        self.wait_for_trials(process, folder, 1)
        process.kill()  # The daemons end with it.
        process.wait()
        alive = time.monotonic() - began
        known = {one["trial"]: one["seconds"] for one in self.trials(folder)
                 if one["state"] == "complete"}
        before = {one["trial"]: (one["job"], one["set"])
                  for one in self.trials(folder)}
        # Nothing trains meanwhile.
        dead = time.monotonic() + 2 * alive
        wait_until(lambda: time.monotonic() > dead, lambda: "", self.limit_s,
                   0.05)
        began = time.monotonic()
        process = self.start(folder, "--resume", batch_time="10ms")
        self.wait_for_trials(process, folder, 3)
        self.kill_scheduler(process)
        self.assertEqual(process.wait(self.limit_s), 0, self.said(folder))
        alive += time.monotonic() - began
        self.assertIn("scheduler ended without being told to",
                      self.said(folder))
        trials = self.check_counted_once(folder, 8)
        # Bug: the time for which the sweep was dead counted.
        for number, seconds in known.items():
            self.assertEqual(trials[number]["seconds"], seconds)
        for one in trials:
            self.assertLess(one["seconds"], alive, trials)
        with open(os.path.join(folder, "run/trials.csv")) as file:
            rows = [*csv.DictReader(file)]
        self.assertEqual([float(row["seconds"]) for row in rows],
                         [one["seconds"] for one in trials])
        for number, (job, choices) in before.items():
            self.assertEqual(trials[number]["job"], job)
            self.assertEqual(trials[number]["set"], choices)

    def test_tpe_with_halving_whatever_is_killed(self):
        folder = self.copy_of_data()
        with open(os.path.join(folder, "sweep.yaml"), "w") as file:
            file.write(SWEEP.replace("seed: 5", "method: tpe")
                       .replace("trials: 8", "trials: 14") +
                       "  halving: {first: 1, factor: 2}\n")
        process = self.start(folder, batch_time="10ms")
        for count in [1, 4]:
            self.wait_for_trials(process, folder, count)
            process.kill()
            process.wait()
            process = self.start(folder, "--resume", batch_time="10ms")
        # From 10 results on the model chooses.
        self.wait_for_trials(process, folder, 11)
        self.kill_scheduler(process)
        self.assertEqual(process.wait(self.limit_s), 0, self.said(folder))
        # Two trials at once may end between their begin and a kill of the sweep.
        trials = self.check_counted_once(folder, 14, unwatched=4)
        why = [one["why"] for one in trials if one["state"] == "stopped"]
        self.assertTrue(why, trials)
        for one in why:
            self.assertIn("stopped by halving at epoch", one)
        done = {one["trial"]: one["value"] for one in trials
                if one["state"] == "complete"}
        with open(os.path.join(folder, "run/trials.json")) as file:
            self.assertEqual(json.load(file)["best"], min(done, key=done.get))

    def test_halving_stops_trials(self):
        folder = self.copy_of_data()
        with open(os.path.join(folder, "sweep.yaml"), "a") as file:
            file.write("  halving: {first: 1, factor: 2}\n")
        process = self.start(folder, batch_time="10ms")
        self.assertEqual(process.wait(self.limit_s), 0, self.said(folder))
        trials = self.check_counted_once(folder, 8)
        stopped = [one for one in trials if one["state"] == "stopped"]
        self.assertTrue(stopped, trials)
        for one in stopped:
            self.assertIn("stopped by halving at epoch", one["why"])
            # On a busy machine a trial trains on until the sweep looks.
            self.assertLessEqual(one["examples"], 4 * EXAMPLES, one)

    def test_the_best_trial_trains_again(self):
        folder = self.copy_of_data()
        process = self.start(folder)
        self.assertEqual(process.wait(self.limit_s), 0, self.said(folder))
        best = subprocess.run(
            [os.path.join(BIN, "ebb"), "sweep", "best", "run"], cwd=folder,
            check=True, capture_output=True)
        # Bug: it had the name and the header of the trial, so that a cluster
        # that has the trial refused it.
        self.assertIn(b"name: points\n", best.stdout)
        self.assertNotIn(b"# set ", best.stdout)
        trained = subprocess.run(
            [os.path.join(BIN, "ebb"), "run", "-", "--run-dir", "again",
             "--report", "report.json"], cwd=folder, input=best.stdout,
            timeout=self.limit_s, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.assertEqual(trained.returncode, 0, trained.stdout)
        with open(os.path.join(folder, "report.json")) as file:
            report = json.load(file)
        with open(os.path.join(folder, "run/trials.csv")) as file:
            ranked = {row["rank"]: row for row in csv.DictReader(file)}
        # Rounds give the same values each time.
        self.assertAlmostEqual(report["test"]["loss"],
                               float(ranked["1"]["loss"]), delta=1e-6)
        with open(os.path.join(folder, "run/sweep.html")) as file:
            page = file.read()
        for part in ["Choices and results", "loss by optimizer.rate",
                     "loss by epoch"]:
            self.assertIn(part, page)

    def test_the_same_command_goes_on_on_a_cluster(self):
        folder = self.copy_of_data()
        owner = self.start(folder, batch_time="50ms")
        self.wait_for_trials(owner, folder, 1)
        with open(os.path.join(folder, "run/scheduler.address")) as file:
            address = file.read().strip()
        for _ in range(2):
            said = os.path.join(folder, "again")
            with open(said, "w") as output:
                process = subprocess.Popen(
                    [os.path.join(BIN, "ebb"), "sweep", "sweep.yaml",
                     "--scheduler", address, "--run-dir", "other"],
                    cwd=folder, stdout=output, stderr=subprocess.STDOUT)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)

            def text():
                with open(said) as file:
                    return file.read()

            def looks():
                self.assertIsNone(process.poll(), text())
                return "trial 0 complete" in text()
            wait_until(looks, text, self.limit_s, 0.05)
            process.terminate()
            self.assertEqual(process.wait(self.limit_s), 130, text())
        owner.terminate()
        self.assertEqual(owner.wait(self.limit_s), 130, self.said(folder))

    def test_a_sweep_of_a_cluster_with_tls(self):
        folder = self.copy_of_data()
        home = self.new_folder()
        address = os.path.join(folder, "owner/scheduler.address")
        environment = dict(os.environ, HOME=home, XDG_STATE_HOME="",
                           EBB_BATCH_TIME="5ms")
        with open(os.path.join(folder, "owner.yaml"), "w") as file:
            file.write(SWEEP.split("sweep:")[0].replace("epochs: 4",
                                                        "epochs: 100000"))
        output = open(os.path.join(folder, "output"), "w")
        self.addCleanup(output.close)
        owner = subprocess.Popen(
            [os.path.join(BIN, "ebb"), "run", "owner.yaml", "--tls",
             "--workers", "3", "--servers", "1", "--run-dir", "owner"],
            cwd=folder, env=environment, stdout=output,
            stderr=subprocess.STDOUT)
        self.addCleanup(owner.wait)
        self.addCleanup(owner.kill)

        def there():
            self.assertIsNone(owner.poll(), self.said(folder))
            return os.path.exists(address)
        wait_until(there, lambda: self.said(folder), self.limit_s, 0.05)
        with open(address) as file:
            cluster = ["--scheduler", file.read().strip(),
                       "--tls-cert", "owner/tls/client.pem",
                       "--tls-key", "owner/tls/client.key",
                       "--tls-ca", "owner/tls/ca.pem"]

        def start():
            process = subprocess.Popen(
                [os.path.join(BIN, "ebb"), "sweep", "sweep.yaml",
                 *cluster, "--run-dir", "run"], cwd=folder, env=environment,
                stdout=output, stderr=subprocess.STDOUT)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            return process
        process = start()
        self.wait_for_trials(process, folder, 2)
        process.kill()
        process.wait()
        process = start()
        self.assertEqual(process.wait(self.limit_s), 0, self.said(folder))
        self.check_counted_once(folder, 8, unwatched=2)
        # Each trial has a token of its own, as each submitted job has.
        tokens = os.path.join(home, ".local/state/ebb/tokens")
        self.assertEqual(
            sorted(os.listdir(tokens)),
            sorted(f"{one['job']}.token" for one in self.trials(folder)))

        def best(**variables):
            return subprocess.run(
                [os.path.join(BIN, "ebb"), "sweep", "best", "sweep.yaml",
                 *cluster], cwd=folder, text=True,
                env={**environment, **variables}, capture_output=True,
                timeout=self.limit_s)
        self.assertEqual(best().returncode, 0, best().stderr)
        self.assertIn("name: ", best().stdout)
        # Another user has none.
        refused = best(HOME=folder)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("--token-file", refused.stderr)
        owner.terminate()
        self.assertEqual(owner.wait(self.limit_s), 130, self.said(folder))

    def test_a_program_asks_and_tells(self):
        folder = self.new_folder()
        with open(os.path.join(folder, "study.yaml"), "w") as file:
            file.write("name: mine\nbudget: {trials: 4}\n"
                       "space: {x: {range: [-1, 1]}, kind: [a, b]}\n")

        def ebb(*words, line=""):
            done = subprocess.run(
                [os.path.join(BIN, "ebb"), "sweep", *words], cwd=folder,
                input=line, text=True, timeout=self.limit_s, check=True,
                capture_output=True)
            return json.loads(done.stdout)

        values = []
        while True:
            trial = ebb("ask", "study.yaml", "--request", str(len(values)))
            # The answer was lost.
            self.assertEqual(trial, ebb("ask", "study.yaml", "--request",
                                        str(len(values))))
            if trial["trial"] is None:
                break
            self.assertEqual(trial["trial"], len(values))
            self.assertIn(trial["set"]["kind"], "ab")
            values.append(float(trial["set"]["x"]) ** 2)
            line = json.dumps({"trial": trial["trial"], "value": values[-1]})
            counted = [ebb("tell", "study.yaml", line=line)["counted"]
                       for _ in range(2)]
            self.assertEqual(counted, [True, False])
        self.assertEqual(len(values), 4)
        # Bug: lines after one that is wrong were not read.
        told = subprocess.run(
            [os.path.join(BIN, "ebb"), "sweep", "tell", "study.yaml"],
            cwd=folder, text=True, timeout=self.limit_s, check=False,
            capture_output=True, input='{"trial": 0, "value": 9}\n'
            '{"trial": 77, "value": 9}\n{"trial": 1, "value": 9}\n')
        self.assertEqual(told.returncode, 2, told.stderr)
        answers = [json.loads(line) for line in told.stdout.splitlines()]
        self.assertEqual([answer.get("trial") for answer in answers],
                         [0, None, 1])
        self.assertIn("line 2: trial: nothing asked", answers[1]["error"])
        found = ebb("ask", "study.yaml", "--list")
        self.assertEqual([one["value"] for one in found["trials"]], values)
        self.assertEqual(found["best"], values.index(min(values)))
        best = ebb("best", "study.yaml")
        self.assertEqual(best["trial"], found["best"])
        self.assertEqual(best["value"], min(values))
        self.assertEqual(best["set"], found["trials"][found["best"]]["set"])
        self.assertEqual(best, ebb("best", "study.yaml", "--study",
                                   "mine.study"))
        self.assertIsNone(found["trials"][0]["seconds"])
        said = self.run_ebb(folder, "sweep", "ask", "study.yaml", "--study",
                            "study.yaml", rc=1)
        self.assertIn("study.yaml:1: the line is no JSON object", said)

    def test_mistakes_name_the_file_the_line_and_the_key(self):
        folder = self.copy_of_data()
        with open(os.path.join(folder, "sweep.yaml"), "a") as file:
            file.write("    train.btch: [16, 32]\n")
        said = self.run_ebb(folder, "sweep", "sweep.yaml", rc=2)
        self.assertIn("sweep.yaml:16: sweep.space.train.btch: train has no "
                      "such key\n  hint: train.batch", said)
        self.assertFalse(os.path.exists(os.path.join(folder, "runs")))

    def test_a_value_that_only_the_data_refuses_is_told_first(self):
        """Bug: the first trials were trained, and could not be continued."""
        folder = self.copy_of_data()
        with open(os.path.join(folder, "sweep.yaml"), "w") as file:
            file.write(SWEEP[:SWEEP.index("sweep:")] +
                       "sweep:\n  metric: loss\n  method: grid\n  space:\n"
                       "    freeze: [[weights], [wieghts]]\n"
                       "    optimizer.rate: [0.01, 0.1]\n")
        process = self.start(folder)
        self.assertEqual(process.wait(self.limit_s), 2, self.said(folder))
        said = self.said(folder)
        self.assertIn("a trial cannot begin, with", said)
        self.assertIn("wieghts", said)
        self.assertFalse(os.path.exists(os.path.join(folder, "run")), said)

    def test_a_cluster_that_is_not_there_is_told_at_once(self):
        """Bug: it was waited for, for ever."""
        folder = self.copy_of_data()
        done = subprocess.run(
            [os.path.join(BIN, "ebb"), "sweep", "sweep.yaml", "--scheduler",
             "127.0.0.1:1"], cwd=folder, text=True, capture_output=True,
            timeout=self.limit_s)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no scheduler listens at 127.0.0.1:1", done.stderr)
        self.assertFalse(os.path.exists(os.path.join(folder, "runs")))

    def test_a_complete_sweep_that_goes_on_keeps_its_results(self):
        """Bug: the examples of its trials were 0 then."""
        folder = self.copy_of_data()
        for arguments in (), ("--resume",):
            process = self.start(folder, *arguments)
            self.assertEqual(process.wait(self.limit_s), 0, self.said(folder))
            self.check_counted_once(folder, 8)

    def test_a_folder_that_is_wrong_is_told(self):
        folder = self.copy_of_data()
        # Bug: `ebb sweep --help` was named.
        said = self.run_ebb(folder, "sweep", "best", "--run-dir", "none", rc=2)
        self.assertIn("none: there is no such folder\nhint: `ebb sweep` keeps",
                      said)
        said = self.run_ebb(folder, "sweep", "best", "sweep.yaml", "--study",
                            "none.study", rc=2)
        self.assertIn("none.study: there is no such study\nhint: ", said)
        self.assertFalse(os.path.exists(os.path.join(folder, "none.study")))
        said = self.run_ebb(folder, "sweep", "best", rc=2)
        self.assertIn("SWEEP is required", said)
        said = self.run_ebb(folder, "sweep", "sweep.yaml", "--resume",
                            "--run-dir", "none", rc=2)
        self.assertIn("there is no folder none with a run to go on with", said)
        self.assertFalse(os.path.exists(os.path.join(folder, "none")))
        os.makedirs(os.path.join(folder, "run/state"))
        said = self.run_ebb(folder, "sweep", "sweep.yaml", "--resume",
                            "--run-dir", "run", rc=2)
        self.assertIn("run holds no sweep: it has no trials/", said)
        self.assertEqual(os.listdir(os.path.join(folder, "run")), ["state"])

    # Bug: a cluster was started first, and the hint was `ebb forget`.
    def test_another_space_does_not_go_on_in_the_folder(self):
        folder = self.copy_of_data()
        process = self.start(folder, batch_time="10ms")
        self.wait_for_trials(process, folder, 1)
        process.kill()
        process.wait()
        logs = os.path.join(folder, "run/logs")
        before = {name: os.path.getsize(os.path.join(logs, name))
                  for name in os.listdir(logs)}
        with open(os.path.join(folder, "sweep.yaml"), "w") as file:
            file.write(SWEEP.replace("[0.001, 1]", "[0.001, 2]"))
        said = self.run_ebb(folder, "sweep", "sweep.yaml", "--resume",
                            "--run-dir", "run", rc=2)
        self.assertIn("run holds a sweep of another space, method, seed, "
                      "metric or job\nhint: go on with the same sweep file",
                      said)
        self.assertEqual(
            {name: os.path.getsize(os.path.join(logs, name))
             for name in os.listdir(logs)}, before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
