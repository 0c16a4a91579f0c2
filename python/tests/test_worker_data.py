"""Data sets of a module's own, which ebb-workers compute by numbers: data: {train: {python: …}}."""

import gzip
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import ebb  # noqa: E402
from jobs import CLASSES, FEATURES, examples  # noqa: E402
from processes import audit_of_all  # noqa: E402
from worker_models import (  # noqa: E402
    LIMIT_S,
    applied_of,
    pythons_of,
    run_that_counts_imports,
    wait_for,
    worker_cluster,
    write_module,
)

_MODEL = f"""
import os
import torch
import torch.nn.functional as F

class Net(torch.nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.first = torch.nn.Linear({FEATURES}, hidden)
        self.last = torch.nn.Linear(hidden, {CLASSES})

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))

def loss(model, batch):
    x, y = batch
    return F.cross_entropy(model(x), y)
"""
_DATA = """
import os
import torch

class Arrays(torch.utils.data.Dataset):
    def __init__(self, path):
        self.x, self.y = torch.load(path)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, number):
        return self.x[number], self.y[number]

def train_set(folder):
    return Arrays(os.path.join(folder, "train.pt"))

def test_set(folder="."):
    return Arrays(os.path.join(folder, "test.pt"))
"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def data_job(folder: Path, *, epochs: int = 2, batch: int = 50):
    for name, count, seed in (("train", 600, 1), ("test", 200, 2)):
        features, labels = examples(count, seed=seed)
        torch.save(
            (torch.tensor(features, dtype=torch.float32), torch.tensor(labels)),
            str(folder / f"{name}.pt"),
        )
    options = {"folder": str(folder)}
    return {
        "name": "own",
        "model": {"kind": "python", "module": "net.py", "class": "Net"},
        "data": {
            "train": {"python": {"factory": "net.py:train_set", "options": options}},
            "test": {"python": {"factory": "test_set", "options": options}},
        },
        "train": {"epochs": epochs, "batch": batch},
        "optimizer": {"kind": "adam", "rate": 0.02},
        "evaluate": {"every": "1 epoch"},
    }


def test_trains_and_evaluates_on_the_modules_own_data(tmp_path: Path) -> None:
    models = write_module(tmp_path, _MODEL + _DATA)

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
    models = write_module(tmp_path, _MODEL + _DATA)
    job = data_job(tmp_path, epochs=3, batch=600)
    job.update(algorithm="sgd", consistency="rounds", optimizer={"kind": "sgd", "rate": 0.3})

    run = ebb.run(job, plugins=[models], workers=1)

    from ebb.torch.data import seed_of, set_seeds

    namespace = {}
    exec(compile(_MODEL, "net.py", "exec"), namespace)
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
    text = _MODEL.replace("def loss(", "def loss_of(") + _DATA + (
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


def test_a_file_of_its_own_is_compared_as_the_module_is(tmp_path: Path) -> None:
    models = write_module(tmp_path, _MODEL)
    write_module(tmp_path, _DATA, "sets.py")
    job = data_job(tmp_path)
    train, test = (job["data"][name]["python"] for name in ("train", "test"))
    train["factory"], test["factory"] = "sets.py:train_set", "sets.py:test_set"
    with worker_cluster(tmp_path, models, workers=1) as cluster:
        submitted = cluster.connect().submit(job, plugins=[models])
        assert submitted.wait(LIMIT_S).state == "complete"
        submitted = cluster.connect().submit({**job, "name": "changed"}, plugins=[models])
        write_module(tmp_path, _DATA + "\n# Changed.\n", "sets.py")
        worker = cluster.add_worker()
        wait_for(lambda: "sets.py is not what was submitted" in cluster.log(worker, 200))

    test["sha256"] = "0" * 64
    with pytest.raises(ebb.Refused, match=r"data.test.python: .*sets.py is not what was submitted"):
        ebb.run(job, plugins=[models])
    Path(models, "sets.py").chmod(0o666)
    with pytest.raises(ebb.Refused, match=r"data.train.python: .*sets.py"):
        ebb.run(job, plugins=[models])


def test_a_worker_with_other_data_is_refused_with_both_numbers(tmp_path: Path) -> None:
    models = write_module(tmp_path, _MODEL + _DATA)
    with worker_cluster(tmp_path, models) as cluster:
        cluster.connect().submit(data_job(tmp_path), plugins=[models])
        x, y = torch.load("train.pt")
        torch.save((x[:599], y[:599]), "train.pt")
        worker = cluster.add_worker()
        told = "the data set of net.py:train_set has 599 examples here, and had 600 when"
        wait_for(lambda: told in cluster.log(worker, 200))
        torch.save((x * 1.5, y), "train.pt")
        worker = cluster.add_worker()
        told = "the data set of net.py:train_set has other examples here than when the job was"
        wait_for(lambda: told in cluster.log(worker, 200))


def test_an_error_names_the_line_and_the_example(tmp_path: Path) -> None:
    text = _MODEL + _DATA.replace(
        "        return self.x[number], self.y[number]",
        "        if number == 321:\n            raise KeyError('lost')\n"
        "        return self.x[number], self.y[number]",
    )
    models = write_module(tmp_path, text)
    job = data_job(tmp_path)
    job["data"]["train"]["python"]["fingerprint"] = "v1"  # Or it is found at submission.

    with pytest.raises(
        ebb.JobFailed,
        match=r"net.py:\d+, in __getitem__: KeyError: 'lost'; the first example that alone fails "
        "is number 321 of the data set",
    ):
        ebb.run(job, plugins=[models], workers=1)


_MISTAKES = {
    "no_function": ("train_set", "teach_set", r"data.train.python: .*train_set: .*no such function"),
    "no_file": ('"train.pt"', '"lost.pt"', r"train_set: net.py:\d+, in __init__: FileNotFoundError"),
    "loader": (
        'return Arrays(os.path.join(folder, "train.pt"))',
        'return torch.utils.data.DataLoader(Arrays(os.path.join(folder, "train.pt")))',
        "train_set: .*returns a DataLoader: ebb makes the batches",
    ),
    "no_numbers": (
        'return Arrays(os.path.join(folder, "train.pt"))',
        "return iter([])",
        r"needs len\(\) and \[i\]",
    ),
    "an_argument": ("train_set(folder)", "train_set(folder, more)", "train_set.*TypeError.*more"),
    "random": (
        "return self.x[number],",
        "return self.x[number] + os.getrandom(1)[0],",
        "train_set: .*another one when it is read again",
    ),
    "of_data": ("hidden=8", "features, hidden=8", "Net asks for features, which ebb does not know"),
    "loss": ("model(x), y)", "model(x), y.float())", r"net.py:\d+, in loss: RuntimeError"),
}


@pytest.mark.parametrize("name", _MISTAKES)
def test_a_mistake_is_named_at_submission(tmp_path: Path, name: str) -> None:
    right, wrong, told = _MISTAKES[name]
    text = _MODEL + _DATA
    assert right in text
    models = write_module(tmp_path, text.replace(right, wrong))
    with pytest.raises(ebb.Error, match=f"(?s){told}"):
        ebb.run(data_job(tmp_path), plugins=[models])


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
        tmp_path, _MODEL + _DATA, data_job(tmp_path)
    )
    before = imports.read_text()

    subprocess.run([*command, "--resume"], check=True)  # It is complete.

    assert imports.read_text() == before


def test_each_example_counts_once_whatever_is_killed(tmp_path: Path) -> None:
    models = write_module(tmp_path, _MODEL + _DATA)
    job = data_job(tmp_path, epochs=400)
    job.update(evaluate={"every": "100 epochs"}, checkpoint={"every": "500ms"})
    with worker_cluster(tmp_path, models, servers=2, workers=2) as cluster:
        submitted = cluster.connect().submit(job, plugins=[models])
        for turn in ("python", "worker-0", "ps-0", "python"):
            wait_for(lambda: len(pythons_of(cluster)) == 2)
            applied = applied_of(submitted)
            if turn == "python":
                os.kill(pythons_of(cluster)["worker-0"], signal.SIGKILL)
            else:
                cluster.kill(turn)
            wait_for(lambda: applied_of(submitted) > applied + 600)
        submitted.wait(LIMIT_S)
        audit = audit_of_all(submitted, LIMIT_S)
    assert audit.exact, audit.all
    assert audit.expected == audit.applied == 400 * 600


def _two_classes(folder: Path) -> None:
    """Writes images in IDX files; those of class 1 are light."""
    for name, count in (("train", 256), ("t10k", 64)):
        classes = bytes(number % 2 for number in range(count))
        images = b"".join(bytes([200 * one]) * 28 * 28 for one in classes)
        sizes = count.to_bytes(4, "big")
        side = (28).to_bytes(4, "big")
        for part, content in (
            ("images-idx3", b"\0\0\x08\x03" + sizes + 2 * side + images),
            ("labels-idx1", b"\0\0\x08\x01" + sizes + classes),
        ):
            with gzip.open(folder / f"{name}-{part}-ubyte.gz", "wb") as file:
                file.write(content)


@pytest.mark.parametrize("example", ["fashion_own_data", "fashion_python"])
def test_the_examples_learn(tmp_path: Path, example: str) -> None:
    top = Path(__file__).resolve().parents[2] / "examples"
    _two_classes(tmp_path)
    command = [os.path.join(os.environ["EBB_BIN"], "ebb"), "run"]
    command += [str(top / "jobs" / f"{example}.yaml"), "--workers", "1", "--run-dir", "run"]
    command += ["--allow-plugins", str(top / "python"), "--set", "train={epochs: 6, batch: 32}"]
    for part, name in (("train", "train"), ("test", "t10k")):
        own = f"data.{part}.python.options={{folder: {tmp_path}}}"
        read = f"data.{part}.idx={tmp_path}/{name}"
        command += ["--set", own if example == "fashion_own_data" else read]
    command += ["--set", "expect={accuracy: '>= 0.95'}", "--set", "optimizer.rate=0.01"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
