#!/usr/bin/env python3
"""The tarball of tools/package, made from the programs of this build and
unpacked elsewhere: a job trains, and of this machine it takes only glibc. The
wheel, installed in a virtual environment, and python3-ebb, unpacked: a job
trains from Python.

  package_test.py BUILD_FOLDER
"""
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

BUILD = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build"
ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "../.."))
PROGRAMS = ["ebb", "ebb-advise", "ebb-bench", "ebb-ps", "ebb-scheduler",
            "ebb-sim", "ebb-sweep", "ebb-worker"]
# Without the caller's LD_LIBRARY_PATH and EBB_….
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent",
               "LANG": "C.UTF-8"}
GLIBC = {"libc", "libm", "libmvec", "libpthread", "libdl", "librt", "libresolv",
         "linux-vdso", "ld-linux-x86-64", "ld-linux-aarch64"}
JOB = """
name: packaged
model: linear
data: {train: {csv: small.train.csv}, test: {csv: small.test.csv}}
train: {epochs: 2, batch: 50}
"""


class PackageTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="ebb_package_")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        made = subprocess.run(
            [os.path.join(ROOT, "tools/package"), "--no-build", "--only", "tar",
             "--build", BUILD, "--out", cls.folder],
            capture_output=True, text=True)
        if made.returncode != 0:
            raise RuntimeError(made.stderr)
        (name,) = os.listdir(cls.folder)
        cls.name = name
        with tarfile.open(os.path.join(cls.folder, name)) as tar:
            tar.extractall(cls.folder)
        cls.root = os.path.join(cls.folder, name.removesuffix(".tar.gz"))

    def run_program(self, *command):
        ran = subprocess.run(command, cwd=self.folder, env=ENVIRONMENT,
                             capture_output=True, text=True, timeout=120)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        return ran.stdout

    def test_its_name_says_for_which_machines_it_is(self):
        self.assertRegex(self.name,
                         r"^ebb-\d+\.\d+\.\d+-linux-(x86_64|aarch64)\.tar\.gz$")

    def test_it_has_what_a_user_needs(self):
        self.assertEqual(sorted(os.listdir(os.path.join(self.root, "bin"))),
                         PROGRAMS)
        for path in ("LICENSE", "README.md", "ebb-docs.md", "docs/cli.md",
                     "docs/images/main-job.svg", "examples/README.md",
                     "examples/jobs/ratings.yaml",
                     "examples/chaos/worker_killed.yaml",
                     "share/bash-completion/completions/ebb"):
            self.assertTrue(os.path.isfile(os.path.join(self.root, path)), path)

    def test_only_glibc_comes_from_the_machine(self):
        libraries = os.path.join(self.root, "lib/ebb")
        files = [os.path.join(folder, name)
                 for folder in (os.path.join(self.root, "bin"), libraries)
                 for name in os.listdir(folder)]
        for path in files:
            # The loader finds them so for a program of bin/.
            environment = dict(ENVIRONMENT)
            if path.startswith(libraries):
                environment["LD_LIBRARY_PATH"] = libraries
            listed = subprocess.run(["ldd", path], env=environment,
                                    capture_output=True, text=True, check=True)
            self.assertNotIn("not found", listed.stdout, path)
            for found in re.findall(r"(/\S+) \(0x", listed.stdout):
                if os.path.realpath(found).startswith(
                        os.path.realpath(libraries) + "/"):
                    continue
                self.assertIn(os.path.basename(found).split(".so")[0], GLIBC,
                              f"{path} takes {found}")

    def test_each_library_comes_with_its_licence(self):
        licences = os.listdir(os.path.join(self.root, "share/doc"))
        for name in ("libgrpc29", "librocksdb7.8", "libstdc++6"):
            self.assertIn(name, licences)

    def test_a_job_trains(self):
        ebb = os.path.join(self.root, "bin/ebb")
        self.run_program(ebb, "generate", "linear", "small", "--rows", "2000")
        with open(os.path.join(self.folder, "job.yaml"), "w") as file:
            file.write(JOB)
        said = self.run_program(ebb, "run", "job.yaml")
        self.assertRegex(said, r"audit +exact")
        # The programs that `ebb` starts in its own place.
        self.assertIn("0 with a violation",
                      self.run_program(ebb, "sim", "--seeds", "1..2"))
        self.run_program(ebb, "bench", "--help")


FROM_PYTHON = """
import ebb
print("version", ebb.version(), ebb.__version__)
run = ebb.run("job.yaml")
print("exact", run.audit().exact, *(v.shape for v in run.state_dict().values()))
"""


class PythonTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_package_")
        self.addCleanup(shutil.rmtree, self.folder)
        with open(os.path.join(self.folder, "job.yaml"), "w") as file:
            file.write(JOB)

    def run_program(self, *command, path="/usr/bin:/bin", **environment):
        ran = subprocess.run(command, cwd=self.folder, timeout=120,
                             env={**ENVIRONMENT, "PATH": path, **environment},
                             capture_output=True, text=True)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        return ran.stdout

    def train(self, ebb, python, **environment):
        self.run_program(ebb, "generate", "linear", "small", "--rows", "2000",
                         **environment)
        said = self.run_program(python, "-c", FROM_PYTHON, **environment)
        self.assertRegex(said, r"version (\S+) \1\nexact True \(")

    def test_the_wheel_brings_its_programs(self):
        if subprocess.run(["/usr/bin/python3", "-m", "pip", "--version"],
                          capture_output=True).returncode != 0:
            self.skipTest("pip is not installed")
        subprocess.run(
            [os.path.join(ROOT, "tools/package"), "--no-build", "--only",
             "wheel", "--build", BUILD, "--out", self.folder],
            capture_output=True, check=True)
        (wheel,) = [name for name in os.listdir(self.folder)
                    if name.endswith(".whl")]
        self.assertRegex(wheel, r"^ebb-\d+\.\d+\.\d+-py3-none-manylinux_2_\d+_")
        path = os.path.join(self.folder, wheel)
        self.assertLess(os.path.getsize(path), 36e6)
        venv = os.path.join(self.folder, "venv")
        self.run_program("/usr/bin/python3", "-m", "venv", "--without-pip",
                         "--system-site-packages", venv)
        python = os.path.join(venv, "bin/python")
        self.run_program("/usr/bin/python3", "-m", "pip", "--python", python,
                         "install", "--no-deps", "--no-index", path)
        ebb = os.path.join(venv, "bin/ebb")
        self.train(ebb, python, path=f"{venv}/bin:/usr/bin:/bin")
        # It runs Python programs by the interpreter of the environment.
        with open(os.path.join(self.folder, "idle.py"), "w") as file:
            file.write("import ebb, sys; print(sys.prefix)\n")
        ran = subprocess.run([ebb, "run", "idle.py", "--workers", "1"],
                             cwd=self.folder, env=ENVIRONMENT,
                             capture_output=True, text=True, timeout=120)
        self.assertIn("idle.py ended without a job", ran.stderr)
        with open(os.path.join(self.folder,
                               "runs/idle-1/logs/worker-0.log")) as file:
            self.assertEqual(file.read().strip(), venv)

    def test_the_debian_package_finds_the_programs(self):
        subprocess.run(
            ["cpack", "--config", os.path.join(BUILD, "CPackConfig.cmake"),
             "-G", "DEB", "-B", self.folder, "-D",
             "CPACK_COMPONENTS_ALL=python"], capture_output=True, check=True)
        (package,) = [name for name in os.listdir(self.folder)
                      if name.startswith("python3-ebb_")]
        self.assertTrue(package.endswith("_all.deb"), package)
        path = os.path.join(self.folder, package)
        about = self.run_program("dpkg", "-f", path, "Depends")
        self.assertRegex(about, r"^ebb \(= \S+\), python3 \(>= 3.9\), "
                         "python3-numpy$")
        # apt would install recommended packages, such as PyTorch, with it.
        self.assertEqual(
            self.run_program("dpkg", "-f", path, "Recommends").strip(), "")
        self.assertRegex(self.run_program("dpkg", "-f", path, "Suggests"),
                         r"^python3-torch, [\w, -]+$")
        root = os.path.join(self.folder, "root")
        self.run_program("dpkg", "-x", path, root)
        # Job files of the package ebb lie beside it and name it.
        self.assertTrue(os.path.isfile(os.path.join(
            root, "usr/share/doc/ebb/examples/python/my_model.py")))
        # The package ebb, on which it depends, puts programs into the PATH.
        programs = os.path.join(BUILD, "bin")
        self.train(
            os.path.join(programs, "ebb"), "/usr/bin/python3",
            path=f"{programs}:/usr/bin:/bin",
            PYTHONPATH=os.path.join(root, "usr/lib/python3/dist-packages"))


if __name__ == "__main__":
    unittest.main()
