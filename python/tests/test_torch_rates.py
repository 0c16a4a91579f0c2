"""Schedules of PyTorch, and the rates that a loop shows."""

import math

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch_models import Net, loss_of  # noqa: E402

import ebb  # noqa: E402
from ebb.torch.rates import factor_at  # noqa: E402

lr = torch.optim.lr_scheduler

# With the mock's 50 examples in batches of 8 an epoch has seven batches.
SCHEDULERS = {
    "LambdaLR": lambda o: lr.LambdaLR(o, lambda step: 1 / (1 + step)),
    "MultiplicativeLR": lambda o: lr.MultiplicativeLR(o, lambda step: 0.9),
    "StepLR": lambda o: lr.StepLR(o, 5, gamma=0.5),
    "MultiStepLR": lambda o: lr.MultiStepLR(o, [3, 9], gamma=0.5),
    "ConstantLR": lambda o: lr.ConstantLR(o, 0.5, total_iters=4),
    "LinearLR": lambda o: lr.LinearLR(o, 0.5, total_iters=4),
    "ExponentialLR": lambda o: lr.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: lr.PolynomialLR(o, 20),
    "CosineAnnealingLR": lambda o: lr.CosineAnnealingLR(o, 14),
    "CosineAnnealingWarmRestarts": lambda o: lr.CosineAnnealingWarmRestarts(o, 6),
    "CyclicLR": lambda o: lr.CyclicLR(o, 0.01, 0.1, 3, cycle_momentum=False),
    "CyclicLR exp_range": lambda o: lr.CyclicLR(
        o, 0.01, 0.1, 3, mode="exp_range", gamma=0.9, cycle_momentum=False
    ),
    "OneCycleLR": lambda o: lr.OneCycleLR(o, 0.1, total_steps=14, cycle_momentum=False),
    "ChainedScheduler": lambda o: lr.ChainedScheduler(
        [lr.LinearLR(o, 0.5, total_iters=4), lr.ExponentialLR(o, 0.9)]
    ),
    "SequentialLR": lambda o: lr.SequentialLR(
        o, [lr.LinearLR(o, 0.5, total_iters=4), lr.ExponentialLR(o, 0.9)], [4]
    ),
}


# Bug: CyclicLR ended in a TypeError of pickle, and the loop showed the first rate.
@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_loop_shows_the_rate_of_a_plain_loop(name):
    if not hasattr(lr, name.split()[0]):
        pytest.skip(f"this PyTorch has no {name}")
    model = Net()
    plain = torch.optim.SGD(model.parameters(), lr=0.1)
    theirs, wanted = SCHEDULERS[name](plain), []
    for _ in range(14):
        wanted.append(plain.param_groups[0]["lr"])
        plain.step()
        theirs.step()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = SCHEDULERS[name](optimizer)
    _, job, _ = mock.one(
        model=model, optimizer=optimizer, epochs=2, schedule=scheduler, schedule_every="batch"
    )
    first, shown = optimizer.param_groups[0]["lr"], []
    for batch in job.loader():
        loss_of(model, batch).backward()
        job.optimizer.step()
        shown.append(job.optimizer.param_groups[0]["lr"])
        assert scheduler.get_last_lr() == [shown[-1]]
    assert shown == pytest.approx(wanted, abs=1e-6)
    # state_dict() has the momentum of a step at this one.
    assert job.optimizer.param_groups[0]["lr"] == first


def test_words_show_their_rate_by_group():
    model = Net()
    groups = [{"params": model.a.parameters()}, {"params": model.b.parameters(), "lr": 0.2}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    _, job, _ = mock.one(
        model=model, optimizer=optimizer, epochs=2,
        schedule={"kind": "cosine", "warm_up_epochs": 1},
    )  # fmt: skip
    for place, batch in enumerate(job.loader()):
        loss_of(model, batch).backward()
        job.optimizer.step()
        if place == 0:
            share = 4 / 50 * (1 + math.cos(math.pi * 2 / 50)) / 2
            found = [group["lr"] for group in job.optimizer.param_groups]
            assert found == pytest.approx([0.1 * share, 0.2 * share])


def test_rollbacks_and_other_epochs_show_in_the_next_batch():
    model = Net()
    _, job, cluster = mock.one(model=model, epochs=2, schedule="cosine")
    shown = []
    for batch in job.loader():
        shown.append(job.optimizer.param_groups[0]["lr"])
        loss_of(model, batch).backward()
        job.optimizer.step()
        cluster.rate_factor, cluster.plan["epochs"] = 0.5, 4
    middle = 1.5 / 7  # The second batch is there, in epochs.
    first = job.optimizer.param_groups[0]["lr"]
    assert shown[1] == pytest.approx(first * 0.5 * (1 + math.cos(math.pi * middle / 4)) / 2, rel=0.01)


def test_factors_are_those_of_the_servers():
    step = {"kind": "step", "step_epochs": 0.1, "factor": 0.5}
    assert factor_at(step, 0.3, 1) == 0.125  # 0.3 / 0.1 < 3.
    assert factor_at({"kind": "cosine", "final_share": 0.2}, 5, 4) == pytest.approx(0.2)
    table = {"kind": "table", "at": [0, 1, 1, 3], "factors": [1, 2, 4, 8]}
    assert [factor_at(table, at, 4) for at in (0, 0.5, 1, 2, 9)] == [1, 1.5, 4, 6, 8]


def test_a_scheduler_that_cannot_be_copied_or_ends_is_named():
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    class Locked:
        def __call__(self, step):
            return 1.0

        def __deepcopy__(self, memo):
            raise TypeError("it has a lock")

    locked = lr.LambdaLR(optimizer, Locked())
    with pytest.raises(ebb.Refused, match=r"the LambdaLR cannot be copied \(TypeError: it has"):
        mock.one(model=model, optimizer=optimizer, schedule=locked, schedule_every="epoch")
    short = lr.OneCycleLR(optimizer, 0.1, total_steps=5, cycle_momentum=False)
    with pytest.raises(ebb.Refused, match="step [56] of the OneCycleLR fails"):
        mock.one(model=model, optimizer=optimizer, schedule=short)
