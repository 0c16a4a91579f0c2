#!/usr/bin/env python3
"""Training data in a bucket and on a web server, on real processes, while both
fail now and then.

  remote_data_test.py BIN_FOLDER S3_SERVER [TEST...]
"""
import gzip
import json
import os
import random
import subprocess
import sys
import unittest
import urllib.request

from job_test_case import JobTestCase

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
SERVER = (os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1
          else "common/objects/testing/s3_server.py")

MAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    "../../examples/jobs/make_records.py")
ROWS, EPOCHS = 1_200, 2
JOB = """
name: remote
model: softmax
data: {{train: {{csv: "{train}"}}, test: {{csv: "{test}"}}}}
train: {{epochs: {epochs}, batch: 20, item_examples: 200}}
partitions: 2
"""


def rows(seed, count, header):
    """Points of two classes that a line divides."""
    draw = random.Random(seed)
    lines = ["x,y,label"] if header else []
    for _ in range(count):
        x, y = draw.uniform(-1, 1), draw.uniform(-1, 1)
        lines.append(f"{x:.4f},{y:.4f},{int(x + y > 0)}")
    return ("\n".join(lines) + "\n").encode()


class RemoteDataTest(JobTestCase):
    programs = BIN

    def setUp(self):
        self.server = subprocess.Popen([sys.executable, "-B", SERVER],
                                       stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        self.addCleanup(self.end_server)
        self.url = f"http://127.0.0.1:{int(self.server.stdout.readline())}"
        self.ask("/-/public")
        for key, body in (("train/1.csv", rows(1, ROWS // 2, True)),
                          ("train/2.csv.gz",
                           gzip.compress(rows(2, ROWS // 2, True))),
                          ("test.csv", rows(3, 200, True))):
            request = urllib.request.Request(f"{self.url}/bucket/{key}",
                                             data=body, method="PUT")
            urllib.request.urlopen(request, timeout=10).read()
        # Requests that are signed are checked also where they need not be.
        for name, value in (("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
                            ("AWS_SECRET_ACCESS_KEY", "secret/EXAMPLE+key"),
                            ("AWS_REGION", "us-east-1"),
                            ("AWS_ENDPOINT_URL_S3", self.url)):
            os.environ[name] = value

    def end_server(self):
        self.server.stdin.close()
        self.server.wait(timeout=10)
        self.server.stdout.close()

    def ask(self, path, body=b""):
        """The number of requests until now."""
        return int(urllib.request.urlopen(self.url + path, data=body,
                                          timeout=10).read())

    def train(self, train, test, rows):
        folder = self.new_folder()
        with open(os.path.join(folder, "job.yaml"), "w") as file:
            file.write(JOB.format(train=train, test=test, epochs=EPOCHS))
        before = self.ask("/-/count")
        report, _ = self.run_to_the_end(folder, "job.yaml")
        self.assertGreater(self.ask("/-/count"), before)
        self.assertEqual(report["audit"]["applied"], EPOCHS * rows)

    def put(self, key, body):
        urllib.request.urlopen(urllib.request.Request(
            f"{self.url}/bucket/{key}", data=body, method="PUT"),
            timeout=10).read()

    def test_files_of_a_bucket(self):
        self.ask("/-/faults", json.dumps(
            [{"kind": "503 SlowDown", "skip": 3, "count": 4},
             {"kind": "cut", "skip": 4, "count": 3},
             {"kind": "reset", "skip": 6, "count": 3}]).encode())
        self.train("s3://bucket/train/*", "s3://bucket/test.csv", ROWS)

    def test_files_of_a_web_server(self):
        self.train(f"{self.url}/bucket/train/2.csv.gz",
                   f"{self.url}/bucket/test.csv", ROWS // 2)

    def test_images_of_a_bucket_and_an_archive_of_a_web_server(self):
        golden = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                              "..", "golden", "readers")
        for key, name in (("pets/cat/1.png", "plain.png"),
                          ("pets/cat/2.jpg", "baseline.jpg"),
                          ("pets/dog/1.png", "interlaced.png"),
                          ("pets/dog/2.jpg", "progressive.jpg"),
                          ("a.tar.gz", "gnu.tar.gz")):
            with open(os.path.join(golden, name), "rb") as file:
                urllib.request.urlopen(urllib.request.Request(
                    f"{self.url}/bucket/{key}", data=file.read(),
                    method="PUT"), timeout=10).read()
        for source, count in (("images: s3://bucket/pets", 4),
                              (f"tar: {self.url}/bucket/a.tar.gz", 3)):
            folder = self.new_folder()
            with open(os.path.join(folder, "job.yaml"), "w") as file:
                file.write("name: remote\nmodel: softmax\n"
                           "data: {train: {%s, scale: 1/255}}\n"
                           "train: {epochs: 2, batch: 2}\n" % source)
            report, _ = self.run_to_the_end(folder, "job.yaml")
            self.assertEqual(report["audit"]["applied"], 2 * count)

    def test_records_of_both(self):
        for form, features, source in (
                ("tf_record", "image: {as: bytes, width: 64}, label: label",
                 "s3://bucket"),
                ("json_lines", "price: dense, clicked: label",
                 self.url + "/bucket")):
            with self.subTest(form):
                folder = self.new_folder()
                path = os.path.join(folder, "records")
                subprocess.run([sys.executable, "-B", MAKE, form, path,
                                "--rows", str(ROWS)], check=True)
                with open(path, "rb") as file:
                    urllib.request.urlopen(urllib.request.Request(
                        f"{self.url}/bucket/{form}", data=file.read(),
                        method="PUT"), timeout=10).read()
                os.remove(path)
                with open(os.path.join(folder, "job.yaml"), "w") as file:
                    file.write(f"name: remote\nmodel: softmax\ndata: {{train: "
                               f"{{{form}: {source}/{form}, features: "
                               f"{{{features}}}}}}}\n"
                               f"train: {{epochs: {EPOCHS}, batch: 20}}\n")
                report, _ = self.run_to_the_end(folder, "job.yaml")
                self.assertEqual(report["audit"]["applied"], EPOCHS * ROWS)

    def test_packed_sets_of_both(self):
        folder = self.new_folder()
        with open(os.path.join(folder, "all.csv"), "wb") as file:
            file.write(rows(1, 1500, True))
        self.run_ebb(folder, "data", "pack", "csv:all.csv", "packed",
                     "--split", "0.2", "--window", "64")
        for part in ("train", "test"):
            for name in os.listdir(os.path.join(folder, "packed", part)):
                path = os.path.join(folder, "packed", part, name)
                with open(path, "rb") as file:
                    self.put(f"packed/{part}/{name}", file.read())
                os.remove(path)
        said = self.run_ebb(folder, "data", "verify", "s3://bucket/packed/train")
        self.assertIn("1,216 examples in 19 windows, all of them sound", said)
        for place in ("s3://bucket/packed", f"{self.url}/bucket/packed"):
            with self.subTest(place):
                self.ask("/-/faults", json.dumps(
                    [{"kind": "503 SlowDown", "skip": 9, "count": 4},
                     {"kind": "cut", "skip": 14, "count": 3},
                     {"kind": "reset", "skip": 6, "count": 3}]).encode())
                folder = self.new_folder()
                with open(os.path.join(folder, "job.yaml"), "w") as file:
                    file.write(
                        "name: remote\nmodel: softmax\n"
                        f"data: {{train: {{packed: {place}/train}},"
                        f" test: {{packed: {place}/test}}}}\n"
                        f"train: {{epochs: {EPOCHS}, batch: 16}}\n")
                report, _ = self.run_to_the_end(folder, "job.yaml")
                self.assertEqual(report["audit"]["applied"], EPOCHS * 1216)

    def test_what_is_missing_is_named(self):
        folder = self.new_folder()
        with open(os.path.join(folder, "job.yaml"), "w") as file:
            file.write(JOB.format(train="s3://bucket/none.csv",
                                  test="s3://bucket/test.csv",
                                  epochs=EPOCHS))
        said = self.run_ebb(folder, "run", "job.yaml", rc=2)
        self.assertIn("s3://bucket/none.csv is not there", said)


if __name__ == "__main__":
    unittest.main()
