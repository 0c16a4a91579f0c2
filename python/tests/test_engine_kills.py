"""Programs, engines and daemons are killed, and every example counts once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import linear as model
import numpy as np
import pytest

import ebb
import ebb.local
from ebb.engine import Batch, Engine
from processes import audit_of_all, children_of

HERE = Path(__file__).resolve().parent
SOON_S = 120.0

# Joins, takes a batch, says so, and sleeps in one call of C.
SLEEPER = """
import ctypes, sys
from ebb.engine import Engine
engine = Engine.join(sys.argv[1], sys.argv[2])
batch = engine.next()
print(engine.pid, batch.shard, batch.begin, flush=True)
ctypes.PyDLL(None).sleep(int(sys.argv[3]))
engine.push(batch, 0)
print(engine.next(), engine.ended, flush=True)
"""


def runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until(condition, limit: float = SOON_S) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit
        time.sleep(0.005)
    return time.monotonic() - began


@pytest.fixture
def cluster(tmp_path):
    with ebb.local.cluster(servers=2) as cluster:
        yield cluster


def submit(cluster, folder: Path, **more):
    linear = model.make_data(folder)
    job = ebb.connect(cluster.address).submit(model.job(folder, **more))
    return job, linear


def start_sleeper(cluster, seconds: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SLEEPER, cluster.address, "linear", str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )


def applied_of(job) -> int:
    """How many examples count by now; 0 while the scheduler is away."""
    try:
        return job.progress.applied
    except ebb.Error:
        return 0


def test_nothing_is_lost_or_counted_twice_when_anything_is_killed(cluster, tmp_path):
    job, linear = submit(cluster, tmp_path, epochs=40, oracle={"width": 2})
    command = [
        sys.executable,
        str(HERE / "linear.py"),
        cluster.address,
        "linear",
        str(tmp_path / "data.npz"),
        # On a fast machine, too, the job is to outlast the first kills.
        "0.01",
    ]
    programs = [subprocess.Popen(command) for _ in range(3)]
    kills = {"program": 0, "engine": 0, "ps": 0, "scheduler": 0}
    random = np.random.default_rng(7)
    try:
        deadline = time.monotonic() + 4 * SOON_S
        turn = applied = 0
        while any(program.poll() != 0 for program in programs):
            assert time.monotonic() < deadline, kills
            # Batches count again before the next kill.
            wait_until(
                lambda: applied_of(job) > applied
                or any(program.poll() not in (None, 0) for program in programs)
                or all(program.poll() == 0 for program in programs),
                deadline - time.monotonic(),
            )
            applied = max(applied, applied_of(job))
            # A program that was killed, or whose engine died too often, is
            # started again, as its supervisor would do.
            for i, program in enumerate(programs):
                if program.poll() not in (None, 0):
                    programs[i] = subprocess.Popen(command)
            what = list(kills)[turn % len(kills)]
            turn += 1
            one = programs[random.integers(len(programs))]
            if kills[what] >= 12:
                continue
            if what == "program":
                one.kill()
                one.wait()
                kills[what] += 1
            elif what == "engine":
                for child in children_of(one.pid):
                    os.kill(child, signal.SIGKILL)
                    kills[what] += 1
            elif what == "ps":
                kills[what] += cluster.kill(f"ps-{random.integers(2)}")
            else:
                kills[what] += cluster.kill("scheduler")
    finally:
        for program in programs:
            program.kill()
            program.wait()
    audit = audit_of_all(job, SOON_S)
    assert audit.exact and audit.applied == 40 * 600, audit
    assert min(kills.values()) > 0, kills


def test_a_signal_in_a_long_call_gives_the_items_back(cluster, tmp_path):
    job, linear = submit(cluster, tmp_path)
    with start_sleeper(cluster, 10) as sleeper:
        engine, shard, begin = map(int, sleeper.stdout.readline().split())
        other = Engine.join(cluster.address, "linear")
        signalled = time.monotonic()
        os.kill(engine, signal.SIGTERM)
        while isinstance(batch := other.next(SOON_S), Batch):
            if (batch.shard, batch.begin) == (shard, begin) and batch.epoch == 0:
                taken = time.monotonic() - signalled
            gradient, loss = linear.sums(other.values, batch.examples)
            other.sums[:] = gradient
            other.push(batch, loss)
        # The item came back before the call of 10 s ended.
        assert taken < 8
        assert sleeper.stdout.readline() == "None left\n"
    assert sleeper.returncode == 0
    assert job.audit().exact


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_engine_of_a_program_that_died_leaves(cluster, tmp_path, how):
    job, linear = submit(cluster, tmp_path)
    with start_sleeper(cluster, 600) as sleeper:
        engine = int(sleeper.stdout.readline().split()[0])
        sleeper.send_signal(how)
        sleeper.wait()
        wait_until(lambda: not runs(engine), 60)
    # It gave its items back, so the end of a lease is not waited for.
    with Engine.join(cluster.address, "linear") as other:
        while isinstance(batch := other.next(SOON_S), Batch):
            gradient, loss = linear.sums(other.values, batch.examples)
            other.sums[:] = gradient
            other.push(batch, loss)
    assert job.audit().exact


def test_a_child_that_keeps_the_socket_keeps_no_engine(cluster, tmp_path):
    submit(cluster, tmp_path)
    keeper = SLEEPER.replace(
        "ctypes.PyDLL(None).sleep",
        "socket = engine._session.link.process.socket.dup()\n"
        "import os\n"
        "if os.fork() == 0: ctypes.CDLL(None).sleep(600)\n"
        "ctypes.PyDLL(None).sleep",
    )
    with subprocess.Popen(
        [sys.executable, "-c", keeper, cluster.address, "linear", "600"],
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        engine = int(program.stdout.readline().split()[0])
        wait_until(lambda: len(children_of(program.pid)) == 2)
        (child,) = (pid for pid in children_of(program.pid) if pid != engine)
        program.kill()
        program.wait()
        try:
            wait_until(lambda: not runs(engine), 60)
            assert runs(child)
        finally:
            os.kill(child, signal.SIGKILL)


def rss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(pid)


def test_memory_is_flat(cluster, tmp_path):
    # A leak of 2 KiB a batch is found; what allocators keep is allowed.
    batches = int(os.environ.get("EBB_FLAT_BATCHES", "8000"))
    # Some for the caches to fill first.
    warm = batches // 4
    epochs = -(-(batches + warm) // 38)
    job, linear = submit(cluster, tmp_path, epochs=epochs)
    engine = Engine.join(cluster.address, "linear")
    pids = {"program": os.getpid(), "engine": engine.pid}
    before = {}
    for i in range(batches + warm):
        if i == warm:
            before = {name: rss_kib(pid) for name, pid in pids.items()}
        batch = engine.next(SOON_S)
        engine.sums[:], loss = linear.sums(engine.values, batch.examples)
        engine.push(batch, loss)
    grown = {name: rss_kib(pid) - before[name] for name, pid in pids.items()}
    engine.leave()
    assert grown["program"] < 8192, grown
    assert grown["engine"] < 8192, grown
