"""ebb beside libraries that bring gRPC, protobuf and threads of their own."""

import importlib.util
import subprocess
import sys

import pytest

#: What is not installed is left out; .ci/ecosystem installs all.
_OTHERS = ("torch", "tensorflow", "grpc", "pyarrow", "sklearn", "pandas")
_TRAIN = """
import numpy as np, ebb.local
from ebb.engine import Engine
KEYS = {
    "name": "imports", "model": {"kind": "program", "tables": {"w": {"dims": [4]}}},
    "data": {"train": {"positions": 64}}, "train": {"epochs": 1, "batch": 8},
    "optimizer": {"kind": "sgd", "rate": 0.5}, "algorithm": "sgd",
}
with ebb.local.cluster() as cluster:
    job = cluster.connect().submit(KEYS)
    with Engine.join(cluster.address, "imports") as engine:
        while (batch := engine.next()) is not None:
            engine.sums[:] = len(batch.examples)
            engine.push(batch, 0.0)
    assert job.audit().exact
    job.wait(progress=False)
    assert job.state_dict()["w"].tolist() == [-4.0] * 4
print("trained")
"""
_SHARED = """
import sys, numpy
def objects():
    with open("/proc/self/maps") as file:
        return {line.split()[-1] for line in file if ".so" in line}
before = objects()
import ebb, ebb.local, ebb.engine
new = [name for name in objects() - before if "/lib-dynload/" not in name]
bad = [name for name in new if any(word in name for word in ("grpc", "proto", "absl", "ebb"))]
sys.exit(f"import ebb loaded {bad}" if bad else 0)
"""


def _run(program):
    done = subprocess.run(
        [sys.executable, "-B", "-c", program], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _imports(names):
    return "".join(f"import {name}\n" for name in names)


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("other", _OTHERS)
def test_trains_beside(other, order):
    if importlib.util.find_spec(other) is None:
        pytest.skip(f"{other} is not installed")
    names = [other, "ebb", "ebb.engine"]
    program = _imports(names if order == "before" else names[1:] + names[:1])
    assert "trained" in _run(program + _TRAIN)


def test_trains_beside_all_of_them():
    there = [name for name in _OTHERS if importlib.util.find_spec(name)]
    if len(there) < 2:
        pytest.skip("fewer than two of them are installed")
    assert "trained" in _run(_imports([*there, "ebb", *reversed(there)]) + _TRAIN)


def test_brings_no_library_into_the_process():
    _run(_SHARED)
