"""Tests what a person at a terminal sees of a program that trains alone."""

import io

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch_models import Net, work  # noqa: E402

from ebb.torch import meeting, submission  # noqa: E402
from ebb.torch.progress import Lines  # noqa: E402


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_line_follows_an_epoch_or_five_seconds():
    out, clock = io.StringIO(), Clock()
    lines = Lines("digits", 3, 100, out, clock)
    for epoch in range(3):
        for _ in range(2):
            clock.now += (0.25, 1.5, 6.0)[epoch]
            lines.handed_in(epoch, 50, 25.0)
    lines.end("complete")
    said = out.getvalue().splitlines()
    # The first epoch is too short; the third has lines of its own.
    assert [line.split("  ")[1] for line in said] == [
        "epoch 3/3", "epoch 3/3", "epoch 3/3", "epoch 3/3"
    ]  # fmt: skip
    assert "loss 0.5" in said[0] and said[-1].endswith("complete")


def test_a_loss_that_is_not_known_is_left_out():
    out, clock = io.StringIO(), Clock()
    lines = Lines("digits", 1, 50, out, clock)
    clock.now = 2.0
    lines.handed_in(0, 50, None)
    lines.evaluated({"examples": 4, "loss_sum": 2.0, "correct": 3, "figures": {"f1": 0.25}})
    first, second = out.getvalue().splitlines()
    assert "loss" not in first and "25 ex/s" in first
    assert second == "digits  test loss 0.5, accuracy 0.75, f1 0.25"


def test_sequences_are_counted_as_tokens_too():
    out, clock = io.StringIO(), Clock()
    lines = Lines("gpt", 1, 5000, out, clock, tokens=64)
    clock.now = 2.0
    lines.handed_in(0, 5000, 50.0)
    assert "2.5k sequences/s  160k tokens/s  loss 0.01" in out.getvalue()


@pytest.mark.parametrize("own", [True, False])
def test_a_job_of_its_own_cluster_has_lines(monkeypatch, own):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    _, job, cluster = mock.one(model=Net())
    access = meeting.Access("127.0.0.1:1", None, None, False)
    place = meeting.Place(access, "127.0.0.1:1", cluster.remote, False, own=own)
    monkeypatch.setattr(meeting.Place, "join", lambda self, **options: cluster.join)
    made = submission._joined(job._parts, place)
    work(made)
    assert ("epoch 1/1  100%" in screen.getvalue()) == own
