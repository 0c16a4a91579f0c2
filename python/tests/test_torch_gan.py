"""Two networks that learn from each other in one loop, as docs/python.md says."""

import warnings

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.nn.functional as F  # noqa: E402
import torch_mock as mock  # noqa: E402
from torch import nn  # noqa: E402
from torch_models import Data, farthest  # noqa: E402

import ebb  # noqa: E402

RATES = {"maker": 0.05, "judge": 0.1}


def networks():
    torch.manual_seed(3)
    return nn.ModuleDict({"maker": nn.Linear(4, 6), "judge": nn.Linear(6, 1)})


def groups(both):
    return [{"params": both[part].parameters(), "lr": rate} for part, rate in RATES.items()]


def gradients(both, real, noise):
    """The losses of both from the same values; each network gets its own gradient."""
    maker, judge = both["maker"], both["judge"]
    made = maker(noise)
    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
    right = F.binary_cross_entropy_with_logits(judge(real), ones)
    wrong = F.binary_cross_entropy_with_logits(judge(made.detach()), zeros)
    loss_of_judge = right + wrong
    loss_of_judge.backward()
    judge.requires_grad_(False)
    loss_of_maker = F.binary_cross_entropy_with_logits(judge(made), ones)
    loss_of_maker.backward()
    judge.requires_grad_(True)
    return loss_of_maker, loss_of_judge


def test_both_step_once_a_batch_as_in_a_plain_loop():
    data, noise = Data(16), torch.randn(16, 4, generator=torch.Generator().manual_seed(5))
    plain = networks()
    optimizer = torch.optim.SGD(groups(plain), lr=0.1)
    for place in mock.places(1, 2, 16, 8):
        numbers = [int(i) for i in place.examples]
        optimizer.zero_grad()
        gradients(plain, data.x[numbers], noise[numbers])
        optimizer.step()

    both = networks()
    optimizer = torch.optim.SGD(groups(both), lr=0.1)
    numbered = torch.utils.data.TensorDataset(data.x, noise)
    job, cluster = mock.job(both, numbered, optimizer=optimizer, epochs=2)
    for real, random in job.loader():
        job.optimizer.zero_grad()
        loss, of_judge = gradients(both, real, random)
        with warnings.catch_warnings():  # PyTorch warns of a loss that has a graph.
            warnings.simplefilter("error")
            job.optimizer.step(loss=of_judge)
    assert len(cluster.pushed) == 4
    assert farthest(plain, both) < 1e-6


def test_two_optimizers_are_refused():
    both = networks()
    two = [torch.optim.SGD(both[part].parameters(), lr=0.1) for part in RATES]
    with pytest.raises(ebb.Refused, match="optimizer: 2 of them, and a job has one(.|\n)*Two net"):
        mock.job(both, Data(16), optimizer=two)
    with pytest.raises(ebb.Refused, match="it lacks judge.bias, judge.weight"):
        mock.job(both, Data(16), optimizer=two[0])
