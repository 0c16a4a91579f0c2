"""device= of ebb.torch.job: where a copy computes."""

import collections
import dataclasses

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch_models import Net, loss_of  # noqa: E402

import ebb  # noqa: E402
from ebb.torch import Keys, devices  # noqa: E402

META = torch.device("meta")
Pair = collections.namedtuple("Pair", "x y")


@dataclasses.dataclass
class Example:
    x: torch.Tensor
    name: str


# Bug: device= ended with a plain TypeError.
def test_a_loop_computes_on_the_device():
    model, job, cluster = mock.one(device="cpu")
    for piece in job.loader():
        loss_of(model, piece).backward()
        job.optimizer.step()
    assert cluster.pushed


@pytest.mark.parametrize(
    "device, told",
    [
        ("gpu", "device='gpu': .*\n.*this machine has \"cpu\""),
        ("cuda:99", "device='cuda:99': "),
        ("meta", "device='meta': .*\n.*Without device="),
        (1.5, "device='1.5': "),
    ],
)
def test_a_device_that_is_not_there_is_refused(device, told):
    with pytest.raises(ebb.Refused, match=told):
        mock.one(device=device)


def test_the_model_and_what_the_loader_yields_move(monkeypatch):
    monkeypatch.setattr(devices, "moved", lambda value, device: ("there", value, device))
    model, job, _ = mock.one(device=torch.device("cpu"))
    where, (x, _), device = next(iter(job.loader()))
    assert (where, device) == ("there", torch.device("cpu"))
    assert len(x)


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(2),
        (torch.zeros(2), 1),
        [torch.zeros(2), None],
        {"x": torch.zeros(2), "name": "a"},
        Pair(torch.zeros(2), torch.ones(1)),
        Example(torch.zeros(2), "a"),
        ({"deep": [Pair(torch.zeros(2), 3)]},),
    ],
)
def test_tensors_are_found_in_what_collate_returns(value):
    made = devices.moved(value, META)
    assert type(made) is type(value)
    assert all(tensor.device == META for tensor in _tensors(made))
    assert len(list(_tensors(made))) == len(list(_tensors(value))) > 0
    assert all(tensor.device.type == "cpu" for tensor in _tensors(value))


def test_packed_sequences_move_themselves():
    packed = torch.nn.utils.rnn.pack_sequence([torch.zeros(2)])
    assert devices.moved(packed, META).data.device == META


def test_keys_are_given_to_the_model_as_they_are():
    keys = Keys.of([[1, 2]], table="ids")
    assert devices.moved((keys, torch.zeros(1)), META)[0] is keys


def test_a_model_moves_before_its_parameters_are_read():
    model = Net()
    assert devices.moved_there(model, None) is None
    assert devices.moved_there(model, "cpu") == torch.device("cpu")


def _tensors(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
    elif dataclasses.is_dataclass(value):
        yield from _tensors(vars(value))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
