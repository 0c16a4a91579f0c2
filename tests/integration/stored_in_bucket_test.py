#!/usr/bin/env python3
"""A run whose checkpoints, data, export and predictions are all in a bucket.

  stored_in_bucket_test.py BIN_FOLDER [S3_SERVER]

Without S3_SERVER it runs beside tests/services/radosgw.py, in its bucket.
"""
import os
import random
import subprocess
import sys
import unittest
import unittest.mock
import urllib.request

from job_test_case import JobTestCase

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             "../services"))
import radosgw

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
SERVER = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else None
BUCKET = os.environ.get("EBB_TEST_BUCKET", "s3://bucket")
ROWS, EPOCHS = 1_200, 2
JOB = """
name: stored
model: softmax
data: {{train: {{csv: "{bucket}/train.csv"}}}}
train: {{epochs: {epochs}, batch: 20, item_examples: 200}}
partitions: 2
checkpoint: {{every: 1s}}
"""


def rows(seed, count):
    """Points of two classes that a line divides."""
    draw = random.Random(seed)
    lines = ["x,y,label"]
    for _ in range(count):
        x, y = draw.uniform(-1, 1), draw.uniform(-1, 1)
        lines.append(f"{x:.4f},{y:.4f},{int(x + y > 0)}")
    return "\n".join(lines) + "\n"


class StoredInBucketTest(JobTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        data = {"train.csv": rows(1, ROWS).encode(),
                "new.csv": rows(2, 50).encode(),
                "many.csv": rows(3, 40_000).encode()}
        if SERVER is None:
            service = radosgw.Ceph.of_environment()
            for key, body in data.items():
                status, said = service.put(f"/{radosgw.BUCKET}/{key}", body)
                assert status == 200, said
            return
        server = subprocess.Popen([sys.executable, "-B", SERVER],
                                  stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        cls.addClassCleanup(cls.end, server)
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        # Requests that are signed are checked also where they need not be.
        urllib.request.urlopen(url + "/-/public", data=b"", timeout=10).read()
        for key, body in data.items():
            urllib.request.urlopen(urllib.request.Request(
                f"{url}/bucket/{key}", data=body, method="PUT"),
                timeout=10).read()
        for name, value in (("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
                            ("AWS_SECRET_ACCESS_KEY", "secret/EXAMPLE+key"),
                            ("AWS_REGION", "us-east-1"),
                            ("AWS_ENDPOINT_URL_S3", url)):
            os.environ[name] = value

    @staticmethod
    def end(server):
        server.stdin.close()
        server.wait(timeout=10)
        server.stdout.close()

    def test_everything_is_in_the_bucket(self):
        folder = self.new_folder()
        with open(os.path.join(folder, "job.yaml"), "w") as file:
            file.write(JOB.format(bucket=BUCKET, epochs=EPOCHS))
        copies = f"{BUCKET}/run-{os.getpid()}"
        report, _ = self.run_to_the_end(folder, "job.yaml",
                                        "--shared-checkpoints", copies)
        self.assertEqual(report["audit"]["applied"], EPOCHS * ROWS)
        self.assertFalse(os.path.exists(os.path.join(folder, "run/shared")))
        self.assertIn("exact", self.run_ebb(folder, "audit", copies))
        # The run goes on there, and only there.
        said = self.run_ebb(folder, "run", "job.yaml", "--run-dir", "run",
                            "--resume", "--epochs", str(EPOCHS + 1),
                            "--shared-checkpoints", BUCKET + "/other", rc=2)
        self.assertIn("has its copies in " + copies, said)
        report, _ = self.run_to_the_end(folder, "job.yaml", "--resume",
                                        "--epochs", str(EPOCHS + 1))
        self.assertEqual(report["audit"]["applied"], (EPOCHS + 1) * ROWS)
        said = self.run_ebb(folder, "run", "job.yaml", "--run-dir", "run2",
                            "--shared-checkpoints", copies, rc=2)
        self.assertIn("has copies of another run", said)
        self.assertFalse(os.path.exists(os.path.join(folder, "run2")))

        # From the bucket, to the bucket.
        model = f"{BUCKET}/models-{os.getpid()}/m.safetensors"
        for place in (model, model + ".npy/"):
            said = self.run_ebb(folder, "checkpoint", "export", copies, "--to",
                                place)
            self.assertIn("in " + place, said)
            said = self.run_ebb(folder, "checkpoint", "export", copies, "--to",
                                place, rc=2)
            self.assertIn("--force replaces what is there", said)
            self.run_ebb(folder, "checkpoint", "export", copies, "--to", place,
                         "--force")
        said = self.run_ebb(folder, "checkpoint", "export", copies, "-o",
                            BUCKET + "/m.pt", rc=2)
        self.assertIn("name a FILE.safetensors", said)

        # The same predictions from everything that has the model.
        new, predictions = BUCKET + "/new.csv", model + ".csv"
        said = self.run_ebb(folder, "predict", model, new, "--labelled", "-o",
                            predictions)
        self.assertIn("50 predictions in " + predictions, said)
        of_object = self.run_ebb(folder, "predict", model, new, "--labelled")
        self.assertEqual(
            of_object, self.run_ebb(folder, "predict", copies, new,
                                    "--labelled"))
        self.assertEqual(
            of_object, self.run_ebb(folder, "predict", "run", new,
                                    "--labelled"))
        self.assertEqual(len(of_object.splitlines()), 51)

    def test_many_workers_predict_into_the_bucket(self):
        folder = self.new_folder()
        with open(os.path.join(folder, "job.yaml"), "w") as file:
            file.write(JOB.format(bucket=BUCKET, epochs=1))
        self.run_to_the_end(folder, "job.yaml")
        many = BUCKET + "/many.csv"
        parts = f"{BUCKET}/parts-{os.getpid()}"
        predict = ["predict", "run", many, "--labelled", "--workers", "2",
                   "--part-examples", "1024", "--to", parts + "/", "-o",
                   "joined.csv"]
        # Forty parts for two workers take 15 s, and three daemons die in the
        # first twelve. A part takes a fraction of the time between two deaths
        # of workers: after three at one part it would be skipped.
        with unittest.mock.patch.dict(os.environ, EBB_COMPUTE_DELAY="750ms"):
            said = self.run_ebb(folder, *predict, "--kill-every", "4")
        self.assertIn(f"40,000 predictions in {parts}", said)
        self.assertGreaterEqual(said.count("as planned"), 3, said)
        alone = self.run_ebb(folder, "predict", "run", many, "--labelled")
        with open(os.path.join(folder, "joined.csv")) as file:
            self.assertEqual(file.read(), alone)
        # Bug: -o with a bucket was taken for a file.
        one = f"{BUCKET}/one-{os.getpid()}.csv"
        joined = ["predict", "run", many, "--labelled", "--workers", "2", "-o",
                  one]
        self.assertIn(f"40,000 predictions in {one}",
                      self.run_ebb(folder, *joined))
        self.assertFalse([name for name in os.listdir(folder)
                          if name.endswith(".parts")])
        if SERVER is not None:
            url = os.environ["AWS_ENDPOINT_URL_S3"] + one.removeprefix("s3:/")
            with urllib.request.urlopen(url, timeout=10) as answer:
                self.assertEqual(answer.read().decode(), alone)
        # An output that may not be written is told before anything starts.
        said = self.run_ebb(folder, *joined[:-1], "s3://no-such-bucket/one.csv",
                            rc=1)
        self.assertRegex(said, "no-such-bucket")
        self.assertNotIn("scheduler", said)
        # What is there is complete, and no other may write beside it.
        self.assertIn("complete predictions",
                      self.run_ebb(folder, *predict, rc=2))
        self.assertIn("not begun by `ebb predict`", self.run_ebb(
            folder, "predict", "run", many, "--labelled", "--to", BUCKET,
            rc=2))

    def test_a_folder_of_its_own(self):
        folder = self.new_folder()
        with open(os.path.join(folder, "job.yaml"), "w") as file:
            file.write(JOB.format(bucket=BUCKET, epochs=1))
        self.run_to_the_end(folder, "job.yaml", "--shared-checkpoints",
                            "copies/")
        copies = os.path.join(folder, "copies")
        self.assertIn("exact", self.run_ebb(folder, "audit", copies))
        self.assertEqual(self.run_ebb(folder, "predict", copies,
                                      BUCKET + "/new.csv", "--labelled"),
                         self.run_ebb(folder, "predict", "run",
                                      BUCKET + "/new.csv", "--labelled"))


if __name__ == "__main__":
    unittest.main()
