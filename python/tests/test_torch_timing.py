"""Tests what a batch costs: where the time goes, and seeds that cost little."""

import random
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_clicks  # noqa: E402
import torch_mock as mock  # noqa: E402
import torch_rows_mock  # noqa: E402
from torch_models import work  # noqa: E402

from ebb.torch import data, timing  # noqa: E402


def test_the_parts_of_a_batch_are_told():
    _, job, _ = mock.one()
    assert job.timing == {}
    work(job, micro=3)
    parts = job.timing
    assert tuple(parts) == timing.PARTS
    assert min(parts.values()) >= 0
    assert parts["compute"] > 0


def test_the_time_to_read_keys_is_no_wait():
    def slowly(examples):
        time.sleep(0.01)
        return torch_clicks.collate(examples)

    model = torch_clicks.Net()
    job, cluster, _ = torch_rows_mock.job(model, torch_clicks.Clicks(16), batch=16)
    job._load_result = lambda: None
    for batch in job.loader(collate_fn=slowly):
        torch_clicks.loss_of(model, batch).backward()
        job.optimizer.step()
    assert len(cluster.wanted) == 1
    assert job.timing["read"] > 10_000


def test_parts_are_means_over_the_batches():
    clock = timing.Timing()
    for _ in range(3):
        clock.lap("wait")
        clock.count()
    clock._seconds["wait"] = 0.006
    assert clock.microseconds()["wait"] == pytest.approx(2000)


@pytest.mark.parametrize("devices", [False, True])
def test_seeds_are_those_of_the_libraries(monkeypatch, devices):
    monkeypatch.setattr(data, "_has_accelerator", lambda: devices)
    data.set_seeds(2**40 + 7)
    ours = (random.random(), np.random.rand(), float(torch.rand(())))
    random.seed(2**40 + 7)
    np.random.seed(7)
    torch.manual_seed(2**40 + 7)
    assert ours == (random.random(), np.random.rand(), float(torch.rand(())))
