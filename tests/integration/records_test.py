#!/usr/bin/env python3
"""Jobs train from TFRecord files, JSON lines and protobuf messages: exactly once
under kills.
Their models predict, and their data can be packed.

  records_test.py BIN_FOLDER SOURCE_FOLDER [TEST...]
"""
import os
import subprocess
import sys
import unittest

from job_test_case import JobTestCase, deaths

BIN = os.path.abspath(sys.argv.pop(1))
SOURCE = os.path.abspath(sys.argv.pop(1))
ROWS = 2000


class RecordsTest(JobTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        jobs = {}
        for name in ("records_tf_record", "records_json_lines",
                     "records_protobuf"):
            with open(f"{SOURCE}/examples/jobs/{name}.yaml") as file:
                jobs[name + ".yaml"] = file.read()
        cls.make_data(jobs | {"deaths.yaml": deaths("10ms")})

    def folder_with(self, form, file):
        folder = self.copy_of_data()
        self.make(folder, form, file, 1, ROWS)
        return folder

    def make(self, folder, form, file, seed, rows):
        subprocess.run(
            [sys.executable, f"{SOURCE}/examples/jobs/make_records.py", form,
             os.path.join(folder, file), "--rows", str(rows), "--seed",
             str(seed)], check=True)

    def predict(self, folder, file, rows):
        self.run_ebb(folder, "predict", "run", file, "--labelled", "-o",
                     "predicted.csv")
        with open(os.path.join(folder, "predicted.csv")) as lines:
            self.assertEqual(len(lines.readlines()), rows + 1)

    def check_job(self, form, file, accuracy):
        folder = self.folder_with(form, file)
        job = f"records_{form}.yaml"
        report, _ = self.run_to_the_end(
            folder, job, "--workers", "2", "--scenario", "deaths.yaml",
            command="chaos")
        self.assertEqual(report["restarts"]["total"], 3)
        self.assertGreater(report["accuracy"], accuracy)
        self.make(folder, form, "new", 2, 100)
        self.predict(folder, "new", 100)
        said = self.run_ebb(folder, "data", "pack", job, "packed")
        self.assertIn("packed/train: ", said)
        self.run_ebb(folder, "data", "verify", "packed")

    def test_trains_from_tf_record(self):
        self.check_job("tf_record", "shirts.tfrecord", 0.9)

    def test_trains_from_json_lines(self):
        self.check_job("json_lines", "clicks.jsonl", 0.6)

    def test_trains_from_protobuf(self):
        self.check_job("protobuf", "clicks.pb", 0.6)

    def test_other_test_data_has_the_descriptors_of_the_training_data(self):
        folder = self.folder_with("protobuf", "clicks.pb")
        self.make(folder, "protobuf", "test.pb", 2, 500)
        os.remove(os.path.join(folder, "test.desc"))
        job = "records_protobuf.yaml"
        path = os.path.join(folder, job)
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace("  split: 0.2\n",
                                    "  test: {protobuf: test.pb}\n"))
        report, _ = self.run_to_the_end(folder, job)
        self.assertGreater(report["accuracy"], 0.6)
        self.run_ebb(folder, "data", "pack", job, "packed")
        with open(path, "w") as file:
            start = text.index("    protobuf: ")
            file.write(text[:start] + "    packed: packed/train\n  test: "
                       "{packed: packed/test}\n" +
                       text[text.index("train: {epochs"):])
        report, _ = self.run_to_the_end(folder, job, run_dir="again")
        self.assertGreater(report["accuracy"], 0.6)

    def test_several_files_are_one_table(self):
        folder = self.folder_with("json_lines", "a.jsonl")
        self.make(folder, "json_lines", "b.jsonl", 2, 10)
        job = "records_json_lines.yaml"
        path = os.path.join(folder, job)
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            # Without test data nothing is expected of it.
            file.write(text.replace("clicks.jsonl", '"*.jsonl"').replace(
                "  split: 0.2\n", "").replace("expect: ", "# "))
        self.assertIn(f"{ROWS + 10:,} examples",
                      self.run_ebb(folder, "job", "check", job))

    def test_shows_features_that_would_do(self):
        folder = self.folder_with("json_lines", "clicks.jsonl")
        job = os.path.join(folder, "bare.yaml")
        with open(job, "w") as file:
            file.write("name: bare\nmodel: sparse_logistic\n"
                       "data: {train: {json_lines: clicks.jsonl}}\n")
        self.assertIn(
            "features: {clicked: label, price: dense", self.run_ebb(
                folder, "job", "check", "bare.yaml", rc=2))


if __name__ == "__main__":
    unittest.main()
