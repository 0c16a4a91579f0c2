#!/usr/bin/env python3
"""Word vectors on real processes, of a language whose analogies are known. They
are found whatever was killed, every example counts once, and the loss is that
of one process with NumPy (bench/workloads/words_program.py).

  words_test.py BIN_FOLDER [TEST...]
"""
import csv
import io
import json
import os
import subprocess
import sys
import unittest

from exported import read_export
from job_test_case import JobTestCase, deaths

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
ALONE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                     "../../bench/workloads/words_program.py")
PYTHON = os.environ.get("EBB_PYTHON", "/usr/bin/python3")
HAS_NUMPY = subprocess.run([PYTHON, "-c", "import numpy, scipy"],
                           stderr=subprocess.DEVNULL).returncode == 0
LIMIT_S = 200

ROWS, EPOCHS, DIM = 3000, 10, 16
JOB = f"""
name: words
model: {{kind: word_vectors, dim: {DIM}}}
data:
  train: {{text: {{path: lines.train.txt, document: line}}}}
  test: {{text: lines.test.txt}}
train: {{epochs: {EPOCHS}, item_examples: 128}}
partitions: 3
checkpoint: {{every: 200ms}}
oracle: {{width: 2}}
"""


class WordsTest(JobTestCase):
    programs = BIN
    limit_s = LIMIT_S

    @classmethod
    def setUpClass(cls):
        cls.make_data({"words.yaml": JOB, "deaths.yaml": deaths(
            "4ms", "500ms", "1000ms", "1500ms")})
        cls.generate("analogies", "lines", "--rows", str(ROWS), "--test-rows",
                     "300", "--first", "5", "--second", "5", "--fillers", "20")

    def run_job(self, *more, command="run"):
        """The folder, and the report, of a run of the job."""
        folder = self.copy_of_data()
        report, _ = self.run_to_the_end(folder, "words.yaml", *more,
                                        command=command)
        self.assertEqual(report["audit"]["expected"], ROWS * EPOCHS)
        return folder, report

    def found(self, folder, model="run"):
        said = self.run_ebb(folder, "predict", model,
                            "lines.test.questions.txt", "--score")
        self.assertIn("% of 300 analogies found", said)
        return float(said.split(" %")[0])

    def test_finds_analogies_and_says_what_it_learnt(self):
        folder, report = self.run_job("--workers", "2")
        self.assertGreater(self.found(folder), 90)
        self.export(folder)
        self.assertGreater(self.found(folder, "model.safetensors"), 90)
        tensors, meaning = read_export(
            os.path.join(folder, "model.safetensors"))
        words = meaning["vocabulary"]
        tensors = {name: one.rows() for name, one in tensors.items()}
        self.assertEqual(sorted(tensors), ["contexts", "words"])
        for rows in tensors.values():
            self.assertEqual(len(rows), len(words))
            self.assertEqual(len(rows[0]), DIM)
        self.assertEqual(meaning["counts"],
                         sorted(meaning["counts"], reverse=True))
        # The nearest word is nearest in the exported vectors, too.
        with open(os.path.join(folder, "one.txt"), "w") as file:
            file.write("p1q2\np1q2 p1q3 p4q2\n")
        said = self.run_ebb(folder, "predict", "model.safetensors", "one.txt")
        rows = list(csv.DictReader(io.StringIO(said)))
        self.assertEqual(len(rows), 20)
        self.assertEqual(rows[10]["word"], "p4q3")

        def unit(vector):
            length = sum(x * x for x in vector)**0.5
            return [x / length for x in vector]
        vectors = [unit(row) for row in tensors["words"]]
        asked = vectors[words.index("p1q2")]
        cosines = sorted((-sum(a * b for a, b in zip(asked, other)), word)
                         for word, other in zip(words, vectors)
                         if word != "p1q2")
        self.assertEqual(rows[0]["word"], cosines[0][1])
        self.assertAlmostEqual(float(rows[0]["cosine"]), -cosines[0][0],
                               delta=1e-3)
        if HAS_NUMPY:
            alone = json.loads(subprocess.run(
                [PYTHON, ALONE, "lines.train.txt", "lines.test.txt", "--lines",
                 f"--dim={DIM}", f"--epochs={EPOCHS}"], cwd=folder,
                check=True, stdout=subprocess.PIPE, timeout=LIMIT_S).stdout)
            self.assertLess(report["loss"], 1.02 * alone["loss"])

    def test_every_example_counts_once_whatever_dies(self):
        folder, report = self.run_job("--scenario", "deaths.yaml",
                                      command="chaos")
        self.assertEqual(report["restarts"]["total"], 3)
        self.assertGreater(self.found(folder), 90)

    def test_says_what_is_wrong(self):
        for settings, said in (
                (["model.kind=fm"],
                 "its examples are documents of words, which fm does not"),
                (["data.train.text.least_count=100000"],
                 "different words occurs 100000 times; say a smaller"),
                (["model.l2=0.1"], "model.l2"),
                (["expect.accuracy=>= 0.5"], "word_vectors looks at none")):
            with self.subTest(settings):
                flags = [flag for one in settings for flag in ("--set", one)]
                self.assertIn(said, self.run_ebb(
                    self.data, "job", "check", "words.yaml", *flags, rc=2))


    def write(self, folder, name, text):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(text)

    # Bug: these runs were good, and their vectors had learnt nothing.
    def test_text_in_which_no_word_stands_beside_another_is_no_success(self):
        folder = self.new_folder()
        self.write(folder, "job.yaml", b"model: {kind: word_vectors, dim: 4}\n"
                   b"data: {train: {text: {path: d.txt, document: line}}}\n"
                   b"train: {epochs: 2}\n")
        self.write(folder, "d.txt", b"one\ntwo\n" * 20)
        self.assertIn("none of its documents has two words", self.run_ebb(
            folder, "job", "check", "job.yaml", rc=2))
        self.write(folder, "d.txt", b"one two\n" * 20)
        said = self.run_ebb(folder, "run", "job.yaml", "--set",
                            "model.subsample=1e-30", rc=1)
        self.assertIn("no word stood beside another", said)

    # Bug: a batch without pairs counted with a loss of 0, so that little text
    # seemed to be learnt where it has many of them, and then to diverge.
    def test_batches_without_pairs_do_not_count_in_the_loss(self):
        folder = self.new_folder()
        self.write(folder, "job.yaml", b"model: {kind: word_vectors, dim: 4, "
                   b"negatives: 1, subsample: 0.02}\n"
                   b"data: {train: {text: {path: d.txt, document: line}}, "
                   b"test: {text: {path: d.txt, document: line}}}\n"
                   b"train: {epochs: 2, batch: 1, item_examples: 20}\n"
                   b"optimizer: {kind: adagrad, rate: 1e-9}\n")
        self.write(folder, "d.txt", b"one two\n" * 200)
        report, _ = self.run_to_the_end(folder, "job.yaml")
        # One line in 17 keeps both words, whose pairs have at least the loss
        # of guessing.
        self.assertEqual(len(report["training_loss"]), 2)
        for loss in [*report["training_loss"], report["loss"]]:
            self.assertGreater(loss, 0.69)
        self.assertLess(report["evaluations"][-1]["examples"], 100)

    # Bug: letters of Latin-1 were read as others, and a file without questions
    # had no answers and no error.
    def test_questions_that_cannot_be_read_are_refused(self):
        folder = self.copy_of_data()
        self.run_to_the_end(folder, "words.yaml", "--epochs", "1")
        for text, said in (("größe\n".encode("latin-1"), "is not UTF-8"),
                           (b"\n", "has no questions")):
            self.write(folder, "asked.txt", text)
            self.assertIn(said, self.run_ebb(folder, "predict", "run",
                                             "asked.txt", rc=2))


if __name__ == "__main__":
    unittest.main()
