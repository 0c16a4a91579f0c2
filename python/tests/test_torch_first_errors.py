"""Tests what people meet first, where no other file of tests has it."""

import logging
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch_models import Data, Net, loss_of, work  # noqa: E402

import ebb  # noqa: E402
import ebb.local  # noqa: E402
from ebb import engine, engine_link  # noqa: E402
from ebb.torch import optimizers  # noqa: E402

_ONE_ITEM = {
    "name": "one-item",
    "model": {"kind": "program", "tables": {"w": {"dims": [4]}}},
    "data": {"train": {"positions": 8}},
    "train": {"epochs": 1, "batch": 8},
    "optimizer": {"kind": "sgd", "rate": 0.1},
}


def test_a_step_after_the_end():
    model, job, _ = mock.one()
    work(job)
    loss_of(model, torch.utils.data.default_collate([Data()[0], Data()[1]])).backward()
    with pytest.raises(ebb.Refused, match="no batch is out"):
        job.optimizer.step()


def test_a_rule_of_another_package_is_named():
    class LAMB(torch.optim.Optimizer):
        def __init__(self, parameters):
            super().__init__(parameters, {"lr": 0.1})

    model = Net()
    with pytest.raises(ebb.Refused, match="^LAMB is not on the servers: sgd, .*adam"):
        optimizers.read(LAMB(model.parameters()), dict(model.named_parameters()))


def test_there_is_no_torch():
    program = "import sys; sys.modules['torch'] = None\nimport ebb.torch"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"ebb.torch needs PyTorch, and {sys.executable} has none" in done.stderr
    assert "pip install torch" in done.stderr


def test_a_wait_is_told_once(monkeypatch, caplog):
    """Another engine has the only item, so nothing is left to compute."""
    monkeypatch.setattr(engine_link, "_TELL_AFTER_S", 0.2)
    with ebb.local.cluster() as cluster:
        cluster.connect().submit(_ONE_ITEM)
        first = engine.Engine.join(cluster.address, "one-item")
        batch = first.next()
        with engine.Engine.join(cluster.address, "one-item") as second:
            with caplog.at_level(logging.WARNING, "ebb.engine"):
                with pytest.raises(TimeoutError):
                    second.next(timeout=1.5)
            lines = [one.getMessage() for one in caplog.records if "waiting" in one.getMessage()]
            assert lines == [
                'waiting for a batch of job one-item; "ebb explain one-item" says why'
            ]
            first.push(batch)
            first.leave()
