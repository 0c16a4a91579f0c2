"""ebb.torch on a real cluster of this machine."""

import copy
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.nn.functional as F  # noqa: E402
from torch_models import Augmented, Data, Net, farthest, loss_of, sgd, work  # noqa: E402

import ebb  # noqa: E402
import ebb.local  # noqa: E402
import ebb.torch  # noqa: E402

_ROUND = 32


@pytest.fixture(scope="module")
def address():
    with ebb.local.cluster(servers=2) as cluster:
        yield cluster.address


def _submitted(address, name, model, dataset, **options):
    options.setdefault("optimizer", sgd(model))
    options.setdefault("epochs", 2)
    return ebb.torch.job(
        name,
        model,
        dataset,
        batch=_ROUND,
        scheduler=address,
        algorithm="sgd",
        consistency={"kind": "rounds", "examples": _ROUND},
        **options,
    )


def _trained(address, name, model, dataset, loader=None, **options):
    """Trains in rounds of a batch each; returns the job and its batches."""
    job = _submitted(address, name, model, dataset, **options)
    batches = []
    for batch in job.loader(**(loader or {})):
        out = job._work.out
        if not batches:
            job.first = copy.deepcopy(model.state_dict())
        if out.last:
            batches.append(out.batch.examples.tolist())
        loss_of(model, batch).backward()
        job.optimizer.step()
    return job, batches


def _plain(model, optimizer, dataset, batches, first):
    model.load_state_dict(first)
    for numbers in batches:
        batch = torch.utils.data.default_collate([dataset[number] for number in numbers])
        optimizer.zero_grad()
        loss_of(model, batch).backward()
        optimizer.step()


@pytest.mark.parametrize(
    "word, loader",
    [("whole", {}), ("micro", {"micro": 12}), ("readers", {"num_workers": 2})],
)
def test_rounds_with_sgd_make_the_values_of_the_plain_loop(address, word, loader):
    dataset = Data(150)
    a, b = Net(), Net()
    job, batches = _trained(address, f"plain-{word}", b, dataset, loader)
    assert sorted(sum(batches, [])) == sorted([*range(150)] * 2)
    _plain(a, sgd(a), dataset, batches, job.first)
    assert farthest(a, b) < 1e-5
    assert job.audit().exact
    assert job.state == "complete"


@pytest.mark.parametrize(
    "word, make",
    [
        ("momentum", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01)),
        ("adam", lambda p: torch.optim.Adam(p, 0.01)),
    ],
)
@pytest.mark.parametrize("algorithm", [None, "sgd"])
def test_a_single_copy_without_prefetch_makes_the_steps_of_the_plain_loop(
    address, word, make, algorithm
):
    dataset = Data(150)  # Five batches in an epoch, the last one short.
    a, b = Net(), Net()
    job = ebb.torch.job(
        f"alone-{word}-{algorithm or 'none'}", b, dataset, epochs=3, batch=_ROUND, scheduler=address,
        optimizer=make(b.parameters()), algorithm=algorithm, prefetch=False,
    )  # fmt: skip
    batches, ours = [], []
    for batch in job.loader():
        batches.append(job._work.out.batch.examples.tolist())
        job.optimizer.zero_grad()
        loss = loss_of(b, batch)
        loss.backward()
        job.optimizer.step()
        ours.append(float(loss))
    assert {len(one) for one in batches} == {32, 22}
    plain, theirs = make(a.parameters()), []
    for numbers in batches:
        batch = torch.utils.data.default_collate([dataset[number] for number in numbers])
        plain.zero_grad()
        loss = loss_of(a, batch)
        loss.backward()
        plain.step()
        theirs.append(float(loss))
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert farthest(a, b) < 1e-4


def test_a_job_begins_with_the_values_of_the_model(address):
    model, want = Net(seed=7), Net(seed=7)
    job, _ = _trained(address, "begins", model, Data(64))
    want.load_state_dict(job.first)
    assert farthest(want, Net(seed=7)) == 0


@pytest.mark.parametrize(
    "word, make",
    [
        ("momentum", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01)),
        ("nesterov", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True)),
        ("adagrad", lambda p: torch.optim.Adagrad(p, 0.05)),
        ("rmsprop", lambda p: torch.optim.RMSprop(p, 0.01)),
        ("adam", lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.01)),
        ("adamw", lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1)),
        ("groups", lambda p: torch.optim.AdamW(_groups(p, {"lr": 0.02, "eps": 1e-6}), 0.01)),
        ("plain groups", lambda p: torch.optim.SGD(_groups(p, {"lr": 0.3, "momentum": 0.5}), 0.1)),
    ],
)
def test_servers_step_as_the_optimizer_would(address, word, make):
    dataset = Data(150)
    a, b = Net(), Net()
    job, batches = _trained(
        address, f"rule-{word.replace(' ', '-')}", b, dataset, optimizer=make(b.parameters()),
        settings={"partitions": 2},
    )  # fmt: skip
    plain = make(a.parameters())
    _plain(a, plain, dataset, batches, job.first)
    assert farthest(a, b) < 1e-4
    # The state is out: as many plain steps as a plain loop takes come to the same.
    went_on = make(b.parameters())
    went_on.load_state_dict(job.optimizer.state_dict())
    _plain(a, plain, dataset, batches, a.state_dict())
    _plain(b, went_on, dataset, batches, b.state_dict())
    assert farthest(a, b) < 1e-4
    for group, ours in zip(plain.param_groups, went_on.param_groups):
        for p, q in zip(group["params"], ours["params"]):
            for name, value in plain.state[p].items():
                if value is not None:
                    want, got = torch.as_tensor(value), torch.as_tensor(went_on.state[q][name])
                    assert torch.allclose(want.float(), got.float(), rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize(
    "word, make",
    [
        ("momentum", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
        ("nesterov", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True)),
        ("adagrad", lambda p: torch.optim.Adagrad(p, 0.05)),
        ("rmsprop", lambda p: torch.optim.RMSprop(p, 0.01)),
        ("adam", lambda p: torch.optim.Adam(p, 0.01)),
        ("groups", lambda p: torch.optim.AdamW(_groups(p, {"lr": 0.02, "eps": 1e-6}), 0.01)),
    ],
)
def test_a_job_goes_on_from_the_state_of_an_optimizer(address, word, make):
    dataset = Data(150)
    a, b, forgot = Net(), Net(), Net()
    plain = make(a.parameters())
    _plain(a, plain, dataset, _some_batches(150), a.state_dict())
    for net in (b, forgot):
        net.load_state_dict(copy.deepcopy(a.state_dict()))
    theirs = make(b.parameters())
    theirs.load_state_dict(copy.deepcopy(plain.state_dict()))
    job, batches = _trained(
        address, f"goes-on-{word}", b, dataset, optimizer=theirs, settings={"partitions": 2}
    )
    _plain(forgot, make(forgot.parameters()), dataset, batches, job.first)
    _plain(a, plain, dataset, batches, a.state_dict())
    assert farthest(a, b) < 1e-4 < farthest(a, forgot) / 10
    # The steps of both are in the state that comes out.
    out = job.optimizer.state_dict()["state"]
    for number, want in plain.state_dict()["state"].items():
        for name, value in want.items():
            if value is not None:
                got = torch.as_tensor(out[number][name]).float()
                want_it = torch.as_tensor(value).float()
                assert torch.allclose(want_it, got, rtol=1e-3, atol=1e-4), name


def test_a_job_goes_on_from_the_checkpoint_of_another(address, tmp_path):
    dataset = Data(150)
    path = str(tmp_path / "first.safetensors")
    a, b, c = Net(), Net(), Net()

    def make(net):
        return torch.optim.Adam(net.parameters(), 0.01)

    first, batches = _trained(address, "export-1", b, dataset, optimizer=make(b))
    plain = make(a)
    _plain(a, plain, dataset, batches, first.first)
    first.checkpoint(path, with_slots=True)
    second, more = _trained(address, "export-2", c, dataset, optimizer=make(c), init=path)
    _plain(a, plain, dataset, more, a.state_dict())
    assert farthest(a, c) < 1e-4
    steps = {int(state["step"]) for state in second.optimizer.state_dict()["state"].values()}
    assert steps == {len(batches) + len(more)}


def _some_batches(examples):
    return [[(7 * number + i) % examples for i in range(_ROUND)] for number in range(5)]


def test_after_a_schedule_momentum_is_that_of_the_lr_of_the_group(address, tmp_path):
    model = Net()
    job, _ = _trained(
        address, "velocity", model, Data(64), epochs=1, schedule={"kind": "cosine"},
        optimizer=sgd(model, momentum=0.9),
    )  # fmt: skip
    path = str(tmp_path / "slots.safetensors")
    job.checkpoint(path, with_slots=True)
    velocity = ebb.load(path)["slots/momentum/velocity/a.weight"]
    went_on = sgd(model, momentum=0.9)
    went_on.load_state_dict(job.optimizer.state_dict())
    momentum = went_on.state[model.a.weight]["momentum_buffer"]
    # So the next step goes as far as the servers' would.
    assert np.abs(velocity).max() > 0
    assert np.allclose(-0.1 * momentum.numpy(), velocity, atol=1e-7)
    job.optimizer.param_groups[0]["lr"] = 0.0
    with pytest.raises(ebb.Refused, match="(?s)the lr of .* is 0.*param_groups"):
        job.optimizer.state_dict()


def test_a_state_of_another_rule_is_refused(address):
    model = Net()
    job, _ = _trained(
        address, "another-rule", model, Data(64), epochs=1,
        optimizer=torch.optim.Adam(model.parameters(), 0.01),
        settings={"tables": {"b.bias": {"optimizer": {"kind": "momentum", "rate": 0.1}}}},
    )  # fmt: skip
    with pytest.raises(ebb.Refused, match="b.bias: the servers do not step it as Adam does"):
        job.optimizer.state_dict()


def _groups(parameters, others):
    """Weights, biases without decay, and the last bias with other settings."""
    a, a_bias, b, b_bias = parameters
    return [
        {"params": [a, b]},
        {"params": [a_bias], "weight_decay": 0},
        {"params": [b_bias], **others},
    ]


def test_an_export_has_the_states_that_each_table_has(address, tmp_path):
    model = Normal()
    job, _ = _trained(
        address, "states", model, Data(64), epochs=1,
        optimizer=torch.optim.AdamW(model.parameters(), 0.01),
        settings={"tables": {"b.bias": {"optimizer": {"kind": "momentum", "rate": 0.1}}}},
    )  # fmt: skip
    path = str(tmp_path / "states.safetensors")
    job.checkpoint(path, with_slots=True)
    exported = ebb.load(path)
    slots = sorted(name[6:] for name in exported if name.startswith("slots/"))
    adamw = ["a.bias", "a.weight", "b.weight", "norm.bias", "norm.weight"]
    assert slots == [
        *[f"adamw/first_moment/{name}" for name in adamw],
        *[f"adamw/second_moment/{name}" for name in adamw],
        *[f"adamw/step/{name}" for name in adamw],
        "momentum/step/b.bias",
        "momentum/velocity/b.bias",
    ]
    assert all(np.abs(exported[f"slots/{name}"]).max() > 0 for name in slots)


_LR = torch.optim.lr_scheduler


@pytest.mark.parametrize(
    "word, every, make",
    [
        ("cosine", "epoch", lambda o: _LR.CosineAnnealingLR(o, 2)),
        ("lambda", "batch", lambda o: _LR.LambdaLR(o, lambda t: min(1.0, t / 4) * 0.9**t)),
        ("cycle", None, lambda o: _LR.OneCycleLR(o, [0.1, 0.1, 0.2], total_steps=10,
                                                 cycle_momentum=False)),
    ],
)  # fmt: skip
def test_servers_follow_a_scheduler(address, word, every, make):
    dataset = Data(150)
    a, b = Net(), Net()

    def rule(model):
        return torch.optim.AdamW(_groups(model.parameters(), {"lr": 0.02}), 0.01)

    ours, theirs = rule(b), rule(a)
    job, batches = _trained(
        address, f"schedule-{word}", b, dataset, optimizer=ours, schedule=make(ours),
        schedule_every=every,
    )  # fmt: skip
    scheduler = make(theirs)
    a.load_state_dict(job.first)
    for place, numbers in enumerate(batches):
        theirs.zero_grad()
        loss_of(a, torch.utils.data.default_collate([dataset[n] for n in numbers])).backward()
        theirs.step()
        if every != "epoch" or (place + 1) % 5 == 0:
            scheduler.step()
    assert farthest(a, b) < 1e-4


class Normal(torch.nn.Module):
    def __init__(self, momentum=0.1):
        super().__init__()
        torch.manual_seed(0)
        self.a = torch.nn.Linear(6, 5)
        self.norm = torch.nn.BatchNorm1d(5, momentum=momentum)
        self.b = torch.nn.Linear(5, 3)

    def forward(self, x):
        return self.b(F.relu(self.norm(self.a(x))))


@pytest.mark.parametrize("momentum", [0.1, 0.3])
def test_rounds_make_the_statistics_of_the_plain_loop(address, momentum):
    dataset = Data(300)
    a, b = Normal(momentum), Normal(momentum)
    job, batches = _trained(address, f"norm-{momentum}", b, dataset, epochs=3)
    _plain(a, sgd(a), dataset, batches, job.first)
    state = job.state_dict()
    for name, value in a.state_dict().items():
        assert torch.allclose(value.float(), state[name].float(), atol=1e-5), name
    assert int(state["norm.num_batches_tracked"]) == len(batches) == 30
    assert job.audit().exact
    with pytest.raises(ebb.Refused, match="is a program's.*(.|\n)*job.state_dict"):
        job.predict(dataset.x.numpy())
    # A program that computed nothing has them, too, and predicts with them.
    fresh = Normal(momentum)
    late = _submitted(address, f"norm-{momentum}", fresh, dataset, epochs=3)
    with pytest.warns(ebb.Warning, match="is complete already"):
        assert list(late.loader()) == []
    b.eval()
    fresh.eval()
    assert torch.equal(fresh(dataset.x), b(dataset.x))


def test_a_batch_norm_learns_without_rounds(address):
    model, dataset = Normal(), Data(600)
    job = ebb.torch.job(
        "norm-asp", model, dataset, epochs=6, batch=20, scheduler=address,
        optimizer=torch.optim.AdamW(model.parameters(), 0.01),
    )  # fmt: skip
    work(job)
    model.eval()
    with torch.no_grad():
        right = float((model(dataset.x).argmax(1) == dataset.y).float().mean())
    assert right > 0.9
    with pytest.raises(ebb.Refused, match="several batches"):
        ebb.torch.submit(
            "norm-local", model, dataset, epochs=1, batch=20, scheduler=address,
            optimizer=torch.optim.SGD(model.parameters(), 0.1), algorithm="downpour",
        )  # fmt: skip


def test_a_batch_again_changes_nothing(address):
    dataset = Data(96)
    a, b = Net(), Net()
    job = _submitted(address, "again", b, dataset, epochs=1)
    batches, asked = [], 0
    for batch in job.loader():
        if not asked:
            first = copy.deepcopy(b.state_dict())
        loss_of(b, batch).backward()
        if asked == len(batches):
            asked += 1
            job.again()
            continue
        batches.append(job._work.out.batch.examples.tolist())
        job.optimizer.step()
    _plain(a, sgd(a), dataset, batches, first)
    assert len(batches) == 3 and farthest(a, b) < 1e-5


def test_random_examples_are_the_same_in_whichever_process_reads_them(address):
    made = []
    for readers in (0, 2):
        model = Net()
        _trained(address, f"random-{readers}", model, Augmented(96), {"num_workers": readers})
        made.append(model)
    assert farthest(*made) < 1e-6


def test_the_result_is_that_of_the_export_and_begins_another_job(address, tmp_path):
    model = Net()
    job, _ = _trained(address, "export", model, Data(64), epochs=1)
    path = str(tmp_path / "m.safetensors")
    job.checkpoint(path)
    exported = ebb.load(path)
    for name, value in job.state_dict().items():
        assert np.array_equal(exported[name], value.numpy())
    fresh = Net(seed=3)
    fresh.load_state_dict(job.state_dict())
    again = Net(seed=4)
    _submitted(address, "warm", again, Data(64), init=path)
    assert farthest(fresh, again) == 0


class ByName(torch.nn.Module):
    """Modules whose names neither files nor job files can have as they are."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.by = torch.nn.ModuleDict(
            {"<user/rates>": torch.nn.Linear(6, 5), "a b": torch.nn.BatchNorm1d(5), 'é"~2F': torch.nn.Linear(5, 3)}
        )

    def forward(self, x):
        for module in self.by.values():
            x = module(x)
        return x


def test_names_may_have_all_characters(address, tmp_path):
    model = ByName()
    groups = [{"params": model.by["<user/rates>"].parameters(), "lr": 0.01}]
    groups += [{"params": model.by[name].parameters()} for name in ("a b", 'é"~2F')]
    adam = torch.optim.Adam(groups, lr=0.02)
    job, _ = _trained(address, "by-name", model, Data(64), optimizer=adam)
    state = job.state_dict()
    assert list(state) == list(model.state_dict())
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    # The files that commands write have these names, too.
    job.checkpoint(str(tmp_path / "a.safetensors"), with_slots=True)
    exported = ebb.load(str(tmp_path / "a.safetensors"))
    name = "by.<user/rates>.weight"
    assert np.array_equal(exported[name], state[name].numpy())
    assert {f"slots/adam/first_moment/{name}", "by.a b.running_mean"} < set(exported)
    job.checkpoint(str(tmp_path / "folder"))
    assert np.array_equal(ebb.load(str(tmp_path / "folder"))[name], state[name].numpy())
    assert name in job._remote.state_dict()
    # And another job begins with such a file, state and all.
    other = ByName(1)
    adam = torch.optim.Adam(other.parameters(), lr=0.02)
    path = str(tmp_path / "a.safetensors")
    _submitted(address, "by-name-2", other, Data(64), optimizer=adam, init=path)
    job.load()
    for name, value in model.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(other.state_dict()[name], value), name


def test_a_late_program_and_a_second_run(address):
    first, late, second = Net(), Net(), Net()
    job, _ = _trained(address, "late", first, Data(64))
    with pytest.warns(ebb.Warning, match="late is complete already"):
        _, batches = _trained(address, "late", late, Data(64))
    assert batches == [] and farthest(first, late) == 0
    rerun, batches = _trained(address, "late", second, Data(64), rerun=True)
    assert len(batches) == 4 and rerun.number != job.number


def test_a_program_works_at_its_own_job_and_not_at_a_newer(address):
    old = _submitted(address, "older", Net(), Data(64))
    old.cancel()
    new = _submitted(address, "older", Net(), Data(64), rerun=True)
    assert new.number > old.number
    with pytest.raises(ebb.JobFailed, match="older is cancelled"):
        work(old)
    assert new.progress.applied == 0
    new.cancel()


def test_a_run_with_a_name_is_one_job(address):
    first, _ = _trained(address, "runs", Net(), Data(64), epochs=1, rerun="monday")
    with pytest.warns(ebb.Warning, match="runs is complete already"):
        late, batches = _trained(address, "runs", Net(3), Data(64), epochs=1, rerun="monday")
    assert batches == [] and late.number == first.number
    other, batches = _trained(address, "runs", Net(), Data(64), epochs=1, rerun="tuesday")
    assert len(batches) == 2 and other.number != first.number


@pytest.mark.parametrize("options", [{}, {"micro": 12}])
def test_a_sum_steps_as_in_the_plain_loop(address, options):
    def total(model, batch):
        return F.cross_entropy(model(batch[0]), batch[1], reduction="sum")

    def slow(model):
        return torch.optim.SGD(model.parameters(), lr=0.01)

    dataset = Data(70)
    a, b = Net(), Net()
    name = f"sum-{len(options)}"
    job = _submitted(address, name, b, dataset, optimizer=slow(b), reduction="sum")
    batches = []
    for batch in job.loader(**options):
        out = job._work.out
        first = first if batches else copy.deepcopy(b.state_dict())
        if out.last:
            batches.append(out.batch.examples.tolist())
        total(b, batch).backward()
        job.optimizer.step()
    a.load_state_dict(first)
    optimizer = slow(a)
    for numbers in batches:
        optimizer.zero_grad()
        total(a, torch.utils.data.default_collate([dataset[n] for n in numbers])).backward()
        optimizer.step()
    assert farthest(a, b) < 1e-4


def test_evaluates_and_shows_the_loss(address):
    model, test = Net(), Data(40, seed=5)
    told = []

    def evaluate(it):
        guesses = it(test.x)
        right = int((guesses.argmax(1) == test.y).sum())
        told.append((float(F.cross_entropy(guesses, test.y)), right / 40))
        return {"loss": told[-1][0], "correct": right, "examples": 40, "margin": 0.5}

    job, _ = _trained(address, "evaluates", model, Data(320), evaluate=evaluate, epochs=3)
    history = list(job.history)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert 0 < history[0]["loss"] < 2
    figures = [row for row in history if row.get("test_loss") is not None]
    assert figures and len(told) >= len(figures)
    for row in figures:
        assert any(
            row["test_loss"] == pytest.approx(loss) and row["test_accuracy"] == pytest.approx(share)
            for loss, share in told
        ), (row, told)


def test_what_differs_is_refused(address):
    model = Net()
    dataset = Data(64)
    job = _submitted(address, "differs", model, dataset)
    other = torch.nn.Sequential(torch.nn.Linear(6, 3))

    def check():
        with pytest.raises(ebb.ModelDiffers):
            _submitted(address, "differs", other, dataset)
        with pytest.raises(ebb.DataDiffers):
            _submitted(address, "differs", Net(), Data(65))
        with pytest.raises(ebb.Refused, match="epochs is 5 here, 2 in job differs"):
            _submitted(address, "differs", Net(), dataset, epochs=5)
        late = Net()
        adam = torch.optim.Adam(late.parameters(), lr=9)
        with pytest.raises(ebb.Refused, match="optimizer.beta1 is 0.9 here, absent in job"):
            _submitted(address, "differs", late, dataset, optimizer=adam)

    check()
    work(job)
    assert job.state == "complete"
    check()


def test_other_examples_are_refused(address):
    job = _submitted(address, "others", Net(), Data(64))
    with pytest.raises(ebb.DataDiffers, match="example [0-9]+ has the checksum"):
        _submitted(address, "others", Net(), Data(64, seed=9))
    job.cancel()


def test_a_loss_that_is_not_a_number(address):
    model = Net()
    job = _submitted(address, "nan", model, Data(64))
    with pytest.raises(ebb.NonFinite, match=r"the gradient of a.bias.* in batch \(epoch 1, .*nan; it has"):
        for batch in job.loader():
            (loss_of(model, batch) * float("nan")).backward()
            job.optimizer.step()
    job.cancel()


def test_a_batch_that_is_not_finite_is_left_out(address):
    model = Net()
    job = ebb.torch.job(
        "nan-skip", model, Data(128), optimizer=sgd(model), epochs=1, batch=_ROUND,
        scheduler=address, settings={"on_nonfinite": "skip"},
    )
    refused = 0
    for place, batch in enumerate(job.loader()):
        loss = loss_of(model, batch)
        (loss * float("nan") if place == 1 else loss).backward()
        try:
            job.optimizer.step()
        except ebb.NonFinite:
            refused += 1
    audit = job.audit()
    assert refused == 1 and audit.exact and audit.skipped == _ROUND


def test_the_model_of_a_loop_that_was_left(address):
    model = Net()
    job = _submitted(address, "broken-off", model, Data(64), epochs=20)
    for batch in job.loader():
        loss_of(model, batch).backward()
        job.optimizer.step()
        break
    with pytest.warns(ebb.Warning, match="not complete.* let the loop end") as told:
        state = job.state_dict()
    assert told[0].filename == __file__
    assert list(state) == list(model.state_dict())
    job.cancel()


def test_a_job_that_is_not_there():
    with pytest.raises(ebb.NotFound, match="nobody submitted job absent within"):
        with ebb.local.cluster() as cluster:
            ebb.torch.join("absent", Net(), Data(), scheduler=cluster.address, timeout=0.1)


_FIVE_LINES = """
    import sys
    sys.path.insert(0, {tests!r})
    import torch, torch.nn.functional as F, ebb.torch
    from torch_models import Net, Data
    model = Net()
    job = ebb.torch.job("digits", model, Data(64), epochs=2, batch=16,
                        optimizer=torch.optim.Adam(model.parameters(), lr=1e-3))
    optimizer = job.optimizer
    for x, y in job.loader(num_workers=1):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    torch.save(job.state_dict(), "digits.pt")
    assert job.audit().exact
"""


@pytest.mark.parametrize("where", ["alone", "cluster"])
def test_the_five_lines(address, tmp_path, where):
    script = tmp_path / "digits.py"
    tests = str(Path(__file__).resolve().parent)
    script.write_text(textwrap.dedent(_FIVE_LINES.format(tests=tests)))
    environment = {k: v for k, v in os.environ.items() if k != "EBB_SCHEDULER"}
    if where == "cluster":
        environment["EBB_SCHEDULER"] = address
    command = [sys.executable, "-W", "error::ResourceWarning", str(script)]
    copies = [
        subprocess.Popen(command, cwd=tmp_path, env=environment)
        for _ in range(2 if where == "cluster" else 1)
    ]
    assert [copy.wait(timeout=240) for copy in copies] == [0] * len(copies)
    state = torch.load(tmp_path / "digits.pt")
    Net().load_state_dict(state)
