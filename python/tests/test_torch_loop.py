"""The loop of ebb.torch over a mock of the engine."""

import copy
import os
import signal
import threading
import time
import warnings

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.nn.functional as F  # noqa: E402
import torch_mock as mock  # noqa: E402
from torch import nn  # noqa: E402
from torch_models import Augmented, Data, Net, Unreadable, farthest, loss_of, work  # noqa: E402

import ebb  # noqa: E402
import ebb.torch  # noqa: E402


def _sgd(model, **options):
    return torch.optim.SGD(model.parameters(), lr=0.1, **options)


def _both(options, *, sgd=None, dataset=None, loss=loss_of, make=Net, batch=8, **job):
    """Trains by the plain loop and by ours; returns both models."""
    dataset = dataset or Data()
    a, b = make(), make()
    mock.plain(a, _sgd(a, **(sgd or {})), dataset, loss, epochs=2, batch=batch)
    made, cluster = mock.job(
        b, dataset, optimizer=_sgd(b, **(sgd or {})), epochs=2, batch=batch, **job
    )
    loader, _ = work(made, loss, **options)
    return a, b, cluster, loader


@pytest.mark.parametrize("options", [{}, {"micro": 3}, {"num_workers": 2}])
def test_makes_the_values_of_the_plain_loop(options):
    a, b, cluster, _ = _both(options, sgd={"momentum": 0.9})
    assert farthest(a, b) < 1e-6
    assert len(cluster.pushed) == 2 * 7  # The last batch of an epoch has 2 examples.


def test_weight_decay_is_part_of_the_gradient():
    a, b, _, _ = _both({"micro": 4}, sgd={"momentum": 0.9, "weight_decay": 0.05})
    assert farthest(a, b) < 1e-6


def test_takes_a_loss_that_is_a_sum():
    def total(model, batch):
        return F.cross_entropy(model(batch[0]), batch[1], reduction="sum")

    dataset = Data()
    a, b = Net(), Net()
    mock.plain(a, _sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, cluster = mock.job(b, dataset, optimizer=_sgd(b), reduction="sum")
    _, seen = work(job, total, micro=3)
    assert farthest(a, b) < 1e-6
    assert cluster.losses[0] == pytest.approx(sum(seen[:3]) / 8)


def test_weighs_a_mean_over_something_else_by_a_function():
    def masked(model, batch):
        x, y = batch
        return F.cross_entropy(model(x), y, ignore_index=0)

    def weight(batch):
        return int((batch[1] != 0).sum())

    dataset = Data()
    a, b = Net(), Net()
    first, _ = mock.job(a, dataset, optimizer=_sgd(a), reduction=weight)
    second, _ = mock.job(b, dataset, optimizer=_sgd(b), reduction=weight)
    work(first, masked)
    work(second, masked, micro=4)
    assert farthest(a, b) < 1e-6


def test_shows_the_mean_loss_of_each_batch():
    model = Net()
    job, cluster = mock.job(model, Data(), optimizer=_sgd(model))
    _, seen = work(job)
    assert cluster.losses == pytest.approx(seen)


def test_a_loss_may_be_told():
    model = Net()
    job, cluster = mock.job(model, Data(8), optimizer=_sgd(model))
    for batch in job.loader():
        loss_of(model, batch).backward()
        job.optimizer.step(loss=7.0)
    assert cluster.losses == [7.0]


def test_step_takes_a_closure():
    model = Net()
    job, cluster = mock.job(model, Data(16), optimizer=_sgd(model))
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
    mock.plain(a, _sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, cluster = mock.job(b, dataset, optimizer=_sgd(b))
    seen = []
    for place, batch in enumerate(job.loader(micro=5, **options)):
        loss_of(b, batch).backward()
        seen.append(batch[1].tolist())
        if place in (1, 4):  # The second piece, and then the first piece.
            job.again()
        else:
            job.optimizer.step()
    assert farthest(a, b) < 1e-6
    assert cluster.again == 2
    assert seen[0:2] == seen[2:4]


def test_a_batch_that_is_asked_for_without_end_fails():
    model = Net()
    job, cluster = mock.job(model, Data(8), optimizer=_sgd(model))
    with pytest.raises(ebb.Refused, match="24 times"):
        for _ in job.loader():
            job.again()
    assert "24 times" in cluster.failed[0]


def test_a_batch_may_fail():
    model = Net()
    job, cluster = mock.job(model, Data(16), optimizer=_sgd(model))
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
    mock.plain(a, _sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, _ = mock.job(b, dataset, optimizer=_sgd(b))
    for batch in job:
        assert batch.place[3] - batch.place[2] == len(batch)
        batch.push(loss_of(b, (dataset.x[batch.examples], dataset.y[batch.examples])))
    assert farthest(a, b) < 1e-6


def test_break_leaves_in_good_order_and_the_next_loop_goes_on():
    dataset = Data()
    a, b = Net(), Net()
    mock.plain(a, _sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, cluster = mock.job(b, dataset, optimizer=_sgd(b))
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
    job, _ = mock.job(model, Data(), optimizer=_sgd(model))
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
    job, _ = mock.job(model, Data(8), optimizer=_sgd(model))
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
    job, cluster = mock.job(model, Data(), optimizer=_sgd(model))
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
    job, _ = mock.job(b, Data(), cluster=cluster)
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
        model, Data(), optimizer=_sgd(model), evaluate=evaluate, evaluate_after=[2, 7]
    )
    work(job)
    assert modes == [(False, False)] * 2
    assert model.training
    first = cluster.evaluated[0]
    assert first["examples"] == 20 and first["figures"] == {"margin": 0.5}
    assert first["loss_sum"] > 0 and 0 <= first["correct"] <= 20


def test_an_evaluation_that_fails_is_told_and_raised():
    model = Net()

    def evaluate(_):
        raise RuntimeError("no test data")

    job, cluster = mock.job(
        model, Data(), optimizer=_sgd(model), evaluate=evaluate, evaluate_after=[0]
    )
    with pytest.raises(RuntimeError, match="no test data"):
        work(job)
    assert cluster.evaluated[0]["error"] == "RuntimeError: no test data"


def test_a_job_that_was_cancelled():
    model, job, cluster = _one()
    with pytest.raises(ebb.JobFailed, match="job is cancelled"):
        for place, batch in enumerate(job.loader()):
            loss_of(model, batch).backward()
            job.optimizer.step()
            if place == 2:
                cluster.todo.clear()
                cluster.remote.state = "cancelled"


def test_a_program_that_comes_late_has_the_result_at_once():
    model, job, cluster = _one()
    work(job)
    late, job, _ = _one(cluster=cluster)
    _, seen = work(job)
    assert seen == [] and farthest(model, late) == 0


# --- Reading ------------------------------------------------------------------


def test_random_examples_and_dropout_are_the_same_with_any_readers():
    class Drops(Net):
        def forward(self, x):
            return self.b(F.dropout(F.relu(self.a(x)), 0.3, self.training))

    made = []
    for options in ({}, {"num_workers": 2}, {"num_workers": 1, "prefetch_factor": 4}):
        model = Drops()
        job, _ = mock.job(model, Augmented(), optimizer=_sgd(model), epochs=2)
        work(job, **options)
        made.append(model)
    assert farthest(made[0], made[1]) == 0
    assert farthest(made[0], made[2]) == 0


def test_workers_read_ahead_and_drop_what_is_not_asked_for():
    model = Net()
    dataset = Data(160)
    job, cluster = mock.job(model, dataset, optimizer=_sgd(model), shard=40)

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
    import multiprocessing

    dataset = Data(80)
    a, b = Net(), Net()
    mock.plain(a, _sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, cluster = mock.job(b, dataset, optimizer=_sgd(b))
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
    job, cluster = mock.job(model, dataset, optimizer=_sgd(model), fingerprint="v1")
    bad = next(i for i, p in enumerate(mock.places(1, 1, 50, 8)) if 7 in p.examples)
    with pytest.raises(ValueError, match="picture 7 is torn"):
        work(job, **options)
    assert len(cluster.pushed) == bad
    assert cluster.failed == ["ValueError: picture 7 is torn"]


def test_collates_each_piece_by_the_users_function():
    model = Net()
    job, _ = mock.job(model, Data(20), optimizer=_sgd(model))

    def collate(examples):
        return {"x": torch.stack([x for x, _ in examples]), "y": [int(y) for _, y in examples]}

    sizes = []
    for batch in job.loader(collate_fn=collate, micro=3, num_workers=1):
        sizes.append(len(batch["y"]))
        loss_of(model, (batch["x"], torch.tensor(batch["y"]))).backward()
        job.optimizer.step()
    assert sizes == [3, 3, 2, 3, 3, 2, 3, 1]


def test_readers_may_be_spawned():
    model = Net()
    job, cluster = mock.job(model, Data(24), optimizer=_sgd(model))
    work(job, num_workers=1, multiprocessing_context="spawn")
    assert len(cluster.pushed) == 3


# --- What goes wrong ----------------------------------------------------------


def _one(dataset=None, **options):
    model = options.pop("model", None) or Net()
    options.setdefault("optimizer", _sgd(model))
    job, cluster = mock.job(model, dataset or Data(), **options)
    return model, job, cluster


def test_no_step_before_the_next_batch():
    model, job, cluster = _one()
    with pytest.raises(ebb.Refused, match=r"batch \(epoch 0, shard 0, 0..8\) was neither") as told:
        for batch in job.loader():
            loss_of(model, batch)
    assert "call optimizer.step() once a batch" in str(told.value)
    assert len(cluster.failed) == 1 and cluster.left == 1


def test_two_steps_in_a_batch():
    model, job, _ = _one()
    with pytest.raises(ebb.Refused, match="was handed in already"):
        for batch in job.loader():
            loss_of(model, batch).backward()
            job.optimizer.step()
            job.optimizer.step()


def test_step_outside_of_the_loop():
    _, job, _ = _one()
    with pytest.raises(ebb.Refused, match="no batch is out"):
        job.optimizer.step()


def test_step_without_backward():
    model, job, cluster = _one()
    with pytest.raises(ebb.Refused, match="no gradient for a.bias in this batch"):
        for batch in job.loader():
            loss_of(model, batch)
            job.optimizer.step()
    assert len(cluster.failed) == 1


def test_a_parameter_without_gradient_is_named_and_may_be_allowed():
    class Half(Net):
        def forward(self, x):
            return self.b(F.relu(self.a(x)).detach())

    model, job, _ = _one(model=Half())
    with pytest.raises(ebb.Refused, match='no gradient for a.bias.*\n.*unused="zero"'):
        work(job)
    model, job, cluster = _one(model=Half(), unused="zero")
    before = model.a.weight.detach().clone()
    work(job)
    assert torch.equal(before, model.a.weight.detach())


def test_own_optimizer_steps():
    model, job, cluster = _one()
    mine = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ebb.Refused, match=r"parameters changed outside of a pull \(a.bias\)"):
        for batch in job.loader():
            loss_of(model, batch).backward()
            mine.step()
            job.optimizer.step()
    assert len(cluster.failed) == 1


def test_the_model_is_cast_in_the_loop():
    model, job, _ = _one()
    with pytest.raises(ebb.Refused, match="parameters changed outside of a pull"):
        for batch in job.loader():
            loss_of(model, batch).backward()
            model.b.weight.data = model.b.weight.data.clone()
            job.optimizer.step()


def test_the_rate_is_changed_in_the_loop():
    model, job, _ = _one()
    schedule = torch.optim.lr_scheduler.ExponentialLR(job.optimizer, 0.9)
    with pytest.raises(ebb.Refused, match="the rate is the servers'"):
        for batch in job.loader():
            loss_of(model, batch).backward()
            job.optimizer.step()
            schedule.step()


def test_clipping_before_the_step_works():
    model, job, cluster = _one()
    for batch in job.loader():
        (1000 * loss_of(model, batch)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.001)
        job.optimizer.step()
    assert max(float(abs(v).max()) for v in cluster.velocity.values()) < 1e-3


def test_a_buffer_changes():
    class Bank(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("queue", torch.zeros(5))

        def forward(self, x):
            self.queue += x.mean()
            return super().forward(x)

    model, job, cluster = _one(model=Bank())
    with pytest.raises(ebb.Refused, match='buffer queue changes.*\n.*{"queue": "local"}'):
        work(job)
    assert len(cluster.failed) == 1
    model, job, _ = _one(model=Bank(), buffers={"queue": "local"})
    work(job)
    assert float(model.queue.abs().max()) > 0


def test_another_model():
    _, _, cluster = _one()

    class Wider(Net):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(6, 7)

    _, job, _ = _one(model=Wider(), cluster=cluster)
    with pytest.raises(ebb.ModelDiffers, match=r"a.bias is \(7,\) here, \(5,\) in job job"):
        work(job)
    _, job, _ = _one(model=nn.Linear(6, 3), cluster=cluster)
    with pytest.raises(ebb.ModelDiffers, match="bias is not in job job: another model"):
        work(job)


def test_other_data():
    _, _, cluster = _one()
    other = Data()
    drawn = mock.data.fingerprint(other, 1, "", None).drawn
    other.x[drawn[0]] += 1
    _, job, _ = _one(other, cluster=cluster)
    with pytest.raises(ebb.DataDiffers, match=rf"example {drawn[0]} has the checksum .. here"):
        work(job)
    _, job, _ = _one(Data(49), cluster=cluster)
    with pytest.raises(ebb.DataDiffers, match="has 49 examples, job job 50"):
        work(job)


def test_other_constants_of_the_model():
    def frozen(seed):
        model = Net(seed)
        model.a.weight.requires_grad = False
        return model

    _, _, cluster = _one(model=frozen(0))
    _, job, _ = _one(model=frozen(1), cluster=cluster)
    with pytest.raises(ebb.ModelDiffers, match="frozen parameters.*are not those of job"):
        work(job)


def test_other_epochs():
    _, _, cluster = _one()
    _, job, _ = _one(cluster=cluster, epochs=3)
    with pytest.raises(ebb.Refused, match="epochs is 3 here, 1 in job job"):
        work(job)


def test_a_second_thread():
    _, job, _ = _one()
    told = []

    def run():
        try:
            work(job)
        except ebb.Error as error:
            told.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "belongs to another thread" in told[0]


def test_a_forked_child():
    model, job, _ = _one()
    child = os.fork()
    if child == 0:
        try:
            with warnings.catch_warnings():
                work(job)
        except ebb.ForkedError as error:
            os._exit(0 if f"(process {os.getpid()})" in str(error) else 2)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_two_loops_at_once():
    model, job, _ = _one()
    for _ in job.loader():
        with pytest.raises(ebb.Refused, match="a loop over this job is open already"):
            next(iter(job.loader()))
        break


@pytest.mark.parametrize(
    "options, told",
    [
        ({"shuffle": True}, "the order is the job's"),
        ({"sampler": [1]}, "drop sampler="),
        ({"drop_last": True}, "short batches count"),
        ({"batch_size": 4}, "the batch is the job's"),
        ({"nonsense": 4}, "is not known"),
        ({"micro": 0}, "must be 1 or more"),
    ],
)
def test_arguments_of_the_loader(options, told):
    _, job, _ = _one()
    with pytest.raises(ebb.Refused, match=told):
        job.loader(**options)


def test_micro_batches_of_one_with_batch_norm():
    model = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3))
    _, job, _ = _one(model=model, buffers="local")
    with pytest.raises(ebb.Refused, match="1 is a BatchNorm, which needs more than one"):
        job.loader(micro=1)


def test_the_model_stays_usable_by_a_copy():
    model, job, _ = _one()
    work(job)
    copy.deepcopy(model)
