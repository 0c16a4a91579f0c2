"""Buffers of a model: statistics of BatchNorm, averages, counters and local ones."""

import copy
import pickle

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.nn.functional as F  # noqa: E402
import torch_mock as mock  # noqa: E402
from torch import nn  # noqa: E402
from torch_models import Data, Net, farthest, loss_of, work  # noqa: E402

import ebb  # noqa: E402


class Normal(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Linear(6, 5)
        self.norm = nn.BatchNorm1d(5)
        self.b = nn.Linear(5, 3)

    def forward(self, x):
        return self.b(F.relu(self.norm(self.a(x))))


def _alike(a, b):
    return all(
        torch.allclose(value, b.state_dict()[name], atol=1e-5)
        for name, value in a.state_dict().items()
    )


def test_statistics_of_batch_norm_are_those_of_the_plain_loop():
    a, b, cluster, _ = mock.both({}, make=Normal)
    assert _alike(a, b)
    assert int(b.norm.num_batches_tracked) == 14
    assert b.norm.momentum == 0.1 and not b.norm._forward_hooks
    # A program that comes late has the same result.
    fresh = Normal()
    late, _ = mock.job(fresh, Data(), epochs=2, cluster=cluster)
    with pytest.warns(ebb.Warning, match="is complete already"):
        assert list(late.loader()) == []
    assert _alike(fresh, b)
    state = late.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in b.state_dict().items())


def test_the_loop_shows_the_averages():
    b = Normal()
    job, cluster = mock.job(b, Data(16), batch=8)
    for place, batch in enumerate(job.loader()):
        copied = copy.deepcopy(b)
        loss_of(copied, batch)  # A copy pushes nothing.
        loss = loss_of(b, batch)
        shown = torch.from_numpy(cluster.values["norm.running_mean"])
        assert torch.equal(b.norm.running_mean, shown)
        loss.backward()
        b.eval()
        b(batch[0])
        b.train()
        job.optimizer.step()
        assert torch.equal(b.norm.running_mean == 0, torch.full((5,), place == 0))


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_the_model_may_be_copied_in_the_loop(how):
    b = Normal()
    job, cluster = mock.job(b, Data(16), batch=8)
    for batch in job.loader():
        copied = how(b)
        assert copied.norm.momentum == b.norm.momentum == 0.1
        before = b.norm.running_mean.clone()
        copied(batch[0])  # It has averages of its own.
        mean = copied.a(batch[0]).mean(0)
        assert torch.allclose(copied.norm.running_mean, 0.9 * before + 0.1 * mean, atol=1e-6)
        assert torch.equal(b.norm.running_mean, before)
        with pytest.raises(ValueError):
            b(batch[0][:1])  # The forward pass fails.
        loss_of(b, batch).backward()
        job.optimizer.step()
    assert b.norm.momentum == 0.1
    assert how(b).norm.momentum == 0.1


def test_a_frozen_norm_counts_no_batches():
    class Frozen(Normal):
        def train(self, mode=True):
            super().train(mode)
            self.norm.eval()
            return self

    b = Frozen().train()
    job, cluster = mock.job(b, Data(16), batch=8)
    work(job)
    assert len(cluster.pushed) == 2
    assert int(b.norm.num_batches_tracked) == int(job.state_dict()["norm.num_batches_tracked"]) == 0
    assert b.norm.running_mean.tolist() == [0] * 5


def test_statistics_of_pieces_and_of_batches_again():
    b = Normal()
    job, cluster = mock.job(b, Data(8), batch=8)
    pieces, asked = [], False
    for batch in job.loader(micro=4):
        loss_of(b, batch).backward()
        if not asked:
            asked = True
            job.again()
            continue
        with torch.no_grad():
            pieces.append(copy.deepcopy(b).a(batch[0]))
        job.optimizer.step()
    want = 0.1 * (pieces[0].mean(0) + pieces[1].mean(0)) / 2
    assert torch.allclose(torch.from_numpy(cluster.values["norm.running_mean"]), want, atol=1e-6)


def test_statistics_of_a_layer_that_was_not_used_stay():
    class Twice(Normal):
        def __init__(self):
            super().__init__()
            self.other = nn.BatchNorm1d(5)
            self.other.running_mean.fill_(0.25)

        def forward(self, x):
            x = self.a(x)
            return self.b(F.relu(self.norm(self.norm(x))))

    b = Twice()
    job, cluster = mock.job(b, Data(8), batch=8, unused="zero")
    work(job)
    assert cluster.values["other.running_mean"].tolist() == [0.25] * 5
    # The mean of two passes, one of which has a mean of 0.
    a = Normal()
    place = next(iter(mock.places(1, 1, 8, 8)))
    dataset = Data(8)
    x = torch.utils.data.default_collate([dataset[int(i)] for i in place.examples])[0]
    want = 0.1 * a.a(x).mean(0).detach() / 2
    assert torch.allclose(torch.from_numpy(cluster.values["norm.running_mean"]), want, atol=1e-6)


def test_a_buffer_of_the_callers_own_may_be_averaged():
    class Scaled(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("level", torch.ones(2))

        def forward(self, x):
            self.level.copy_(torch.stack([x.mean(), x.std()]))
            return super().forward(x)

    b = Scaled()
    job, cluster = mock.job(b, Data(8), batch=8, buffers={"level": "average"})
    for batch in job.loader():
        loss_of(b, batch).backward()
        job.optimizer.step()
        want = 0.9 + 0.1 * torch.stack([batch[0].mean(), batch[0].std()])
    assert torch.allclose(b.level, want)
    assert torch.allclose(job.state_dict()["level"], want)


def test_the_batch_norm_of_a_worker_is_local_by_choice():
    a, b, cluster, _ = mock.both({}, make=Normal, buffers={"*running_*": "local"})
    assert farthest(a, b) < 1e-5
    assert not [name for name in cluster.values if "running" in name]
    late, _ = mock.job(Normal(), Data(), buffers="local", epochs=2, cluster=cluster)
    with pytest.warns(ebb.Warning, match="is complete already"):
        assert list(late.loader()) == []
    with pytest.warns(ebb.Warning, match="norm.*is local, and this program computed no batch"):
        late.state_dict()


def test_a_counter_may_count():
    class Counts(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.tensor(0))

        def forward(self, x):
            self.count += 1
            return super().forward(x)

    a, b, _, _ = mock.both({}, make=Counts)
    assert int(b.count) == 14 and farthest(a, b) < 1e-6
