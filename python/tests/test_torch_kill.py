"""Kills programs, engines, readers, servers and the scheduler; counts examples."""

import collections
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import ebb  # noqa: E402
import ebb.local  # noqa: E402
from processes import audit_of_all, children_of  # noqa: E402
from torch_program import LEVEL_SHARE, keys_of  # noqa: E402

_PROGRAM = Path(__file__).resolve().parent / "torch_program.py"
_EVERY_S = 0.3
_LIMIT_S = 400


class Program:
    """A copy of the program, started again whenever it is killed."""

    def __init__(self, folder, address, number, name):
        self._folder, self._number, self._name = folder, number, name
        self._environment = {
            **os.environ,
            "EBB_SCHEDULER": address,
            "TORCH_PROGRAM_GATE": str(folder),
        }
        self.started = 0
        self.start()

    def start(self):
        self._log = self._folder / f"program-{self._number}-{self.started}.log"
        self.output = self._folder / f"result-{self._number}.pt"
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(_PROGRAM), self._name, str(self.output)],
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        self.started += 1

    def keep(self):
        """Starts it again if it was killed; returns whether it is done."""
        code = self.process.poll()
        if code == 0:
            return True
        if code is not None:
            if code != -signal.SIGKILL:
                raise AssertionError(f"exit code {code}:\n{self._log.read_text()}")
            self.start()
        return False

    def works(self):
        return self.process.poll() is None and "working" in self._log.read_text()

    def children(self, word):
        """Process ids of its engine, or of its readers."""
        return [pid for pid in children_of(self.process.pid) if word in _command(pid)]


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    except OSError:
        return ""


def _kill(pids):
    for pid in pids[:1]:
        try:
            os.kill(pid, signal.SIGKILL)
            return True
        except ProcessLookupError:
            pass
    return False


def assert_rows_count(state, epochs):
    """Each key of each example moved its row by -1, once in each epoch."""
    counts = collections.Counter(key for i in range(1500) for key in keys_of(i))
    keys = [key % 2**64 for key in state["ids.keys"].tolist()]
    assert sorted(keys) == sorted(counts)
    for key, row in zip(keys, state["ids.rows"].tolist()):
        assert row == pytest.approx([-epochs * counts[key]] * 2, abs=0.01), key


# Each is killed, in a program with this number. Each comes twice.
_TURNS = [
    ("engine", 0),
    ("reader", 1),
    ("server", 0),
    ("program", 0),
    ("engine", 1),
    ("scheduler", 1),
    ("reader", 0),
    ("program", 1),
]


def test_each_example_counts_once_whatever_is_killed(tmp_path):
    with ebb.local.cluster(servers=2, folder=str(tmp_path / "cluster")) as cluster:
        programs = [Program(tmp_path, cluster.address, n, "killed") for n in range(2)]
        victims = {
            "program": lambda p: _kill([p.process.pid]),
            "engine": lambda p: _kill(p.children("ebb-worker")),
            "reader": lambda p: _kill(p.children("python")),
            "server": lambda p: cluster.kill("ps-0"),
            "scheduler": lambda p: cluster.kill("scheduler"),
        }
        turns = 2 * _TURNS
        born = set()
        deadline = time.monotonic() + _LIMIT_S
        try:
            while not all([program.keep() for program in programs]):
                assert time.monotonic() < deadline, f"not killed yet: {turns}"
                for program in programs:
                    born.update(children_of(program.process.pid))
                # While one program starts, it is the other one's turn.
                for name, number in turns:
                    program = programs[number]
                    if program.works() and victims[name](program):
                        turns.remove((name, number))
                        break
                if not turns:
                    (tmp_path / "go").touch()
                time.sleep(_EVERY_S)
        finally:
            for program in programs:
                if program.process.poll() is None:
                    program.process.kill()
                    program.process.wait()
        assert not turns
        job = ebb.connect(cluster.address).job("killed")
        audit = audit_of_all(job, _LIMIT_S)
        assert audit.exact, audit.all
        assert audit.expected == audit.applied == 2 * 1500
        for program in programs:
            state = torch.load(program.output)
            assert all(bool(torch.isfinite(value).all()) for value in state.values())
            # 300 batches of 10, each of which counted once in averages, too.
            assert float(state["level"]) == pytest.approx(1 - (1 - LEVEL_SHARE) ** 300, abs=1e-5)
            assert float(state["norm.running_var"].max()) < 0.5
            assert program.started >= 3
            assert_rows_count(state, epochs=2)
        end = time.monotonic() + 60
        while (left := [pid for pid in born if Path(f"/proc/{pid}").exists()]):
            assert time.monotonic() < end, [_command(pid) for pid in left]
            time.sleep(0.1)
