"""The process that computes a model of Python for an ebb-worker, without the worker."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import ebb
from ebb import seam, worker

_LIMIT_S = 60


class Link:
    """Keeps what is sent."""

    def __init__(self):
        self.failed, self.sent = [], []

    def fail(self, ticket, why, row=None):
        self.failed.append((ticket, why, row))

    def send(self, kind, body):
        self.sent.append((kind, body))

    def receive(self):
        pass


class Model:
    """Ends the process in loss and metrics."""

    def compute(self, *place):
        sys.exit("no loss today")

    def evaluate(self, *rows):
        sys.exit("no metrics today")

    def explain(self, error):
        return str(error)

    def blame(self, rows):
        return None


def test_a_module_that_exits_fails_its_batch_with_the_reason():
    link = Link()
    worker._compute(link, Model(), seam.BATCH_BODY.pack(7, 0, 0, 0, 4, 1.0, 0))
    assert link.failed == [(7, "no loss today", None)]
    worker._evaluate(link, Model(), seam.EVALUATE_BODY.pack(8, 0, 4, 1))
    [(kind, body)] = link.sent
    assert kind == seam.EVALUATED and body.endswith(b"no metrics today")


def test_an_example_at_which_the_module_exits_is_to_blame():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from ebb.torch.hosted import Hosted

    def loss(model, batch):
        if float(batch[0].max()) == 2:
            sys.exit("not this one")

    hosted = Hosted.__new__(Hosted)
    hosted.model, hosted._loss, hosted._data = None, loss, None
    hosted._x = hosted._y = lambda rows: torch.arange(rows)
    assert hosted.blame(4) == 2


def test_a_module_is_told_what_to_do_about_a_buffer_that_changes():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from ebb.torch.buffers import Buffers
    from ebb.torch.hosted import Hosted

    hosted = Hosted.__new__(Hosted)
    hosted.model = torch.nn.Linear(2, 1)
    hosted.model.register_buffer("level", torch.zeros(2))
    hosted._buffers = Buffers(hosted.model)
    hosted.model.level += 1
    with pytest.raises(ebb.Refused, match="buffer level changes.*\n.*compute it anew") as error:
        hosted._check_buffers()
    assert "buffers=" not in str(error.value)


def test_a_module_that_hangs_ends_with_its_worker(tmp_path: Path):
    # Stands for any module that loops at its import.
    (tmp_path / "torch.py").write_text("print('hangs', flush=True)\nwhile True: pass\n")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    package = Path(worker.__file__).parents[1]
    child = subprocess.Popen(
        [sys.executable, "-c", f"import ebb.worker; ebb.worker.main({theirs.fileno()})"],
        pass_fds=[theirs.fileno()],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{package}"},
        stdout=subprocess.PIPE,
    )
    theirs.close()
    try:
        ours.recv(seam.MOST_BYTES)
        with open(os.devnull) as text:
            names = b"net.py\0Net\0"
            body = seam.MODULE_BODY.pack(3, 2, 1, 0) + names
            socket.send_fds(ours, [seam.message(seam.MODULE, 1, body)], [text.fileno()])
        assert child.stdout.readline() == b"hangs\n"
        assert child.poll() is None
        ours.close()
        assert child.wait(_LIMIT_S) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        child.wait()
        child.stdout.close()
