"""A cluster in which a job has been trained, for tests of the commands about
it."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from daemons import Daemons, wait_until

FASHION = "/usr/share/datasets/fashion-mnist/"
IMAGES = FASHION + "t10k-images-idx3-ubyte.gz"
LIMIT_S = 60

JOB = f"""
name: shirts
model: {{kind: mlp, layers: [784, 16, 10]}}
data: {{train: {{idx: {FASHION}t10k, scale: 1/255}},
       test: {{idx: {FASHION}t10k, scale: 1/255}}}}
train: {{epochs: 2, batch: 100, item_examples: 500}}
optimizer: adam
evaluate: {{every: 1 epoch}}
partitions: 3
"""


class TrainedCluster(unittest.TestCase):
    """Its subclass says where the programs are (`programs`)."""
    programs = None

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(cls.end)
        cls.folder = tempfile.mkdtemp(prefix="ebb_trained_")
        cls.environment = dict(os.environ)
        cls.daemons = Daemons(cls.programs, cls.folder, cls.environment)
        cls.daemons.start(
            "scheduler", "--listen", "127.0.0.1:0", "--min-servers", "2",
            "--state-dir", "scheduler", "--address-file", "address")
        cls.wait(lambda: os.path.exists(cls.path("address")), "no scheduler")
        with open(cls.path("address")) as file:
            cls.environment["EBB_SCHEDULER"] = file.read().strip()
        cls.environment.pop("EBB_RUN", None)
        for i in "01":
            cls.daemons.start(f"ps-{i}", "--id", i, "--state-dir", f"ps-{i}")
        for i in "01":
            cls.daemons.start(f"worker-{i}", "--name", f"worker-{i}")
        with open(cls.path("job.yaml"), "w") as file:
            file.write(JOB)
        cls.submitted = cls.ebb("submit", "job.yaml")
        cls.wait(lambda: cls.job()["state"] == "complete", "not complete")

    @classmethod
    def end(cls):
        cls.daemons.end()
        shutil.rmtree(cls.folder)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    @classmethod
    def wait(cls, so, what):
        wait_until(so, what, LIMIT_S)

    @classmethod
    def ebb(cls, *arguments):
        return subprocess.run(
            [os.path.join(cls.programs, "ebb"), *arguments], cwd=cls.folder,
            env=cls.environment, text=True, timeout=LIMIT_S,
            stdin=subprocess.DEVNULL, capture_output=True)

    @classmethod
    def job(cls):
        status = cls.ebb("status", "--json")
        assert status.returncode == 0, status.stderr
        return json.loads(status.stdout)["jobs"][0]

    def good(self, *arguments):
        done = self.ebb(*arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
        return done.stdout

    def fails(self, code, text, *arguments):
        done = self.ebb(*arguments)
        self.assertEqual(done.returncode, code, (arguments, done))
        self.assertIn(text, done.stderr + done.stdout, arguments)
