"""Tests of what keeps processes running, without ebb's programs."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from ebb import temporary
from ebb.children import Children
from test_local import wait_for

SLEEP = ["/bin/sleep", "1000"]


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    (tmp_path / "logs").mkdir()
    children = Children(str(tmp_path), dict(os.environ))
    yield children
    children.kill_all()


def test_what_cannot_be_started_takes_nobody_with_it(
    children: Children, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    children.start("missing", [str(program)])
    children.start("other", SLEEP)
    assert wait_for(lambda: "other" in children.processes())
    before = children.processes()["other"]
    os.kill(before, signal.SIGKILL)
    assert wait_for(lambda: children.processes().get("other", before) != before)
    assert "cannot be started: " in str(children.first_end("missing"))
    # It is started as soon as it can be.
    program.symlink_to("/bin/yes")
    assert wait_for(lambda: "missing" in children.processes())
    assert children.problems() == []


def test_what_can_never_be_started_is_given_up(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ebb.children._LONGEST_WAIT_S", 0.01)
    children.start("missing", ["/no/such/program"])
    assert wait_for(lambda: bool(children.problems()))
    assert "missing is given up: it cannot be started" in children.problems()[0]


def test_what_finds_no_room_is_given_up_after_a_while(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: it was started for ever if it took long to find none."""
    monkeypatch.setattr("ebb.children._STEADY_LIFE_S", 0.0)
    monkeypatch.setattr("ebb.children._ROOM_PATIENCE_S", 0.1)
    monkeypatch.setattr("ebb.children._ROOM_PAUSE_S", 0.01)
    children.start("ps-0", ["/bin/sh", "-c", "echo no files left >&2; exit 5"])
    assert wait_for(lambda: bool(children.problems()))
    problem = children.problems()[0]
    assert "ps-0 is given up: it could not begin for 0 s:" in problem
    assert "no files left" in problem and "disk" not in problem
    assert len(children.ends()) > 1


def test_a_program_may_end_with_any_code(children: Children) -> None:
    children.start("program", ["/bin/sh", "-c", "exit 5"], may_end=True)
    assert wait_for(lambda: len(children.ends()) > 1)
    assert "exit code 5" in str(children.first_end("program"))


OWNER = """
import time
from ebb import temporary
print(*temporary.make(), flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_folder_whose_owner_was_killed_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    strangers = tmp_path / "ebb-strangers"
    strangers.mkdir()
    mine, lock = temporary.make()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    folder = owner.stdout.readline().split()[0]
    Path(folder, "logs").mkdir()
    temporary.sweep()
    assert os.path.exists(folder)
    owner.send_signal(number)
    owner.wait()
    owner.stdout.close()
    assert os.path.exists(folder)
    temporary.sweep()
    assert not os.path.exists(folder)
    assert os.path.exists(mine) and strangers.exists()
    os.close(lock)
