"""Tests what people get wrong in a loop, and what they read."""

import os
import threading
import warnings

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.nn.functional as F  # noqa: E402
import torch_mock as mock  # noqa: E402
from torch import nn  # noqa: E402
from torch_models import Data, Net, loss_of, work  # noqa: E402

import ebb  # noqa: E402
from ebb.torch import data  # noqa: E402


def test_no_step_before_the_next_batch():
    model, job, cluster = mock.one()
    with pytest.raises(ebb.Refused, match=r"batch \(epoch 1, shard 1, 0..8\) was neither") as told:
        for batch in job.loader():
            loss_of(model, batch)
    assert "call job.optimizer.step() once a batch" in str(told.value)
    assert len(cluster.failed) == 1 and cluster.left == 1


def test_own_optimizer_steps_and_no_batch_is_handed_in():
    model, job, cluster = mock.one()
    mine = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ebb.Refused, match=r"parameters changed.*\n.*use job.optimizer"):
        for batch in job.loader():
            mine.zero_grad()
            loss_of(model, batch).backward()
            mine.step()
    assert len(cluster.failed) == 1 and cluster.pushed == []


def test_gradients_of_several_batches_are_added_up():
    model, job, _ = mock.one()
    with pytest.raises(ebb.Refused, match=r"was neither handed in(.|\n)*larger batch=.*micro="):
        for place, batch in enumerate(job.loader()):
            loss_of(model, batch).backward()
            if place % 2:
                job.optimizer.step()


def test_two_steps_in_a_batch():
    model, job, _ = mock.one()
    with pytest.raises(ebb.Refused, match="was handed in already"):
        for batch in job.loader():
            loss_of(model, batch).backward()
            job.optimizer.step()
            job.optimizer.step()


def test_step_outside_of_the_loop():
    _, job, _ = mock.one()
    with pytest.raises(ebb.Refused, match="no batch is out"):
        job.optimizer.step()


def test_step_without_backward():
    model, job, cluster = mock.one()
    with pytest.raises(ebb.Refused, match="no gradient for a.bias in this batch"):
        for batch in job.loader():
            loss_of(model, batch)
            job.optimizer.step()
    assert len(cluster.failed) == 1


def test_a_parameter_without_gradient_is_named_and_may_be_allowed():
    class Half(Net):
        def forward(self, x):
            return self.b(F.relu(self.a(x)).detach())

    model, job, _ = mock.one(model=Half())
    with pytest.raises(ebb.Refused, match='no gradient for a.bias.*\n.*unused="zero"'):
        work(job)
    model, job, cluster = mock.one(model=Half(), unused="zero")
    before = model.a.weight.detach().clone()
    work(job)
    assert torch.equal(before, model.a.weight.detach())


def test_own_optimizer_steps():
    model, job, cluster = mock.one()
    mine = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ebb.Refused, match=r"parameters changed outside of a pull \(a.bias\)"):
        for batch in job.loader():
            loss_of(model, batch).backward()
            mine.step()
            job.optimizer.step()
    assert len(cluster.failed) == 1


@pytest.mark.parametrize("make", [Net, lambda: Net().bfloat16()])
@pytest.mark.parametrize("options", [{}, {"micro": 4}])
@pytest.mark.parametrize("at", [0, 3, 6])
def test_a_parameter_is_written_after_the_step(make, options, at):
    model, job, cluster = mock.one(model=make())
    pieces = []
    with pytest.raises(ebb.Refused, match=r"outside of a pull \(a.weight\)\n.*parametrize"):
        for x, y in job.loader(**options):
            F.cross_entropy(model(x.to(model.a.weight.dtype)).float(), y).backward()
            job.optimizer.step()
            if len(cluster.pushed) + len(cluster.failed) >= at:  # 6 is the last batch.
                with torch.no_grad():
                    model.a.weight.clamp_(-0.05, 0.05)
            pieces.append(len(x))
    # A batch whose pieces are not all handed in counts as failed.
    assert len(cluster.pushed) + len(cluster.failed) in (at, at + 1)
    assert cluster.left == 1


@pytest.mark.parametrize("instead", ["again", "fail"])
def test_a_parameter_is_written_in_a_batch_without_a_step(instead):
    model, job, cluster = mock.one()
    with pytest.raises(ebb.Refused, match=r"outside of a pull \(b.bias\)"):
        for _ in job.loader():
            with torch.no_grad():
                model.b.bias.zero_()
            job.again() if instead == "again" else job.fail("because")
    assert len(cluster.failed) == 1 and not cluster.pushed


def test_weights_are_limited_in_the_model():
    class Limited(nn.Module):
        def forward(self, weight):
            return weight.clamp(-0.0625, 0.0625)

    model = Net()
    nn.utils.parametrize.register_parametrization(model.a, "weight", Limited())
    _, job, _ = mock.one(model=model)
    work(job)
    assert float(model.a.weight.detach().abs().max()) <= 0.0625


@pytest.mark.parametrize("make", [Net, lambda: Net().bfloat16()])
@pytest.mark.parametrize("first", [0, 1, 63])
def test_a_parameter_is_written_through_data(make, first):
    model, job, cluster = mock.one(Data(8 * 70), model=make())
    with pytest.raises(ebb.Refused, match=r"parameters changed outside of a pull \(b.bias\)"):
        for place, (x, y) in enumerate(job.loader()):
            F.cross_entropy(model(x.to(model.a.weight.dtype)).float(), y).backward()
            if place >= first:
                model.b.bias.data.add_(0.25)
            job.optimizer.step()
    assert len(cluster.pushed) == first


def test_the_model_is_cast_in_the_loop():
    model, job, _ = mock.one()
    with pytest.raises(ebb.Refused, match="parameters changed outside of a pull"):
        for batch in job.loader():
            loss_of(model, batch).backward()
            model.b.weight.data = model.b.weight.data.clone()
            job.optimizer.step()


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_the_rate_is_changed_in_the_loop(whose):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    if whose == "theirs":  # Most programs do so before ebb.torch.job.
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    _, job, _ = mock.one(model=model, optimizer=optimizer, schedule={"kind": "constant"})
    if whose == "ours":
        schedule = torch.optim.lr_scheduler.ExponentialLR(job.optimizer, 0.9)
    with pytest.raises(ebb.Refused, match="the rate is the servers'"):
        for batch in job.loader():
            loss_of(model, batch).backward()
            job.optimizer.step()
            schedule.step()


def test_clipping_before_the_step_works():
    model, job, cluster = mock.one()
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

    model, job, cluster = mock.one(model=Bank())
    with pytest.raises(ebb.Refused, match='buffer queue changes.*\n.*{"queue": "local"}'):
        work(job)
    assert len(cluster.failed) == 1
    model, job, _ = mock.one(model=Bank(), buffers={"queue": "local"})
    work(job)
    assert float(model.queue.abs().max()) > 0


def test_a_buffer_of_whole_numbers_cannot_be_averaged():
    class Counts(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("counts", torch.zeros(3, dtype=torch.int64))

        def forward(self, x):
            self.counts += 1
            return super().forward(x)

    _, job, _ = mock.one(model=Counts())
    with pytest.raises(ebb.Refused, match='buffer counts changes.*\n.*"local"') as error:
        work(job)
    assert "average" not in str(error.value)


@pytest.mark.parametrize("kind", ["buffer", "frozen"])
def test_a_constant_is_written_through_data(kind):
    class Queue(Net):
        def __init__(self):
            super().__init__()
            queue = torch.arange(5.0)
            if kind == "buffer":
                self.register_buffer("queue", queue)
            else:
                self.queue = nn.Parameter(queue, requires_grad=False)

        def forward(self, x):
            self.queue.data.copy_(self.queue.data.roll(1))  # The same values, elsewhere.
            return super().forward(x)

    model, job, cluster = mock.one(model=Queue())
    with pytest.raises(ebb.Refused, match="queue changes while training"):
        work(job)
    assert cluster.pushed == []


def test_another_model():
    _, _, cluster = mock.one()

    class Wider(Net):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(6, 7)

    with pytest.raises(ebb.ModelDiffers, match=r"a.bias is \(7,\) here, \(5,\) in job job"):
        mock.one(model=Wider(), cluster=cluster)
    with pytest.raises(ebb.ModelDiffers, match="bias is not in job job: another model"):
        mock.one(model=nn.Linear(6, 3), cluster=cluster)


def test_a_parameter_is_frozen_in_one_copy():
    _, _, cluster = mock.one()
    model = Net()
    model.a.bias.requires_grad = False
    with pytest.raises(ebb.ModelDiffers, match=r"a.bias is frozen here \(requires_grad=False\)"):
        mock.one(model=model, cluster=cluster)


def test_other_data():
    _, _, cluster = mock.one()
    other = Data()
    drawn = data.fingerprint(other, 1, "", None).drawn
    other.x[drawn[0]] += 1
    with pytest.raises(ebb.DataDiffers, match=rf"example {drawn[0]} has the checksum .. here"):
        mock.one(other, cluster=cluster)
    with pytest.raises(ebb.DataDiffers, match="has 49 examples here, 50 in job job"):
        mock.one(Data(49), cluster=cluster)


def test_other_constants_of_the_model():
    def frozen(seed):
        model = Net(seed)
        model.a.weight.requires_grad = False
        return model

    _, _, cluster = mock.one(model=frozen(0))
    with pytest.raises(ebb.ModelDiffers, match="frozen parameters.*are not those of job"):
        mock.one(model=frozen(1), cluster=cluster)


def test_other_epochs():
    _, _, cluster = mock.one()
    with pytest.raises(ebb.Refused, match="epochs is 3 here, 1 in job job"):
        mock.one(cluster=cluster, epochs=3)


def _adam(model, **options):
    return {"optimizer": torch.optim.Adam(model.parameters(), **options)}


def _sgd(model, **options):
    return {"optimizer": torch.optim.SGD(model.parameters(), **options)}


@pytest.mark.parametrize("state", ["running", "complete"])
@pytest.mark.parametrize(
    "other, told",
    [
        (lambda m: _adam(m, lr=9), 'optimizer.beta1 is 0.9 here, absent in job job'),
        (lambda m: _sgd(m, lr=9), "optimizer.rate is 9.0 here, 0.1 in"),
        (lambda m: _sgd(m, lr=0.1, weight_decay=0.1), "weight_decay is 0.1 here, 0.0 in"),
        (lambda m: {"schedule": "cosine"}, 'schedule.kind is "cosine" here, "constant" in'),
        (lambda m: {"algorithm": "adag"}, 'algorithm is "adag" here, absent in'),
        (lambda m: {"consistency": {"kind": "bsp"}}, 'consistency.kind is "bsp" here, absent'),
        (lambda m: {"settings": {"train": {"clip_norm": 1}}}, "train.clip_norm is 1 here, abs"),
        (lambda m: {"reduction": "sum"}, 'reduction is "sum" here, "mean" in'),
        (lambda m: {"evaluate": len}, "evaluate.every"),
        (lambda m: {"seed": 2}, "seed is 2 here, 1 in"),
        (lambda m: {"batch": 5}, "batch is 5 here, 8 in"),
    ],
)
def test_another_description(other, told, state):
    _, job, cluster = mock.one()
    if state == "complete":
        work(job)
    model = Net()
    with pytest.raises(ebb.Refused, match=told):
        mock.one(model=model, cluster=cluster, **other(model))
    assert cluster.left == (2 if state == "complete" else 1)


def test_a_complete_job_of_other_data():
    _, job, cluster = mock.one()
    work(job)
    with pytest.raises(ebb.DataDiffers):
        mock.one(Data(seed=5), cluster=cluster)


def test_what_a_copy_may_have_for_itself():
    _, _, cluster = mock.one(evaluate=len, workers=3)
    mock.one(cluster=cluster, workers=4)  # No test data on this machine.


def test_a_long_description_is_a_checksum():
    from ebb.torch.data import described

    assert described({"a": {"b": "x" * 99}})["a.b"].startswith("#")
    many = described({str(i): i for i in range(1000)})
    assert list(many) == ["settings"]


def test_a_second_thread():
    _, job, _ = mock.one()
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
    model, job, _ = mock.one()
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
    model, job, _ = mock.one()
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
    _, job, _ = mock.one()
    with pytest.raises(ebb.Refused, match=told):
        job.loader(**options)


def test_micro_batches_of_one_with_batch_norm():
    model = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3))
    _, job, _ = mock.one(model=model, buffers="local")
    for micro in (1, 2):
        with pytest.raises(ebb.Refused, match="1 is a BatchNorm1d, which needs more than one"):
            job.loader(micro=micro)
    job.loader(micro=3)
    model.eval()
    job.loader(micro=1)


def test_the_scaler_of_torch():
    model, job, _ = mock.one()
    with pytest.raises(ebb.Refused, match="GradScaler leaves out batches.*\n.*ebb.torch.GradScal"):
        for batch in job.loader():
            loss_of(model, batch).backward()
            job.optimizer.step(grad_scaler=object())  # torch's does so on a GPU.


def test_a_job_without_its_settings():
    import ebb.torch

    with pytest.raises(ebb.Refused, match="ebb.torch.job needs epochs=\n.*epochs=10"):
        ebb.torch.job("job", Net(), Data(), optimizer="sgd", batch=8)


class Thawing(Net):
    """Has a layer that is frozen at first."""

    def __init__(self):
        super().__init__()
        self.c = nn.Linear(3, 3)
        self.c.requires_grad_(False)

    def forward(self, x):
        return self.c(super().forward(x))


# Bug: it was noticed in the 64th batch, or never.
@pytest.mark.parametrize("at", [3, 6])
def test_a_layer_that_is_unfrozen_is_noticed_at_once(at):
    model, job, cluster = mock.one(model=Thawing())
    with pytest.raises(ebb.Refused, match="c.weight requires a gradient, and job job does not"):
        for number, batch in enumerate(job.loader()):
            if number == at:
                model.c.requires_grad_(True)
            loss_of(model, batch).backward()
            job.optimizer.step()
    assert len(cluster.pushed) == at and len(cluster.failed) == 1


def test_a_layer_that_is_added_is_noticed_at_the_end():
    model, job, cluster = mock.one()
    with pytest.raises(ebb.Refused, match="late.weight requires a gradient"):
        for number, batch in enumerate(job.loader()):
            if number == 4:
                model.late = nn.Linear(3, 3)
            loss_of(model, batch).backward()
            job.optimizer.step()
    assert len(cluster.pushed) == 7


def test_a_constant_that_is_written_is_noticed_at_the_end():
    model, job, _ = mock.one(model=Thawing())
    with pytest.raises(ebb.Refused, match="c.bias changes while training, and requires no"):
        for number, batch in enumerate(job.loader()):
            if number == 4:
                model.c.bias.data.add_(1)
            loss_of(model, batch).backward()
            job.optimizer.step()


def test_a_misspelt_name_is_answered_with_one_of_the_loop():
    _, job, _ = mock.one()
    with pytest.raises(AttributeError) as told:
        job.loder
    assert told.value.obj is job and "loader" in dir(job)
