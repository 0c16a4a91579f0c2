"""The scaler of mixed precision."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch_models import Data, Net, farthest, loss_of, sgd  # noqa: E402

import ebb  # noqa: E402
import ebb.torch  # noqa: E402


def test_the_scaler_yields_a_batch_again_that_overflows():
    dataset = Data()
    a, b = Net(), Net()
    mock.plain(a, sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, cluster = mock.job(b, dataset, optimizer=sgd(b))
    scaler = ebb.torch.GradScaler(init_scale=2.0**130, growth_interval=5)
    losses = {}
    for batch in job.loader(micro=5):
        loss = loss_of(b, batch)
        out = job._work.out
        part = out.examples / len(out.batch.examples)
        losses.setdefault(out.batch.ticket, {})[out.begin] = float(loss) * part
        scaler.scale(loss).backward()
        scaler.step(job.optimizer)
        scaler.update()
    assert farthest(a, b) < 1e-6
    assert cluster.again >= 3 and len(cluster.pushed) == 7
    assert cluster.losses == pytest.approx([sum(pieces.values()) for pieces in losses.values()])


def _clipped_plain(dataset, most):
    model = Net()
    optimizer = sgd(model)
    for place in mock.places(1, 1, len(dataset), 8):
        batch = torch.utils.data.default_collate([dataset[int(i)] for i in place.examples])
        optimizer.zero_grad()
        loss_of(model, batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), most)
        optimizer.step()
    return model


@pytest.mark.parametrize("options", [{}, {"enabled": False}, {"init_scale": 2.0**130}])
def test_unscaled_gradients_may_be_clipped(options):
    model, job, cluster = mock.one()
    scaler = ebb.torch.GradScaler(**options)
    for batch in job.loader():
        scaler.scale(loss_of(model, batch)).backward()
        scaler.unscale_(job.optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        scaler.step(job.optimizer)
        scaler.update()
    assert farthest(_clipped_plain(Data(), 0.1), model) < 1e-6
    assert len(cluster.pushed) == 7


def test_an_overflow_counts_that_was_clipped_away():
    model, job, cluster = mock.one(Data(8))
    scaler = ebb.torch.GradScaler(init_scale=2.0**130)
    for batch in job.loader():
        scaler.scale(loss_of(model, batch)).backward()
        scaler.unscale_(job.optimizer)
        for parameter in model.parameters():
            parameter.grad.nan_to_num_(0.0).clamp_(-1, 1)
        scaler.step(job.optimizer)
    assert cluster.again > 0 and len(cluster.pushed) == 1


def test_gradients_are_unscaled_once():
    model, job, cluster = mock.one()
    scaler = ebb.torch.GradScaler()
    with pytest.raises(ebb.Refused, match="was called on these gradients already"):
        for batch in job.loader(micro=5):
            scaler.scale(loss_of(model, batch)).backward()
            scaler.unscale_(job.optimizer)
            if len(cluster.pushed) == 2:
                scaler.unscale_(job.optimizer)
            scaler.step(job.optimizer)
    assert len(cluster.pushed) == 2
    with pytest.raises(ebb.Refused, match="unscale_.. takes job.optimizer"):
        scaler.unscale_(sgd(model))


def test_the_state_of_a_scaler():
    state = torch.cuda.amp.GradScaler(enabled=False).state_dict()
    off = ebb.torch.GradScaler(enabled=False)
    assert off.state_dict() == state == {} and off.get_scale() == 1.0 and not off.is_enabled()
    first, second = ebb.torch.GradScaler(init_scale=8, growth_interval=3), ebb.torch.GradScaler()
    first.update(new_scale=4.0)
    second.load_state_dict(first.state_dict())
    assert second.get_scale() == 4.0 and second.state_dict() == first.state_dict()
    off.load_state_dict(first.state_dict())
    with pytest.raises(ebb.Refused, match="was not enabled"):
        second.load_state_dict({})
