"""Data sets of a module's own, which ebb-workers compute by numbers: data: {train: {python: …}}."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import ebb  # noqa: E402
from jobs import FEATURES, examples  # noqa: E402
from worker_data import DATA, MODEL, data_job, in_a_folder_of_its_own  # noqa: E402, F401
from worker_models import run_that_counts_imports, write_module  # noqa: E402


def test_trains_and_evaluates_on_the_modules_own_data(tmp_path: Path) -> None:
    models = write_module(tmp_path, MODEL + DATA)

    run = ebb.run(data_job(tmp_path), plugins=[models], workers=2)

    assert run.audit() and run.report["passed"]
    assert run.history[-1]["test_accuracy"] > 0.9
    assert run.history[-1]["test_loss"] < 0.8
    exported = tmp_path / "net.safetensors"
    run.checkpoint(str(exported))
    assert ebb.load(str(exported))["first.weight"].shape == (8, FEATURES)
    new = tmp_path / "new.csv"
    np.savetxt(new, examples(5)[0], delimiter=",", fmt="%.9g")
    with pytest.raises(ebb.Error, match="net.py reads its own data set"):
        run.predict(new)


def test_steps_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    models = write_module(tmp_path, MODEL + DATA)
    job = data_job(tmp_path, epochs=3, batch=600)
    job.update(algorithm="sgd", consistency="rounds", optimizer={"kind": "sgd", "rate": 0.3})

    run = ebb.run(job, plugins=[models], workers=1)

    from ebb.torch.data import seed_of, set_seeds

    namespace = {}
    exec(compile(MODEL, "net.py", "exec"), namespace)
    set_seeds(seed_of(1))
    net = namespace["Net"]()
    x, y = torch.load("train.pt")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.3)
    for _ in range(3):
        optimizer.zero_grad()
        namespace["loss"](net, (x, y)).backward()
        optimizer.step()
    state = run.state_dict()
    for name, value in net.state_dict().items():
        np.testing.assert_allclose(state[name], value.numpy(), atol=1e-5)
    x, y = torch.load("test.pt")
    with torch.no_grad():
        accuracy = float((net(x).argmax(1) == y).float().mean())
    assert abs(accuracy - run.history[-1]["test_accuracy"]) < 1e-6


def test_a_part_is_held_out_and_examples_have_any_form(tmp_path: Path) -> None:
    """The model gets what collate makes, and the module says what is right."""
    text = MODEL.replace("def loss(", "def loss_of(") + DATA + (
        "\ndef collate(examples):\n"
        "    x, y = zip(*examples)\n"
        "    return {'x': torch.stack(x), 'y': torch.stack(y)}\n"
        "def loss(model, batch):\n"
        "    return loss_of(model, (batch['x'], batch['y']))\n"
        "def metrics(model, batch):\n"
        "    return {'correct': (model(batch['x']).argmax(1) == batch['y']).sum()}\n"
    )
    models = write_module(tmp_path, text)
    job = data_job(tmp_path, epochs=4)
    del job["data"]["test"]
    job["data"]["split"] = 0.25

    run = ebb.run(job, plugins=[models], workers=1)

    assert run.history[-1]["test_accuracy"] > 0.9
    audit = run.audit()
    assert audit and 4 * 420 < audit.applied < 4 * 480


def test_sparse_rows_are_refused_and_read_by_a_data_set(tmp_path: Path) -> None:
    """Checks that it is as in docs/python-models.md."""
    text = """
import torch
import torch.nn.functional as F

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.bag = torch.nn.EmbeddingBag(50, 2, mode="sum")

    def forward(self, indices, values, offsets):
        return self.bag(indices, offsets, per_sample_weights=values)

def loss(model, batch):
    return F.cross_entropy(model(*batch[:3]), batch[3])

class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 400

    def __getitem__(self, number):
        last = 10 + number % 40
        return torch.tensor([number % 2, last]), torch.tensor([2.0, 0.5]), number % 2

def train_set():
    return Rows()

def collate(examples):
    indices, values, y = zip(*examples)
    offsets = torch.tensor([0] + [len(one) for one in indices[:-1]]).cumsum(0)
    return torch.cat(indices), torch.cat(values), offsets, torch.tensor(y)

def metrics(model, batch):
    return {"correct": int((model(*batch[:3]).argmax(1) == batch[3]).sum())}
"""
    models = write_module(tmp_path, text)
    job = data_job(tmp_path)
    job["data"] = {"train": {"libsvm": "rows.libsvm"}}
    with pytest.raises(ebb.Refused, match=r"(?s)data.train: .*dense features.*python: my_model.py:"):
        ebb.run(job, plugins=[models])
    job["data"] = {"train": {"python": "train_set"}, "split": 0.2}
    job["optimizer"]["rate"] = 0.1

    run = ebb.run(job, plugins=[models], workers=1)

    assert run.history[-1]["test_accuracy"] > 0.95


def test_a_run_that_goes_on_does_not_ask_the_module_again(tmp_path: Path) -> None:
    command, imports = run_that_counts_imports(
        tmp_path, MODEL + DATA, data_job(tmp_path)
    )
    before = imports.read_text()

    subprocess.run([*command, "--resume"], check=True)  # It is complete.

    assert imports.read_text() == before
