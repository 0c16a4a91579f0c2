#!/usr/bin/env python3
"""The limits that README.md and the guides name are those of the programs: what
they say is refused is refused, and what they say works is taken.

  named_limits_test.py BUILD_FOLDER
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build"
ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "../.."))
LIMIT_S = 120
TABLE = "data: {train: {csv: houses.csv}}\n"
PACKED = "data: {train: {packed: houses.packed}}\n"
KEYS = "data: {train: {libsvm: rows.svm}}\n"
# The page, what stands there, a job, and a part of the refusal (None: taken).
LIMITS = [
    ("README.md", "Data that does not fit is [packed]",
     "model: linear\n" + PACKED, None),
    ("README.md", "forests, topics, word vectors and several runs of K-Means "
     "take no packed data", "model: forest\n" + PACKED,
     "forest needs all of the data in memory"),
    ("README.md", "several runs of K-Means take no packed data",
     "model: {kind: kmeans, clusters: 3, restarts: 2}\n" + PACKED,
     "each of several runs needs all of the data in memory"),
    ("README.md", "topics, word vectors",
     "model: {kind: lda, topics: 3}\n" + PACKED, "lda learns from documents"),
    ("README.md", "topics, word vectors",
     "model: word_vectors\n" + PACKED, "which only text has"),
    ("docs/data.md", "K-Means and boosted trees",
     "model: {kind: kmeans, clusters: 3}\n" + PACKED, None),
    ("docs/data.md", "Boosted trees learn the same kind of thing from windows",
     "model: boosted_trees\n" + PACKED, None),
    ("docs/data.md", "A job cannot split a packed set later",
     "model: linear\ndata: {train: {packed: houses.packed}, split: 0.2}\n",
     "a packed set is split when it is packed"),
    ("docs/data.md", "`ebb://` data sets are not read window by window",
     "model: linear\ndata: {train: {packed: ebb://x}}\n",
     "packed sets are read in place"),
    ("docs/data.md", "A sparse set is not standardised: say `standardise: "
     "false`", "model: logistic\ndata: {train: {packed: rows.packed}}\n",
     "standardise would fill in its zeros"),
    ("docs/data.md", "A sparse set is not standardised: say `standardise: "
     "false`", "model: logistic\n"
     "data: {train: {packed: rows.packed}, standardise: false}\n", None),
    ("docs/sweeps.md", "Packed sets are refused",
     "model: linear\nvalidate: 3\n" + PACKED, "needs the examples in memory"),
    ("docs/sweeps.md", "`halving` and `keep_best` are refused together",
     "model: linear\nkeep_best: rmse\n"
     "data: {train: {csv: houses.csv}, split: 0.2}\n"
     "sweep: {budget: {trials: 2}, metric: rmse, halving: {first: 1}, "
     "space: {optimizer.rate: [0.1, 0.2]}}\n",
     "keep_best takes back those after the best"),
    ("docs/sweeps.md", "Forests and K-Means with restarts have no evaluations "
     "while they train, so they cannot be swept", "model: forest\n"
     "data: {train: {csv: houses.csv}, split: 0.2}\n"
     "sweep: {budget: {trials: 2}, space: {model.trees: [10, 20]}}\n",
     "needs evaluations while a job trains"),
    ("docs/sweeps.md", "Forests and K-Means with restarts have no evaluations "
     "while they train, so they cannot be swept",
     "model: {kind: kmeans, clusters: 3, restarts: 2}\n"
     "data: {train: {csv: houses.csv}, split: 0.2}\n"
     "sweep: {budget: {trials: 2}, space: {model.clusters: [2, 3]}}\n",
     "needs evaluations while a job trains"),
    # It was refused without train.epochs: "the job has 0 evaluations".
    ("docs/early-stopping.md", "stop: loss", "model: linear\nstop: loss\n"
     "data: {train: {csv: houses.csv}, split: 0.2}\n", None),
    ("docs/early-stopping.md", "a job without test data",
     "model: linear\nstop: loss\n" + TABLE, "there is no test data"),
    ("docs/early-stopping.md", "jobs of tasks (forests, restarts of K-Means)",
     "model: forest\nkeep_best: accuracy\n"
     "data: {train: {csv: houses.csv}, split: 0.2}\n",
     "which are done when all are done"),
    ("docs/early-stopping.md", "more than 1,000 evaluations",
     "model: linear\nevaluate: 1 epoch\ntrain: {epochs: 1001}\nstop: rmse\n"
     "data: {train: {csv: houses.csv}, split: 0.2}\n",
     "decides by at most 1000 evaluations"),
    ("docs/early-stopping.md", "`keep_best` with `on_nonfinite: rollback`",
     "model: linear\nkeep_best: rmse\non_nonfinite: rollback\n"
     "data: {train: {csv: houses.csv}, split: 0.2}\n", "chooses by their age"),
    ("docs/workloads.md", "`depth` from 1 to 64",
     "model: {kind: forest, depth: 65}\n" + TABLE, "must be at most 64"),
    ("docs/workloads.md", "`bins` goes from 2 to 256",
     "model: {kind: forest, bins: 257}\n" + TABLE, "must be at most 256"),
    ("docs/workloads.md", "`algorithm: mini_batch` and `model.initial` are "
     "refused beside them", "model: {kind: kmeans, clusters: 3, restarts: 2, "
     "initial: x.safetensors}\n" + TABLE, "chooses centroids of its own"),
    ("docs/workloads.md", "`algorithm: mini_batch` and `model.initial` are "
     "refused beside them", "model: {kind: kmeans, clusters: 3, restarts: 2}\n"
     "algorithm: mini_batch\n" + TABLE, "mini_batch has none"),
    ("docs/workloads.md", "`model.l2` and `train.clip_norm` are refused",
     "model: {kind: word_vectors, l2: 0.1}\ndata: {train: {text: words.txt}}\n",
     "word_vectors does not take it"),
    ("docs/workloads.md", "Sparse rows are refused",
     "model: forest\n" + KEYS, "forest takes dense examples"),
    ("docs/workloads.md", "Keys (`libffm`, `criteo`) are refused",
     "model: boosted_trees\ndata: {train: {libffm: rows.ffm}}\n",
     "boosted_trees learns from columns of numbers"),
    ("docs/job-file.md", "Neither works in rounds",
     "model: linear\nfilters: {push: top_k}\nconsistency: rounds\n" + TABLE,
     "a round has all of its own"),
    ("README.md", "Models with sparse tables do not train in synchronous rounds",
     "model: fm\nconsistency: rounds\n" + KEYS, "rounds know none"),
    ("README.md", "Models with sparse tables", "model: fm\n" + KEYS, None),
    ("README.md", "a failing batch cannot be skipped",
     "model: linear\nconsistency: rounds\non_poison: skip\n" + TABLE,
     "a batch cannot be skipped by itself in rounds"),
    ("README.md", "model: logistic\ndata: {train: {csv: customers.csv}, "
     "split: 0.2}", "model: logistic\n"
     "data: {train: {csv: customers.csv}, split: 0.2}\n", None),
]


class NamedLimitsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="ebb_named_limits_")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        with open(os.path.join(cls.folder, "houses.csv"), "w") as file:
            file.write("rooms,area,price\n")
            file.writelines(f"{i % 7},{i % 50}.5,{i % 90}\n" for i in range(300))
        with open(os.path.join(cls.folder, "customers.csv"), "w") as file:
            file.write("plan,months,left\n")
            file.writelines(f"{'ab'[i % 2]},{i % 60},{'yes' if i % 3 else 'no'}\n"
                            for i in range(300))
        with open(os.path.join(cls.folder, "rows.svm"), "w") as file:
            file.writelines(f"{i % 2} {1 + i % 9}:1 {20 + i % 5}:2\n"
                            for i in range(300))
        with open(os.path.join(cls.folder, "rows.ffm"), "w") as file:
            file.writelines(f"{i % 2} 0:{1 + i % 9}:1\n" for i in range(300))
        with open(os.path.join(cls.folder, "words.txt"), "w") as file:
            file.write("the cat sat on the mat and the dog sat on the log\n" * 99)
        for source, packed in (("csv:houses.csv", "houses.packed"),
                               ("libsvm:rows.svm", "rows.packed")):
            done = cls.ebb("data", "pack", source, packed)
            assert done.returncode == 0, done.stdout

    @classmethod
    def ebb(cls, *arguments):
        return subprocess.run(
            [os.path.join(BUILD, "bin/ebb"), *arguments], cwd=cls.folder,
            text=True, timeout=LIMIT_S, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)

    def test_what_is_said_is_so(self):
        for page, words, job, refusal in LIMITS:
            with self.subTest(page=page, words=words, job=job):
                with open(os.path.join(ROOT, page)) as file:
                    text = " ".join(file.read().split())
                self.assertIn(" ".join(words.split()), text)
                with open(os.path.join(self.folder, "job.yaml"), "w") as file:
                    file.write(job)
                check = ["sweep"] if "\nsweep: " in job else ["job", "check"]
                done = self.ebb(*check, "job.yaml")
                if refusal is None:
                    self.assertEqual(done.returncode, 0, done.stdout)
                else:
                    self.assertEqual(done.returncode, 2, done.stdout)
                    self.assertIn(refusal, done.stdout)


if __name__ == "__main__":
    unittest.main()
