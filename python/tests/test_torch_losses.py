"""Tests the gradients and the loss of a batch, for each kind of loss."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.nn.functional as F  # noqa: E402
import torch_mock as mock  # noqa: E402
from torch_models import Data, Net, farthest, loss_of, sgd, work  # noqa: E402

import ebb  # noqa: E402


def _total(model, batch):
    return F.cross_entropy(model(batch[0]), batch[1], reduction="sum")


def _masked(model, batch):
    return F.cross_entropy(model(batch[0]), batch[1], ignore_index=0)


def _unmasked(batch):
    return int((batch[1] != 0).sum())


@pytest.mark.parametrize("options", [{}, {"micro": 3}])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_a_loss_that_is_a_sum_steps_as_in_the_plain_loop(options, decay):
    rule = {"momentum": 0.5, "weight_decay": decay}
    a, b, cluster, _ = mock.both(options, rule=rule, loss=_total, reduction="sum")
    assert farthest(a, b) < 1e-5


def test_shows_the_mean_of_a_loss_that_is_a_sum():
    _, job, cluster = mock.one(reduction="sum")
    _, seen = work(job, _total, micro=3)
    assert cluster.losses[0] == pytest.approx(sum(seen[:3]) / 8)


@pytest.mark.parametrize("options", [{}, {"micro": 4}])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_a_mean_over_something_else_steps_as_in_the_plain_loop(options, decay):
    rule = {"momentum": 0.5, "weight_decay": decay}
    a, b, cluster, _ = mock.both(options, rule=rule, loss=_masked, reduction=_unmasked)
    assert farthest(a, b) < 1e-5
    want = float(_masked(Net(), _first_batch()))
    assert cluster.losses[0] == pytest.approx(want)


def _first_batch():
    place = next(iter(mock.places(1, 1, 50, 8)))
    dataset = Data()
    return torch.utils.data.default_collate([dataset[int(i)] for i in place.examples])


def test_shows_the_mean_loss_of_each_batch():
    model = Net()
    job, cluster = mock.job(model, Data(), optimizer=sgd(model))
    _, seen = work(job)
    assert cluster.losses == pytest.approx(seen)


def test_a_loss_may_be_told():
    model = Net()
    job, cluster = mock.job(model, Data(8), optimizer=sgd(model))
    for batch in job.loader():
        loss_of(model, batch).backward()
        job.optimizer.step(loss=7.0)
    assert cluster.losses == [7.0]


def test_step_takes_a_closure():
    model = Net()
    job, cluster = mock.job(model, Data(16), optimizer=sgd(model))
    for batch in job.loader():

        def closure():
            loss = loss_of(model, batch)
            loss.backward()
            return loss

        assert float(job.optimizer.step(closure)) > 0
    assert len(cluster.pushed) == 2


def test_a_loss_that_is_not_a_number():
    model, job, cluster = mock.one()
    with pytest.raises(ebb.NonFinite) as told:
        work(job, lambda *both: loss_of(*both) * float("nan"))
    assert cluster.pushed == [] and cluster.failed
    assert "in batch (epoch 1, shard 1, 0..8); the loss is nan" in str(told.value)
    assert "hint: NaN in the data" in str(told.value)


def test_a_gradient_that_is_not_finite_though_the_loss_is():
    model, job, cluster = mock.one()
    with pytest.raises(ebb.NonFinite, match=r"8..16\); the loss is [0-9.]+; it has .*\n.*on_nonfinite"):
        for place, batch in enumerate(job.loader()):
            loss_of(model, batch).backward()
            if place == 1:
                model.b.bias.grad[0] = float("inf")
            job.optimizer.step()
    assert len(cluster.pushed) == 1


def _by_gradient(model, batch):
    """The gradients of a sum of squares, as a loop may have them without a loss."""
    out = model(batch[0])
    out.backward(2 * out.detach() / len(out))


def _by_grad(model, batch):
    made = torch.autograd.grad(loss_of(model, batch), list(model.parameters()))
    for parameter, gradient in zip(model.parameters(), made):
        parameter.grad = gradient


# Bug: the history had a loss of 0.
@pytest.mark.parametrize("compute", [_by_gradient, _by_grad])
@pytest.mark.parametrize("options", [{}, {"micro": 3}])
def test_gradients_without_a_loss_have_a_loss_that_is_not_known(compute, options):
    model, job, cluster = mock.one()
    before = model.a.weight.detach().clone()
    for batch in job.loader(**options):
        compute(model, batch)
        job.optimizer.step()
    assert len(cluster.losses) == 7 and set(cluster.losses) == {None}
    assert not torch.equal(before, model.a.weight.detach())
    # A loss that is told is known.
    model, job, cluster = mock.one()
    for batch in job.loader(**options):
        compute(model, batch)
        job.optimizer.step(loss=0.5)
    assert cluster.losses == [0.5] * 7


def test_an_output_of_one_example_is_no_loss():
    model, job, cluster = mock.one(examples=Data(3), batch=1)
    for x, _ in job.loader():
        out = model(x).sum()
        out.backward(torch.tensor(3.0))
        job.optimizer.step()
    assert cluster.losses == [None] * 3


def test_a_nan_is_found_where_the_loss_is_not_known():
    model, job, _ = mock.one()
    with pytest.raises(ebb.NonFinite, match=r"0..8\); it has the data set's examples"):
        for x, _ in job.loader():
            out = model(x)
            out.backward(out.detach() * float("nan"))
            job.optimizer.step()
