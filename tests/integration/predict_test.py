#!/usr/bin/env python3
"""`ebb predict` on many workers, on real processes. Whatever is killed, the
predictions are those of one process, to the byte.

  predict_test.py BIN_FOLDER [TEST...]
"""
import glob
import http.server
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

from daemons import Daemons, wait_until

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 120

MODELS = {
    "softmax": "{train: {csv: points.train.csv}}",
    "{kind: mlp, layers: [2, 16, 10]}": "{train: {csv: points.train.csv}}",
    "{kind: forest, trees: 5}": "{train: {csv: points.train.csv}}",
    "{kind: kmeans, clusters: 4}": "{train: {csv: points.train.csv}}",
    "linear": "{train: {csv: line.train.csv}}",
    "{kind: fm, rank: 4}": "{train: {libffm: clicks.train.ffm}}",
    "{kind: deepfm, dim: 4}": "{train: {libffm: clicks.train.ffm}}",
}


class SilentServer:
    """A web server that does not answer."""

    def __init__(self, test):
        asked, ended = threading.Event(), threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.set()
                ended.wait(LIMIT_S)
            do_HEAD = do_PUT = do_GET

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for clean in (server.server_close, thread.join, server.shutdown,
                      ended.set):
            test.addCleanup(clean)
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.asked = asked


def heed_signals():
    """Restores signals in a child: a shell may have ignored them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class PredictTest(unittest.TestCase):
    """Predictions of several workers, beside those of one process."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="ebb_predict_test_")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        os.environ.pop("EBB_SCHEDULER", None)
        for arguments in (
                ["clusters", "points", "--rows", "6000", "--clusters", "10"],
                ["linear", "line", "--rows", "6000"],
                ["clicks", "clicks", "--rows", "6000", "--fields", "4",
                 "--vocabulary", "20,50,100", "--format", "libffm"]):
            cls.ebb("generate", *arguments)
        cls.train("points", "softmax", MODELS["softmax"])
        cls.ebb("predict", "points.safetensors", "points.train.csv",
                "--labelled", "-o", "points.csv")

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.folder, *names)

    @classmethod
    def read(cls, *names):
        with open(cls.path(*names), "rb") as file:
            return file.read()

    @classmethod
    def ebb(cls, *arguments, rc=0, **environment):
        """Returns what it prints."""
        done = subprocess.run(
            [os.path.join(BIN, "ebb"), *arguments], cwd=cls.folder, text=True,
            timeout=LIMIT_S, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **environment})
        if done.returncode != rc:
            raise AssertionError(f"exit code {done.returncode} of "
                                 f"{arguments}:\n{done.stdout}")
        return done.stdout

    @classmethod
    def train(cls, name, model, data):
        """Once for all tests."""
        if os.path.exists(cls.path(f"{name}.safetensors")):
            return
        with open(cls.path(f"{name}.yaml"), "w") as file:
            file.write(f"name: {name}\nmodel: {model}\ndata: {data}\n"
                       "train: {epochs: 1}\n")
        cls.ebb("run", f"{name}.yaml", "--quiet", "--servers", "1",
                "--workers", "1", "--run-dir", f"{name}.run")
        cls.ebb("checkpoint", "export", f"{name}.run", "-o",
                f"{name}.safetensors")

    @classmethod
    def piped(cls, *arguments, rc=0):
        """Returns what it prints with the labelled points from a pipe."""
        with subprocess.Popen(["cat", "points.train.csv"], cwd=cls.folder,
                              stdout=subprocess.PIPE) as cat:
            done = subprocess.run(
                [os.path.join(BIN, "ebb"), *arguments], cwd=cls.folder,
                timeout=LIMIT_S, stdin=cat.stdout, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            cat.stdout.close()
        if done.returncode != rc:
            raise AssertionError(f"exit code {done.returncode} of "
                                 f"{arguments}:\n{done.stdout[:1000]}")
        return done.stdout

    def test_the_standard_input_is_read_and_may_be_a_pipe(self):
        arguments = ["predict", "points.safetensors", "-", "--labelled"]
        self.assertEqual(self.piped(*arguments), self.read("points.csv"))
        # It is read twice.
        self.assertIn(b"\n" + self.read("points.train.csv").split(b"\n")[1]
                      .split(b",")[0] + b",",
                      self.piped(*arguments, "--id", "1"))
        self.assertIn(b"the standard input:1: ",
                      self.piped(*arguments, "--id", "nobody", rc=2))
        self.assertIn(b"DATA -: each worker reads the data itself",
                      self.piped(*arguments, "--workers", "1", "--to", "piped",
                                 rc=2))

    # Bug: it printed how many predictions there are.
    def test_nothing_but_what_is_asked_for_is_printed_if_it_is_quiet(self):
        lines = self.read("points.train.csv").splitlines(keepends=True)
        with open(self.path("bad.csv"), "wb") as file:
            file.write(b"".join([*lines[:200], b"not,a,point\n", *lines[200:]]))
        arguments = ["predict", "points.safetensors", "bad.csv", "--labelled",
                     "--bad-examples", "skip", "-o"]
        loud = self.ebb(*arguments, "loud.csv")
        self.assertIn("1 bad example has no prediction", loud)
        self.assertIn("6,000 predictions in loud.csv", loud)
        self.assertEqual(self.ebb(*arguments, "still.csv", "--quiet"), "")
        self.assertEqual(self.read("still.csv"), self.read("loud.csv"))
        self.assertEqual(
            self.ebb(*arguments, "still.csv", "--quiet", "--workers", "1"), "")
        self.assertEqual(self.read("still.csv"), self.read("loud.csv"))
        # An error is told, and figures are what --score is for.
        self.assertIn("ebb: ", self.ebb("predict", "points.safetensors",
                                        "nowhere.csv", "--quiet", rc=2))
        figures = self.ebb("predict", "points.safetensors", "points.train.csv",
                           "--score", "--quiet")
        self.assertTrue(figures.startswith("6,000 examples: accuracy"), figures)

    def joined(self, folder):
        """The parts in the order of their names, under one header."""
        text = b""
        for name in sorted(os.listdir(self.path(folder))):
            if name.startswith("part-"):
                header, _, rest = self.read(folder, name).partition(b"\n")
                text += rest if text else header + b"\n" + rest
        return text

    def test_every_kind_of_model(self):
        for number, (model, data) in enumerate(MODELS.items()):
            with self.subTest(model=model):
                name = f"model{number}"
                self.train(name, model, data)
                source = data.split()[-1].strip("}")
                arguments = ["predict", f"{name}.safetensors", source,
                             "--labelled"]
                self.ebb(*arguments, "-o", f"{name}.one.csv")
                self.ebb(*arguments, "-o", f"{name}.csv", "--workers", "2",
                         "--part-examples", "1024")
                self.assertEqual(self.read(f"{name}.csv"),
                                 self.read(f"{name}.one.csv"))
                self.assertFalse(os.path.exists(self.path(f"{name}.csv.parts")))

    def test_kills_change_no_byte(self):
        # Six batches for two workers take 7.5 s, and three daemons die in the
        # first six. On a slow machine they live long enough to do something.
        printed = self.ebb(
            "predict", "points.safetensors", "points.train.csv", "--labelled",
            "--workers", "2", "--servers", "2", "--to", "killed",
            "--part-examples", "1024", "--kill-every", "2", "--kill-seed",
            "7", EBB_COMPUTE_DELAY="2500ms")
        self.assertGreaterEqual(printed.count("as planned"), 3, printed)
        self.assertEqual(self.joined("killed"), self.read("points.csv"))
        about = json.loads(self.read("killed", "_SUCCESS"))
        self.assertEqual((about["examples"], about["parts"]), (6000, 6))
        self.assertEqual(
            [name for name in os.listdir(self.path("killed"))
             if name.startswith(".")], [])

    def scored(self, *arguments):
        """The figures and bins that --score prints."""
        printed = self.ebb("predict", *arguments, "--score")
        lines = printed.splitlines()
        first, = (number for number, line in enumerate(lines)
                  if line.startswith("6,000 examples: "))
        return [line for line in lines[first:] if "example" in line]

    def test_scores_are_those_of_one_process(self):
        with open(self.path("two.csv"), "w") as file:
            for number, line in enumerate(
                    self.read("line.train.csv").decode().splitlines()):
                file.write(line.rpartition(",")[0] + "," + (
                    str(number % 3 // 2) if number else "y") + "\n")
        self.train("two", "logistic", "{train: {csv: two.csv}}")
        self.train("line", "linear", MODELS["linear"])
        for name, data, words in (
                ("points", "points.train.csv", ["accuracy"]),
                ("two", "two.csv", ["AUC", "ECE", "calibration: "]),
                ("line", "line.train.csv", ["RMSE", "R2"])):
            with self.subTest(model=name):
                arguments = [f"{name}.safetensors", data]
                one = self.scored(*arguments)
                for word in words:
                    self.assertIn(word, "\n".join(one))
                self.assertEqual(one, self.scored(
                    *arguments, "--workers", "2", "-o", "scored.csv",
                    "--part-examples", "1024"))
                folder = f"scored.{name}"
                self.assertEqual(one, self.scored(
                    *arguments, "--workers", "1", "--to", folder))
                about = json.loads(self.read(folder, "_SUCCESS"))
                for figure, value in about["figures"].items():
                    if figure in ("accuracy", "auc", "r2"):
                        title = {"auc": "AUC", "r2": "R2"}.get(figure, figure)
                        self.assertIn(f"{title} {value:.4f}", one[0])

    # Bug: workers looked for a file of labels beside the one of images.
    def test_a_file_of_images_alone_has_no_labels_to_skip(self):
        with open(self.path("tiny-images-idx3-ubyte"), "wb") as file:
            file.write(struct.pack(">4I", 0x803, 200, 2, 2))
            file.write(bytes(i * 7 % 256 for i in range(800)))
        with open(self.path("tiny-labels-idx1-ubyte"), "wb") as file:
            file.write(struct.pack(">2I", 0x801, 200))
            file.write(bytes(i % 2 for i in range(200)))
        self.train("tiny", "softmax", "{train: {idx: tiny}}")
        arguments = ["tiny.safetensors", "tiny-images-idx3-ubyte",
                     "--labelled", "-o"]
        self.ebb("predict", *arguments, "tiny.one.csv")
        self.ebb("predict", *arguments, "tiny.csv", "--workers", "1")
        self.assertEqual(self.read("tiny.csv"), self.read("tiny.one.csv"))
        # --score takes both files, by the beginning of their names.
        printed = self.ebb("predict", "tiny.safetensors", "tiny", "--score",
                           "--workers", "1", "-o", "tiny.scored.csv")
        self.assertIn("200 examples: accuracy", printed)
        self.assertEqual(self.read("tiny.scored.csv"),
                         self.read("tiny.one.csv"))

    def test_models_without_labels_are_not_scored(self):
        self.train("clusters", "{kind: kmeans, clusters: 4}",
                   MODELS["softmax"])
        printed = self.ebb("predict", "clusters.safetensors",
                           "points.train.csv", "--score", "--workers", "1",
                           "--to", "clusters", rc=2)
        self.assertIn("clusters.safetensors: the model looks at no labels",
                      printed)
        self.assertFalse(os.path.exists(self.path("clusters")))

    # A run reported the files of its own predictions as strays.
    def test_a_long_run_is_good(self):
        columns = 400
        with open(self.path("wide.csv"), "w") as file:
            for row in range(4096):
                values = ",".join(str((row * column) % 7)
                                  for column in range(columns))
                file.write(f"{values},{row % 2}\n")
        self.train("wide", f"{{kind: mlp, layers: [{columns}, 2500, 2500, 2]}}",
                   "{train: {csv: wide.csv}}")
        self.ebb("predict", "wide.safetensors", "wide.csv", "--labelled",
                 "--workers", "2", "--to", "wide", "--part-examples", "1024")

    def test_the_column_that_names_the_examples_is_copied(self):
        arguments = ["predict", "line.safetensors", "line.csv", "--id", "id"]
        self.train("line", "linear", MODELS["linear"])
        header, *rows = self.read("line.train.csv").decode().splitlines()
        with open(self.path("line.csv"), "w") as file:
            file.write(f"id,{header.rpartition(',')[0]}\n")
            for number, row in enumerate(rows):
                file.write(f"row {number},{row.rpartition(',')[0]}\n")
        self.ebb(*arguments, "-o", "line.one.csv")
        self.ebb(*arguments, "-o", "line.joined.csv", "--workers", "2")
        self.assertEqual(self.read("line.joined.csv"),
                         self.read("line.one.csv"))
        self.assertIn(b"row 5999", self.read("line.joined.csv"))

    def test_what_kills_workers_is_named_and_the_rest_is_there(self):
        printed = self.ebb(
            "predict", "points.safetensors", "points.train.csv", "--labelled",
            "--workers", "2", "--to", "poisoned", "--part-examples", "1024",
            rc=1, EBB_CRASH_AT_EXAMPLE="1500")
        self.assertIn("the predictions of the examples 1,025 to 2,048 are "
                      "missing (part-001024-002047.csv)", printed)
        self.assertFalse(os.path.exists(self.path("poisoned", "_SUCCESS")))
        parts = sorted(name for name in os.listdir(self.path("poisoned"))
                       if name.startswith("part-"))
        self.assertEqual(len(parts), 5)
        # The same command writes what is missing, once it can be computed.
        self.ebb("predict", "points.safetensors", "points.train.csv",
                 "--labelled", "--workers", "2", "--to", "poisoned")
        self.assertEqual(self.joined("poisoned"), self.read("points.csv"))

    # Bug: nothing said why, and the rate was called too large.
    def test_a_full_disk_is_said(self):
        os.mkdir(self.path("full"))
        # A disk of its own for the command, which ends with it.
        mount = "mount -t tmpfs -o size=64k full full"
        if subprocess.run(["unshare", "-m", "sh", "-c", mount],
                          cwd=self.path(), check=False).returncode != 0:
            self.skipTest("it may not mount a small disk")
        said = subprocess.run(
            ["unshare", "-m", "sh", "-c", mount + ' && exec "$0" "$@"',
             os.path.join(BIN, "ebb"), "predict", "points.safetensors",
             "points.train.csv", "--labelled", "--workers", "2", "--to",
             "full/to", "--part-examples", "1024"], cwd=self.path(), text=True,
            check=False, timeout=LIMIT_S, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.assertEqual(said.returncode, 1, said.stdout)
        self.assertRegex(said.stdout, r"ebb: a batch failed: .*full/to/part-.*"
                         r": No space left on device \(runs/.*worker-\d\.log\)")
        self.assertNotIn("rate", said.stdout)

    def test_folders_with_something_else_are_refused(self):
        os.mkdir(self.path("mine"))
        with open(self.path("mine", "file"), "w") as file:
            file.write("precious")
        arguments = ["predict", "points.safetensors", "points.train.csv",
                     "--labelled", "--workers", "1", "--to"]
        self.assertIn("not begun by", self.ebb(*arguments, "mine", rc=2))
        self.assertEqual(os.listdir(self.path("mine")), ["file"])
        self.ebb(*arguments, "done")
        self.assertIn("complete predictions", self.ebb(*arguments, "done",
                                                       rc=2))

    def cluster(self, name, workers=True):
        """Starts one in a folder of its own; returns its address."""
        os.mkdir(self.path(name))
        daemons = Daemons(BIN, self.path(name))
        self.addCleanup(daemons.end)
        daemons.start("scheduler", "--listen", "127.0.0.1:0", "--min-servers",
                      "1", "--state-dir", "scheduler", "--address-file",
                      "address")
        wait_until(lambda: os.path.exists(self.path(name, "address")),
                   "no scheduler", LIMIT_S)
        address = self.read(name, "address").decode().strip()
        daemons.start("ps-0", "--id", "0", "--scheduler", address,
                      "--state-dir", "ps-0")
        if workers:
            self.workers(name, address)
        return address

    def workers(self, name, address, **environment):
        """Two more workers of that cluster."""
        daemons = Daemons(BIN, self.path(name), {**os.environ, **environment})
        self.addCleanup(daemons.end)
        for i in "01":
            daemons.start(f"worker-{i}", "--name", f"worker-{i}", "--scheduler",
                          address)
        return daemons

    def begin(self, *arguments, **environment):
        """A command that goes on, and what it prints in the end."""
        command = subprocess.Popen(
            [os.path.join(BIN, "ebb"), *arguments], cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **environment}, preexec_fn=heed_signals)
        self.addCleanup(command.wait)
        self.addCleanup(command.kill)
        return command

    def parts(self, folder):
        """The parts that are there, and when each was written."""
        return {name: os.stat(self.path(folder, name)).st_mtime_ns
                for name in os.listdir(self.path(folder))
                if name.startswith("part-")}

    def beside(self, folder):
        return [name for name in os.listdir(self.folder)
                if name.startswith(folder + ".")]

    def test_a_cluster_that_runs(self):
        address = self.cluster("cluster")
        printed = self.ebb(
            "predict", "points.run", "points.train.csv", "--labelled",
            "--scheduler", address, "--to", "there/", "--part-examples",
            "1024")
        self.assertIn("6,000 predictions in there", printed)
        self.assertEqual(self.joined("there"), self.read("points.csv"))
        # The model that was made for the job is gone.
        self.assertEqual(self.beside("there"), [])
        audit = ["audit", "predict", "--scheduler", address]
        of_cluster = self.ebb(*audit)
        self.assertIn("exact", of_cluster)
        # Bug: a folder of the same name was taken for the job of the cluster.
        shutil.copytree(self.path("points.run"), self.path("predict"))
        self.addCleanup(shutil.rmtree, self.path("predict"))
        self.assertEqual(self.ebb(*audit), of_cluster)

    # Bugs: the claim kept the name of the job, so the scheduler answered with
    # the one that had ended. A second command of the same folder replaced the
    # model of the first one, and removed it.
    def test_a_job_that_ended_early_is_followed_by_another(self):
        address = self.cluster("slow", workers=False)
        slow = self.workers("slow", address, EBB_COMPUTE_DELAY="3s")
        self.train("other", "softmax",
                   "{train: {csv: points.train.csv, scale: 2}}")
        predict = ["points.train.csv", "--labelled", "--scheduler", address,
                   "--to", "ended", "--part-examples", "1024"]
        first = self.begin("predict", "points.run", *predict)
        wait_until(lambda: os.path.isdir(self.path("ended"))
                   and self.parts("ended"), "no part", LIMIT_S)
        slow.end()  # So the job stays as it is.
        model, = self.beside("ended")
        written = os.stat(self.path(model)).st_mtime_ns
        self.assertRegex(self.ebb("predict", "other.run", *predict, rc=2),
                         "of another command: the SHA-256 of MODEL was [0-9a-f]"
                         r"{16}, and is [0-9a-f]{16}\. Repeat")
        self.assertIn("of another command: --part-examples was 1024, and is "
                      "2048. Repeat", self.ebb("predict", "points.run",
                                               *predict[:-1], "2048", rc=2))
        self.assertIn("another `ebb predict` writes there",
                      self.ebb("predict", "points.run", *predict, rc=2))
        self.assertEqual(self.beside("ended"), [model])
        self.assertEqual(os.stat(self.path(model)).st_mtime_ns, written)

        # Bug: it told of checkpoints, and how to export a model.
        said = self.ebb("cancel", "predict", "--scheduler", address)
        self.assertRegex(said, r"stay in /\S*ended\. ")
        self.assertIn("predicts what is missing when you repeat it", said)
        self.assertNotIn("checkpoint", said)
        said, _ = first.communicate(timeout=LIMIT_S)
        self.assertEqual(first.returncode, 1, said)
        self.assertIn("the job was cancelled", said)
        self.assertEqual(self.beside("ended"), [])
        before = self.parts("ended")
        self.assertTrue(0 < len(before) < 6, before)

        self.workers("slow", address)
        said = self.ebb("predict", "points.run", *predict)
        self.assertIn("another job predicts what is missing", said)
        self.assertEqual(self.joined("ended"), self.read("points.csv"))
        # The parts that were there were kept.
        after = self.parts("ended")
        self.assertEqual({name: after[name] for name in before}, before)
        self.assertEqual(self.beside("ended"), [])

    def test_a_part_that_is_lost_is_written_again(self):
        address = self.cluster("lossy")
        predict = ["predict", "points.safetensors", "points.train.csv",
                   "--labelled", "--scheduler", address, "--to", "lossy.to",
                   "--part-examples", "1024"]
        self.ebb(*predict)
        for name in ("_SUCCESS", "part-001024-002047.csv"):
            os.remove(self.path("lossy.to", name))
        self.assertIn("another job predicts", self.ebb(*predict))
        self.assertEqual(self.joined("lossy.to"), self.read("points.csv"))

    def test_bad_examples_are_left_out_on_demand(self):
        self.train("line", "linear", MODELS["linear"])
        header, *rows = self.read("line.train.csv").decode().splitlines()
        bad = (0, 1500, 5999)
        for number in bad:
            rows[number] = "what" + rows[number]
        with open(self.path("bad.csv"), "w") as file:
            file.write(f"id,{header.rpartition(',')[0]}\n")
            for number, row in enumerate(rows):
                file.write(f"row {number},{row.rpartition(',')[0]}\n")
        arguments = ["predict", "line.safetensors", "bad.csv", "--id", "id"]
        workers = ["--workers", "2", "--part-examples", "1024"]
        for more in [], workers:
            said = self.ebb(*arguments, "-o", "b.csv", *more, rc=2)
            self.assertIn("bad.csv:2", said)
            self.assertIn("hint: --bad-examples skip leaves out the 3 bad "
                          "examples", said)
        arguments += ["--bad-examples", "skip"]
        told = "3 bad examples have no predictions; the first: "
        self.assertIn(told, self.ebb(*arguments, "-o", "bad.one.csv"))
        self.assertIn(told, self.ebb(*arguments, "-o", "bad.joined.csv",
                                     *workers))
        one = self.read("bad.one.csv").decode().splitlines()
        self.assertEqual(self.read("bad.joined.csv").decode().splitlines(),
                         one)
        # Each prediction stands beside the name of its own row.
        self.assertEqual([line.partition(",")[0] for line in one[1:]],
                         [f"row {number}" for number in range(6000)
                          if number not in bad])
        printed = self.ebb(*arguments, "--to", "bad.to", *workers,
                           "--kill-every", "2", EBB_COMPUTE_DELAY="1s")
        self.assertEqual(printed.count(told), 1)
        self.assertEqual(self.joined("bad.to").decode().splitlines(), one)
        about = json.loads(self.read("bad.to", "_SUCCESS"))
        self.assertEqual((about["examples"], about["left_out"]), (5997, 3))

    # Bug: the folder with the model for the workers stayed.
    def test_an_interrupted_preparation_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            server = SilentServer(self)
            command = self.begin("predict", "points.run",
                                 f"{server.url}/new.csv", "--workers", "1",
                                 "--to", "stopped")
            self.assertTrue(server.asked.wait(LIMIT_S))
            folder, = self.beside("stopped")
            self.assertRegex(folder, r"stopped\.model-.{6}$")
            command.send_signal(number)
            said, _ = command.communicate(timeout=LIMIT_S)
            self.assertEqual(command.returncode, -number, said)
            self.assertIn("interrupted before anything was predicted; the same "
                          "command begins again", said)
            self.assertEqual(self.beside("stopped"), [])

    def runs(self):
        return set(glob.glob(self.path("runs", "*")))

    # Bug: the threads that had read the run ended the command without a word,
    # and its folders stayed.
    def test_an_interrupt_before_the_first_part_leaves_nothing(self):
        before = self.runs()
        command = self.begin("predict", "points.run", "points.train.csv",
                             "--labelled", "--workers", "1", "--to", "early",
                             EBB_BATCH_TIME="3s")
        line = command.stdout.readline()
        self.assertTrue(line.startswith("predict: "), line)
        command.send_signal(signal.SIGINT)
        said, _ = command.communicate(timeout=LIMIT_S)
        self.assertEqual(command.returncode, 130, said)
        self.assertIn("interrupted before anything was predicted\n", said)
        self.assertIn("the same command begins again", said)
        self.assertFalse(os.path.exists(self.path("early")), said)
        self.assertEqual(self.runs(), before)

    # Bug: the folder for a copy of an object stayed.
    def test_an_interrupted_export_leaves_nothing(self):
        server = SilentServer(self)
        os.mkdir(self.path("temporary"))
        command = self.begin(
            "checkpoint", "export", "points.run", "-o",
            "s3://bucket/m.safetensors", TMPDIR=self.path("temporary"),
            AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="secret",
            AWS_REGION="us-east-1", AWS_ENDPOINT_URL_S3=server.url)
        self.assertTrue(server.asked.wait(LIMIT_S))
        folder, = os.listdir(self.path("temporary"))
        self.assertRegex(folder, "ebb-bucket-")
        command.send_signal(signal.SIGINT)
        said, _ = command.communicate(timeout=LIMIT_S)
        self.assertEqual(command.returncode, -signal.SIGINT, said)
        self.assertEqual(os.listdir(self.path("temporary")), [])


if __name__ == "__main__":
    unittest.main()
