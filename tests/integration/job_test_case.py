"""What tests of one job, each with a data set of its own, have in common."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest


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
        """What it prints."""
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
