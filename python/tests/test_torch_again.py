"""Batches that the loop asks for again, or gives back."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch_models import Data, Net, farthest, loss_of, sgd  # noqa: E402

import ebb  # noqa: E402
import ebb.torch  # noqa: E402


@pytest.mark.parametrize("options", [{}, {"num_workers": 2}])
def test_yields_a_batch_again(options):
    dataset = Data()
    a, b = Net(), Net()
    mock.plain(a, sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, cluster = mock.job(b, dataset, optimizer=sgd(b))
    seen, losses = [], []
    for place, batch in enumerate(job.loader(micro=5, **options)):
        loss = loss_of(b, batch)
        loss.backward()
        seen.append(batch[1].tolist())
        losses.append(loss.item() * len(batch[1]))
        if place in (1, 4):  # The second piece, and then the first piece.
            job.again()
        else:
            job.optimizer.step()
    assert farthest(a, b) < 1e-6
    assert cluster.again == 2
    # Places 0, 1 and 4 were dropped.
    assert cluster.losses[:2] == pytest.approx(
        [sum(losses[2:4]) / 8, sum(losses[5:7]) / 8]
    )
    assert seen[0:2] == seen[2:4]


class Boxed:
    """A batch of a class of its own."""

    def __init__(self, examples):
        self.x, self.y = torch.utils.data.default_collate(examples)


@pytest.mark.parametrize("options", [{}, {"num_workers": 1}])
@pytest.mark.parametrize("box", [False, True])
def test_a_batch_that_the_loop_changed_is_made_again(options, box):
    dataset = Data()
    a, b = Net(), Net()
    mock.plain(a, sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, cluster = mock.job(b, dataset, optimizer=sgd(b))
    collate = Boxed if box else None
    for place, batch in enumerate(job.loader(micro=5, collate_fn=collate, **options)):
        x, y = (batch.x, batch.y) if box else batch
        loss_of(b, (x, y)).backward()
        x.mul_(3)  # A normalisation in place does such.
        if place in (1, 4):
            job.again()
        else:
            job.optimizer.step()
    assert farthest(a, b) < 1e-6
    assert cluster.again == 2 and len(cluster.pushed) == 7


def test_marks_of_values():
    from ebb.torch.marks import marks_of

    value = {"x": [torch.zeros(2), 3], "y": ("a", None)}
    before = marks_of(value)
    assert before is not None and marks_of(value) == before
    value["x"][0].add_(1)
    assert marks_of(value) != before
    before = marks_of(value)
    value["x"].pop()
    assert marks_of(value) != before
    assert marks_of({"x": torch.zeros(2).numpy()}) is None


def test_a_batch_that_is_asked_for_without_end_fails():
    model = Net()
    job, cluster = mock.job(model, Data(8), optimizer=sgd(model))
    with pytest.raises(ebb.Refused, match="24 times"):
        for _ in job.loader():
            job.again()
    assert "24 times" in cluster.failed[0]


def test_an_infinite_loss_that_is_asked_for_again_is_dropped():
    model, job, cluster = mock.one(Data(8))
    for place, batch in enumerate(job.loader()):
        loss = loss_of(model, batch)
        if place == 0:
            (loss * float("inf")).backward()
            job.again()
        else:
            loss.backward()
            job.optimizer.step()
    assert cluster.losses == [pytest.approx(float(loss))]


def test_a_batch_may_fail():
    model = Net()
    job, cluster = mock.job(model, Data(16), optimizer=sgd(model))
    for place, batch in enumerate(job.loader()):
        loss_of(model, batch).backward()
        if place == 0:
            job.fail("no wish to")
        else:
            job.optimizer.step()
    assert cluster.failed == ["no wish to"]
    assert len(cluster.pushed) == 1
