#!/usr/bin/env python3
"""The commands of `ebb` about a cluster that runs, as a user types them: real
daemons, real data, and readers of the exported files that share no code with
their writers.

  cli_test.py BIN_FOLDER
"""
import ast
import csv
import glob
import gzip
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import unittest

from trained_cluster import FASHION, IMAGES, TrainedCluster

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LABELS = FASHION + "t10k-labels-idx1-ubyte.gz"


def read_safetensors(path):
    """By the format's description alone."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    values = data[8 + length:]
    metadata = header.pop("__metadata__")
    tensors, end = {}, 0
    for name, entry in header.items():
        begin, stop = entry["data_offsets"]
        kind = "I64" if name.startswith("slots/adam/step/") else "F32"
        assert entry["dtype"] == kind and begin == end, name
        end = stop
        tensors[name] = (entry["shape"], values[begin:stop])
    assert end == len(values), "bytes beside all tensors"
    return metadata, tensors


def read_npy(path):
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"\x93NUMPY\x01\x00"
    (length,) = struct.unpack("<H", data[8:10])
    assert (10 + length) % 64 == 0
    header = ast.literal_eval(data[10:10 + length].decode())
    assert header["descr"] == "<f4" and header["fortran_order"] is False
    return list(header["shape"]), data[10 + length:]


def size_of(shape):
    size = 1
    for dim in shape:
        size *= dim
    return size


def accuracy_of(predictions):
    with gzip.open(LABELS) as file:
        labels = file.read()[8:]
    with open(predictions, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(labels)
    right = sum(int(row["prediction"]) == label
                for row, label in zip(rows, labels))
    return right / len(rows)


class CliTest(TrainedCluster):
    programs = BIN

    # --- What a cluster says of itself ---------------------------------------

    def test_submit_names_the_job(self):
        self.assertEqual(self.submitted.returncode, 0, self.submitted.stderr)
        self.assertRegex(self.submitted.stdout,
                         r"^shirts is job \d+\n(Chosen from the data: .*\n)?$")

    def test_status_lists_roles_with_processes_and_addresses(self):
        status = json.loads(self.good("status", "--json"))
        roles = {role["name"]: role for role in status["roles"]}
        self.assertEqual(set(roles), set(self.daemons))
        for name, daemon in self.daemons.items():
            self.assertEqual(roles[name]["process_id"], daemon.pid, name)
            if not name.startswith("worker"):
                self.assertRegex(roles[name]["address"], r"^127\.0\.0\.1:\d+$")
        job = status["jobs"][0]
        self.assertEqual(job["marks"], {"least": 20000, "most": 20000})
        self.assertEqual(job["durable_items"], job["items"])
        for name in self.daemons:
            self.assertIn(name, self.good("status"))

    def test_status_of_one_job(self):
        text = self.good("status", "shirts")
        self.assertEqual(text.split()[0], "JOB")
        self.assertIn("EPOCH", text)
        # No row of a daemon. What happened may name one, such as a slow worker.
        self.assertNotRegex(text, "(?m)^worker-0 ")
        self.assertIn("shirts", self.good("status", str(self.job()["id"])))
        status = json.loads(self.good("status", "shirts", "--json"))
        self.assertEqual([job["name"] for job in status["jobs"]], ["shirts"])
        self.fails(2, "there is no job socks", "status", "socks")
        # Bug: the daemon was said to have another role, or none of the data.
        for command in (["audit"], ["cancel"], ["checkpoint", "list"],
                        ["explain"], ["status"]):
            self.fails(2, 'ebb: there is no job "\\xff"\n', *command, b"\xff")
        self.fails(2, "--request-id is not UTF-8", "submit", "job.yaml",
                   "--request-id", b"\xff")

    def test_status_has_the_figures_of_each_epoch(self):
        job = self.job()
        # Each example counted once, and learned from.
        self.assertEqual([(e["epoch"], e["examples"]) for e in job["losses"]],
                         [(1, 10000), (2, 10000)])
        self.assertGreater(job["losses"][0]["mean"], job["losses"][1]["mean"])
        self.assertEqual([e["epoch"] for e in job["evaluations"]], [1, 2])
        self.assertNotIn("EPOCH", self.good("status"))
        text = self.good("status", "shirts")
        self.assertIn("EPOCH", text)
        self.assertIn(f"{job['evaluations'][1]['accuracy']:.4f}", text)
        servers = [r for r in json.loads(self.good("status", "--json"))["roles"]
                   if r["role"] == "server"]
        self.assertEqual(sum(s["updates"] for s in servers), job["updates"])
        self.assertGreater(job["updates"], 0)

    def test_a_plugin_is_loaded_only_from_allowed_folders(self):
        with open(self.path("lines.csv"), "w") as file:
            file.writelines(f"{x},{3 * x + 0.5}\n" for x in range(400))
        with open(self.path("huber.yaml"), "w") as file:
            file.write("model: {kind: huber, plugin: libhuber_regression.so}\n"
                       "data: {train: {csv: {path: lines.csv, header: false}}}")
        allowed = os.path.join(BIN, "..", "plugins")
        self.assertIn("is good: 400 examples", self.good(
            "job", "check", "huber.yaml", "--allow-plugins", allowed))
        plan = json.loads(self.good("job", "check", "huber.yaml", "--json",
                                    "--allow-plugins", allowed))["plan"]
        self.assertEqual(plan["examples"], 400)
        self.assertGreater(min(plan.values()), 0)
        self.fails(2, "--allow-plugins", "job", "check", "huber.yaml")
        # Bug: it was sent to another model.
        with open(self.path("lines.csv"), "w") as file:
            file.writelines(f"{x},{3 * x}\n" for x in range(400))
        self.fails(2, "hint: labels: values", "job", "check", "huber.yaml",
                   "--allow-plugins", allowed)
        self.good("job", "check", "huber.yaml", "--allow-plugins", allowed,
                  "--set", "model.labels=values")
        # Bug: a folder that is not there was nothing to speak of.
        for command in (["job", "check", "job.yaml"], ["submit", "job.yaml"],
                        ["run", "job.yaml"], ["predict", "shirts", IMAGES],
                        ["checkpoint", "export", "shirts", "-o", "p"]):
            self.fails(2, "--allow-plugins: Directory does not exist: none",
                       *command, "--allow-plugins", "none")
        os.mkdir(self.path("open"))
        os.chmod(self.path("open"), 0o777)
        self.fails(2, "--allow-plugins: anybody may write to open, and so",
                   "job", "check", "huber.yaml", "--allow-plugins", "open")

    # Bug: an empty folder stayed, which the next try took for an authority's.
    def test_certificates_of_no_role_leave_no_folder(self):
        self.fails(2, "plumber", "certs", "--folder", "tls", "--role",
                   "plumber")
        self.fails(2, "--name needs a --role", "certs", "--folder", "tls",
                   "--name", "x")
        self.fails(2, "host", "certs", "--folder", "tls", "--host", "no host")
        self.assertFalse(os.path.exists(self.path("tls")))

    def test_explain_and_audit(self):
        self.assertIn("nothing waits", self.good("explain", "shirts"))
        explained = json.loads(self.good("explain", "shirts", "--json"))
        where = explained.pop("stored_where")
        self.assertEqual(explained,
                         {"state": "complete", "advancing": False,
                          "not_advancing_ms": 0, "divergence": "",
                          "workers_to_spare": 0, "reasons": []})
        self.assertIn("--state-dir of ps-0 and ps-1 only; there is no copy",
                      where)
        self.assertIn(where, self.good("status", "shirts"))
        self.assertNotIn("shirts (", self.good("explain"))
        every = json.loads(self.good("explain", "--json"))["jobs"]
        self.assertIn(("shirts", "complete"),
                      [(one["name"], one["state"]) for one in every])
        audit = json.loads(self.good("audit", "shirts", "--json"))
        self.assertTrue(audit["exact"])
        self.assertEqual(audit["applied"], 20000)
        self.assertIn("exact: every example", self.good("audit", "shirts"))
        self.assertIn("nothing of shirts", self.good("resume", "shirts"))

    # --- Checkpoints ---------------------------------------------------------

    def test_list_shows_the_age_of_each_version(self):
        listed = json.loads(self.good("checkpoint", "list", "shirts", "--json"))
        versions = listed["versions"]
        self.assertEqual({v["partition"] for v in versions}, {0, 1, 2})
        now_ms = time.time() * 1000
        for version in versions:
            self.assertLess(abs(now_ms - version["written_unix_ms"]), 600_000)
        self.assertIn("AGE", self.good("checkpoint", "list", "shirts"))
        self.assertRegex(self.good("checkpoint", "verify", "shirts"),
                         r"^\d+ versions? read whole, 0 damaged\n$")

    def test_other_readers_understand_the_exported_files(self):
        self.good("checkpoint", "export", "shirts", "-o", "all.safetensors",
                  "--with-slots")
        self.good("checkpoint", "export", "shirts", "-o", "all", "--with-slots")
        metadata, tensors = read_safetensors(self.path("all.safetensors"))
        self.assertIn("shirts", metadata["ebb.job"])
        shapes = {name: shape for name, (shape, _) in tensors.items()
                  if not name.startswith("slots/")}
        self.assertEqual(sorted(shapes.values()),
                         [[10], [16], [16, 10], [784, 16]])
        # The number of steps that made the slots.
        for name in shapes:
            shape, steps = tensors.pop(f"slots/adam/step/{name}")
            self.assertEqual(shape, [1])
            self.assertGreater(int.from_bytes(steps, "little"), 0)
        for name, (shape, values) in tensors.items():
            self.assertEqual(len(values), 4 * size_of(shape), name)
            # By the other format: the same bits.
            other = self.path(f"all/{name.replace('/', '.')}.npy")
            self.assertEqual(read_npy(other), (shape, values), name)
            self.assertNotEqual(values, bytes(len(values)), "it has learned")
        for name, shape in shapes.items():
            for slot in ("first_moment", "second_moment"):
                slots, _ = tensors.pop(f"slots/adam/{slot}/{name}")
                self.assertEqual(slots, shape)
        self.assertEqual(set(tensors), set(shapes))
        self.good("checkpoint", "export", "shirts", "-o", "bare.safetensors")
        _, bare = read_safetensors(self.path("bare.safetensors"))
        self.assertEqual(bare, {name: tensors[name] for name in shapes})

    def test_predictions_are_as_good_as_the_job_reported(self):
        self.good("checkpoint", "export", "shirts", "-o", "model.safetensors")
        self.good("predict", "model.safetensors", IMAGES, "-o", "stored.csv")
        self.good("predict", "shirts", IMAGES, "-o", "live.csv")
        reported = self.job()["evaluations"][-1]["accuracy"]
        self.assertGreater(reported, 0.5)
        self.assertEqual(accuracy_of(self.path("stored.csv")), reported)
        with open(self.path("stored.csv")) as a, \
                open(self.path("live.csv")) as b:
            self.assertEqual(a.read(), b.read())
            a.seek(0)
            self.assertEqual(
                a.read(), self.good("predict", "model.safetensors", IMAGES))

    # A table with its columns in another order was predicted wrongly.
    def test_columns_are_found_by_their_names(self):
        def table(name, columns, rows=range(60)):
            value = {"a": lambda r: r % 7, "b": lambda r: r % 5,
                     "id": lambda r: r,
                     "y": lambda r: 3 * (r % 7) - 2 * (r % 5) + 1}
            with open(self.path(name), "w") as file:
                file.write(",".join(columns) + "\n")
                file.writelines(",".join(str(value[c](r)) for c in columns)
                                + "\n" for r in rows)
        table("ab.csv", ["a", "b", "y"])
        table("ba.csv", ["y", "id", "b", "a"])
        table("c.csv", ["a", "c"], []), table("bare_ba.csv", ["b", "a"])
        with open(self.path("table.yaml"), "w") as file:
            file.write("model: linear\noptimizer: {kind: adam, rate: 0.1}\n"
                       "train: {epochs: 60, batch: 20}\n"
                       "expect: {loss: \"<= 2\"}\n"  # Mixed up: above 50.
                       "data: {train: {csv: ab.csv}, test: {csv: ba.csv}}\n")
        ran = self.good("run", "table.yaml", "--run-dir", "table",
                        "--workers", "1")
        self.assertNotIn("accuracy", ran)
        self.assertRegex(ran, r"epoch 60: test RMSE \d+\.\d+, MAE \d+\.\d+, R2 ")
        self.good("checkpoint", "export", "table", "-o", "table.safetensors")
        expected = self.good("predict", "table", "ab.csv", "--labelled")
        for model in ("table", "table.safetensors"):
            for data in ("ab.csv", "ba.csv", "bare_ba.csv"):
                self.assertEqual(self.good("predict", model, data), expected)
            self.fails(2, "c.csv:1: there is no column 'b', which is a feature",
                       "predict", model, "c.csv")

    def test_servers_folders_serve_without_servers(self):
        copy = self.path("copy")
        for i in "01":
            shutil.copytree(self.path(f"ps-{i}"), f"{copy}/ps-{i}")
        self.good("checkpoint", "export", "copy", "-o", "copied.safetensors")
        self.good("checkpoint", "export", "shirts", "-o", "same.safetensors")
        with open(self.path("copied.safetensors"), "rb") as a, \
                open(self.path("same.safetensors"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        # One folder of two said to wait for the next checkpoint.
        self.fails(2, "the folder of the server that owns it is missing",
                   "checkpoint", "export", "copy/ps-0", "-o", "one.safetensors")
        # Bug: only servers that run could be audited.
        self.assertIn("exact: every example was applied exactly once in each "
                      "of 3 partitions", self.good("audit", "copy"))
        self.assertEqual(json.loads(self.good("audit", "copy", "--json")),
                         json.loads(self.good("audit", "shirts", "--json")))
        self.fails(2, "the folder of the server that owns it is missing",
                   "audit", "copy/ps-0")
        # Bug: a slash at the end, as completion puts it, named ps 0.
        for folder in ("copy/ps-1", "copy/ps-1/"):
            listed = self.good("checkpoint", "list", folder, "--json")
            self.assertEqual({version["server"] for version
                              in json.loads(listed)["versions"]}, {"ps-1"})
        # An older model was exported from a damaged log as if nothing were.
        torn = self.path("torn")
        shutil.copytree(copy, torn)
        (log,) = (f"{torn}/ps-0/db/{name}" for name
                  in os.listdir(f"{torn}/ps-0/db") if name.endswith(".log"))
        size = os.path.getsize(log)
        with open(log, "r+b") as file:
            file.seek(size * 9 // 10)
            flipped = bytes(byte ^ 0xff for byte in file.read(8))
            file.seek(size * 9 // 10)
            file.write(flipped)
        for command in (["list"], ["verify"], ["list", "--json"],
                        ["export", "-o", "torn.safetensors",
                         "--incomplete"]):
            self.fails(1, "ps-0: the log of checkpoint store", "checkpoint",
                       command[0], "torn", *command[1:])
        listed = self.ebb("checkpoint", "list", "torn", "--json")
        (problem,) = json.loads(listed.stdout)["problems"]
        self.assertIn(f"ebb: {problem}\n", listed.stderr)
        said = re.search(r"of (\d+\.log) ([\d,]+) bytes, from byte ([\d,]+) on, "
                         r"are not read\. The newest versions? that", problem)
        self.assertEqual(said[1], os.path.basename(log))
        unread, begin = (int(said[i].replace(",", "")) for i in (2, 3))
        self.assertEqual(begin + unread, size)
        self.assertLessEqual(begin, size * 9 // 10)
        self.assertRegex(problem, r" of 20,000 examples, stored \d{4}-\d\d")
        # Sound, but perhaps older; so is what it predicts.
        self.assertIn("shirts",
                      read_safetensors(self.path("torn.safetensors"))[0]["ebb.job"])
        self.fails(1, "ps-0: the log of checkpoint store", "predict", "torn",
                   IMAGES)
        self.fails(1, "ps-0: the log of checkpoint store", "audit", "torn")
        # The middle of every file of values is wrong now.
        db = f"{copy}/ps-0/db"
        for name in os.listdir(db):
            if name.endswith((".blob", ".log")):
                with open(f"{db}/{name}", "r+b") as file:
                    file.seek(os.path.getsize(file.name) // 2)
                    file.write(b"\xff" * 4096)
        self.fails(1, "ps-0: the log of checkpoint store", "checkpoint",
                   "verify", "copy")

    def test_copies_in_a_shared_folder_serve_without_servers(self):
        self.good("run", "job.yaml", "--epochs", "1", "--run-dir", "shared_run",
                  "--workers", "1")
        shared = "shared_run/shared"
        listed = json.loads(self.good("checkpoint", "list", shared, "--json"))
        self.assertEqual(listed["job"], "shirts")
        newest = {v["partition"]: v["examples"] for v in listed["versions"]}
        self.assertEqual(newest, {0: 10000, 1: 10000, 2: 10000})
        self.assertRegex(self.good("checkpoint", "verify", shared),
                         r"^\d+ versions? read whole, 0 damaged\n$")
        self.good("checkpoint", "export", shared, "-o", "shared.safetensors")
        self.good("checkpoint", "export", "shared_run", "-o",
                  "own.safetensors")
        for folder in (shared, "shared_run"):
            audit = json.loads(self.good("audit", folder, "--json"))
            self.assertEqual((audit["exact"], audit["applied"]), (True, 10000))
        with open(self.path("shared.safetensors"), "rb") as a, \
                open(self.path("own.safetensors"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        # Bug: where the newest version could not be read, an older model was
        # exported as if nothing were.
        newest = max((version for version in listed["versions"]
                      if version["partition"] == 1),
                     key=lambda version: (version["term"], version["sequence"]))
        (manifest,) = glob.glob(self.path(
            f"{shared}/job-*/p1/t{newest['term']:020}/"
            f"g*-{newest['sequence']:020}.version"))
        with open(manifest, "rb") as file:
            sound = file.read()
        with open(manifest, "wb") as file:
            file.write(sound[:-8])
        for command in (["list"], ["verify"], ["export", "-o", "x.safetensors"]):
            self.fails(1, f"the version of partition 1 that {newest['server']} "
                       f"stored in term {newest['term']} as number "
                       f"{newest['sequence']} cannot be read", "checkpoint",
                       command[0], shared, *command[1:])
        self.fails(1, "cannot be read", "audit", shared)
        self.fails(1, "cannot be read", "predict", shared, IMAGES)
        with open(manifest, "wb") as file:
            file.write(sound)
        for folder, _, names in os.walk(self.path(shared)):
            for name in names:
                if name.endswith(".values"):
                    with open(os.path.join(folder, name), "r+b") as file:
                        file.seek(os.path.getsize(file.name) // 2)
                        file.write(b"\xff" * 16)
        self.fails(1, ".values is damaged", "checkpoint", "verify", shared)
        self.fails(1, ".values is damaged", "audit", shared)
        os.makedirs(self.path("unused"))
        shutil.copy(self.path(f"{shared}/identity"),
                    self.path("unused/identity"))
        self.fails(2, "no server has copied anything", "checkpoint", "list",
                   "unused")

    # --- Runs ----------------------------------------------------------------

    # The bytes of images made steps so long that the loss was above 70.
    def test_a_job_of_model_and_data_alone_trains_well(self):
        with open(self.path("alone.yaml"), "w") as file:
            file.write("model: softmax\n"
                       f"data: {{train: {{idx: {FASHION}train}},"
                       f" test: {{idx: {FASHION}t10k}}}}\n"
                       "expect: {loss: \"<= 1\", accuracy: \">= 0.8\"}\n")
        self.good("run", "alone.yaml", "--run-dir", "alone", "--epochs", "2")

    # A refused --resume replaced the report of the run, and exited with 1.
    def test_a_refused_resume_leaves_the_run_as_it_is(self):
        with open(self.path("rows.csv"), "w") as file:
            file.writelines(f"{x},{3 * x}\n" for x in range(40))
        with open(self.path("rows.yaml"), "w") as file:
            file.write("model: linear\ntrain: {epochs: 1, batch: 8}\n"
                       "data: {train: {csv: rows.csv}}\n")
        run = ("run", "rows.yaml", "--run-dir", "rows", "--quiet")
        self.good(*run, "--workers", "1")
        def files():
            contents = {}
            for name in os.listdir(self.path("rows")):
                if os.path.isfile(self.path("rows/" + name)):
                    with open(self.path("rows/" + name), "rb") as file:
                        contents[name] = file.read()
            return contents
        before = files()
        # A run that was complete was started again, and its report replaced.
        self.assertEqual(
            self.good("run", "rows.yaml", "--run-dir", "rows", "--resume",
                      "--report", "copy.json"),
            "the run is complete: its report is rows/report.json (and "
            "report.html)\n")
        self.assertEqual(files(), before)
        with open(self.path("copy.json"), "rb") as file:
            self.assertEqual(file.read(), before["report.json"])
        # Without the servers' folders, their copies are the model.
        shutil.copytree(self.path("rows"), self.path("bare-rows"))
        for server in ("ps-0", "ps-1"):
            shutil.rmtree(self.path("bare-rows/state/" + server))
        resume = ("run", "rows.yaml", "--run-dir", "bare-rows", "--resume")
        self.good("checkpoint", "export", "bare-rows", "-o", "taken")
        self.assertIn("the run is complete", self.good(*resume))
        shutil.rmtree(self.path("bare-rows/shared"))
        self.fails(1, "the run is complete, but its model is gone", *resume)
        self.fails(2, "is of another job: train.batch is another, and cannot "
                   "change while the job goes on", *run, "--resume", "--set",
                   "train.batch=4", "--workers", "2")
        with open(self.path("rows.csv"), "a") as file:
            file.write("40,120\n")
        self.fails(2, "the data has changed", *run, "--resume")
        self.assertEqual(files(), before)

    # The --resume of a run that was complete, but had failed, exited with 0.
    def test_a_resume_of_a_failed_run_fails(self):
        with open(self.path("line.csv"), "w") as file:
            file.writelines(f"{x},{3 * x}\n" for x in range(40))
        with open(self.path("line.yaml"), "w") as file:
            file.write("model: linear\ntrain: {epochs: 1, batch: 8}\n"
                       "data: {train: {csv: line.csv}, test: {csv: line.csv}}\n"
                       "expect: {loss: \"< 0\"}\n")
        run = ("run", "line.yaml", "--run-dir", "line")
        missed = "error: expected loss < 0, found "
        self.fails(1, missed, *run, "--workers", "1")
        self.fails(1, "the run is complete, but failed: its report is "
                   "line/report.json (and report.html)\n" + missed,
                   *run, "--resume")
        # It said nothing at all with --quiet.
        quiet = self.ebb(*run, "--resume", "--quiet")
        self.assertEqual((quiet.returncode, quiet.stdout), (1, ""))
        self.assertIn("ebb: expected loss < 0, found ", quiet.stderr)
        with open(self.path("line/report.json"), "w") as file:
            file.write("{}")
        # Bug: exit code 1.
        self.fails(2, "line/report.json: it is no report of a run. Remove it",
                   *run, "--resume")
        for text, why in (("servers 1\nworkers two\n",
                           'cannot read "workers two"'),
                          ("", "it does not say how many servers there are")):
            with open(self.path("line/run"), "w") as file:
                file.write(text)
            self.fails(2, f"line/run: {why}\n  hint: it has a line for each",
                       *run, "--resume")

    # --- What goes wrong -----------------------------------------------------

    def test_completion_completes(self):
        script = (f"PATH={BIN}:$PATH; source <(ebb completion); "
                  "COMP_WORDS=(ebb checkpoint ex) COMP_CWORD=2; _ebb; "
                  "echo ${COMPREPLY[@]}; "
                  "COMP_WORDS=(ebb status --j) COMP_CWORD=2; _ebb; "
                  "echo ${COMPREPLY[@]}")
        done = subprocess.run(["bash", "-c", script], text=True,
                              capture_output=True)
        self.assertEqual(done.stdout, "export\n--json\n", done.stderr)


if __name__ == "__main__":
    signal.alarm(280)  # Nothing waits for ever.
    unittest.main(verbosity=2)
