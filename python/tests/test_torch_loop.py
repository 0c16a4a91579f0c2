"""The loop of ebb.torch over a mock of the engine."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.nn.functional as F  # noqa: E402
import torch_mock as mock  # noqa: E402
from torch import nn  # noqa: E402
from torch_models import Data, Net, farthest, loss_of, sgd  # noqa: E402

import ebb  # noqa: E402


@pytest.mark.parametrize("options", [{}, {"micro": 3}, {"num_workers": 2}])
def test_makes_the_values_of_the_plain_loop(options):
    a, b, cluster, _ = mock.both(options, rule={"momentum": 0.9})
    assert farthest(a, b) < 1e-6
    assert len(cluster.pushed) == 2 * 7  # The last batch of an epoch has 2 examples.


@pytest.mark.parametrize("options", [{}, {"micro": 3}])
@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("limit", [None, 0.1])
def test_a_short_batch_steps_as_in_the_plain_loop(options, decay, limit):
    settings = {"train": {"clip_norm": limit}} if limit else None
    results = []
    for by_batch in (False, True):
        rule = {"momentum": 0.9, "weight_decay": decay}
        a, b, cluster, _ = mock.both(options, rule=rule, by_batch=by_batch, settings=settings)
        assert limit or farthest(a, b) < 1e-6
        results.append((b, cluster.losses))
    # Its loss stays a mean over its own examples.
    assert results[0][1] == pytest.approx(results[1][1], abs=1e-6)
    assert farthest(results[0][0], results[1][0]) < 1e-6


def test_weight_decay_is_part_of_the_gradient():
    a, b, _, _ = mock.both({"micro": 4}, rule={"momentum": 0.9, "weight_decay": 0.05})
    assert farthest(a, b) < 1e-6


def test_a_loop_of_ones_own_reads_for_itself():
    dataset = Data()
    a, b = Net(), Net()
    mock.plain(a, sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, _ = mock.job(b, dataset, optimizer=sgd(b))
    for batch in job:
        assert batch.place[3] - batch.place[2] == len(batch)
        batch.push(loss_of(b, (dataset.x[batch.examples], dataset.y[batch.examples])))
    assert farthest(a, b) < 1e-6


def test_sparse_gradients_are_added():
    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.rows = nn.Embedding(10, 3, sparse=True)

        def forward(self, x):
            return self.rows((x[:, 0].abs() * 3).long().clamp(max=9))

    a, b, _, _ = mock.both({}, make=Bag)
    assert farthest(a, b) < 1e-6


def test_without_foreach_the_sums_are_the_same(monkeypatch):
    monkeypatch.delattr(torch, "_foreach_add_")
    a, b, _, _ = mock.both({"micro": 3})
    assert farthest(a, b) < 1e-6


def test_bfloat16_parameters_are_cast_after_the_pull():
    model = Net().bfloat16()
    job, cluster = mock.job(model, Data(), optimizer=sgd(model))
    for x, y in job.loader():
        F.cross_entropy(model(x.bfloat16()).float(), y).backward()
        job.optimizer.step()
    state = job.state_dict()
    assert state["a.weight"].dtype == torch.bfloat16
    served = torch.from_numpy(cluster.values["a.weight"])
    assert torch.equal(state["a.weight"], served.bfloat16())
    assert torch.equal(model.a.weight.detach(), served.bfloat16())


def test_tied_and_frozen_parameters():
    class Tied(nn.Module):
        def __init__(self, seed=0):
            super().__init__()
            torch.manual_seed(seed)
            self.a = nn.Linear(6, 6, bias=False)
            self.b = nn.Linear(6, 6, bias=False)
            self.b.weight = self.a.weight
            self.scale = nn.Parameter(torch.full((6,), 0.5), requires_grad=False)
            self.register_buffer("shift", torch.ones(6))
            self.out = nn.Linear(6, 3)

        def forward(self, x):
            return self.out(self.b(F.relu(self.a(x) * self.scale + self.shift)))

    a, b, cluster, _ = mock.both({}, make=Tied)
    assert farthest(a, b) < 1e-6
    assert sorted(cluster.values) == ["a.weight", "out.bias", "out.weight"]
    job, _ = mock.job(b, Data(), epochs=2, cluster=cluster)
    state = job.state_dict()
    assert list(state) == list(b.state_dict())
    assert state["a.weight"].data_ptr() == state["b.weight"].data_ptr()
    fresh = Tied(seed=5)
    fresh.load_state_dict(state)  # strict
    assert torch.equal(fresh.b.weight, torch.from_numpy(cluster.values["a.weight"]))
    assert torch.equal(fresh.scale, b.scale) and torch.equal(fresh.shift, b.shift)


def test_a_loop_waits_for_the_verdict_only_where_sums_may_not_be_finite():
    model, job, cluster = mock.one()
    with pytest.raises(ebb.NonFinite):
        for number, batch in enumerate(job.loader()):
            loss_of(model, batch).backward()
            if number == 2:
                next(model.parameters()).grad[0] = float("inf")
            job.optimizer.step()
    assert cluster.waited == [False, False, True]


# The total of their squares is infinite, and none of them is.
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_very_large_gradients_are_left_to_the_engine():
    model, job, cluster = mock.one()
    for batch in job.loader():
        loss_of(model, batch).backward()
        for parameter in model.parameters():
            parameter.grad[:] = 1e37
        job.optimizer.step()
        break
    assert cluster.waited == [True] and len(cluster.pushed) == 1


# Both ways come to the same steps: the tests above compare them with plain loops.
@pytest.mark.parametrize(
    "rule, micro, factor", [({}, None, 8.0), ({}, 4, 1.0), ({"weight_decay": 0.1}, None, 1.0)]
)
def test_gradients_of_a_whole_batch_are_copied_and_the_engine_multiplies(rule, micro, factor):
    a, b, cluster, _ = mock.both({"micro": micro}, rule=rule)
    assert farthest(a, b) < 1e-5
    assert cluster.factors[0] == factor


# Bug: TypeError: object of type 'Loader' has no len().
@pytest.mark.parametrize("micro, shard", [(None, None), (3, None), (None, 20), (3, 20)])
def test_a_loader_knows_how_many_batches_it_yields(micro, shard):
    _, job, cluster = mock.one(epochs=2, shard=shard)
    loader = job.loader(micro=micro)
    count = len(loader)
    assert count == sum(1 for _ in _handed_in(job, loader))
    assert len(loader) == count  # After the loop, too.
    if micro is None:
        assert count == len(cluster.pushed) == (16 if shard else 14)


def _handed_in(job, loader):
    for batch in loader:
        loss_of(job.model, batch).backward()
        job.optimizer.step()
        yield batch


def test_batches_that_grow_have_no_number():
    growth = {"train": {"batch_growth": {"factor": 2}}}
    _, job, _ = mock.one(epochs=2, settings=growth)
    with pytest.raises(TypeError, match="the batches of the job grow"):
        len(job.loader())
