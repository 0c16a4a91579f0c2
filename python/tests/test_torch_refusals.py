"""Tests what ebb.torch refuses before it submits anything, and in which words."""

import dataclasses
import inspect

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch_models import Augmented, Data, Net, loss_of  # noqa: E402

import ebb  # noqa: E402
import ebb.torch  # noqa: E402
from ebb import tracebacks  # noqa: E402
from ebb.torch import data, optimizers, parameters, submission  # noqa: E402
from ebb.torch.evaluated import figures_of  # noqa: E402


def _prepared(model=None, dataset=None, **options):
    model = model or Net()
    options.setdefault("optimizer", torch.optim.SGD(model.parameters(), lr=0.1))
    options.setdefault("epochs", 2)
    options.setdefault("batch", 8)
    dataset = Data() if dataset is None else dataset
    return submission.prepared("digits", model, dataset, **options)


def _refused(told, model=None, dataset=None, kind=ebb.Refused, **options):
    with pytest.raises(kind, match=told) as error:
        _prepared(model, dataset, **options)
    return str(error.value)


# --- What is submitted --------------------------------------------------------


def test_the_job_file():
    model = Net()
    _, description, _ = _prepared(
        model,
        optimizer=torch.optim.Adam(model.parameters(), lr=0.002),
        schedule={"kind": "cosine"},
        consistency={"kind": "ssp", "bound": 2},
        evaluate=lambda model: 0.0,
        workers=(2, 5),
        settings={"train": {"clip_norm": 1.0}, "partitions": 2},
    )
    keys = description.keys
    assert keys["name"] == "digits"
    assert keys["model"] == {
        "kind": "program",
        "tables": {
            "a.bias": {"dims": [5]},
            "a.weight": {"dims": [5, 6]},
            "b.bias": {"dims": [3]},
            "b.weight": {"dims": [3, 5]},
        },
    }
    assert keys["data"]["train"]["positions"]["examples"] == 50
    assert keys["train"] == {"epochs": 2, "batch": 8, "clip_norm": 1.0}
    assert keys["optimizer"] == {
        "kind": "adam", "rate": 0.002, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8,
        "schedule": {"kind": "cosine"},
    }  # fmt: skip
    assert keys["consistency"] == {"kind": "ssp", "bound": 2}
    assert keys["evaluate"] == {"every": "1 epoch"}
    assert keys["workers"] == {"min": 2, "max": 5}
    assert keys["partitions"] == 2
    values = description.initial()
    assert sorted(values) == list(keys["model"]["tables"])
    assert torch.equal(torch.from_numpy(values["a.weight"]), model.a.weight.detach())


def test_a_warm_start():
    model, other = Net(0), Net(1)
    values = {name: value.detach() for name, value in other.named_parameters()}
    _, description, _ = _prepared(model, init=values)
    assert torch.equal(torch.from_numpy(description.initial()["b.bias"]), other.b.bias.detach())
    # Bug: the state in such a file was lost.
    slot = "slots/adam/first_moment/b.bias"
    _, description, _ = _prepared(model, init={**values, slot: values["b.bias"]})
    assert torch.equal(torch.from_numpy(description.initial()[slot]), other.b.bias.detach())
    del values["b.bias"]
    _refused("init: it has no b.bias", model, init=values)
    _refused(r"init: b.bias is \(4,\) there, \(3,\)", model, init={**values, "b.bias": [0.0] * 4})


# --- Optimizers ---------------------------------------------------------------


def _rule(make):
    model = Net()
    return optimizers.read(make(model.parameters()), parameters.tables_of(model))


@pytest.mark.parametrize(
    "make, settings",
    [
        (lambda p: torch.optim.SGD(p, 0.1), {"kind": "sgd", "rate": 0.1}),
        (
            lambda p: torch.optim.SGD(p, 0.1, momentum=0.8),
            {"kind": "momentum", "momentum": 0.8, "rate": 0.1},
        ),
        (
            lambda p: torch.optim.SGD(p, 0.1, momentum=0.8, nesterov=True),
            {"kind": "nesterov", "momentum": 0.8, "rate": 0.1},
        ),
        (
            lambda p: torch.optim.Adagrad(p, 0.1),
            {"kind": "adagrad", "initial_accumulator": 0.0, "epsilon": 1e-10, "rate": 0.1},
        ),
        (
            lambda p: torch.optim.RMSprop(p, 0.1, alpha=0.95),
            {"kind": "rmsprop", "decay": 0.95, "epsilon": 1e-8, "rate": 0.1},
        ),
        (
            lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0),
            {"kind": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "rate": 0.1},
        ),
        (
            lambda p: torch.optim.AdamW(p, 0.1),
            {"kind": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "rate": 0.1,
             "weight_decay": 0.01},
        ),
    ],
)  # fmt: skip
def test_optimizers_that_servers_have(make, settings):
    assert _rule(make).settings == settings


def test_weight_decay_may_differ_by_group():
    model = Net()
    groups = [
        {"params": [model.a.weight, model.b.weight], "weight_decay": 0.01},
        {"params": [model.a.bias, model.b.bias]},
    ]
    rule = optimizers.read(torch.optim.Adam(groups, 0.1), parameters.tables_of(model))
    assert rule.decay == {"a.weight": 0.01, "b.weight": 0.01}


def test_groups_may_differ_in_all_settings():
    model = Net()
    groups = [
        {"params": [model.a.weight, model.b.weight]},
        {"params": [model.a.bias], "weight_decay": 0},
        {"params": [model.b.bias], "lr": 0.2, "eps": 1e-6},
    ]
    _, description, _ = _prepared(model, optimizer=torch.optim.AdamW(groups, 0.1))
    usual = {"kind": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "rate": 0.1,
             "weight_decay": 0.01}  # fmt: skip
    keys = description.keys
    assert keys["optimizer"] == {**usual, "schedule": {"kind": "constant"}}
    assert keys["tables"] == {
        "a.bias": {"optimizer": {**usual, "weight_decay": 0.0}},
        "b.bias": {"optimizer": {**usual, "rate": 0.2, "epsilon": 1e-6}},
    }


class Lamb(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {"lr": 0.1})


@pytest.mark.parametrize(
    "make, told",
    [
        (Lamb, "Lamb is not on the servers: sgd, momentum, nesterov, adagrad, rmsprop, adam"),
        (lambda p: torch.optim.Adam(p, 0.1, amsgrad=True), "Adam: amsgrad=True is not on"),
        (lambda p: torch.optim.SGD(p, 0.1, 0.9, dampening=0.5), "SGD: dampening=0.5 is not on"),
        (lambda p: torch.optim.RMSprop(p, 0.1, centered=True), "RMSprop: centered=True is not"),
        (lambda p: torch.optim.RMSprop(p, 0.1, momentum=0.9), "RMSprop: momentum=0.9 is not"),
        (lambda p: torch.optim.Adagrad(p, 0.1, lr_decay=0.1), "Adagrad: lr_decay=0.1 is not"),
        (lambda p: torch.optim.SGD(p, 0.1, maximize=True), "maximize=True is not on the servers"),
        (lambda p: torch.optim.LBFGS(p), "LBFGS is not on the servers"),
        (lambda p: torch.optim.SGD(list(p)[:2], 0.1), "it lacks b.bias, b.weight, which the"),
        (lambda p: torch.optim.SGD([*p, nn.Parameter(torch.ones(2))], 0.1), "a parameter of shape"),
    ],
)  # fmt: skip
def test_optimizers_that_servers_do_not_have(make, told):
    model = Net()
    _refused(told, model, optimizer=make(model.parameters()))


def test_schedules():
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = torch.optim.lr_scheduler.StepLR(optimizer, 3, gamma=0.5)
    _, description, _ = _prepared(model, optimizer=optimizer, schedule=step)
    assert description.keys["optimizer"]["schedule"] == {
        "kind": "step", "step_epochs": 3, "factor": 0.5,
    }  # fmt: skip
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    _refused("ReduceLROnPlateau follows a figure of the run", model, schedule=plateau)
    _refused("schedule: int is not on the servers", model, schedule=3)
    _refused("schedule_every='step'", model, schedule=step, schedule_every="step")


def _scheduled(make, groups=None, **options):
    """Returns the keys of a job of 2 epochs of 7 batches, and its optimizer."""
    model = Net()
    optimizer = torch.optim.SGD(groups(model) if groups else model.parameters(), lr=0.1)
    _, description, _ = _prepared(
        model, optimizer=optimizer, schedule=make(optimizer), **options
    )
    return description.keys, optimizer


def test_a_scheduler_becomes_a_table():
    halves = lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.5)  # noqa: E731
    keys, optimizer = _scheduled(halves, schedule_every="epoch")
    table = {"kind": "table", "at": [0, 1, 1, 2], "factors": [1, 1, 0.5, 0.5]}
    assert keys["optimizer"] == {"kind": "sgd", "rate": 0.1, "schedule": table}
    assert optimizer.param_groups[0]["lr"] == 0.1
    keys, _ = _scheduled(halves, schedule_every="batch")
    table = keys["optimizer"]["schedule"]
    assert len(table["at"]) == 14  # No three lie on a line.
    assert table["at"][:2] == [0.08, 0.24] and table["at"][-1] == pytest.approx(1.98)
    assert table["factors"][13] == pytest.approx(0.5**13, abs=1e-9)


def test_a_warm_up_begins_at_nothing():
    keys, _ = _scheduled(
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda t: min(1.0, t / 7)),
        schedule_every="batch",
    )
    assert keys["optimizer"]["rate"] == 0.1
    table = keys["optimizer"]["schedule"]
    assert table["at"] == pytest.approx([0.08, 0.88, 1.08, 1.98])
    assert table["factors"] == pytest.approx([0, 5 / 7, 1, 1], abs=1e-6)


def test_groups_share_a_schedule():
    def groups(model):
        return [{"params": model.a.parameters()}, {"params": model.b.parameters(), "lr": 0.2}]

    keys, _ = _scheduled(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, [0.5, 1.0], total_steps=14, cycle_momentum=False
        ),
        groups,
    )
    assert keys["optimizer"]["rate"] == pytest.approx(0.5, rel=0.1)
    own = keys["tables"]["b.bias"]["optimizer"]["rate"]
    assert own == pytest.approx(2 * keys["optimizer"]["rate"])
    with pytest.raises(ebb.Refused, match="different schedules"):
        _scheduled(
            lambda o: torch.optim.lr_scheduler.LambdaLR(o, [lambda t: 1.0, lambda t: 1 / (1 + t)]),
            groups,
            schedule_every="epoch",
        )


def test_schedulers_that_servers_cannot_follow():
    lr = torch.optim.lr_scheduler
    with pytest.raises(ebb.Refused, match="how often .* step.* of the CosineAnnealingLR"):
        _scheduled(lambda o: lr.CosineAnnealingLR(o, 5))
    with pytest.raises(ebb.Refused, match="neither epochs nor batch are known"):
        _scheduled(
            lambda o: lr.ExponentialLR(o, 0.5), schedule_every="batch", epochs=None, batch=None
        )
    with pytest.raises(ebb.Refused, match="one of another optimizer"):
        other = torch.optim.SGD(Net().parameters(), 0.1)
        _scheduled(lambda o: lr.ExponentialLR(other, 0.5))
    with pytest.raises(ebb.Refused, match="leaves a group of parameters at a rate of 0"):
        _scheduled(lambda o: lr.LambdaLR(o, lambda t: 0.0), schedule_every="epoch")
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    cycle = lr.OneCycleLR(optimizer, 0.5, total_steps=14)
    told = _refused("OneCycleLR changes more than the rate", model, optimizer=optimizer,
                    schedule=cycle)  # fmt: skip
    assert "cycle_momentum=False" in told


def test_a_scheduler_that_has_changed_the_rate():
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: (epoch + 1) / 4)
    _refused("changed lr from 0.1 to 0.025.*\n.*schedule=", model, optimizer=optimizer)


def test_a_scheduler_that_was_forgotten():
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
    _refused("optimizer: it has a scheduler.*\n.*as schedule=", model, optimizer=optimizer)
    _prepared(model, optimizer=optimizer, schedule={"kind": "constant"})
    _prepared(model, optimizer=optimizer, schedule=scheduler, schedule_every="batch")


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step")
def test_a_scheduler_that_has_stepped_goes_on_from_there():
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    step.step()
    _, description, _ = _prepared(model, optimizer=optimizer, schedule=step)
    assert description.keys["optimizer"]["schedule"] == {
        "kind": "table", "at": [0, 1, 1, 2], "factors": [1, 1, 0.5, 0.5],
    }  # fmt: skip


# --- Models -------------------------------------------------------------------


def test_models_that_servers_cannot_hold():
    _refused(r"a.weight is float64; servers hold float32: model.float\(\)", Net().double())
    lazy = nn.Sequential(nn.LazyLinear(3))
    _refused("0.weight has no shape yet.*\n.*run one batch", lazy, optimizer="sgd")
    meta = nn.Linear(2, 2, device="meta")
    _refused("weight is on the device meta.*\n.*model.to_empty", meta, optimizer="sgd")
    frozen = Net().requires_grad_(False)
    _refused("has no parameter with requires_grad=True", frozen, optimizer="sgd")
    _refused("give the module inside", nn.DataParallel(Net()), optimizer="sgd")


def test_statistics_of_batch_norm():
    model = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3))
    _, description, _ = _prepared(model)
    assert description.keys["tables"] == {
        f"1.running_{what}": {"optimizer": {"kind": "average", "share": 0.1}}
        for what in ("mean", "var")
    }
    assert description.keys["model"]["tables"]["1.running_var"] == {"dims": [3]}
    assert description.initial()["1.running_var"].tolist() == [1, 1, 1]
    whole = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3, momentum=None))
    told = _refused("1.running_mean is the mean of all batches", whole)
    assert '"local"' in told
    _refused("1 is a BatchNorm1d, which needs more than one", model, buffers="local", batch=1)
    _prepared(model, buffers="local")
    told = _refused("the last batch of 50 examples would have one", model, buffers="local", batch=7)
    assert "hint: batch=6" in told
    parts = {"train": {"item_examples": 21}}
    _refused("would have one", model, buffers="local", batch=5, settings=parts)
    model.eval()
    _prepared(model, buffers="local", batch=7)
    model.train()
    _refused("SyncBatchNorm needs a process group", nn.Sequential(nn.SyncBatchNorm(6)))
    _prepared(nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3, track_running_stats=False)))


def test_a_batch_norm_of_images_may_have_a_single_example():
    images = nn.Sequential(nn.Unflatten(1, (1, 2, 3)), nn.BatchNorm2d(1), nn.Flatten(), Net())
    _prepared(images, batch=7)
    _prepared(images, batch=1)


def test_a_norm_is_local_as_a_whole():
    model = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3))
    told = "only one of 1.running_mean and 1.running_var is local"
    _refused(told, model, buffers={"1.running_var": "local"})
    _refused(told, model, buffers={"*mean": "local"})
    _prepared(model, buffers={"1.*": "local"})


def test_choices_for_buffers():
    _refused('x is "global"; only "local"', buffers={"x": "global"})
    _refused("the model has no buffer x", buffers={"x": "local"})


def test_words():
    _refused("reduction='none'", reduction="none")
    _refused("unused='ignore'", unused="ignore")
    _refused("evaluate= is called with the model", evaluate=3)


# --- Data ---------------------------------------------------------------------


def test_data_sets_without_numbers():
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(5))

    _refused("ebb names examples by their number, so", dataset=Stream())
    _refused(r"needs len\(\) and \[i\]", dataset=iter([1]))
    _refused("the data set is empty", dataset=torch.utils.data.TensorDataset(torch.ones(0, 6)))
    _refused("ebb makes the batches", dataset=torch.utils.data.DataLoader(Data()))


def test_a_data_set_that_is_random_in_its_own_way():
    class Wild(Data):
        def __getitem__(self, number):
            import os

            return int.from_bytes(os.urandom(4), "little"), 0

    _refused("is another one when it is read again", dataset=Wild(), kind=ebb.DataDiffers)
    parts, description, _ = _prepared(dataset=Wild(), fingerprint="v3")
    assert str(parts.fingerprint).startswith("v3/")


def test_examples_without_bytes():
    class Streams(Data):
        def __getitem__(self, i):
            return (number for number in range(i)), 1

    told = r"has a generator, which ebb cannot compare.*cannot pickle(.|\n)*tensors.*fingerprint="
    _refused(f"example [0-9]+ of the data set {told}", dataset=Streams())
    _prepared(dataset=Streams(), fingerprint="v1")


def test_the_fingerprint_sees_values_types_and_shapes():
    def of(examples, seed=1):
        return data.fingerprint(examples, seed, "", None).data

    @dataclasses.dataclass
    class Example:
        x: list
        y: str

    first = [torch.ones(3), {"a": [1, 2.5, None, b"x"]}, Example([1], "y")] * 40
    assert of(first) == of(list(first))
    assert of([torch.ones(3)]) != of([torch.ones(3, dtype=torch.float64)])
    assert of([torch.ones(4)]) != of([torch.ones(2, 2)])
    assert of([(1, 2)] * 3) != of([(1, 3)] * 3)
    assert of([1] * 3) != of([1] * 4)
    assert of([Example([1], "y")]) != of([Example([1], "z")])


def test_the_fingerprint_leaves_random_generators_alone():
    torch.manual_seed(5)
    want = torch.rand(1)
    torch.manual_seed(5)
    made = data.fingerprint(Augmented(), 1, "", None)
    assert torch.equal(torch.rand(1), want)
    assert made.random
    assert not data.fingerprint(Data(), 1, "", None).random


# --- check --------------------------------------------------------------------


def test_check_finds_nothing_in_the_good():
    report = ebb.torch.check(Net(), Data(), loss_of)
    assert report.ok and report.reduction == "mean"
    assert report.figures == {"examples": 50, "parameters": 4, "values": 53}
    assert str(report).startswith("50 examples, 4 parameters, 53 values; the loss is a mean")


def test_check_tells_a_sum_from_a_mean():
    def total(model, batch):
        return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="sum")

    report = ebb.torch.check(Net(), Data(), total)
    assert report.problems == [
        'doubling the batch doubled the loss, so it is a sum: reduction="sum"'
    ]
    assert ebb.torch.check(Net(), Data(), total, reduction="sum").ok
    report = ebb.torch.check(Net(), Data(), loss_of, reduction="sum")
    assert 'reduction="mean"' in report.problems[0]


@pytest.mark.parametrize("when", ["always", "training"])
def test_check_says_of_a_loss_only_that_it_is_not_finite(when):
    def loss(model, batch):
        bad = when == "always" or model.training
        return loss_of(model, batch) * (float("nan") if bad else 1)

    report = ebb.torch.check(Net(), Data(), loss)
    assert report.problems == ["the loss is not finite (nan): NaN in the data, or log(0)?"]
    if when == "always":
        assert str(report).splitlines()[0] == "50 examples, 4 parameters, 53 values"


def test_check_finds_what_a_job_would_refuse():
    class Bad(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(6, 3)
            self.unused = nn.Linear(6, 3)
            self.register_buffer("seen", torch.zeros(3))

        def forward(self, x):
            self.seen += 1
            return self.a(x)

    model = Bad()
    report = ebb.torch.check(model, Data(), loss_of)
    text = str(report)
    assert "no gradient for unused.bias" in text
    assert "buffer seen changes while training" in text
    assert float(model.seen.sum()) == 0 and model.a.weight.grad is None


# --- Tracebacks ---------------------------------------------------------------


def test_the_users_frame_is_the_last():
    try:
        _prepared(Net().double())
    except ebb.Refused as error:
        trace = tracebacks.trimmed(error.__traceback__)
    frames = []
    while trace:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert frames == ["test_the_users_frame_is_the_last", "_prepared"]  # Both of this file.


# --- Arguments ----------------------------------------------------------------


@pytest.mark.parametrize("function", [ebb.torch.job, ebb.torch.submit, ebb.torch.join])
def test_an_argument_that_is_not_known(function):
    name = function.__name__
    with pytest.raises(TypeError, match=rf"^ebb.torch.{name}\(\) got an .* 'rate'$"):
        function("digits", Net(), Data(), rate=0.1)
    with pytest.raises(TypeError, match="'batch_size'; did you mean batch=?"):
        function("digits", Net(), Data(), batch_size=8)


def test_the_options_are_those_that_help_shows():
    known = set(submission.Options.__annotations__)
    for function in (ebb.torch.job, ebb.torch.submit, ebb.torch.join):
        shown = set(inspect.signature(function).parameters) - {"name", "model", "dataset"}
        assert shown - {"timeout"} == known
        assert ("timeout" in shown) == (function is ebb.torch.join)


def test_what_is_no_model_and_no_data_set():
    for model in (Net().parameters(), [1]):
        with pytest.raises(ebb.Refused, match="the model is a .*, and no torch.nn.Module"):
            submission.prepared("digits", model, Data(), optimizer="sgd")
    assert "the model is a list" in str(ebb.torch.check([1], Data(), loss_of))
    made = Data()
    told = _refused("the data set is a tuple of 2 tensors", dataset=(made.x, made.y))
    assert "TensorDataset(X, Y)" in told
    _refused("the data set is a list of 2 tensors", dataset=[made.x, made.y])


@pytest.mark.parametrize(
    "answer, told",
    [
        (None, "evaluate.model. returned None, where a number belongs"),
        ("good", "returned a str, where"),
        ({"loss": None}, "returned None as loss"),
        ({"loss": 1, "correct": torch.zeros(3)}, "returned a Tensor as correct"),
    ],
)
def test_what_evaluate_may_not_return(answer, told):
    with pytest.raises(ebb.Refused, match=told + r"(.|\n)*hint: return"):
        figures_of(answer)
