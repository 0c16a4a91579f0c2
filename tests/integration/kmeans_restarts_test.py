#!/usr/bin/env python3
"""Restarts of K-Means as tasks, on real processes. The model is the run with the
least inertia. All runs are functions of the seed and the data, to the bit,
however many workers there were and whatever was killed.

  kmeans_restarts_test.py BIN_FOLDER [TEST...]
"""
import csv
import json
import os
import random
import sys
import unittest

from exported import read_tensors
from job_test_case import JobTestCase, deaths

try:
    from sklearn.cluster import KMeans
    from sklearn.datasets import load_digits
except ImportError:
    KMeans = None

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"

ROWS, TEST_ROWS, CLUSTERS, FEATURES, RUNS = 1_200, 100, 8, 5, 12
JOB = f"""
name: blobs
model: {{kind: kmeans, clusters: {CLUSTERS}, restarts: {RUNS}}}
data: {{train: {{csv: blobs.csv}}, test: {{csv: test.csv}}}}
algorithm: {{tolerance: 0, max_rounds: 50}}
partitions: 3
checkpoint: {{every: 200ms}}
oracle: {{width: 2}}
"""


def write_rows(path, rows):
    with open(path, "w") as file:
        for row in rows:
            file.write(",".join(map(str, row)) + ",0\n")


def nearest(row, centroids):
    return min((sum((a - b) ** 2 for a, b in zip(row, one)), k)
               for k, one in enumerate(centroids))


class RestartsTest(JobTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        cls.make_data({"blobs.yaml": JOB, "deaths.yaml": deaths("150ms")})
        draw = random.Random(4)
        # More heaps than clusters, so that runs end in different places.
        centres = [[draw.uniform(0, 9) for _ in range(FEATURES)]
                   for _ in range(2 * CLUSTERS)]
        rows = [[round(draw.gauss(c, 1), 3) for c in centres[i % len(centres)]]
                for i in range(ROWS + TEST_ROWS)]
        cls.rows, cls.test = rows[:ROWS], rows[ROWS:]
        write_rows(os.path.join(cls.data, "blobs.csv"), cls.rows)
        write_rows(os.path.join(cls.data, "test.csv"), cls.test)

    def run_job(self, *more, command="run"):
        """The folder, the report, and what was printed, of a run of the job."""
        folder = self.copy_of_data()
        report, said = self.run_to_the_end(folder, "blobs.yaml", *more,
                                           command=command)
        self.export(folder)
        return folder, report, said

    def runs_of(self, report):
        """Returns what all runs came to, to the bit."""
        return [(one["number"], one["inertia"], one["rounds"])
                for one in report["runs"]["all"]]

    def test_the_best_run_is_the_model(self):
        folder, report, said = self.run_job()
        self.assertEqual(report["audit"]["expected"], RUNS)
        runs = report["runs"]
        self.assertEqual(runs["done"], RUNS)
        self.assertEqual([one["number"] for one in runs["all"]],
                         list(range(RUNS)))
        least = min(one["inertia"] for one in runs["all"])
        self.assertGreater(max(one["inertia"] for one in runs["all"]),
                           1.001 * least)
        self.assertEqual(runs["best"], next(
            one for one in runs["all"] if one["inertia"] == least))
        self.assertEqual(report["inertia"], least)
        self.assertIn(f"of run {runs['best']['number']} after", said)
        self.assertIn(f"{RUNS} runs done", said)
        self.assertIn(f"blobs: {RUNS} Lloyd runs, ", said)
        # It is the inertia of the exported centroids.
        tensors = read_tensors(os.path.join(folder, "model.safetensors"))
        self.assertEqual(sorted(tensors), ["centroids", "sizes"])
        centroids = tensors["centroids"].rows()
        found = [nearest(row, centroids) for row in self.rows]
        self.assertAlmostEqual(sum(d for d, _ in found) / least, 1, delta=1e-5)
        clusters = [k for _, k in found]
        self.assertEqual(tensors["sizes"].values(),
                         [clusters.count(k) for k in range(CLUSTERS)])
        test = [nearest(row, centroids) for row in self.test]
        self.assertAlmostEqual(
            report["loss"] * TEST_ROWS / sum(d for d, _ in test), 1, delta=1e-5)
        # By the file, and by the run's folder.
        for model in ("model.safetensors", "run"):
            told = self.run_ebb(folder, "predict", model, "test.csv",
                                "--labelled").splitlines()
            told = told[told.index("prediction"):]  # A warning goes before.
            self.assertEqual([int(row["prediction"])
                              for row in csv.DictReader(told)],
                             [k for _, k in test])

    def test_is_the_same_whatever_dies_and_however_many_workers(self):
        folder, quiet, _ = self.run_job("--workers", "1")
        values = read_tensors(os.path.join(folder, "model.safetensors"))
        for command, more in (
                ("run", ["--workers", "3"]),
                ("chaos", ["--workers", "2", "--scenario", "deaths.yaml"])):
            with self.subTest(command=command):
                folder, report, _ = self.run_job(*more, command=command)
                self.assertEqual(values, read_tensors(
                    os.path.join(folder, "model.safetensors")))
                self.assertEqual(self.runs_of(report), self.runs_of(quiet))
                self.assertEqual(report["loss"], quiet["loss"])
                if command == "chaos":
                    self.assertEqual(report["restarts"]["total"], 3)

    def test_a_run_that_was_stopped_goes_on(self):
        _, quiet, _ = self.run_job()
        folder, report, _ = self.run_job()
        facts = os.path.join(folder, "run", "run")
        with open(facts) as file:
            text = file.read()
        with open(facts, "w") as file:
            file.write(text.replace("complete 1", "complete 0"))
        self.run_ebb(folder, "run", "blobs.yaml", "--resume", "--run-dir",
                     "run", "--report", "again.json")
        with open(os.path.join(folder, "again.json")) as file:
            again = json.load(file)
        self.assertTrue(again["audit"]["exact"])
        self.assertEqual(self.runs_of(again), self.runs_of(report))
        self.assertEqual(self.runs_of(again), self.runs_of(quiet))

    def test_sparse_rows_and_other_seedings(self):
        folder = self.copy_of_data()
        with open(os.path.join(folder, "rows.libsvm"), "w") as file:
            for row in self.rows:
                file.write(" ".join(["0"] + [
                    f"{i + 1}:{x}" for i, x in enumerate(row)]) + "\n")
        job = JOB.replace("csv: blobs.csv", "libsvm: rows.libsvm").replace(
            ", test: {csv: test.csv}", "")
        with open(os.path.join(folder, "sparse.yaml"), "w") as file:
            file.write(job)
        sparse, _ = self.run_to_the_end(folder, "sparse.yaml")
        _, dense, _ = self.run_job()
        self.assertAlmostEqual(sparse["inertia"] / dense["inertia"], 1,
                               delta=1e-3)
        _, parallel, _ = self.run_job("--set", "model.seeding=parallel")
        self.assertAlmostEqual(parallel["inertia"] / dense["inertia"], 1,
                               delta=0.05)
        self.assertNotEqual(self.runs_of(parallel), self.runs_of(dense))
        _, scaled, _ = self.run_job("--set", "data.standardise=true")
        self.assertLess(scaled["inertia"], ROWS * FEATURES)

    @unittest.skipIf(KMeans is None, "there is no scikit-learn")
    def test_is_as_good_as_scikit_learn(self):
        digits = load_digits().data
        folder = self.new_folder()
        write_rows(os.path.join(folder, "digits.csv"),
                   digits.astype(int).tolist())
        with open(os.path.join(folder, "digits.yaml"), "w") as file:
            file.write("model: {kind: kmeans, clusters: 10, restarts: 10}\n"
                       "data: {train: {csv: digits.csv}}\n")
        report, _ = self.run_to_the_end(folder, "digits.yaml")
        theirs = KMeans(10, n_init=10, random_state=1).fit(digits).inertia_
        self.assertLess(report["inertia"], 1.005 * theirs)

    def test_bad_input_is_refused(self):
        for settings, said in (
                (["model.restarts=0"], "must be at least 1"),
                (["model.restarts=100001"], "must be at most 100000"),
                (["model.clusters=2000"],
                 "2000 clusters are more than the 1200"),
                (["algorithm.kind=mini_batch"], "mini_batch has none"),
                (["model.initial=first.safetensors"],
                 "each restart chooses centroids of its own"),
                (["train.epochs=3"], "each task is computed once"),
                (["consistency=bsp"], "do not depend on one another")):
            with self.subTest(settings=settings):
                sets = [word for one in settings for word in ("--set", one)]
                if "mini_batch" in settings[0]:
                    sets += ["--set", "algorithm={kind: mini_batch}"]
                self.assertIn(said, self.run_ebb(
                    self.data, "job", "check", "blobs.yaml", *sets, rc=2))


if __name__ == "__main__":
    unittest.main()
