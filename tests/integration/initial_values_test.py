#!/usr/bin/env python3
"""Jobs that begin with the values of a file (model.initial): an export goes on
to the bit, whatever is killed before the first version, and what does not fit
is refused by name.

  initial_values_test.py BIN_FOLDER
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import unittest

from daemons import Daemons, wait_until
from exported import read_tensors, write_tensors
from job_test_case import OneFolderTestCase, deaths
from reserved_port import ReservedPort

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
ROWS = 1000

# Steps of such a rate change no value.
STILL = ["--set", "optimizer.kind=sgd", "--set", "optimizer.rate=1e-35"]


def job(name, layers=16):
    return f"""
name: {name}
model: {{kind: mlp, layers: [3, {layers}, 3]}}
data: {{train: {{csv: lines.csv}}, test: {{csv: lines.csv}}}}
train: {{epochs: 2, batch: 50, item_examples: 250}}
optimizer: adam
algorithm: sgd
evaluate: {{every: 1 epoch}}
checkpoint: {{every: 200ms}}
partitions: 4
"""


ROWS_JOB = """
name: rows
model: {kind: fm, rank: 3}
data: {train: {libsvm: ads.train.libsvm}}
train: {epochs: 2, batch: 50, item_examples: 500}
optimizer: {kind: adagrad, rate: 0.05}
algorithm: sgd
checkpoint: {every: 200ms}
partitions: 4
"""


def farthest(a, b):
    assert a.keys() == b.keys(), (a.keys(), b.keys())
    return max(abs(x - y) for name in a
               for x, y in zip(a[name].values(), b[name].values()))


def beginning_with(value, tensor):
    return tensor._replace(data=struct.pack("<f", value) + tensor.data[4:])


class InitialValuesTest(OneFolderTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        files = {name + ".yaml": job(name, layers) for name, layers in (
            ("first", 16), ("second", 16), ("other", 8))}
        cls.make_data(files | {
            "lines.csv": "".join(f"{i % 7},{i % 11},{i % 5},{i % 3}\n"
                                 for i in range(ROWS)),
            "deaths.yaml": deaths("100ms")})
        cls.ebb("run", "first.yaml", "--run-dir", "first", "--workers", "1")
        cls.first = cls.tensors("first")

    def setUp(self):
        self.daemons = Daemons(BIN, self.data, self.environment)
        self.addCleanup(self.daemons.end)

    def run_from_first(self, name, *more, command="run"):
        self.ebb(command, "second.yaml", "--run-dir", name, "--workers", "2",
                 "--set", "model.initial=first.safetensors", *more)
        return self.tensors(name)

    def test_a_run_begins_where_the_export_ended(self):
        self.assertEqual(self.run_from_first("still", *STILL), self.first)
        last = self.report("first")["evaluations"][-1]
        begun = self.report("still")["evaluations"][0]
        self.assertEqual(begun["accuracy"], last["accuracy"])
        self.assertAlmostEqual(begun["loss"], last["loss"], places=9)
        self.assertNotEqual(self.run_from_first("on"), self.first)

    def test_a_run_goes_on_without_the_file(self):
        """Bug: it read the file again."""
        shutil.copy(self.path("first.safetensors"), self.path("begin.safetensors"))
        run = ("run", "second.yaml", "--run-dir", "without", "--workers", "1",
               "--set", "model.initial=begin.safetensors")
        self.ebb(*run)
        os.remove(self.path("begin.safetensors"))
        self.ebb(*run, "--resume", "--set", "train.epochs=3")
        self.assertEqual(self.report("without")["epochs"], 3)

    def test_rounds_and_local_copies_begin_with_them_too(self):
        rounds = ["--set", "consistency=rounds"]
        self.assertEqual(self.run_from_first("rounds", *STILL, *rounds),
                         self.first)
        # Workers step in copies of their own, and push how far these went.
        for kind in ("downpour", "aeasgd"):
            self.assertEqual(
                self.run_from_first(kind, *STILL, "--set",
                                    f"algorithm.kind={kind}"), self.first)

    # --- Rows of sparse tables ------------------------------------------------

    def test_a_run_begins_with_rows_whatever_is_killed(self):
        self.ebb("generate", "clicks", "ads", "--rows", "3000", "--fields", "3",
                 "--vocabulary", "10,100,1000", "--rank", "0",
                 "--interactions", "0")
        with open(self.path("rows.yaml"), "w") as file:
            file.write(ROWS_JOB)
        self.ebb("run", "rows.yaml", "--run-dir", "rows", "--workers", "1")
        rows = self.tensors("rows", "--with-slots")
        state = {name for name in rows if name.startswith("slots/")}
        self.assertIn("slots/adagrad/squares/factors/rows", state)
        self.assertIn("slots/adagrad/step/factors", state)
        begin = ["--set", "model.initial=rows.safetensors",
                 "--set", "optimizer.rate=1e-35"]
        for name, command, more in (
                ("rows-still", "run", ["--workers", "2"]),
                ("rows-killed", "chaos", ["--scenario", "deaths.yaml"])):
            self.ebb(command, "rows.yaml", "--run-dir", name, *begin, *more)
            on = self.tensors(name, "--with-slots")
            for tensor in rows.keys() - state:
                self.assertEqual(on[tensor], rows[tensor], tensor)
            # The squares went on from those of the file.
            squares, later = (
                tensors["slots/adagrad/squares/weights/rows"].values()
                for tensors in (rows, on))
            pairs = list(zip(squares, later))
            self.assertTrue(all(b >= a for a, b in pairs))
            self.assertTrue(any(b > a for a, b in pairs))
            before, after = (tensors["slots/adagrad/step/weights"].values()[0]
                             for tensors in (rows, on))
            self.assertGreater(after, before)
        self.check_deaths("rows-killed")

    def test_kills_do_not_change_what_it_begins_with(self):
        # Before the first version: what is lost begins with them again.
        self.assertEqual(self.run_from_first(
            "killed", *STILL, "--scenario", "deaths.yaml", "--set",
            "checkpoint.every=10s", command="chaos"), self.first)
        self.check_deaths("killed")
        self.assertEqual(self.run_from_first("tls", *STILL, "--tls"),
                         self.first)

    # --- A cluster of daemons -------------------------------------------------

    def kill(self, name):
        self.daemons[name].kill()
        self.daemons[name].wait()

    def wait(self, so, what):
        wait_until(so, what, self.limit_s, 0.05)

    def start_scheduler(self, folder):
        """Returns the words that start it again."""
        address = ReservedPort(self).address
        self.environment["EBB_SCHEDULER"] = address
        self.addCleanup(self.environment.pop, "EBB_SCHEDULER")
        words = ["scheduler", "--listen", address, "--state-dir", folder]
        self.daemons.start(*words)
        self.wait(lambda: self.start_ebb("status").returncode == 0,
                  "no scheduler")
        return words

    def state(self, name):
        jobs = json.loads(self.ebb("status", name, "--json"))["jobs"]
        return jobs[0]["state"]

    def explains(self, *words):
        said = self.start_ebb("explain", "second").stdout
        return all(word in said for word in words)

    def test_servers_wait_for_them_whoever_dies_meanwhile(self):
        scheduler = self.start_scheduler("state")
        server = ["ps-0", "--id", "0", "--state-dir", "ps-0"]
        self.ebb("submit", "second.yaml", "--set",
                 "model.initial=first.safetensors", *STILL)
        # The scheduler has lost them, in effect.
        shutil.move(self.path("state", "initial"), self.path("kept"))
        self.kill("scheduler")
        self.daemons.start(*scheduler)
        for _ in range(2):
            self.daemons.start(*server)
            self.wait(lambda: self.explains(
                "waits for initial values: the scheduler does not have them",
                "submit any job with the same model.initial"),
                      "explain does not say why the server waits")
            self.kill("ps-0")
        self.daemons.start("worker-0", "--name", "worker-0")
        self.daemons.start(*server)
        self.wait(lambda: self.explains("waits for initial values"),
                  "the server does not wait")
        self.assertNotEqual(self.state("second"), "complete")
        # A submission of the same file puts them there again; no job of this
        # name is taken beside the first.
        said = self.ebb("submit", "second.yaml", "--set",
                        "model.initial=first.safetensors", *STILL, rc=2)
        self.assertIn("is there already", said)
        self.wait(lambda: self.state("second") == "complete", "not complete")
        self.assertEqual(self.tensors("second"), self.first)
        self.ebb("audit", "second")  # It is exact.

    # --- The state of the optimizer -------------------------------------------

    # A step is one epoch, and each from the values of the one before: the order
    # of the examples changes no more than the last bits.
    WHOLE = ["--set", f"train={{batch: {ROWS}, item_examples: {ROWS}}}",
             "--set", "consistency={kind: rounds, examples: epoch}",
             "--set", "optimizer={kind: adam, rate: 0.02, schedule: constant}"]

    def epochs(self, name, epochs, *more, export=()):
        self.ebb("run", "second.yaml", "--run-dir", name, "--workers", "1",
                 *self.WHOLE, "--set", f"train.epochs={epochs}", *more)
        return self.tensors(name, *export)

    def test_a_state_goes_on_whatever_dies_before_the_first_version(self):
        want = self.epochs("whole", 8)
        half = self.epochs("half", 5, export=["--with-slots"])
        self.assertEqual(half["slots/adam/step/layer1.bias"].values(), [5])
        begun = ["--set", "model.initial=half.safetensors"]
        on = self.epochs("goes-on", 3, *begun, export=["--with-slots"])
        # The steps of both.
        self.assertEqual(on["slots/adam/step/layer1.bias"].values(), [8])
        values = {name: on[name] for name in want}
        self.assertLess(farthest(values, want), 1e-3)
        write_tensors(self.path("bare.safetensors"),
                      {name: half[name] for name in want})
        forgot = self.epochs("forgot", 3, "--set",
                             "model.initial=bare.safetensors")
        self.assertGreater(farthest(forgot, want), 1e-2)
        # A run that goes on keeps what it began with.
        more = self.epochs("goes-on", 4, *begun, "--resume",
                           export=["--with-slots"])
        self.assertEqual(more["slots/adam/step/layer1.bias"].values(), [9])

        scheduler = self.start_scheduler("stateful")
        server = ["ps-0", "--id", "0", "--state-dir", "stateful-ps"]
        self.ebb("submit", "second.yaml", *self.WHOLE, *begun, "--set",
                 "train.epochs=3")
        shutil.move(self.path("stateful", "initial"), self.path("away"))
        self.kill("scheduler")
        self.daemons.start(*scheduler)
        self.daemons.start(*server)
        self.wait(lambda: self.explains("waits for initial values"),
                  "explain does not say why the server waits")
        self.kill("ps-0")
        self.kill("scheduler")
        shutil.rmtree(self.path("stateful", "initial"))
        shutil.move(self.path("away"), self.path("stateful", "initial"))
        self.daemons.start(*scheduler)
        self.daemons.start(*server)
        self.wait(lambda: len(self.versions("second")) == 4, "no versions")
        # A server that began with the state is lost, and begins with it again.
        self.kill("ps-0")
        shutil.rmtree(self.path("stateful-ps"))
        self.daemons.start(*server)
        self.daemons.start("worker-0", "--name", "worker-0")
        self.wait(lambda: self.state("second") == "complete", "not complete")
        self.assertLess(farthest(self.tensors("second"), want), 1e-3)
        self.ebb("audit", "second")

    def versions(self, name):
        listed = self.start_ebb("checkpoint", "list", name, "--json",
                                stderr=subprocess.DEVNULL)
        if listed.returncode != 0:
            return []
        return {one["partition"] for one in json.loads(listed.stdout)["versions"]}

    def test_a_state_that_does_not_fit_is_named(self):
        self.ebb("checkpoint", "export", "first", "-o", "state.safetensors",
                 "--with-slots")
        self.ebb("job", "check", "second.yaml", "--set",
                 "model.initial=state.safetensors")
        said = self.refused("state.safetensors", "--set", "optimizer=momentum")
        self.assertIn("has no tensor slots/momentum/velocity/layer1.", said)
        self.assertIn("state that no optimizer of the job keeps: slots/adam/",
                      said)
        self.assertIn("export` without --with-slots", said)
        state = read_tensors(self.path("state.safetensors"))
        moment = state.pop("slots/adam/second_moment/layer2.bias")
        write_tensors(self.path("part.safetensors"), state)
        self.assertIn("has no tensor slots/adam/second_moment/layer2.bias,",
                      self.refused("part.safetensors"))
        state["slots/adam/second_moment/layer2.bias"] = beginning_with(
            -1, moment)
        write_tensors(self.path("below.safetensors"), state)
        self.assertIn("layer2.bias has a value below 0, at place 0",
                      self.refused("below.safetensors"))

    # --- What does not fit ----------------------------------------------------

    def refused(self, file, *more):
        return self.ebb("job", "check", "second.yaml", "--set",
                        f"model.initial={file}", *more, rc=2)

    def test_what_does_not_fit_is_named(self):
        said = self.ebb("job", "check", "other.yaml", "--set",
                        "model.initial=first.safetensors", rc=2)
        self.assertIn("tensor layer1.weights has the shape (3, 16), the table "
                      "of the job (3, 8)", said)
        self.assertIn("tensor layer1.bias has the shape (16), the table of the "
                      "job (8)", said)
        tensors = dict(self.first)
        tensors["layer9.bias"] = tensors.pop("layer2.bias")
        write_tensors(self.path("odd.safetensors"), tensors)
        said = self.refused("odd.safetensors")
        self.assertIn("no tensor layer2.bias", said)
        self.assertIn("no table for: layer9.bias", said)
        nan = dict(self.first)
        nan["layer2.bias"] = beginning_with(float("nan"), nan["layer2.bias"])
        write_tensors(self.path("nan.safetensors"), nan)
        self.assertIn("not finite, at place 0", self.refused("nan.safetensors"))
        self.assertIn("model.initial", self.refused("none.safetensors"))
        with open(self.path("text.safetensors"), "w") as file:
            file.write("no tensors at all")
        self.assertIn("no safetensors file", self.refused("text.safetensors"))
        self.assertIn("`ebb checkpoint export JOB -o FILE.safetensors`",
                      self.refused("."))


if __name__ == "__main__":
    unittest.main()
