"""Reading of examples, here and in DataLoader workers, over a mock of the engine."""

import multiprocessing
import os
import random
import signal
import sys
import time

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import numpy as np  # noqa: E402
import torch.nn.functional as F  # noqa: E402
import torch_mock as mock  # noqa: E402
from ebb.torch.reader import sizes_of  # noqa: E402
from torch_models import Augmented, Data, Net, Unreadable, farthest, loss_of, sgd, work  # noqa: E402


def test_random_examples_and_dropout_are_the_same_with_any_readers():
    class Drops(Net):
        def forward(self, x):
            return self.b(F.dropout(F.relu(self.a(x)), 0.3, self.training))

    made = []
    for options in ({}, {"num_workers": 2}, {"num_workers": 1, "prefetch_factor": 4}):
        model = Drops()
        job, _ = mock.job(model, Augmented(), optimizer=sgd(model), epochs=2)
        work(job, **options)
        made.append(model)
    assert farthest(made[0], made[1]) == 0
    assert farthest(made[0], made[2]) == 0


def _noisy(examples):
    noise = 0.01 * random.random() + 0.01 * float(np.random.rand()) + 0.01 * float(torch.rand(()))
    return torch.stack([x for x, _ in examples]) + noise, torch.stack([y for _, y in examples])


def test_a_random_collate_fn_is_the_same_with_any_readers():
    made = []
    for options in ({}, {"num_workers": 2}, {"num_workers": 1, "prefetch_factor": 4}):
        random.seed()
        np.random.seed()
        torch.seed()
        model = Net()
        job, _ = mock.job(model, Data(), optimizer=sgd(model), epochs=2)
        work(job, collate_fn=_noisy, micro=3, **options)
        made.append(model)
    assert farthest(made[0], made[1]) == 0
    assert farthest(made[0], made[2]) == 0


def test_without_seeds_nothing_is_seeded():
    model = Net()
    job, _ = mock.job(model, Data(16), optimizer=sgd(model), seeds=False)
    seen = []

    def collate(examples):
        seen.append(float(torch.rand(())))
        return torch.utils.data.default_collate(examples)

    torch.manual_seed(3)
    want = [float(torch.rand(())) for _ in range(2)]
    torch.manual_seed(3)
    work(job, collate_fn=collate)
    assert seen == want


def test_workers_read_ahead_and_drop_what_is_not_asked_for():
    model = Net()
    dataset = Data(160)
    job, cluster = mock.job(model, dataset, optimizer=sgd(model), shard=40)

    def jump(todo):
        # A lost lease: another worker computes the rest of the shard.
        if len(cluster.pushed) == 4 and todo and todo[0].shard == 0:
            while todo[0].shard == 0:
                todo.popleft()

    cluster.jump = jump
    loader, _ = work(job, num_workers=2)
    assert len(cluster.pushed) == 19
    assert loader.read_in_vain == 1


def test_a_killed_reader_is_replaced():
    dataset = Data(80)
    a, b = Net(), Net()
    mock.plain(a, sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, cluster = mock.job(b, dataset, optimizer=sgd(b))
    for place, batch in enumerate(job.loader(num_workers=2)):
        if place == 3:
            victim = multiprocessing.active_children()[0]
            os.kill(victim.pid, signal.SIGKILL)
            time.sleep(0.05)
        loss_of(b, batch).backward()
        job.optimizer.step()
    assert farthest(a, b) < 1e-6
    assert not cluster.failed


@pytest.mark.parametrize("options", [{}, {"num_workers": 2}])
def test_an_example_that_cannot_be_read_fails_its_batch_alone(options):
    model = Net()
    dataset = Unreadable(bad=7)
    job, cluster = mock.job(model, dataset, optimizer=sgd(model), fingerprint="v1")
    bad = next(i for i, p in enumerate(mock.places(1, 1, 50, 8)) if 7 in p.examples)
    with pytest.raises(ValueError, match="picture 7 is torn"):
        work(job, **options)
    assert len(cluster.pushed) == bad
    note = " in example 7 of the data set" if sys.version_info >= (3, 11) else ""
    assert cluster.failed == [f"ValueError: picture 7 is torn{note}"]


def test_collates_each_piece_by_the_users_function():
    model = Net()
    job, _ = mock.job(model, Data(20), optimizer=sgd(model))

    def collate(examples):
        return {"x": torch.stack([x for x, _ in examples]), "y": [int(y) for _, y in examples]}

    sizes = []
    for batch in job.loader(collate_fn=collate, micro=3, num_workers=1):
        sizes.append(len(batch["y"]))
        loss_of(model, (batch["x"], torch.tensor(batch["y"]))).backward()
        job.optimizer.step()
    assert sizes == [3, 3, 2, 3, 3, 2, 2, 2]  # Not 3 and 1 at the end.


def test_pieces_of_a_batch():
    assert sizes_of(8, None) == [8] and sizes_of(8, 9) == [8] and sizes_of(0, 3) == []
    assert sizes_of(10, 3) == [3, 3, 2, 2] and sizes_of(7, 3) == [3, 2, 2]
    assert sizes_of(11, 3) == [3, 3, 3, 2] and sizes_of(3, 1) == [1, 1, 1]
    for examples in range(2, 60):
        for most in range(3, 20):
            sizes = sizes_of(examples, most)
            assert sum(sizes) == examples and min(sizes) > 1 and max(sizes) <= most


def test_readers_may_be_spawned():
    model = Net()
    job, cluster = mock.job(model, Data(24), optimizer=sgd(model))
    work(job, num_workers=1, multiprocessing_context="spawn")
    assert len(cluster.pushed) == 3
