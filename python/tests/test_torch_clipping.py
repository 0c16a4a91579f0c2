"""Clipped gradients, of whole batches and of batches in pieces."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch_models import Data, Net, farthest, loss_of, sgd  # noqa: E402

import ebb  # noqa: E402
import ebb.torch  # noqa: E402

RULE = {"momentum": 0.9, "weight_decay": 0.05}
LIMIT = 0.2
CLIPS = {"train": {"clip_norm": LIMIT}}


class Summed:
    """The loss as a sum over the batch."""

    def __call__(self, model, batch):
        return loss_of(model, batch) * len(batch[1])


def clip(model):
    torch.nn.utils.clip_grad_norm_(model.parameters(), LIMIT)


def plain(loss=loss_of):
    model, dataset = Net(), Data()
    optimizer = sgd(model, **RULE)
    for place in mock.places(1, 2, len(dataset), 8):
        batch = torch.utils.data.default_collate([dataset[int(i)] for i in place.examples])
        optimizer.zero_grad()
        loss(model, batch).backward()
        clip(model)
        optimizer.step()
    return model


def ours(loss=loss_of, *, clips=None, scaler=None, micro=None, **options):
    model = Net()
    job, cluster = mock.job(
        model, Data(), optimizer=sgd(model, **RULE), epochs=2, **options
    )
    for batch in job.loader(micro=micro):
        job.optimizer.zero_grad()
        if scaler is None:
            loss(model, batch).backward()
        else:
            scaler.scale(loss(model, batch)).backward()
            scaler.unscale_(job.optimizer)
        if clips:
            clips(model)
        (scaler or job.optimizer).step(*([job.optimizer] if scaler else []))
    return model, cluster


def test_whole_batches_are_clipped_by_the_loop():
    assert farthest(ours(clips=clip)[0], plain()) < 1e-6


@pytest.mark.parametrize("micro", [None, 3])
@pytest.mark.parametrize("loss, reduction", [(loss_of, "mean"), (Summed(), "sum")])
def test_the_setting_clips_whole_batches(micro, loss, reduction):
    model, _ = ours(loss, settings=CLIPS, micro=micro, reduction=reduction)
    assert farthest(model, plain(loss)) < 1e-6
    unclipped, _ = ours(loss, micro=micro, reduction=reduction)
    assert farthest(unclipped, plain(loss)) > 1e-3


def test_the_setting_clips_what_a_scaler_unscaled():
    model, _ = ours(settings=CLIPS, micro=3, scaler=ebb.torch.GradScaler(init_scale=1024.0))
    assert farthest(model, plain()) < 1e-5


def replace(model):
    for parameter in model.parameters():
        parameter.grad = parameter.grad.clamp(-1, 1)


@pytest.mark.parametrize("clips", [clip, replace])
@pytest.mark.parametrize("scaler", [None, ebb.torch.GradScaler(init_scale=8.0)])
def test_a_loop_that_clips_pieces_is_refused(clips, scaler):
    with pytest.raises(ebb.Refused, match="(?s)gradient of a.bias.*piece.*clip_norm"):
        ours(clips=clips, micro=3, scaler=scaler)


def test_a_batch_that_is_one_piece_may_be_clipped_by_the_loop():
    assert farthest(ours(clips=clip, micro=8)[0], plain()) < 1e-6


def test_a_program_that_joins_clips_like_the_others():
    model = Net()
    _, cluster = mock.job(model, Data(), optimizer=sgd(model), settings=CLIPS)
    with pytest.raises(ebb.Refused, match="train.clip_norm is absent here, 0.2 in job"):
        mock.job(model, Data(), optimizer=sgd(model), cluster=cluster, joins=True)
    mock.job(model, Data(), optimizer=sgd(model), cluster=cluster, joins=True, settings=CLIPS)


def test_a_gradient_that_is_not_finite_stays_so():
    def broken(model, batch):
        return loss_of(model, batch) * float("inf")

    with pytest.raises(ebb.NonFinite) as raised:
        ours(broken, settings=CLIPS)
    first = [int(number) for number in mock.order(1, 0, len(Data()))[:8]]
    named = ", ".join(map(str, first[:4]))
    assert f"; it has the data set's examples {named} and 4 more" in raised.value.message
    assert list(raised.value.examples) == first and "error.examples" in raised.value.hint
