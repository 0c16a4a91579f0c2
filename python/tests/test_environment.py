"""Tests what programs of a local cluster inherit, and the names of engines."""

import os
import sys

import linear as model
import pytest

import ebb
import ebb.local
from ebb.engine import Batch, Engine
from test_local import wait_for

PROGRAM = """
import os, sys
names = ("EBB_TRACEBACK", "EBB_TLS_CERT", "EBB_SCHEDULER", "EBB_NAME", "EBB_BIN")
open(sys.argv[1], "w").write(repr([os.environ.get(name) for name in names]))
"""


@pytest.fixture(scope="module")
def cluster():
    with ebb.local.cluster() as cluster:
        yield cluster


def test_a_program_keeps_what_is_no_flag(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("EBB_TRACEBACK", "1")
    monkeypatch.setenv("EBB_TLS_CERT", "of another cluster")
    monkeypatch.setenv("EBB_NAME", "of this process")
    said = tmp_path / "said"
    cluster.run_program("one", [sys.executable, "-c", PROGRAM, str(said)])
    assert wait_for(lambda: cluster.finished("one"), 60)
    assert said.read_text() == repr(
        ["1", None, cluster.address, "one", os.environ["EBB_BIN"]]
    )


@pytest.mark.parametrize("given, expected", [(None, "of-the-run"), ("mine", "mine")])
def test_an_engine_has_the_name_of_its_program(
    cluster, tmp_path, monkeypatch, given, expected
):
    monkeypatch.setenv("EBB_NAME", "of-the-run")
    model.make_data(tmp_path)
    connected = ebb.connect(cluster.address)
    job = connected.submit(model.job(tmp_path, f"named-{expected}"))
    with Engine.join(cluster.address, job.name, name=given) as engine:
        # A worker that was given an item is registered.
        assert isinstance(engine.next(60), Batch)
        names = [role["name"] for role in connected.status()["roles"]]
        assert expected in names
        monkeypatch.delenv("EBB_NAME")
        with Engine.join(cluster.address, job.name):
            own = f"python-{os.getpid()}"
            assert wait_for(
                lambda: own
                in [one["name"] for one in connected.status()["roles"]],
                60,
            )
    job.cancel()
