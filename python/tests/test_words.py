"""Tests what people say wrongly to a cluster, and read in the words of Python."""

import numpy as np
import pytest

import ebb
import ebb.local
from ebb import job_file

_JOB = {
    "model": {"kind": "program", "tables": {"w": {"dims": [4]}}},
    "data": {"train": {"positions": 32}},
    "train": {"epochs": 1, "batch": 8},
    "optimizer": {"kind": "sgd", "rate": 0.1},
}


@pytest.fixture(scope="module")
def cluster():
    with ebb.local.cluster() as cluster:
        yield cluster


def test_what_is_no_job():
    with pytest.raises(ebb.Refused, match="^the job is a int: give a path, a dict"):
        with job_file.as_file(3, {}):
            pass
    with pytest.raises(ebb.Refused, match='set= is a list.*\n.*{"train.epochs": 4}'):
        job_file.flags_of_set(["train.epochs=4"])


def test_what_is_no_tensors(tmp_path):
    with pytest.raises(ebb.Refused, match=r"save\(\) got a list"):
        ebb.save([1], str(tmp_path / "a.safetensors"))


def test_flags_are_arguments():
    with pytest.raises(ebb.Unavailable, match='named by scheduler="HOST:PORT"'):
        ebb.connect("127.0.0.1:1", timeout=0)
    with pytest.raises(ebb.Refused, match="^scheduler: .localhost. is no address.*7000$"):
        ebb.connect("localhost", timeout=0)
    with pytest.raises(ebb.NotFound, match="^tls: cannot read /nowhere.pem"):
        ebb.connect("127.0.0.1:1", tls="/nowhere", timeout=0)
    with pytest.raises(ebb.Refused, match="^workers: Value 0 not in range 1 to 256$"):
        ebb.run({**_JOB, "name": "none"}, workers=0)


def test_joining_nobody():
    with pytest.raises(ebb.Refused, match="did not start: scheduler: .localhost. is no .*7000$"):
        ebb.join("localhost", "digits")
    with pytest.raises(ebb.Unavailable, match="no scheduler listens at 127.0.0.1:1 .*\n.*is it up"):
        ebb.join("127.0.0.1:1", "digits")


@pytest.mark.parametrize(
    "gradient, told",
    [
        ("many", "the gradient is of <U4, and not of numbers"),
        (np.zeros(3), "the gradient has 3 values; the model has 4"),
        ({"v": np.zeros(4)}, "the model has no table v; it has w"),
    ],
)
def test_gradients(cluster, gradient, told):
    name = f"g{abs(hash(told))}"
    cluster.connect().submit({**_JOB, "name": name})
    with pytest.raises(ebb.Refused, match=told):
        for batch in ebb.join(cluster.address, name):
            batch.push(gradient)
