"""SIGTERM while a program has an engine."""

import os
import signal
import subprocess
import sys

import pytest

from ebb import termination


class _Session:
    grace = 20.0

    def __init__(self, engine):
        self._engine = engine

    def own_engine(self):
        return self._engine


@pytest.fixture
def session():
    session = _Session(None)
    termination.watch(session)
    yield session
    termination.forget(session)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def _ends_by(child):
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def test_a_child_that_was_forked_ends_at_once(session):
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"1" if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL else b"0")
        signal.pause()
    assert os.read(read, 1) == b"1"
    os.kill(child, signal.SIGTERM)
    assert _ends_by(child) == -signal.SIGTERM
    os.close(read)
    os.close(write)


def test_a_handler_of_the_program_stays(session):
    termination.forget(session)
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        termination.watch(session)
        os.kill(os.getpid(), signal.SIGTERM)
        assert seen == [1]
    finally:
        signal.signal(signal.SIGTERM, before)


_PROGRAM = """
import os, signal, subprocess, sys
from ebb import termination
engine = subprocess.Popen(
    [sys.executable, "-c", "import signal, sys; signal.sigwait([signal.SIGTERM]); print('left', flush=True)"],
    preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]),
)
class Session:
    grace = 60.0
    def own_engine(self):
        return engine.pid
session = Session()
termination.watch(session)
print("ready", flush=True)
engine.wait()  # It holds a lock of Popen.
"""


def test_the_engine_has_ended_when_the_process_ends():
    program = [sys.executable, "-c", _PROGRAM]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, env=environment) as one:
        assert one.stdout.readline() == b"ready\n"
        one.send_signal(signal.SIGTERM)
        assert one.stdout.read() == b"left\n"
        assert one.wait() == -signal.SIGTERM
