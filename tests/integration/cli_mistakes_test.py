#!/usr/bin/env python3
"""Commands that a user types wrongly: each mistake is named, with what to do.

  cli_mistakes_test.py BIN_FOLDER
"""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest

from trained_cluster import IMAGES, LIMIT_S, TrainedCluster

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"


class MistakesTest(TrainedCluster):
    programs = BIN

    def test_wrong_names(self):
        for command in (["audit"], ["explain"], ["resume"], ["cancel"],
                        ["checkpoint", "list"], ["checkpoint", "verify"]):
            self.fails(2, "there is no job socks", *command, "socks")
            self.fails(2, "there are: shirts", *command, "socks")
            self.fails(2, "; is it shirts? There are: shirts", *command,
                       "shirst")
        self.fails(2, "there is no command frob; there are: chaos, run, ", "frob")
        self.fails(2, "there is no command frob; there are: list, verify, ",
                   "checkpoint", "frob")
        self.fails(2, "there is no command stauts; is it status?", "stauts")
        self.fails(2, "there is no command epxort; is it export?",
                   "checkpoint", "epxort")
        self.fails(2, "to train with this file: ebb run job.yaml", "job.yaml")
        for command in (["audit"], ["explain"], ["status"]):
            self.fails(2, "there is no job shrits at "
                       f"{self.environment['EBB_SCHEDULER']}; is it shirts?",
                       *command, "shrits")
        self.fails(2, "no.yaml: cannot be read", "submit", "no.yaml")
        self.fails(2, "hint: is it job.yaml?", "submit", "jbo.yaml")
        self.fails(2, "hint: is it job.yaml?", "job", "check", "job")
        self.fails(2, "--trace requires --seed", "sim", "--trace")
        self.fails(2, "no.yaml: cannot be read", "job", "check", "no.yaml")
        os.mkdir(self.path("bare"))
        self.fails(2, "bare holds no checkpoint: name the folder of an ebb run",
                   "checkpoint", "list", "bare")
        os.makedirs(self.path("early/state/ps-0"))
        self.fails(2, "early holds no checkpoint: its servers ended before",
                   "checkpoint", "list", "early")

    # The example of `ebb` itself was that of commands with commands below.
    def test_help_has_an_example_of_the_command(self):
        for command in ("checkpoint", "job", "bench", "sim"):
            self.assertRegex(self.good(command, "--help"),
                             rf"Examples?:\n  ebb {command} ")

    def test_a_report_of_clusters_that_nobody_has(self):
        trace = self.path("market.csv")
        with open(trace, "w") as file:  # Two nodes for 90 s, two losses.
            file.write("t_s,op,node\n0,add,a\n0,add,b\n60,remove,a\n"
                       "90,add,c\n120,remove,b\n")
        rough = ["sim", "--report", "--workers", "10,30", "--trace", trace,
                 "--batch-time", "200ms", "--losses", "10"]
        text = self.good(*rough, "--seed", "7")
        report = json.loads(self.good(*rough, "--seed", "7", "--json"))
        self.assertIn("34.3 losses an hour of each worker, 1 at an instant, "
                      "each replaced after 30.0 s", text)
        self.assertIn("a batch takes 200ms", text)
        self.assertIn("seed     7", text)
        self.assertIn("Every invariant was checked", text)
        rows = [line.split()[:3] for line in text.splitlines()
                if line.split()[:1] in (["10"], ["30"])]
        self.assertEqual(rows, [["10", "20.0k", "2"], ["30", "60.0k", "2"]])
        self.assertEqual([row["workers"] for row in report["rows"]], [10, 30])
        for row in report["rows"]:
            self.assertGreater(row["losses"], 0)
            self.assertTrue(0.8 < row["goodput"] < 1, row["goodput"])
            self.assertIsNone(row["violation"])
            for figure in ("repeated", "leases_per_s", "messages_in_per_s",
                           "messages_out_per_s", "took_s"):
                self.assertGreater(row[figure], 0, figure)
        self.fails(2, "0 workers; give 1 to 20000", "sim", "--report",
                   "--workers", "0")
        self.fails(2, "of --report it needs a FILE", "sim", "--report",
                   "--trace")

    def test_a_scheduler_that_is_not_there(self):
        for command in (["status"], ["explain", "x"], ["audit", "x"],
                        ["submit", "job.yaml"], ["checkpoint", "list", "x"]):
            self.fails(1, "no scheduler listens at 127.0.0.1:9 (Connection "
                       "refused)", *command, "--scheduler", "127.0.0.1:9")

    # A line of gRPC's log was printed beside what ebb says.
    def test_a_scheduler_that_breaks_off(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def greet_and_go():
                connection, _ = listener.accept()
                settings = b"\0\0\0\4\0\0\0\0\0"
                go_away = (b"\0\0\x16\7" + bytes(9) + b"\0\0\0\x0b"
                           b"too_many_pings")
                with connection:
                    connection.sendall(settings)
                    connection.recv(1)
                    connection.sendall(go_away)
                    while connection.recv(4096):
                        pass
            threading.Thread(target=greet_and_go).start()
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            said = self.ebb("status", "--scheduler", address)
        self.assertEqual(said.stderr, "ebb: the connection to the scheduler at "
                         f"{address} broke before its answer. Try again.\n")

    # It was said that no scheduler answers, and what was asked had been done.
    def test_a_scheduler_that_is_busy(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            self.fails(1, f"something listens at {address}, but takes no "
                       "requests", "status", "--scheduler", address)
            self.fails(1, "Nothing was asked of it yet", "checkpoint",
                       "rollback", "x", "--to", "1m", "--scheduler", address)

    # It was asked of the scheduler, as a job.
    def test_a_misspelt_folder_is_no_job(self):
        for command in (["explain"], ["checkpoint", "list"], ["audit"]):
            self.fails(2, "there is no folder or file runs/lost-1", *command,
                       "runs/lost-1", "--scheduler", "127.0.0.1:9")
        os.makedirs(self.path("kept/tuesday"))
        self.fails(2, "there is no folder or file kept/tuseday, and no name of "
                   "a job has a /; is it kept/tuesday?", "audit",
                   "kept/tuseday")

    def test_a_flag_of_other_tools_is_named_with_the_key(self):
        for flag, key in (("--batch-size", "train.batch"),
                          ("--lr", "optimizer.rate"), ("--batch", "train.batch")):
            self.fails(2, f"{flag}: it is a key of the job: --set {key}=20",
                       "run", "job.yaml", flag, "20")

    def test_a_misspelt_flag_is_named_with_the_nearest(self):
        self.fails(2, "no flag --wrokers; is it --workers?", "run",
                   "job.yaml", "--wrokers", "3")
        self.fails(2, "ebb run: --run-dir: the value is empty; is a variable "
                   "of the shell not set?", "run", "job.yaml", "--run-dir", "")
        self.fails(2, "--workers: Value -1 is too small", "scale", "x",
                   "--workers", "-1")
        done = subprocess.run([os.path.join(BIN, "ebb-ps"), "--state-drr", "x"],
                              stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("is it --state-dir?", done.stderr)
        done = subprocess.run([os.path.join(BIN, "ebb-ps"), "--state-dir", ""],
                              stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("ebb-ps: --state-dir: the value is empty", done.stderr)

    # Port 443 was tried for ever.
    def test_an_address_without_a_port_is_refused(self):
        self.fails(2, "HOST:PORT", "status", "--scheduler", "localhost")
        for daemon in (["ebb-worker", "--scheduler", "localhost"],
                       ["ebb-ps", "--id", "7", "--state-dir", "ps-7",
                        "--scheduler", "localhost"],
                       ["ebb-scheduler", "--state-dir", "scheduler-7",
                        "--listen", "localhost"]):
            done = subprocess.run(
                [os.path.join(BIN, daemon[0]), *daemon[1:]], cwd=self.folder,
                text=True, timeout=LIMIT_S, capture_output=True)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn('"localhost" is no address; write HOST:PORT',
                          done.stdout + done.stderr)

    def test_an_address_that_is_none_is_refused(self):
        done = subprocess.run(
            [os.path.join(BIN, "ebb-ps"), "--id", "7", "--state-dir", "ps-7",
             "--advertise", "a:b:c"], cwd=self.folder, text=True,
            timeout=LIMIT_S, capture_output=True)
        self.assertEqual(done.returncode, 2, done)
        self.assertIn('"a:b:c" is no address; write HOST or HOST:PORT',
                      done.stderr)
        for words in (["status", "--scheduler", "a:b:1"],
                      ["health", "a:b:1"]):
            self.fails(2, '"a:b:1" is no address; write HOST:PORT', *words)

    # "No scheduler listens" was all that a misspelt file was told.
    def test_a_model_that_is_not_there_is_named(self):
        for words in (("predict", "nosuch", "x.csv"),
                      ("predict", "nosuch.d", "x.csv"),
                      ("checkpoint", "list", "nosuch"), ("audit", "nosuch")):
            name = words[2] if words[1] == "list" else words[1]
            said = f"there is no folder or file {name}"
            self.fails(2, said, *words)
            self.fails(1, said, *words, "--scheduler", "127.0.0.1:1")
        self.fails(2, "hint: a model is a file called *.safetensors",
                   "predict", "nosuch", "x.csv")

    def test_exports_replace_nothing_by_mistake(self):
        def export(*more):
            return ("checkpoint", "export", "shirts", "-o", *more)
        self.good(*export("mine.safetensors"))
        self.fails(2, "mine.safetensors exists; --force replaces",
                   *export("mine.safetensors"))
        self.good(*export("mine.safetensors", "--force"))
        os.mkdir(self.path("empty"))
        self.good(*export("empty"))
        self.fails(2, "empty is not empty; --force", *export("empty"))
        for name in ("mine.npy", "mine.txt"):
            self.fails(2, "a folder, which gets a .npy", *export(name))
            self.assertFalse(os.path.exists(self.path(name)))
        self.good(*export("mine.d/"))
        self.assertTrue(os.path.isdir(self.path("mine.d")))
        self.fails(2, "is no folder", *export("nowhere/mine.safetensors"))

    def test_data_and_models_that_do_not_fit(self):
        self.good("checkpoint", "export", "shirts", "-o", "fit.safetensors")
        self.fails(2, "no.safetensors: No such file", "predict",
                   "no.safetensors", IMAGES)
        # Bug: the scheduler was asked for a job of that name.
        shutil.copy(self.path("fit.safetensors"),
                    self.path("fit.safetensorz"))
        self.fails(2, "fit.safetensorz is not a model that ebb reads: a model is a "
                   "file called *.safetensors", "predict", "fit.safetensorz",
                   IMAGES)
        self.fails(2, "there is no folder or file fit.safetensor; is it "
                   "fit.safetensors? Taken for",
                   "predict", "fit.safetensor", IMAGES)
        self.fails(2, "no.gz: cannot be opened", "predict", "fit.safetensors",
                   "no.gz")
        self.fails(2, "cannot write nowhere/x.csv", "predict",
                   "fit.safetensors", IMAGES, "-o", "nowhere/x.csv")
        with open(self.path("narrow"), "wb") as file:
            file.write(struct.pack(">IIII", 0x803, 1, 28, 27) + bytes(28 * 27))
        self.fails(2, "756", "predict", "fit.safetensors", "narrow")
        with open(self.path("fit.safetensors"), "rb") as file:
            data = file.read()
        with open(self.path("cut.safetensors"), "wb") as file:
            file.write(data[:-4])
        self.fails(1, "cut.safetensors: no safetensors file: impossible place",
                   "predict", "cut.safetensors", IMAGES)
        # Other layers than the values are of.
        with open(self.path("other.safetensors"), "wb") as file:
            file.write(data.replace(b"16,", b"17,", 1))
        self.fails(1, "other.safetensors: the model has", "predict",
                   "other.safetensors", IMAGES)


if __name__ == "__main__":
    signal.alarm(280)  # Nothing waits for ever.
    unittest.main(verbosity=2)
