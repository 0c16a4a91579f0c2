"""The parts that tests of one job, each with its own data set, share."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from exported import read_tensors


def deaths(compute, *at):
    """A scenario in which one daemon of each role dies. With this time of a
    batch, all of it is before the job's end."""
    worker, server, scheduler = at or ("300ms", "600ms", "900ms")
    return f"""
name: one of each role
workers: 2
servers: 2
compute: {compute}
events:
  - {{at: {worker}, kill: worker-0}}
  - {{at: {server}, kill: ps-1}}
  - {{at: {scheduler}, kill: scheduler}}
"""


class JobTestCase(unittest.TestCase):
    """Its subclass says where the programs are (`programs`), and how long one
    of them may take (`limit_s`)."""
    programs = None
    limit_s = 120

    @classmethod
    def make_data(cls, files):
        """The folder `data`, with these texts by file name. It goes away after
        the tests; each run gets a copy."""
        cls.data = tempfile.mkdtemp(prefix="ebb_job_data_")
        cls.addClassCleanup(shutil.rmtree, cls.data)
        for name, text in files.items():
            with open(os.path.join(cls.data, name), "w") as file:
                file.write(text)

    @classmethod
    def generate(cls, *arguments):
        """`ebb generate`, into the folder `data`."""
        subprocess.run(
            [os.path.join(cls.programs, "ebb"), "generate", *arguments],
            cwd=cls.data, check=True, timeout=cls.limit_s, capture_output=True)

    def run_ebb(self, folder, *arguments, rc=0):
        """Returns what it prints."""
        done = subprocess.run(
            [os.path.join(self.programs, "ebb"), *arguments], cwd=folder,
            text=True, timeout=self.limit_s, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, rc, done.stdout)
        return done.stdout

    def new_folder(self):
        folder = tempfile.mkdtemp(prefix="ebb_job_test_")
        self.addCleanup(shutil.rmtree, folder)
        return folder

    def copy_of_data(self):
        return shutil.copytree(self.data, self.new_folder(),
                               dirs_exist_ok=True)

    def run_to_the_end(self, folder, job, *more, command="run",
                       run_dir="run"):
        """The report, and what was printed. Its audit is exact."""
        said = self.run_ebb(folder, command, job, "--report", "report.json",
                            "--run-dir", run_dir, *more)
        with open(os.path.join(folder, "report.json")) as file:
            report = json.load(file)
        self.assertTrue(report["audit"]["exact"], report["audit"])
        return report, said

    def export(self, folder, *more):
        """Writes model.safetensors. What the command prints."""
        return self.run_ebb(folder, "checkpoint", "export", "run", "-o",
                            "model.safetensors", *more)


class OneFolderTestCase(JobTestCase):
    """Its tests share the folder `data`, in which all commands run. So runs and
    files have names of their own. What a test does to `environment`, it takes
    back."""

    @classmethod
    def make_data(cls, files):
        super().make_data(files)
        cls.environment = dict(os.environ)
        cls.environment.pop("EBB_RUN", None)

    @classmethod
    def path(cls, *parts):
        return os.path.join(cls.data, *parts)

    @classmethod
    def start_ebb(cls, *arguments, stderr=subprocess.STDOUT):
        """Returns what subprocess.run returns."""
        return subprocess.run(
            [os.path.join(cls.programs, "ebb"), *arguments], cwd=cls.data,
            env=cls.environment, text=True, timeout=cls.limit_s, check=False,
            stdout=subprocess.PIPE, stderr=stderr)

    @classmethod
    def ebb(cls, *arguments, rc=0):
        """Returns what it prints."""
        done = cls.start_ebb(*arguments)
        if done.returncode != rc:
            raise AssertionError(f"exit code {done.returncode}, and not {rc}: "
                                 f"ebb {' '.join(arguments)}\n{done.stdout}")
        return done.stdout

    @classmethod
    def tensors(cls, run, *flags):
        """Exports the model of a run to RUN.safetensors, and reads it."""
        cls.ebb("checkpoint", "export", run, "--force", "-o",
                f"{run}.safetensors", *flags)
        return read_tensors(cls.path(f"{run}.safetensors"))

    def report(self, run):
        with open(self.path(run, "report.json")) as file:
            return json.load(file)

    def check_deaths(self, run):
        """`ebb chaos` fails unless each of deaths() was in time."""
        report = self.report(run)
        self.assertTrue(report["audit"]["exact"], report["audit"])
        self.assertEqual(report["restarts"]["total"], 3)
        return report
