#!/usr/bin/env python3
"""`ebb stream`: feeders that are killed and several at once store each line
once; what the set is asked for is what was put; errors name what is wrong.

  stream_test.py BIN_FOLDER
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 60


class StreamTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.set = os.path.join(self.folder, "set")

    def ebb(self, *args, text="", expect=0):
        """Runs ebb stream; returns what it prints, or its errors."""
        done = subprocess.run([os.path.join(BIN, "ebb"), "stream", *args],
                              input=text, capture_output=True, text=True,
                              timeout=LIMIT_S, check=False)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout if expect == 0 else done.stderr

    def status(self):
        return json.loads(self.ebb("status", self.set, "--json"))

    def verify(self):
        report = json.loads(self.ebb("verify", self.set, "--json"))
        self.assertTrue(report["sound"], report)
        return report

    def test_lines_are_stored_once_by_several_feeders(self):
        self.ebb("put", self.set, "--format", "csv", text="a,b\n1,0\n2,1\n")
        files = []
        for feeder in range(3):
            path = os.path.join(self.folder, f"{feeder}.csv")
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(f"{i},{i % 2}\n" for i in range(500))
            files.append(subprocess.Popen(
                [os.path.join(BIN, "ebb"), "stream", "put", self.set, path, "-q"]))
        for process in files:
            self.assertEqual(process.wait(timeout=LIMIT_S), 0)
        status = self.status()
        self.assertEqual(status["next_number"], 1502)
        self.assertEqual(status["left_out"], 1)
        self.assertEqual(status["format"], "csv")
        self.assertEqual(self.verify()["examples"], 1502)

    def test_follow_stores_what_it_read_when_it_is_stopped(self):
        self.ebb("put", self.set, "--format", "csv", "--set", "csv.header=false",
                 text="1,0\n2,1\n")
        with subprocess.Popen(
                [os.path.join(BIN, "ebb"), "stream", "follow", "-", self.set,
                 "--interval", "20ms", "--json"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                text=True) as follow:
            follow.stdin.write("3,0\n4,1\n")
            follow.stdin.flush()
            while self.status()["next_number"] < 4:
                pass  # Each look takes a while.
            follow.send_signal(signal.SIGTERM)
            out = follow.stdout.read()
            self.assertEqual(follow.wait(timeout=LIMIT_S), 0)
        self.assertEqual(json.loads(out)["examples"], 2)
        self.assertEqual(self.verify()["examples"], 4)

    def test_files_are_followed_through_a_rotation_and_kills(self):
        log = os.path.join(self.folder, "clicks.log")
        lines = [f"{i},{i % 2},{i + 1000000}\n" for i in range(400)]

        def write(some):
            with open(log, "a", encoding="utf-8") as file:
                file.writelines(some)

        def follow(until, how):
            with subprocess.Popen(
                    [os.path.join(BIN, "ebb"), "stream", "follow",
                     f"file:{self.folder}/clicks*", self.set, "--format", "csv",
                     "--set", "csv.header=false", "--set", "csv.label=2",
                     "--sample", "50", "--interval", "10ms", "-q"]) as process:
                while not os.path.exists(os.path.join(self.set, "about")):
                    self.assertIsNone(process.poll())
                while self.status()["next_number"] < until:
                    self.assertIsNone(process.poll())
                process.send_signal(how)

        write(lines[:200])
        follow(100, signal.SIGKILL)
        os.rename(log, os.path.join(self.folder, "clicks.1"))
        write(lines[200:300])
        follow(300, signal.SIGKILL)
        write(lines[300:])
        follow(400, signal.SIGTERM)
        self.assertEqual(self.verify()["examples"], 400)
        self.assertEqual(len(self.status()["partitions"]), 2)

    def test_the_set_decides(self):
        self.ebb("put", self.set, "--format", "csv", "--on-bad", "aside",
                 text="1,0\n2,1\n")
        self.ebb("put", self.set, text="x,1\n3,0\n")
        self.assertEqual(self.status()["left_out"], 1)
        self.assertEqual(len(os.listdir(os.path.join(self.set, "aside", "put"))), 1)
        error = self.ebb("put", self.set, "--on-bad", "stop", text="1,0\n", expect=1)
        self.assertIn("--on-bad aside", error)
        self.ebb("put", self.set, "--end")
        self.assertTrue(self.status()["ended"])
        self.assertIn("has ended", self.ebb("put", self.set, text="1,0\n", expect=1))
        self.verify()

    def test_verify_finds_damage(self):
        self.ebb("put", self.set, "--format", "csv", text="1,0\n2,1\n")
        path = os.path.join(self.set, "chain", "0" * 20)
        with open(path, "r+b") as file:
            file.seek(100)
            byte = file.read(1)
            file.seek(100)
            file.write(bytes([byte[0] ^ 1]))
        self.assertIn("checksum", self.ebb("verify", self.set, expect=1))

    def test_errors_say_what_to_do(self):
        self.assertIn("--format", self.ebb("put", self.set, text="1,0\n", expect=2))
        self.assertIn("has no growing set", self.ebb("status", self.folder, expect=2))
        error = self.ebb("put", self.set, "--format", "idx", text="1\n", expect=2)
        self.assertIn("csv", error)


if __name__ == "__main__":
    unittest.main()
