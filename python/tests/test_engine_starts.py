"""Engines that end before they have joined, and deadlines meanwhile."""

import os
import time
from pathlib import Path

import linear as model
import pytest

import ebb
import ebb.local
from ebb import programs
from ebb.engine import Batch, Engine
from ebb.engine_link import Left
from ebb.engine_session import Session

SOON_S = 60.0

# In place of ebb-worker: notes its start, and does what the next line of a file
# says before it becomes the real one.
STARTER = """#!/bin/sh
echo start >> {folder}/starts
line=$(sed -n 1p {folder}/plan)
sed -i 1d {folder}/plan
eval "$line"
exec {worker} "$@"
"""


@pytest.fixture(scope="module")
def cluster():
    with ebb.local.cluster() as cluster:
        yield cluster


class Starts:
    """The actions of engines at their starts, in turn."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.plan()

    def plan(self, *lines: str) -> None:
        (self._folder / "plan").write_text("".join(line + "\n" for line in lines))
        (self._folder / "starts").write_text("")

    @property
    def count(self) -> int:
        return len((self._folder / "starts").read_text().splitlines())


@pytest.fixture
def starts(cluster, tmp_path, monkeypatch):
    worker = programs.path_of("ebb-worker")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ebb-worker").write_text(STARTER.format(folder=folder, worker=worker))
    (folder / "ebb-worker").chmod(0o755)
    (folder / "ebb").symlink_to(programs.path_of("ebb"))
    monkeypatch.setenv("EBB_BIN", str(folder))
    return Starts(folder)


@pytest.fixture
def job(cluster, tmp_path):
    model.make_data(tmp_path)
    job = ebb.connect(cluster.address).submit(model.job(tmp_path, tmp_path.name))
    yield job
    job.cancel()


def join(cluster, job) -> Engine:
    return Engine.join(cluster.address, job.name)


def kill(engine: Engine) -> None:
    engine._session.link.process.child.kill()
    engine._session.link.process.child.wait()


def test_an_engine_that_is_killed_at_its_start_is_started_again(
    cluster, job, starts, caplog
):
    starts.plan("kill -9 $$")
    with join(cluster, job) as engine:
        assert starts.count == 2
        assert f"the engine of job {job.name} died (-9)" in caplog.text
        assert isinstance(engine.next(SOON_S), Batch)
        kill(engine)
        starts.plan("kill -9 $$")
        # Three deaths within a minute are too many, and this makes two and three.
        engine._session._deaths.clear()
        assert isinstance(engine.next(SOON_S), Batch)
        assert starts.count == 2
        assert len(engine._session._deaths) == 2


def test_an_engine_that_is_always_killed_is_lost(cluster, job, starts):
    starts.plan(*["kill -9 $$"] * 4)
    with pytest.raises(ebb.EngineLost, match="died 3 times within 60 s"):
        join(cluster, job)
    assert starts.count == 3


def test_an_engine_that_refuses_is_not_started_again(cluster, job, starts):
    starts.plan("echo no room >&2; exit 1")
    with pytest.raises(ebb.Refused, match="the engine did not start: no room"):
        join(cluster, job)
    starts.plan("exit 3")
    with pytest.raises(ebb.Refused, match="did not start: exit code 3"):
        join(cluster, job)
    assert starts.count == 1


def test_an_engine_that_is_asked_to_leave_while_it_joins(cluster, job, starts):
    # It ends so if SIGTERM comes then.
    starts.plan("exit 0")
    with pytest.raises(ebb.Unavailable, match="asked to leave before it joined"):
        join(cluster, job)
    with join(cluster, job) as engine:
        kill(engine)
        starts.plan("exit 0")
        assert engine.next(SOON_S) is None
        assert engine.ended == "left"


def test_last_words_while_it_joins_are_no_error(cluster, job, monkeypatch):
    def leave(self, deadline):
        raise Left

    with join(cluster, job) as engine:
        kill(engine)
        monkeypatch.setattr(Session, "_greet", leave)
        assert engine.next(SOON_S) is None
        assert engine.ended == "left"
        with pytest.raises(ebb.Unavailable, match="asked to leave"):
            join(cluster, job)


def test_a_deadline_holds_while_an_engine_joins_again(cluster, job, starts):
    with join(cluster, job) as engine:
        kill(engine)
        starts.plan("while [ ! -e $0.go ]; do sleep 0.05; done")
        began = time.monotonic()
        for _ in range(3):
            with pytest.raises(TimeoutError, match="no batch of job"):
                engine.next(0.2)
            assert engine.ahead() == []
        assert time.monotonic() - began < 10
        Path(os.environ["EBB_BIN"], "ebb-worker.go").touch()
        assert isinstance(engine.next(SOON_S), Batch)
        # The same one all the time.
        assert starts.count == 1


def test_leaves_while_an_engine_joins_again(cluster, job, starts):
    engine = Engine.join(cluster.address, job.name, grace=0.1)
    kill(engine)
    starts.plan("exec sleep 60")
    with pytest.raises(TimeoutError):
        engine.next(0.1)
    child = engine._session.link.process.child
    engine.leave()
    assert child.returncode is not None
    assert engine.ended == "left" and engine.next() is None


def test_a_deadline_holds_while_the_scheduler_is_away(cluster, job, monkeypatch):
    def away(self, deadline):
        raise ebb.Unavailable("no scheduler")

    with join(cluster, job) as engine:
        kill(engine)
        with monkeypatch.context() as patch:
            patch.setattr(Session, "_greet", away)
            began = time.monotonic()
            with pytest.raises(TimeoutError, match="no batch of job"):
                engine.next(0.3)
            assert time.monotonic() - began < 10
        assert isinstance(engine.next(SOON_S), Batch)
