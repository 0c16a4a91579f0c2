#!/usr/bin/env python3
"""`ebb generate`: what it writes is what its truth says, computed anew from
docs/generate.md by code that shares nothing with it; jobs take it; errors.

  generate_test.py BIN_FOLDER
"""
import csv
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 60
WORD = 2**64 - 1

JOB = """
name: made
model: {model}
data: {{train: {train}, test: {test}}}
"""


def append(state, value):
    x = state + (value + 1) * 0x9e3779b97f4a7c15 & WORD
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & WORD
    x = (x ^ x >> 27) * 0x94d049bb133111eb & WORD
    return x ^ x >> 31


def table(seed, name):
    state = append(append(0, seed), len(name))
    for byte in name.encode():
        state = append(state, byte)
    return state


def normal(stream, index):
    total = -393210
    for word in range(3):
        bits = append(stream, 3 * index + word)
        total += sum(bits >> shift & 0xffff for shift in (0, 16, 32, 48))
    return total / 65536


def number(seed, name, key, index):
    return normal(append(table(seed, name), key), index)


def click_logit(truth, row):
    """Of (field, id, value) for each field."""
    settings, model = truth["settings"], truth["model"]
    seed, rank = settings["seed"], settings["rank"]

    def latent(id_, field, k):
        place = k + (field * rank if settings["field-aware"] else 0)
        return model["latent_deviation"] * number(seed, "clicks", id_, 1 + place)

    logit = model["bias"]
    for field, id_, value in row:
        logit += (model["weight_deviation"] * number(seed, "clicks", id_, 0)
                  * value)
        for other, other_id, other_value in row[:field]:
            logit += value * other_value * sum(
                latent(id_, other, k) * latent(other_id, field, k)
                for k in range(rank))
    return logit


def log_loss(logits, labels):
    return sum(math.log1p(math.exp(-z if label else z))
               for z, label in zip(logits, labels)) / len(labels)


class GenerateTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_generate_test_")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def lines(self, name):
        with open(self.path(name)) as file:
            return file.read().splitlines()

    def ebb(self, *arguments, **more):
        return subprocess.run(
            [os.path.join(BIN, "ebb"), *arguments], cwd=self.folder, text=True,
            timeout=LIMIT_S, capture_output=True, **more)

    def generate(self, *arguments):
        """The truth."""
        done = self.ebb("generate", *arguments, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
        truth = json.loads(done.stdout)
        with open(self.path(arguments[1] + ".truth.json")) as file:
            self.assertEqual(json.load(file), truth)
        return truth

    def fails(self, code, text, *arguments, **more):
        before = sorted(os.listdir(self.folder))
        done = self.ebb("generate", *arguments, **more)
        self.assertEqual(done.returncode, code, done)
        self.assertIn(text, done.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def check_job(self, text, **job):
        with open(self.path("job.yaml"), "w") as file:
            file.write(JOB.format(**job))
        done = self.ebb("job", "check", "job.yaml")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(text, done.stdout)

    # --- The truth is true ---------------------------------------------------

    def test_clicks(self):
        truth = self.generate("clicks", "ads", "--rows", "300", "--seed", "7",
                              "--numeric", "2", "--vocabulary", "20,200",
                              "--exponent", "1,1.3")
        self.assertEqual(truth["settings"]["vocabulary"], [20, 200])
        self.assertEqual(truth["model"]["first_ids"][:3], [3, 23, 223])
        self.assertEqual(truth["test"]["rows"], 30)
        for part in "train", "test":
            logits, labels = [], []
            for line in self.lines(truth[part]["files"][0]):
                label, *features = line.split(" ")
                row = []
                for field, feature in enumerate(features):
                    id_, value = feature.split(":")
                    row.append((field, int(id_), float(value)))
                logits.append(click_logit(truth, row))
                labels.append(int(label))
            self.assertAlmostEqual(truth[part]["log_loss"],
                                   log_loss(logits, labels), 9)
            probabilities = [1 / (1 + math.exp(-z)) for z in logits]
            self.assertAlmostEqual(
                truth[part]["entropy"],
                -sum(p * math.log(p) + (1 - p) * math.log1p(-p)
                     for p in probabilities) / len(logits), 9)
            self.assertEqual(truth[part]["positive_share"],
                             sum(labels) / len(labels))
        self.check_job("300 examples", model="logistic",
                       train="{libsvm: {path: ads.train.libsvm, "
                             f"features: {truth['model']['features']}}}}}",
                       test="{libsvm: ads.test.libsvm}")

    def test_field_aware_clicks_in_libffm(self):
        truth = self.generate("clicks", "ads", "--rows", "100", "--test-rows",
                              "0", "--format", "libffm", "--field-aware",
                              "--fields", "4", "--rank", "3")
        self.assertNotIn("test", truth)
        logits, labels = [], []
        for line in self.lines("ads.train.ffm"):
            label, *features = line.split(" ")
            row = [tuple(map(float, feature.split(":")))
                   for feature in features]
            self.assertEqual([field for field, _, _ in row], [0, 1, 2, 3])
            logits.append(click_logit(
                truth, [(int(f), int(i), x) for f, i, x in row]))
            labels.append(int(label))
        self.assertAlmostEqual(truth["train"]["log_loss"],
                               log_loss(logits, labels), 9)

    def test_ratings(self):
        truth = self.generate("ratings", "films", "--users", "40", "--items",
                              "30", "--per-user", "20", "--rank", "2", "--time")
        model, seed = truth["model"], truth["settings"]["seed"]
        self.assertEqual(truth["train"]["rows"], 800)
        self.assertAlmostEqual(truth["train"]["ratings_per_parameter"],
                               800 / (1 + 70 * 3))
        squares = 0
        with open(self.path("films.train.csv"), newline="") as file:
            for row in csv.DictReader(file):
                user, item = int(row["user"]), int(row["item"])
                error = (model["mean"] - float(row["rating"])
                         + model["bias_deviation"]
                         * (number(seed, "users", user, 0)
                            + number(seed, "items", item, 0))
                         + model["factor_deviation"] ** 2
                         * sum(number(seed, "users", user, k)
                               * number(seed, "items", item, k)
                               for k in (1, 2)))
                squares += error * error
                self.assertEqual(time.gmtime(int(row["time"])).tm_year, 2020)
        self.assertAlmostEqual(truth["train"]["rmse"],
                               math.sqrt(squares / 800), 9)

    def test_linear(self):
        truth = self.generate("linear", "line", "--features", "5", "--rows",
                              "200", "--intercept", "-1", "--noise", "0.5")
        weights = truth["model"]["weights"]
        for i, weight in enumerate(weights, 1):
            self.assertAlmostEqual(
                weight, truth["model"]["weight_deviation"]
                * normal(table(1, "linear"), i))
        squares = 0
        for line in self.lines("line.train.csv")[1:]:
            *features, label = map(float, line.split(","))
            squares += (sum(w * x for w, x in zip(weights, features))
                        - 1 - label) ** 2
        self.assertAlmostEqual(truth["train"]["rmse"],
                               math.sqrt(squares / 200), 9)
        self.check_job("200 examples", model="linear",
                       train="{csv: line.train.csv}",
                       test="{csv: line.test.csv}")

    def test_jobs_take_clusters_and_images(self):
        self.generate("clusters", "points", "--rows", "500")
        self.check_job("500 examples", model="softmax",
                       train="{csv: points.train.csv}",
                       test="{csv: points.test.csv}")
        self.generate("images", "marks", "--rows", "200", "--classes", "3",
                      "--gzip", "--size", "12")
        self.check_job("200 examples", model="softmax",
                       train="{idx: marks.train, scale: 1/255}",
                       test="{idx: marks.test, scale: 1/255}")

    def test_a_trained_model_is_as_good_as_the_true_one_and_no_better(self):
        truth = self.generate("linear", "odds", "--logistic", "--format",
                              "libsvm", "--features", "200", "--density",
                              "0.1", "--rows", "40000")
        self.check_job("40,000 examples", model="logistic",
                       train="{libsvm: {path: odds.train.libsvm, "
                             "features: 200}}",
                       test="{libsvm: odds.test.libsvm}")
        done = self.ebb("run", "job.yaml", "--epochs", "5", "--report",
                        "report.json")
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        with open(self.path("report.json")) as file:
            loss = json.load(file)["loss"]
        # 200 weights of 40,000 rows: 0.0025 more is expected.
        self.assertGreater(loss, truth["test"]["log_loss"] - 0.002)
        self.assertLess(loss, truth["test"]["log_loss"] + 0.02)

    def test_completion_knows_the_kinds(self):
        script = (f"PATH={BIN}:$PATH; source <(ebb completion); "
                  "COMP_WORDS=(ebb generate cl) COMP_CWORD=2; _ebb; "
                  "echo ${COMPREPLY[@]}")
        done = subprocess.run(["bash", "-c", script], text=True,
                              capture_output=True)
        self.assertEqual(done.stdout, "clicks clusters\n", done.stderr)

    # --- Errors --------------------------------------------------------------

    def test_mistakes_are_named_and_leave_nothing(self):
        self.generate("clusters", "points", "--rows", "10")
        self.fails(2, "points.truth.json is there already; --force replaces it",
                   "clusters", "points")
        self.fails(2, "cannot write no/x.train.csv: No such file", "clusters",
                   "no/x")
        self.fails(2, "--rows is 0", "clusters", "x", "--rows", "0")
        self.fails(2, "--clusters is -3; write a number from 1", "clusters",
                   "x", "--clusters", "-3")
        self.fails(2, "--format", "clicks", "x", "--format", "parquet")
        self.fails(2, "more than the 6 that there can be", "ratings", "x",
                   "--users", "2", "--items", "3", "--rows", "6")
        self.fails(2, "there are: clicks, ratings, linear, clusters, "
                   "documents, images, analogies", "ads")
        self.fails(2, "names no files", "clusters", "/")

    def test_a_disk_without_room(self):
        # The system tells it like this where files may not be larger.
        self.fails(1, "cannot write full.train.libsvm: File too large",
                   "clicks", "full", restore_signals=False,
                   preexec_fn=lambda: resource.setrlimit(
                       resource.RLIMIT_FSIZE, (2**20, 2**20)))

    def test_an_interrupt_leaves_nothing(self):
        made = subprocess.Popen(
            [os.path.join(BIN, "ebb"), "generate", "images", "long", "--rows",
             "1000000000"], cwd=self.folder, stderr=subprocess.PIPE, text=True)
        begun = self.path("long.train-images-idx3-ubyte.new")
        limit = time.monotonic() + LIMIT_S
        while not (os.path.exists(begun) and os.path.getsize(begun) > 0):
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.01)
        made.send_signal(signal.SIGTERM)
        _, said = made.communicate(timeout=LIMIT_S)
        self.assertEqual(made.returncode, 130)
        self.assertIn("interrupted; nothing was kept", said)
        self.assertEqual(os.listdir(self.folder), [])


if __name__ == "__main__":
    unittest.main()
