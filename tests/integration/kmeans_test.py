#!/usr/bin/env python3
"""K-Means by Lloyd's rounds, on real processes. Each round has the inertia of a
plain Lloyd that begins with the same centroids, and the job ends by itself. The
centroids are those of an undisturbed run whatever was killed, to the bit.

  kmeans_test.py BIN_FOLDER [TEST...]
"""
import csv
import json
import os
import random
import re
import struct
import sys
import unittest

from exported import read_tensors
from job_test_case import JobTestCase, deaths

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"

ROWS, CLUSTERS, FEATURES, ROUNDS = 1_500, 5, 6, 30
JOB = f"""
name: blobs
model: {{kind: kmeans, clusters: {CLUSTERS}}}
data: {{train: {{csv: blobs.csv}}}}
algorithm: {{tolerance: 0.0001, max_rounds: {ROUNDS}}}
train: {{batch: 50, item_examples: 100}}
partitions: 3
checkpoint: {{every: 200ms}}
oracle: {{width: 2}}
"""


def write_centroids(path, centroids):
    data = struct.pack(f"<{CLUSTERS * FEATURES}f",
                       *(x for row in centroids for x in row))
    header = json.dumps({"centroids": {
        "dtype": "F32", "shape": [CLUSTERS, FEATURES],
        "data_offsets": [0, len(data)]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + data)


def write_rows(path, rows):
    with open(path, "w") as file:
        for i, row in enumerate(rows):
            file.write(",".join(map(str, row)) + f",{i % CLUSTERS}\n")


def npy(rows):
    """A matrix of float32, as NumPy writes it."""
    header = ("{'descr': '<f4', 'fortran_order': False, "
              f"'shape': ({len(rows)}, {len(rows[0])}), }}")
    header += " " * (118 - len(header) - 1) + "\n"
    values = struct.pack(f"<{len(rows) * len(rows[0])}f",
                         *(x for row in rows for x in row))
    return (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) +
            header.encode() + values)


def nearest(row, centroids):
    return min((sum((a - b) ** 2 for a, b in zip(row, one)), k)
               for k, one in enumerate(centroids))


def plain_lloyd(rows, centroids, rounds):
    """The inertia before each round, and the centroids after the last."""
    inertias = []
    for _ in range(rounds):
        inertia, members = 0, [[] for _ in centroids]
        for row in rows:
            distance, k = nearest(row, centroids)
            inertia += distance
            members[k].append(row)
        inertias.append(inertia)
        centroids = [
            [sum(column) / len(own) for column in zip(*own)] if own else old
            for own, old in zip(members, centroids)]
    return inertias, centroids


class KMeansTest(JobTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        cls.make_data({"blobs.yaml": JOB, "deaths.yaml": deaths("20ms")})
        draw = random.Random(4)
        centres = [[draw.uniform(0, 8) for _ in range(FEATURES)]
                   for _ in range(CLUSTERS)]
        cls.rows = [[round(draw.gauss(c, 1.5), 3) for c in centres[i % CLUSTERS]]
                    for i in range(ROWS)]
        write_rows(os.path.join(cls.data, "blobs.csv"), cls.rows)
        with open(os.path.join(cls.data, "new.csv"), "w") as file:
            for row in cls.rows[:200]:
                file.write(",".join(map(str, row)) + "\n")
        # Far from good, so that there are some rounds.
        write_centroids(os.path.join(cls.data, "first.safetensors"),
                        cls.rows[:CLUSTERS * 5:CLUSTERS])

    def run_job(self, *more, command="run", rows=None):
        """The folder, and the report, of a run of the job."""
        folder = self.copy_of_data()
        if rows:
            write_rows(os.path.join(folder, "blobs.csv"), rows)
        report, _ = self.run_to_the_end(folder, "blobs.yaml", *more,
                                        command=command)
        self.export(folder)
        return folder, report

    def inertias(self, folder):
        """By round, as the scheduler made them of the servers' sums."""
        logs = os.path.join(folder, "run", "logs")
        told = {}
        for name in os.listdir(logs):
            if "scheduler" not in name:
                continue
            with open(os.path.join(logs, name)) as file:
                for number, inertia in re.findall(
                        r"round=(\d+) inertia=(\S+)", file.read()):
                    told[int(number)] = float(inertia)
        return told

    def check_inertia(self, folder, report):
        """The report has that of each round; the last stands for the job."""
        told = self.inertias(folder)
        last = report["epochs"] - 1
        self.assertAlmostEqual(report["inertia"] / told[last], 1, delta=1e-8)
        self.assertEqual(len(report["training_loss"]), report["epochs"])
        for number, mean in enumerate(report["training_loss"]):
            self.assertAlmostEqual(mean * ROWS / told[number], 1, delta=1e-8)

    def test_each_round_is_that_of_a_plain_lloyd(self):
        folder, report = self.run_job(
            "--set", "model.initial=first.safetensors",
            "--set", "algorithm.tolerance=0")
        inertias = self.inertias(folder)
        rounds = report["audit"]["expected"] // ROWS
        self.assertEqual(sorted(inertias), list(range(rounds)))
        self.assertGreater(rounds, 4)
        self.assertLess(rounds, ROUNDS)
        expected, centroids = plain_lloyd(
            self.rows, self.rows[:CLUSTERS * 5:CLUSTERS], rounds)
        for number, plain in enumerate(expected):
            self.assertAlmostEqual(inertias[number] / plain, 1, delta=1e-4)
        exported = read_tensors(os.path.join(folder, "model.safetensors"))
        for told, plain in zip(exported["centroids"].values(),
                               (x for row in centroids for x in row)):
            self.assertAlmostEqual(told, plain, delta=1e-3)
        self.assertEqual(sum(exported["sizes"].values()), ROWS)
        # The clusters of new examples.
        with open(os.path.join(folder, "out.csv"), "w") as file:
            file.write(self.run_ebb(folder, "predict", "model.safetensors",
                                    "new.csv"))
        with open(os.path.join(folder, "out.csv")) as file:
            told = [int(row["prediction"]) for row in csv.DictReader(file)]
        self.assertEqual(told, [nearest(row, centroids)[1]
                                for row in self.rows[:200]])

    def test_far_from_the_origin_it_is_the_same(self):
        rows = [[x + 1e5 for x in row] for row in self.rows]
        first = rows[:CLUSTERS * 5:CLUSTERS]
        folder = self.new_folder()
        offset = os.path.join(folder, "offset.safetensors")
        write_centroids(offset, first)
        folder, report = self.run_job("--set", f"model.initial={offset}",
                                      rows=rows)
        told = self.inertias(folder)
        expected, _ = plain_lloyd(rows, first, max(told) + 1)
        # Float32 has steps of 1/128 there, which a few examples between two
        # clusters feel on the way.
        for number, plain in enumerate(expected):
            self.assertAlmostEqual(told[number] / plain, 1, delta=4e-3)
        last = max(told)
        self.assertAlmostEqual(told[last] / expected[last], 1, delta=1e-4)
        falls = [told[i] - told[i + 1] for i in range(last)]
        self.assertGreater(min(falls), -1e-5 * told[last])

    def test_fewer_different_examples_than_clusters_end(self):
        folder, report = self.run_job(rows=self.rows[:3] * 50)
        inertias = self.inertias(folder)
        self.assertEqual(inertias[max(inertias)], 0)
        self.assertLess(report["epochs"], 5)

    def test_goes_on_and_back_after_it_converged(self):
        folder, report = self.run_job()
        self.assertTrue(report["converged"])
        self.assertEqual(report["epochs"],
                         report["audit"]["expected"] // ROWS)
        self.assertEqual(report["rollbacks"], 0)
        self.assertEqual(report["rolled_back"], "")
        values = read_tensors(os.path.join(folder, "model.safetensors"))
        back = report["epochs"] - 1
        facts = os.path.join(folder, "run", "run")
        for more in ([], ["--to-round", str(back)]):
            with self.subTest(more=more):
                with open(facts) as file:
                    text = file.read()
                with open(facts, "w") as file:
                    file.write(text.replace("complete 1", "complete 0"))
                said = self.run_ebb(folder, "run", "blobs.yaml", "--resume",
                                    "--run-dir", "run", "--report",
                                    "again.json", *more)
                with open(os.path.join(folder, "again.json")) as file:
                    again = json.load(file)
                self.assertTrue(again["audit"]["exact"], said)
                self.assertTrue(again["converged"], said)
                self.assertEqual(again["epochs"], report["epochs"])
                self.run_ebb(folder, "checkpoint", "export", "run", "--force",
                             "-o", "again.safetensors")
                self.assertEqual(values, read_tensors(
                    os.path.join(folder, "again.safetensors")))

    def test_is_the_same_whatever_dies_and_however_many_workers(self):
        folder, quiet = self.run_job("--workers", "1")
        values = read_tensors(os.path.join(folder, "model.safetensors"))
        inertias = self.inertias(folder)
        self.check_inertia(folder, quiet)
        self.assertLess(len(inertias), ROUNDS)
        for command, more in (
                ("run", ["--workers", "3"]),
                ("chaos", ["--workers", "2", "--scenario", "deaths.yaml"])):
            with self.subTest(command=command):
                folder, report = self.run_job(*more, command=command)
                self.assertEqual(values, read_tensors(
                    os.path.join(folder, "model.safetensors")))
                if command == "chaos":
                    self.assertEqual(report["restarts"]["total"], 3)
                # A killed scheduler may not have said all of them.
                for number, told in self.inertias(folder).items():
                    self.assertEqual(told, inertias[number])
                self.assertEqual(report["inertia"], quiet["inertia"])
                self.assertEqual(report["audit"]["expected"],
                                 quiet["audit"]["expected"])

    def test_a_cluster_without_examples_gets_one(self):
        first = [list(row) for row in self.rows[:CLUSTERS * 5:CLUSTERS]]
        first[2] = [1000.0] * FEATURES
        folder = self.new_folder()
        far = os.path.join(folder, "far.safetensors")
        write_centroids(far, first)
        folder, report = self.run_job("--set", f"model.initial={far}")
        self.check_inertia(folder, report)
        sizes = read_tensors(
            os.path.join(folder, "model.safetensors"))["sizes"].values()
        self.assertGreater(min(sizes), 10)
        inertias = self.inertias(folder)
        self.assertLess(inertias[max(inertias)], inertias[1])

    def run_other(self, files, *more, job=JOB, command="run"):
        """Does as run_job, for a job with other data."""
        folder = self.new_folder()
        for name, data in files.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        with open(os.path.join(folder, "other.yaml"), "w") as file:
            file.write(job)
        report, _ = self.run_to_the_end(folder, "other.yaml", "--workers", "2",
                                        *more, command=command)
        self.export(folder)
        return folder, report

    def first_centroids(self):
        with open(os.path.join(self.data, "first.safetensors"), "rb") as file:
            return file.read()

    def test_sparse_rows_find_the_clusters_of_dense_ones(self):
        initial = ["--set", "model.initial=first.safetensors"]
        _, dense = self.run_job(*initial)
        lines = [" ".join(["0"] + [f"{i + 1}:{x}" for i, x in enumerate(row)])
                 for row in self.rows]
        files = {"rows.libsvm": "\n".join(lines).encode() + b"\n",
                 "first.safetensors": self.first_centroids()}
        job = JOB.replace("csv: blobs.csv", "libsvm: rows.libsvm")
        folder, sparse = self.run_other(files, *initial, job=job)
        self.assertEqual(sparse["epochs"], dense["epochs"])
        self.assertAlmostEqual(sparse["inertia"] / dense["inertia"], 1,
                               delta=1e-5)
        # Its features are those that the rows name.
        files["rows.libsvm"] += b"0 9:1\n"
        with open(os.path.join(folder, "rows.libsvm"), "wb") as file:
            file.write(files["rows.libsvm"])
        said = self.run_ebb(folder, "job", "check", "other.yaml", *initial,
                            rc=2)
        self.assertIn("model.initial", said)
        self.assertIn("(5, 6)", said)
        self.assertIn("(5, 9)", said)
        # k-means++ chooses among them, too.
        self.run_other(files, job=job)

    def test_data_needs_no_labels(self):
        bare = "".join(",".join(map(str, row)) + "\n" for row in self.rows)
        job = JOB.replace("csv: blobs.csv",
                          "csv: {path: bare.csv, label: none}")
        folder, report = self.run_other({"bare.csv": bare.encode()}, job=job)
        _, labelled = self.run_job()
        self.assertEqual(report["inertia"], labelled["inertia"])
        with open(os.path.join(folder, "new.csv"), "w") as file:
            file.write(bare)
        said = self.run_ebb(folder, "predict", "model.safetensors", "new.csv")
        self.assertEqual(len(said.splitlines()), ROWS + 1)

        job = JOB.replace("csv: blobs.csv", "npy: {features: bare.npy}")
        _, report = self.run_other({"bare.npy": npy(self.rows)}, job=job)
        self.assertEqual(report["inertia"], labelled["inertia"])

    # Bug: labels such as 0.25 were refused, and so were new ones of test
    # data, although K-Means does not look at them. Nothing said that a table
    # without labels lost its last column.
    def test_whatever_is_in_the_column_of_labels(self):
        folder = self.copy_of_data()
        odd = ["0.25", "x", "", "nan", "7"]
        for name, first in (("blobs.csv", 0), ("test.csv", 2)):
            with open(os.path.join(folder, name), "w") as file:
                for i, row in enumerate(self.rows):
                    label = odd[(i + first) % len(odd)]
                    file.write(",".join(map(str, row)) + f",{label}\n")
        report, said = self.run_to_the_end(
            folder, "blobs.yaml", "--set", "data.test={csv: test.csv}")
        self.assertIn("column 7 is left out: the last column is taken for the "
                      "label", said)
        self.assertNotIn("classes", said)
        _, labelled = self.run_job()
        self.assertEqual(report["inertia"], labelled["inertia"])

    def test_numbers_too_large_for_distances_say_what_helps(self):
        rows = [list(row) for row in self.rows]
        rows[7][2] = 1e30
        folder = self.copy_of_data()
        write_rows(os.path.join(folder, "blobs.csv"), rows)
        said = self.run_ebb(folder, "run", "blobs.yaml", "--run-dir", "run",
                            rc=1)
        self.assertIn("blobs.csv:8", said)
        self.assertIn("standardise: true", said)
        self.assertNotIn("optimizer.rate", said)

    def test_parallel_seeding_is_a_function_of_the_seed(self):
        seeded = ["--set", "model.seeding=parallel"]
        _, one = self.run_job(*seeded)
        _, two = self.run_job(*seeded, "--workers", "1")
        self.assertEqual(one["inertia"], two["inertia"])
        _, other = self.run_job(*seeded, "--set", "seed=7")
        self.assertNotEqual(one["training_loss"], other["training_loss"])

    def test_mini_batches_count_each_example_once_whatever_dies(self):
        job = JOB.replace("algorithm: {tolerance: 0.0001, max_rounds: 30}",
                          "algorithm: mini_batch")
        job = job.replace("\ntrain: {", "\ntrain: {epochs: 6, ")
        files = {}
        for name in ("blobs.csv", "deaths.yaml"):
            with open(os.path.join(self.data, name), "rb") as file:
                files[name] = file.read()
        folder, report = self.run_other(files, "--scenario", "deaths.yaml",
                                        job=job, command="chaos")
        self.assertEqual(report["restarts"]["total"], 3)
        self.assertNotIn("inertia", report)
        tensors = read_tensors(os.path.join(folder, "model.safetensors"))
        self.assertEqual(sum(tensors["sizes"].values()), 6 * ROWS)
        found = tensors["centroids"].rows()
        reached = sum(nearest(row, found)[0] for row in self.rows)
        _, rounds = self.run_job()
        self.assertLess(reached, 1.5 * rounds["inertia"])

    def test_data_that_is_not_finite_is_refused(self):
        folder = self.new_folder()
        with open(os.path.join(folder, "nan.npy"), "wb") as file:
            file.write(npy([[1, 2], [3, 4], [5, float("nan")]]))
        with open(os.path.join(folder, "nan.yaml"), "w") as file:
            file.write("model: {kind: kmeans, clusters: 2}\n"
                       "data: {train: {npy: {features: nan.npy}}}\n")
        said = self.run_ebb(folder, "job", "check", "nan.yaml", rc=2)
        self.assertIn("nan.npy[2, 1]", said)

    def test_features_that_do_not_vary_are_taken(self):
        rows = [row[:3] + [7, 0, -1] for row in self.rows]
        folder, report = self.run_job(rows=rows)
        tensors = read_tensors(os.path.join(folder, "model.safetensors"))
        for centroid in tensors["centroids"].rows():
            self.assertEqual(centroid[3:], [7, 0, -1])
        self.assertGreater(report["inertia"], 0)

    def test_has_no_labels_to_score_by(self):
        folder, _ = self.run_job()
        said = self.run_ebb(folder, "predict", "model.safetensors",
                            "blobs.csv", "--score", rc=2)
        self.assertIn("looks at no labels", said)

    def test_more_clusters_than_examples_are_refused(self):
        said = self.run_ebb(self.data, "job", "check", "blobs.yaml", "--set",
                            "model.clusters=2000", rc=2)
        self.assertIn("model.clusters: 2000 clusters are more than the 1500",
                      said)


if __name__ == "__main__":
    unittest.main()
