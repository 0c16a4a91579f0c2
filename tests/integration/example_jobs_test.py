#!/usr/bin/env python3
"""Every job of examples/jobs is good once the command that it names has made
its data, and `ebb job check` names that command where the data is missing.

  example_jobs_test.py BIN_FOLDER SOURCE_FOLDER
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BIN = os.path.abspath(sys.argv.pop(1))
SOURCE = os.path.abspath(sys.argv.pop(1))
JOBS = sorted(glob.glob(os.path.join(SOURCE, "examples/jobs/*.yaml")))
# The shape counts, not the size.
MOST_ROWS = {"--rows": 4000, "--test-rows": 500}
# Data of these jobs that stands where a job file should, and the model for it.
OFFERS = {
    "arrays_npz.yaml": ("shirts.npz", "softmax"),
    "images_folder.yaml": ("shirts", "softmax"),
    "images_tar.yaml": ("shirts-000.tar", "softmax"),
    "fashion_packed.yaml": ("shirts.packed", "softmax"),
}
PYTHON = os.environ.setdefault("EBB_PYTHON", "/usr/bin/python3")
HAS_TORCH = subprocess.run([PYTHON, "-c", "import torch"],
                           stderr=subprocess.DEVNULL).returncode == 0


def comment(text, name):
    """Returns what follows "# NAME:" in a job file, on one line, or None."""
    found = re.search(rf"^# {name}: ((?:.*\\\n#)*.*)$", text, re.MULTILINE)
    return found and re.sub(r"\s*\\\n#\s*", " ", found[1])


def smaller(command):
    for flag, most in MOST_ROWS.items():
        command = re.sub(rf"(?<={flag} )\d+",
                         lambda rows, most=most: str(min(int(rows[0]), most)),
                         command)
    return command


class ExampleJobsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_example_jobs_test_")
        self.addCleanup(shutil.rmtree, self.folder)

    def shell(self, command):
        path = BIN + os.pathsep + os.environ["PATH"]
        return subprocess.run(
            ["bash", "-c", command], cwd=self.folder, text=True, timeout=100,
            env=dict(os.environ, PATH=path), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def check_job(self, path):
        with open(path) as file:
            text = file.read()
        data, stand_in = comment(text, "data"), comment(text, "stand-in")
        self.assertIsNotNone(data, "say where the data comes from")
        make = next((command for command in (data, stand_in)
                     if command and command.startswith(
                         ("ebb generate ", "ebb data pack ",
                          "python3 examples/"))), None)
        check = f"ebb job check {path}"
        if "kind: python" in text:
            if not HAS_TORCH:
                self.skipTest(f"{PYTHON} has no torch")
            check += f" --allow-plugins {SOURCE}/examples/python"
        if make is None:
            package = re.fullmatch(r"apt-get install (\S+)", data)
            self.assertTrue(package, f"no command makes data: {data}")
            with open(os.path.join(SOURCE, "packages.txt")) as file:
                self.assertIn(package[1], file.read().split())
        else:
            missing = self.shell(check)
            self.assertEqual(missing.returncode, 2, missing.stdout)
            for command in filter(None, (data, stand_in)):
                self.assertIn(command, missing.stdout)
            made = self.shell(smaller(make).replace(
                " examples/", f" {SOURCE}/examples/"))
            self.assertEqual(made.returncode, 0, made.stdout)
        checked = self.shell(check)
        self.assertEqual(checked.returncode, 0, checked.stdout)
        self.assertIn(" is good: ", checked.stdout)
        if os.path.basename(path) in OFFERS:
            self.check_offer(*OFFERS[os.path.basename(path)])

    def check_offer(self, data, model):
        """`ebb run DATA` says which two lines are a job file for it."""
        offered = self.shell(f"ebb run {data}")
        self.assertEqual(offered.returncode, 2, offered.stdout)
        self.assertIn("These two lines are a job file that trains on it",
                      offered.stdout)
        lines = [line for line in offered.stdout.splitlines()
                 if line.startswith("  ")]
        self.assertEqual(lines[0], f"  model: {model}")
        with open(os.path.join(self.folder, "offered.yaml"), "w") as file:
            file.write("\n".join(lines) + "\n")
        checked = self.shell("ebb job check offered.yaml")
        self.assertEqual(checked.returncode, 0, offered.stdout + checked.stdout)

    def test_every_job_is_good_after_the_command_that_it_names(self):
        self.assertGreater(len(JOBS), 20)
        for path in JOBS:
            with self.subTest(os.path.basename(path)):
                self.check_job(path)
                for name in os.listdir(self.folder):
                    path_of = os.path.join(self.folder, name)
                    if os.path.isdir(path_of):
                        shutil.rmtree(path_of)
                    else:
                        os.remove(path_of)


if __name__ == "__main__":
    unittest.main()
