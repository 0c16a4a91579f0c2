#!/usr/bin/env python3
"""Jobs on images in folders and tar archives, and on arrays in archives of
NumPy: exactly once under kills, packed, predicted, and what is wrong is named.

  images_test.py BIN_FOLDER SOURCE_FOLDER [TEST...]
"""
import glob
import os
import shutil
import subprocess
import sys
import unittest

from job_test_case import JobTestCase, deaths
from shirts import FASHION

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
SOURCE = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "."
COUNT = 800
MAKE = os.path.join(SOURCE, "examples/images/make_images.py")

JOB = """
name: %s
model: softmax
data: {train: {%s, scale: 1/255}, split: 0.25}
train: {epochs: 10, batch: 20}
optimizer: {kind: adam, rate: 0.01}
partitions: 3
"""
FOLDER = JOB % ("folder", "images: {path: shirts, size: 14x14, grey: true}")
TAR = JOB % ("tar", 'tar: {path: "shirts-*.tar", size: 14x14, grey: true}')
NPZ = JOB.replace(", scale: 1/255", "") % (
    "npz", "npy: {features: a.npz/X, labels: a.npz/y}")
SAVE = """
import numpy as np
draw = np.random.default_rng(1)
y = draw.integers(0, 3, 600)
X = draw.normal(size=(600, 8)).astype(np.float32) + y[:, None]
np.savez_compressed("a.npz", X=X, y=y)
"""
PYTHON = "/usr/bin/python3"
HAS_NUMPY = subprocess.run([PYTHON, "-c", "import numpy"],
                           stderr=subprocess.DEVNULL).returncode == 0


class ImagesTest(JobTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        cls.make_data({"folder.yaml": FOLDER, "tar.yaml": TAR,
                       "npz.yaml": NPZ, "deaths.yaml": deaths("20ms")})
        for more in ((), ("--tar", "--examples-of-an-archive", "300")):
            subprocess.run([sys.executable, MAKE, FASHION + "t10k", "shirts",
                            "--count", str(COUNT), *more], cwd=cls.data,
                           check=True, timeout=60)

    def labels(self, folder):
        with open(os.path.join(folder, "predicted.csv")) as file:
            return [line.split(",")[0].strip() for line in file]

    def test_a_folder_is_trained_exactly_under_kills(self):
        folder = self.copy_of_data()
        report, _ = self.run_to_the_end(
            folder, "folder.yaml", "--workers", "2", "--scenario",
            "deaths.yaml", command="chaos")
        self.assertEqual(report["restarts"]["total"], 3)
        self.assertGreater(report["accuracy"], 0.6)
        # Images without classes, in one folder.
        os.makedirs(os.path.join(folder, "new"))
        for path in sorted(glob.glob(os.path.join(folder, "shirts/7/*")))[:20]:
            shutil.copy(path, os.path.join(folder, "new"))
        self.run_ebb(folder, "predict", "run", "new", "-o", "predicted.csv")
        predicted = self.labels(folder)
        self.assertEqual(len(predicted), 21)
        self.assertGreater(predicted.count("7"), 10, predicted)
        # One image, and the training data with its classes.
        one = os.listdir(os.path.join(folder, "new"))[0]
        self.run_ebb(folder, "predict", "run", "new/" + one, "-o",
                     "predicted.csv")
        self.assertEqual(len(self.labels(folder)), 2)
        said = self.run_ebb(folder, "predict", "run", "shirts", "--score",
                            "-o", "predicted.csv")
        self.assertRegex(said, r"accuracy")

    def test_a_tar_has_the_same_examples(self):
        folder = self.copy_of_data()
        report, _ = self.run_to_the_end(folder, "tar.yaml", "--workers", "2")
        self.assertGreater(report["accuracy"], 0.6)
        self.run_ebb(folder, "predict", "run", "shirts-002.tar", "-o",
                     "predicted.csv")
        self.assertEqual(len(self.labels(folder)), 201)

    def test_images_are_packed(self):
        folder = self.copy_of_data()
        said = self.run_ebb(folder, "data", "pack", "folder.yaml", "p")
        self.assertIn("of 196 features, 10 different whole labels", said)
        with open(os.path.join(folder, "packed.yaml"), "w") as file:
            file.write(FOLDER.replace(
                "images: {path: shirts, size: 14x14, grey: true}",
                "packed: p/train").replace(
                    ", split: 0.25", ", test: {packed: p/test}"))
        report, _ = self.run_to_the_end(folder, "packed.yaml", "--workers",
                                        "2")
        self.assertGreater(report["accuracy"], 0.6)
        said = self.run_ebb(folder, "data", "pack", "tar:shirts-000.tar", "q")
        self.assertIn("300 examples of 2,352 features", said)

    @unittest.skipUnless(HAS_NUMPY, f"{PYTHON} has no numpy")
    def test_arrays_of_an_archive_are_trained(self):
        folder = self.copy_of_data()
        subprocess.run([PYTHON, "-c", SAVE], cwd=folder, check=True,
                       timeout=60)
        report, _ = self.run_to_the_end(folder, "npz.yaml", "--workers", "2")
        self.assertGreater(report["accuracy"], 0.7)
        self.run_ebb(folder, "predict", "run", "a.npz/X", "-o",
                     "predicted.csv")
        self.assertEqual(len(self.labels(folder)), 601)
        self.assertIn("a.npz: is an archive of 2 arrays: X, y", self.run_ebb(
            folder, "predict", "run", "a.npz", rc=2))

    def test_says_what_is_wrong(self):
        folder = self.copy_of_data()
        for wrong, said in (
                ("data.train.images.size=big", "size: 28x28"),
                ("data.train.images.size=9000x9000", "size: 224x224"),
                ("data.train.images.path=shirts/3",
                 "it has a folder for each class"),
                ("data.train.images.path=none",
                 "it has a folder for each class")):
            with self.subTest(wrong):
                self.assertIn(said, self.run_ebb(
                    folder, "job", "check", "folder.yaml", "--set", wrong,
                    rc=2))
        with open(os.path.join(folder, "shirts/3/cut.png"), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n\0\0")
        self.assertIn("shirts/3/cut.png: is cut: the PNG image ends within it",
                      self.run_ebb(folder, "job", "check", "folder.yaml",
                                   rc=2))
        good = self.run_ebb(folder, "job", "check", "folder.yaml", "--set",
                            "data.on_bad_example=skip")
        self.assertIn("1 bad example", good)


if __name__ == "__main__":
    unittest.main()
