"""The loop of ebb.torch over a mock of the engine."""

import copy

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.nn.functional as F  # noqa: E402
import torch_mock as mock  # noqa: E402
from torch import nn  # noqa: E402
from torch_models import Data, Net, farthest, loss_of, sgd, work  # noqa: E402

import ebb  # noqa: E402
import ebb.torch  # noqa: E402


def _both(options, *, rule=None, dataset=None, loss=loss_of, make=Net, batch=8, **job):
    """Trains by the plain loop and by ours; returns both models."""
    dataset = dataset or Data()
    a, b = make(), make()
    mock.plain(a, sgd(a, **(rule or {})), dataset, loss, epochs=2, batch=batch)
    made, cluster = mock.job(
        b, dataset, optimizer=sgd(b, **(rule or {})), epochs=2, batch=batch, **job
    )
    loader, _ = work(made, loss, **options)
    return a, b, cluster, loader


@pytest.mark.parametrize("options", [{}, {"micro": 3}, {"num_workers": 2}])
def test_makes_the_values_of_the_plain_loop(options):
    a, b, cluster, _ = _both(options, rule={"momentum": 0.9})
    assert farthest(a, b) < 1e-6
    assert len(cluster.pushed) == 2 * 7  # The last batch of an epoch has 2 examples.


def test_weight_decay_is_part_of_the_gradient():
    a, b, _, _ = _both({"micro": 4}, rule={"momentum": 0.9, "weight_decay": 0.05})
    assert farthest(a, b) < 1e-6


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
    a, b, cluster, _ = _both(options, rule=rule, loss=_total, reduction="sum")
    assert farthest(a, b) < 1e-5


def test_shows_the_mean_of_a_loss_that_is_a_sum():
    _, job, cluster = mock.one(reduction="sum")
    _, seen = work(job, _total, micro=3)
    assert cluster.losses[0] == pytest.approx(sum(seen[:3]) / 8)


@pytest.mark.parametrize("options", [{}, {"micro": 4}])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_a_mean_over_something_else_steps_as_in_the_plain_loop(options, decay):
    rule = {"momentum": 0.5, "weight_decay": decay}
    a, b, cluster, _ = _both(options, rule=rule, loss=_masked, reduction=_unmasked)
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
        losses.append(float(loss) * len(batch[1]))
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
        x.mul_(3)  # As a normalisation in place does.
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


def test_a_loss_that_is_not_a_number():
    model, job, cluster = mock.one()
    with pytest.raises(ebb.NonFinite) as told:
        work(job, lambda *both: loss_of(*both) * float("nan"))
    assert cluster.pushed == [] and cluster.failed
    assert "in batch (epoch 0, shard 0, 0..8); the loss is nan" in str(told.value)
    assert "hint: NaN in the data" in str(told.value)


def test_a_gradient_that_is_not_finite_though_the_loss_is():
    model, job, cluster = mock.one()
    with pytest.raises(ebb.NonFinite, match=r"8..16\); the loss is [0-9.]+\n.*on_nonfinite"):
        for place, batch in enumerate(job.loader()):
            loss_of(model, batch).backward()
            if place == 1:
                model.b.bias.grad[0] = float("inf")
            job.optimizer.step()
    assert len(cluster.pushed) == 1


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


def test_a_loop_of_ones_own_reads_for_itself():
    dataset = Data()
    a, b = Net(), Net()
    mock.plain(a, sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, _ = mock.job(b, dataset, optimizer=sgd(b))
    for batch in job:
        assert batch.place[3] - batch.place[2] == len(batch)
        batch.push(loss_of(b, (dataset.x[batch.examples], dataset.y[batch.examples])))
    assert farthest(a, b) < 1e-6


def test_break_leaves_in_good_order_and_the_next_loop_goes_on():
    dataset = Data()
    a, b = Net(), Net()
    mock.plain(a, sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, cluster = mock.job(b, dataset, optimizer=sgd(b))
    for place, batch in enumerate(job.loader()):
        if place == 3:
            break
        loss_of(b, batch).backward()
        job.optimizer.step()
    assert cluster.left == 1 and len(cluster.pushed) == 3
    work(job)
    assert farthest(a, b) < 1e-6
    assert sorted(cluster.pushed) == sorted(set(cluster.pushed))


def test_the_model_has_memory_of_its_own_after_the_loop():
    model = Net()
    job, _ = mock.job(model, Data(), optimizer=sgd(model))
    places = {p.data_ptr() for p in model.parameters()}
    for batch in job.loader():
        assert not places & {p.data_ptr() for p in model.parameters()}
        loss_of(model, batch).backward()
        job.optimizer.step()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert float(job.state_dict()["a.weight"].abs().max()) > 0


def test_a_second_pass_warns_and_yields_nothing():
    model = Net()
    job, _ = mock.job(model, Data(8), optimizer=sgd(model))
    work(job)
    with pytest.warns(ebb.Warning, match="all 1 epochs.*outer loop"):
        assert list(job.loader()) == []


def test_sparse_gradients_are_added():
    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.rows = nn.Embedding(10, 3, sparse=True)

        def forward(self, x):
            return self.rows((x[:, 0].abs() * 3).long().clamp(max=9))

    a, b, _, _ = _both({}, make=Bag)
    assert farthest(a, b) < 1e-6


def test_without_foreach_the_sums_are_the_same(monkeypatch):
    monkeypatch.delattr(torch, "_foreach_add_")
    a, b, _, _ = _both({"micro": 3})
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

    a, b, cluster, _ = _both({}, make=Tied)
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


def test_the_batch_norm_of_a_worker_is_local_by_choice():
    class Normal(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.a = nn.Linear(6, 5)
            self.norm = nn.BatchNorm1d(5)
            self.b = nn.Linear(5, 3)

        def forward(self, x):
            return self.b(F.relu(self.norm(self.a(x))))

    a, b, cluster, _ = _both({}, make=Normal, buffers={"*running_*": "local"})
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

    a, b, _, _ = _both({}, make=Counts)
    assert int(b.count) == 14 and farthest(a, b) < 1e-6


def test_evaluates_between_two_batches():
    model = Net()
    test = Data(20, seed=9)
    modes = []

    def evaluate(it):
        modes.append((it.training, torch.is_grad_enabled()))
        guess = it(test.x)
        right = int((guess.argmax(1) == test.y).sum())
        loss = F.cross_entropy(guess, test.y)
        return {"loss": float(loss), "correct": right, "examples": 20, "margin": 0.5}

    job, cluster = mock.job(
        model, Data(), optimizer=sgd(model), evaluate=evaluate, evaluate_after=[2, 7]
    )
    work(job)
    assert modes == [(False, False)] * 2
    assert model.training
    first = cluster.evaluated[0]
    assert first["examples"] == 20 and first["figures"] == {"margin": 0.5}
    assert first["loss_sum"] > 0 and 0 <= first["correct"] <= 20


@pytest.mark.parametrize("figure", [{"accuracy": 0.7}, {"correct": 14}])
def test_accuracy_needs_the_number_of_examples(figure):
    def answer(more):
        model, job, cluster = mock.one(
            evaluate=lambda _: {"loss": 0.5, **figure, **more}, evaluate_after=[0]
        )
        work(job)
        return cluster.evaluated[0]

    made = answer({"examples": 20})
    assert (made["examples"], made["correct"], made["loss_sum"]) == (20, 14, 10.0)
    with pytest.raises(ebb.Refused, match=f"returned {list(figure)[0]} without examples"):
        answer({})


def test_an_evaluation_that_fails_is_told_and_raised():
    model = Net()

    def evaluate(_):
        raise RuntimeError("no test data")

    job, cluster = mock.job(
        model, Data(), optimizer=sgd(model), evaluate=evaluate, evaluate_after=[0]
    )
    with pytest.raises(RuntimeError, match="no test data"):
        work(job)
    assert cluster.evaluated[0]["error"] == "RuntimeError: no test data"


def test_a_job_that_was_cancelled():
    model, job, cluster = mock.one()
    with pytest.raises(ebb.JobFailed, match="job is cancelled"):
        for place, batch in enumerate(job.loader()):
            loss_of(model, batch).backward()
            job.optimizer.step()
            if place == 2:
                cluster.todo.clear()
                cluster.remote.state = "cancelled"


def test_an_engine_that_leaves_ends_the_loop():
    _, job, cluster = mock.one()
    cluster.remote.state = "left"
    cluster.todo.clear()
    with pytest.warns(ebb.Warning, match="left job job, which is not complete"):
        assert list(job.loader()) == []


def test_a_program_that_comes_late_has_the_result_at_once():
    model, job, cluster = mock.one()
    work(job)
    late, job, _ = mock.one(cluster=cluster)
    with pytest.warns(ebb.Warning, match="complete already, so nothing is trained") as told:
        _, seen = work(job)
    assert len(told) == 1
    assert seen == [] and farthest(model, late) == 0


def test_the_model_stays_usable_by_a_copy():
    model, job, _ = mock.one()
    work(job)
    copy.deepcopy(model)


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


def test_joining_takes_epochs_and_batch_from_the_job():
    _, _, cluster = mock.one(epochs=2)
    model, job, _ = mock.one(cluster=cluster, joins=True)
    work(job)
    assert len(cluster.pushed) == 14
