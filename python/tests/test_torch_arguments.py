"""Tests what people say wrongly to ebb.torch.job and its loader, and do to the model."""

import pickle
import time

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch import nn  # noqa: E402
from torch_models import Data, Net, loss_of, sgd, work  # noqa: E402

import ebb  # noqa: E402
import ebb.local  # noqa: E402
from ebb.torch import patience, submission  # noqa: E402


@pytest.mark.parametrize(
    "options, told",
    [
        ({"epochs": "2"}, "epochs='2': it must be a whole number"),
        ({"batch": 2.5}, "batch=2.5: it must be a whole number"),
        ({"seed": "x"}, "seed='x': it must be a whole number"),
        ({"settings": [1]}, "settings= is a list.*\n.*clip_norm"),
        ({"optimizer": torch.optim.SGD}, "SGD is a class.*\n.*torch.optim.SGD.model.param"),
        ({"dataset": {"x": torch.zeros(5)}}, "a dict of 'x', and its .*\n.*TensorDataset"),
        ({"model": Net, "optimizer": "sgd"}, "the model is the class Net.*\n.*Net.…"),
    ],
)
def test_arguments_of_a_job(options, told):
    given = {"model": Net(), "dataset": Data(), "epochs": 1, "batch": 8, **options}
    if "optimizer" not in given:
        given["optimizer"] = sgd(given["model"])
    with pytest.raises(ebb.Refused, match=told):
        submission.prepared("digits", given.pop("model"), given.pop("dataset"), **given)


@pytest.mark.parametrize(
    "options, told",
    [
        ({"num_workers": -1}, "num_workers=-1: it must be 0 or more"),
        ({"num_workers": None}, "num_workers=None: it must be 0 or more"),
        ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor=0: it must be 1 or more"),
        ({"micro": 2.5}, "micro=2.5: it must be a whole number"),
    ],
)
def test_numbers_of_the_loader(options, told):
    _, job, _ = mock.one()
    with pytest.raises(ebb.Refused, match=told):
        job.loader(**options)


def test_what_processes_that_are_not_forked_cannot_get():
    _, job, _ = mock.one()
    with pytest.raises(ebb.Refused, match="cannot get the data set or collate_fn.*pickle"):
        work(job, num_workers=1, multiprocessing_context="spawn", collate_fn=lambda x: x)


def test_a_reduction_that_returns_no_number():
    _, job, _ = mock.one(reduction=lambda batch: "many")
    with pytest.raises(ebb.Refused, match="returned 'many', where a number belongs"):
        work(job, micro=3)


def test_a_batch_is_handed_in_with_its_loss():
    _, job, _ = mock.one()
    with pytest.raises(ebb.Refused, match=r"push\(\) got a float, and has no gradients"):
        for batch in job:
            batch.push(3.0)


def test_a_job_is_not_pickled():
    _, job, _ = mock.one()
    with pytest.raises(ebb.Refused, match="cannot be pickled.*\n.*job.state_dict"):
        pickle.dumps(job)


def test_the_optimizers_state_is_the_servers():
    model, job, _ = mock.one()
    with pytest.raises(ebb.Refused, match="the optimizer's state is the servers'"):
        job.optimizer.load_state_dict(sgd(model).state_dict())
    with pytest.raises(ebb.Refused, match="before ebb.torch.job"):
        job.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))]})


def _initial(model, optimizer, **more):
    """Returns what a job of this optimizer would begin with."""
    options = {"optimizer": optimizer, "epochs": 1, "batch": 8, **more}
    return submission.prepared("digits", model, Data(), **options)[1].initial()


def _stepped(kind, model, **more):
    optimizer = kind(model.parameters(), lr=0.1, **more)
    loss_of(model, (torch.ones(2, 6), torch.tensor([0, 1]))).backward()
    optimizer.step()
    return optimizer


# Bug: such a state was lost.
@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.Adagrad, torch.optim.SGD])
def test_a_job_begins_with_the_state_of_an_optimizer_that_has_stepped(kind, recwarn):
    model = Net()
    more = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    new = kind(model.parameters(), lr=0.1, **more)
    assert not [name for name in _initial(model, new) if name.startswith("slots/")]
    optimizer = _stepped(kind, model, **more)
    # The same state from a file.
    loaded = kind(model.parameters(), lr=0.1, **more)
    loaded.load_state_dict(optimizer.state_dict())
    slots = {
        torch.optim.Adam: {"adam/first_moment": "exp_avg", "adam/second_moment": "exp_avg_sq"},
        torch.optim.Adagrad: {"adagrad/squares": "sum"},
        torch.optim.SGD: {"momentum/velocity": "momentum_buffer"},
    }
    for one in (optimizer, loaded):
        values = _initial(model, one)
        names = [name for name in values if name.startswith("slots/")]
        assert len(names) == 4 * (1 + len(slots[kind]))
        for slot, name in slots[kind].items():
            want = optimizer.state[model.b.bias][name] * (-0.1 if more else 1)
            got = torch.from_numpy(values[f"slots/{slot}/b.bias"])
            assert torch.equal(got, want)
        step = values[f"slots/{next(iter(slots[kind])).split('/')[0]}/step/b.bias"]
        assert step.tolist() == [0 if more else 1]
    assert not recwarn.list


def test_a_parameter_without_a_gradient_begins_as_in_a_new_optimizer():
    model = Net()
    optimizer = _stepped(torch.optim.Adam, model)
    del optimizer.state[model.b.bias]
    values = _initial(model, optimizer)
    assert values["slots/adam/first_moment/b.bias"].tolist() == [0, 0, 0]
    assert values["slots/adam/step/b.bias"].tolist() == [0]
    assert values["slots/adam/step/a.bias"].tolist() == [1]


def test_a_state_that_the_servers_would_not_keep_is_refused():
    model = Net()
    optimizer = _stepped(torch.optim.Adam, model)
    sgd_of_bias = {"tables": {"b.bias": {"optimizer": "sgd"}}}
    with pytest.raises(ebb.Refused, match="exp_avg, exp_avg_sq of b.bias, .* b.bias by sgd"):
        _initial(model, optimizer, settings=sgd_of_bias)
    values = _initial(model, optimizer)
    with pytest.raises(ebb.Refused, match="init: .* and optimizer= has stepped, too"):
        _initial(model, optimizer, init=values)
    new = torch.optim.Adam(model.parameters())
    assert _initial(model, new, init=values).keys() == values.keys()


def test_an_optimizer_without_state_may_have_stepped(recwarn):
    model = Net()
    optimizer = sgd(model)
    loss_of(model, (torch.ones(2, 6), torch.tensor([0, 1]))).backward()
    optimizer.step()
    submission.prepared("digits", model, Data(), optimizer=optimizer, epochs=1, batch=8)
    assert not recwarn.list


def test_the_optimizer_has_no_state_before_the_end():
    _, job, _ = mock.one()
    # Bug: it was empty, and looked as if there were none.
    with pytest.raises(ebb.Refused, match="the loop is not over(.|\n)*after the loop"):
        job.optimizer.state_dict()


def _half_frozen():
    model = Net()
    model.a.requires_grad_(False)
    trained = [p for p in model.parameters() if p.requires_grad]
    return mock.one(model=model, optimizer=torch.optim.SGD(trained, lr=0.1))


def test_a_parameter_is_unfrozen_after_the_job_began():
    model, job, cluster = _half_frozen()
    model.a.requires_grad_(True)
    with pytest.raises(ebb.Refused, match="a.weight requires a gradient.*not train it(.|\n)*init="):
        work(job)
    assert cluster.pushed == []


def test_a_parameter_is_unfrozen_in_the_loop():
    model, job, cluster = _half_frozen()
    with pytest.raises(ebb.Refused, match="a.weight requires a gradient"):
        for batch in job.loader():
            model.a.requires_grad_(True)
            loss_of(model, batch).backward()
            job.optimizer.step()
    assert len(cluster.failed) == 1


def test_a_layer_is_exchanged():
    model, job, _ = mock.one()
    model.b = nn.Linear(5, 3)
    with pytest.raises(ebb.Refused, match="b.weight requires .* its layer exchanged"):
        work(job)


def test_a_parameter_is_frozen_in_the_loop():
    model, job, _ = mock.one()
    with pytest.raises(ebb.Refused, match="no gradient for a.weight.*\n.*was frozen"):
        for batch in job.loader():
            model.a.weight.requires_grad = False
            loss_of(model, batch).backward()
            job.optimizer.step()


def test_a_file_of_torch_is_no_start(tmp_path):
    path = str(tmp_path / "model.pt")
    torch.save(Net().state_dict(), path)
    with pytest.raises(ebb.Refused, match=r"no safetensors file.*\n.*torch.load\(\)"):
        mock.one(init=path)


def test_a_closed_cluster():
    cluster = ebb.local.cluster()
    cluster.close()
    with pytest.raises(ebb.Unavailable, match="the local cluster is closed"):
        cluster.connect()


def test_a_wrong_address_is_told_within_seconds(monkeypatch, caplog):
    monkeypatch.setattr(patience, "_LIMIT_S", 4.0)
    model, began = Net(), time.monotonic()
    with pytest.raises(ebb.Unavailable, match='scheduler="HOST:PORT"'):
        ebb.torch.job("away", model, Data(), optimizer=sgd(model), epochs=1, batch=8,
                      scheduler="127.0.0.1:1")  # fmt: skip
    told = [one for one in caplog.records if "127.0.0.1:1 " in one.getMessage()]
    assert len(told) == 1 and "Trying for" in told[0].getMessage()
    assert time.monotonic() - began < 8
    left = float(told[0].getMessage().split("Trying for ")[1].split()[0])
    assert left >= 1, "told at once, not at the end"


def test_an_absence_is_told_once(monkeypatch, caplog):
    monkeypatch.setattr(patience, "_LIMIT_S", 0.4)
    monkeypatch.setattr(patience, "_TELL_AFTER_S", 0.1)
    monkeypatch.setattr(patience, "_PAUSE_S", 0.1)

    def away():
        raise ebb.Unavailable("no scheduler listens.")

    with pytest.raises(ebb.Unavailable):
        patience.patiently(away)
    told = [one.getMessage() for one in caplog.records]
    assert len(told) == 1 and told[0].startswith("no scheduler listens. Trying for")
