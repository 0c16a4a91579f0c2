"""Models of Python that ebb-workers compute: model: {kind: python}."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import ebb  # noqa: E402
import ebb.local  # noqa: E402
from jobs import CLASSES, FEATURES, examples, small_job  # noqa: E402
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

_MODULE = """
import torch
import torch.nn.functional as F

class Net(torch.nn.Module):
    def __init__(self, features, classes, hidden=8):
        super().__init__()
        self.first = torch.nn.Linear(features, hidden)
        self.last = torch.nn.Linear(hidden, classes)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))

def loss(model, batch):
    x, y = batch
    return F.cross_entropy(model(x), y)
"""


_NORMED = _MODULE.replace(
    "        self.last =", "        self.norm = torch.nn.BatchNorm1d(hidden)\n        self.last ="
).replace("self.first(x)", "self.norm(self.first(x))")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def python_job(folder: Path, **keys):
    job = small_job(folder, **keys)
    job["model"] = {"kind": "python", "module": "net.py", "class": "Net"}
    job["evaluate"] = {"every": "1 epoch"}
    return job


def test_averages_of_weights_are_beside_the_values_or_in_their_place(tmp_path: Path) -> None:
    """Bug: the module had no table for the averages, and was refused."""
    models = write_module(tmp_path, _MODULE)
    job = python_job(tmp_path)
    job["optimizer"] = {"kind": "sgd", "rate": 0.1, "ema": 0.9}

    run = ebb.run(job, plugins=[models])

    state, averaged = run.state_dict(), run.state_dict(averages=True)
    assert set(averaged) == set(run.read_model().state_dict())
    for name, value in averaged.items():
        assert np.array_equal(state["averages/" + name], value), name
        assert not np.array_equal(state[name], value), name
        assert np.array_equal(run.read_model().state_dict()[name].numpy(), state[name]), name


def test_trains_evaluates_predicts_and_is_exported(tmp_path: Path) -> None:
    models = write_module(tmp_path, _MODULE)
    job = python_job(tmp_path)
    job["model"] = {"kind": "python", "class": "Net", "options": {"hidden": 5}}

    # The value is not taken for a script.
    run = ebb.run(job, plugins=[models], workers=2, set={"model.module": "net.py"})

    assert run.audit() and run.report["passed"]
    assert run.history[-1]["test_accuracy"] > 0.9
    assert run.history[-1]["test_loss"] < 0.5
    state = run.state_dict()
    assert state["first.weight"].shape == (5, FEATURES)
    # The same numbers as the module's own.
    net = torch.nn.Sequential(
        torch.nn.Linear(FEATURES, 5), torch.nn.ReLU(), torch.nn.Linear(5, CLASSES)
    )
    names = {"first": "0", "last": "2"}
    net.load_state_dict(
        {
            f"{names[name.split('.')[0]]}.{name.split('.')[1]}": torch.from_numpy(value.copy())
            for name, value in state.items()
        }
    )
    features, labels = examples(200, seed=2)
    own = net(torch.tensor(features, dtype=torch.float32)).argmax(1).numpy()
    accuracy = (own == labels).mean()
    assert abs(accuracy - run.history[-1]["test_accuracy"]) < 1e-9
    exported = tmp_path / "net.safetensors"
    run.checkpoint(str(exported))
    program = os.path.join(os.environ["EBB_BIN"], "ebb")
    said = subprocess.run(
        [program, "predict", exported, tmp_path / "test.csv", "--labelled", "--allow-plugins", models],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split()
    predicted = [line.split(",")[0] for line in said if line[0].isdigit()]
    assert [int(float(one)) for one in predicted] == list(own)
    # The run knows the folder of its module.
    unlabelled = tmp_path / "new.csv"
    np.savetxt(unlabelled, features, delimiter=",", fmt="%.9g")
    assert list(run.predict(unlabelled)) == list(own)
    shares = run.predict_proba(str(unlabelled))
    assert shares.shape == (200, CLASSES)
    assert list(shares.argmax(axis=1)) == list(own)
    assert list(run.predict(unlabelled, plugins=[models])) == list(own)
    run._plugins = []
    with pytest.raises(ebb.Refused, match=r"net.py: not in an allowed .*plugins=\[\"FOLDER"):
        run.predict(unlabelled)
    with pytest.raises(ebb.Refused, match="(?s)no layers.*the path of a file"):
        run.predict(features)


_FROZEN = _NORMED.replace(
    "        self.norm =",
    "        self.fixed = torch.nn.Parameter(torch.randn(hidden), requires_grad=False)\n"
    "        self.norm =",
).replace("self.last(torch", "self.last(self.fixed * torch")


def test_the_model_of_a_run_is_the_trained_module(tmp_path: Path) -> None:
    models = write_module(tmp_path, _FROZEN)
    job = python_job(tmp_path)
    job["model"]["options"] = {"hidden": 6}
    random = torch.random.get_rng_state()
    run = ebb.run(job, plugins=[models], workers=2)

    model = run.model

    assert type(model).__name__ == "Net" and not model.training
    state = run.state_dict()
    own = model.state_dict()
    assert set(own) == {*state, "fixed", "norm.num_batches_tracked"}
    for name, value in state.items():
        assert np.array_equal(own[name].numpy(), value), name
    # What is drawn and not trained, too, is as the workers had it.
    features, _ = examples(200, seed=2)
    np.savetxt("new.csv", features, delimiter=",", fmt="%.9g")
    with torch.no_grad():
        shares = torch.softmax(model(torch.tensor(features, dtype=torch.float32)), 1)
    assert np.allclose(shares.numpy(), run.predict_proba("new.csv"), atol=1e-5)
    # The program's own random numbers are as if nothing had happened.
    assert torch.equal(torch.random.get_rng_state(), random)

    run._plugins = []
    with pytest.raises(ebb.Refused, match="(?s)its folder is not known.*read_model"):
        run.model
    with pytest.raises(ebb.NotFound, match="net.py lies in none of"):
        run.read_model(plugins=[str(tmp_path)])
    assert run.read_model(plugins=[models]).fixed.equal(model.fixed)
    write_module(tmp_path, _FROZEN + "\n# Another text.\n")
    with pytest.raises(ebb.Refused, match="net.py is not what was submitted"):
        run.read_model(plugins=[models])


def test_a_loss_that_is_nan_at_first_is_blamed_on_the_module(tmp_path: Path) -> None:
    models = write_module(
        tmp_path, _MODULE.replace("F.cross_entropy(model(x), y)", "model(x).mean() * float('nan')")
    )

    with pytest.raises(ebb.JobFailed, match="look at the model's own loss") as failed:
        ebb.run(python_job(tmp_path), plugins=[models], workers=1)

    assert "data is too large" not in str(failed.value)


def test_figures_that_were_not_computed_are_absent(tmp_path: Path) -> None:
    """Bug: the accuracy was 0."""
    models = write_module(tmp_path, _MODULE + "\ndef metrics(model, batch):\n    return {}\n")

    run = ebb.run(python_job(tmp_path), plugins=[models], workers=1)

    assert run.history[-1]["test_loss"] < 1
    assert "test_accuracy" not in run.history[-1]


def test_a_run_that_goes_on_does_not_ask_the_module_again(tmp_path: Path) -> None:
    """Bug: it drew new initial values and compared them, and needed their file."""
    command, imports = run_that_counts_imports(tmp_path, _MODULE, python_job(tmp_path))
    before = imports.read_text()

    subprocess.run([*command, "--resume"], check=True)  # It is complete.
    assert imports.read_text() == before
    subprocess.run([*command, "--resume", "--set", "train.epochs=4"], check=True)
    assert imports.read_text() == before + "x"  # By the worker.


@pytest.mark.parametrize("text", [_MODULE, _NORMED], ids=["plain", "batch_norm"])
def test_steps_are_those_of_a_plain_loop(tmp_path: Path, text: str) -> None:
    models = write_module(tmp_path, text)
    job = python_job(tmp_path, epochs=3)
    job.update(algorithm="sgd", consistency="rounds", optimizer={"kind": "sgd", "rate": 0.3})
    job["train"]["batch"] = 600

    run = ebb.run(job, plugins=[models], workers=1)

    namespace = {}
    exec(compile(text, "net.py", "exec"), namespace)
    state = run.state_dict()
    # It begins where the job began: the same module, made with the same seed.
    from ebb.torch.data import seed_of, set_seeds

    set_seeds(seed_of(1))
    net = namespace["Net"](FEATURES, CLASSES)
    features, labels = examples(600)
    x, y = torch.tensor(features, dtype=torch.float32), torch.tensor(labels)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.3)
    for _ in range(3):
        optimizer.zero_grad()
        namespace["loss"](net, (x, y)).backward()
        optimizer.step()
    own = {name: value for name, value in net.state_dict().items() if "num_batches" not in name}
    assert sorted(own) == sorted(state)
    for name, value in own.items():
        np.testing.assert_allclose(state[name], value.numpy(), atol=1e-5)
    features, labels = examples(200, seed=2)
    with torch.no_grad():
        predicted = net.eval()(torch.tensor(features, dtype=torch.float32)).argmax(1).numpy()
    assert abs((predicted == labels).mean() - run.history[-1]["test_accuracy"]) < 1e-9


def test_runs_of_local_steps_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    models = write_module(tmp_path, _MODULE)
    job = python_job(tmp_path, epochs=4)
    # A batch is all data, so that its order says nothing; a run is an epoch.
    job["train"]["batch"] = 600
    del job["optimizer"]
    inner = {"kind": "adamw", "rate": 0.05, "weight_decay": 0.1, "schedule": "constant"}
    outer = {"rate": 0.7, "momentum": 0.9}
    job["algorithm"] = {"kind": "diloco", "inner": inner, "period": 1, **outer}

    run = ebb.run(job, plugins=[models], workers=1)

    assert run.audit().exact
    namespace = {}
    exec(compile(_MODULE, "net.py", "exec"), namespace)
    from ebb.torch.data import seed_of, set_seeds

    set_seeds(seed_of(1))
    net = namespace["Net"](FEATURES, CLASSES)
    features, labels = examples(600)
    batch = torch.tensor(features, dtype=torch.float32), torch.tensor(labels)
    values = [value.detach().clone().requires_grad_() for value in net.parameters()]
    servers = torch.optim.SGD(values, lr=0.7, momentum=0.9, nesterov=True)
    for _ in range(4):
        with torch.no_grad():
            for value, begun in zip(net.parameters(), values):
                value.copy_(begun)
        own = torch.optim.AdamW(net.parameters(), lr=0.05, weight_decay=0.1)
        own.zero_grad()
        namespace["loss"](net, batch).backward()
        own.step()
        for value, begun in zip(net.parameters(), values):
            begun.grad = (begun - value).detach()
        servers.step()
    state = run.state_dict()
    for (name, _), value in zip(net.named_parameters(), values):
        np.testing.assert_allclose(state[name], value.detach().numpy(), atol=1e-5)


def test_statistics_are_refused_where_workers_push_something_else(tmp_path: Path) -> None:
    models = write_module(tmp_path, _NORMED)
    job = {**python_job(tmp_path), "filters": {"push": "int8"}}
    with pytest.raises(ebb.Refused, match="changes what is pushed, also the statistics of"):
        ebb.run(job, plugins=[models])


_MISTAKES = {
    "no_class": ("def loss(model, batch): ...", "the module has no class Net"),
    "no_loss": (_MODULE.replace("def loss", "def lose"), "no function loss"),
    "syntax": (_MODULE + "\ndef (:\n", "net.py:18: SyntaxError"),
    "shapes": (
        _MODULE.replace("Linear(features, hidden)", "Linear(features + 1, hidden)"),
        r"net.py:12, in forward: RuntimeError: (addmm: )?mat1 and mat2",
    ),
    "outputs": (
        _MODULE.replace("Linear(hidden, classes)", "Linear(hidden, 7)"),
        "Net has 7 outputs, and the labels are of 3 classes",
    ),
    "norm_of_all_batches": (
        _NORMED.replace("BatchNorm1d(hidden)", "BatchNorm1d(hidden, momentum=None)"),
        "norm.running_mean is the mean of all batches",
    ),
    "no_gradient": (
        _MODULE.replace("model(x), y", "model(x).detach() + model.first.bias.sum(), y"),
        "no gradient for first.weight",
    ),
    "not_scalar": (
        _MODULE.replace("model(x), y)", "model(x), y, reduction='none')"),
        r"what loss returns has the shape \(2,\)",
    ),
    "not_installed": ("import no_such_package", r"net.py:1, in .*NotFound.*installed packages only"),
    "sibling": ("import beside", r"net.py:1, in <module>: ModuleNotFoundError.*one file and imports"),
    "exit": ("import sys; sys.exit(3)", "SystemExit"),
}


@pytest.mark.parametrize("name", _MISTAKES)
def test_a_mistake_of_the_module_is_named_at_submission(tmp_path: Path, name: str) -> None:
    text, words = _MISTAKES[name]
    models = write_module(tmp_path, text)
    Path(models, "beside.py").write_text("")
    with pytest.raises(ebb.Refused, match=words):
        ebb.run(python_job(tmp_path), plugins=[models])


def test_only_allowed_folders_and_a_python_that_is_there(tmp_path: Path) -> None:
    models = write_module(tmp_path, _MODULE)
    with pytest.raises(ebb.Refused, match=r"allow its folder by plugins=\[.FOLDER.\]"):
        ebb.run(python_job(tmp_path))
    os.chmod(models, 0o777)
    with pytest.raises(ebb.Refused, match="chmod o-w"):
        ebb.run(python_job(tmp_path), plugins=[models])
    os.chmod(models, 0o755)
    (tmp_path / "job.yaml").write_text(json.dumps(python_job(tmp_path)))
    program = os.path.join(os.environ["EBB_BIN"], "ebb")
    checked = subprocess.run(
        [program, "job", "check", "job.yaml", "--allow-plugins", models],
        env={**os.environ, "EBB_PYTHON": "/no/python"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert checked.returncode == 2
    assert "Python cannot be started: /no/python" in checked.stderr


def test_a_worker_refuses_another_text(tmp_path: Path) -> None:
    models = write_module(tmp_path, _MODULE)
    with worker_cluster(tmp_path, models) as cluster:
        cluster.connect().submit(python_job(tmp_path), plugins=[models])
        write_module(tmp_path, _MODULE + "\n# Changed.\n")
        worker = cluster.add_worker()
        wait_for(lambda: "net.py is not what was submitted" in cluster.log(worker, 200))


def _stops_at_a_large_number(tmp_path: Path, what: str) -> str:
    """Returns what a job says whose module does this at line 417 of the data."""
    text = _MODULE.replace(
        "    x, y = batch\n", f"    x, y = batch\n    if (x > 50).any():\n        {what}\n"
    )
    models = write_module(tmp_path, text)
    job = python_job(tmp_path)
    lines = (tmp_path / "train.csv").read_text().splitlines()
    lines[416] = "99," + lines[416].split(",", 1)[1]
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    with worker_cluster(tmp_path, models, workers=1) as cluster:
        submitted = cluster.connect().submit(job, plugins=[models])
        wait_for(lambda: submitted.state == "paused")
        return str(submitted.status()) + str(submitted.explain())


def test_an_error_names_the_line_and_the_example(tmp_path: Path) -> None:
    said = _stops_at_a_large_number(tmp_path, "raise ValueError('too large')")
    assert "net.py:17, in loss: ValueError: too large" in said
    assert "train.csv:417" in said


def test_a_batch_that_kills_python_is_put_aside(tmp_path: Path) -> None:
    said = _stops_at_a_large_number(tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert "Python was killed by signal 9" in said


@pytest.mark.parametrize("runs", [False, True], ids=["steps", "runs"])
def test_each_example_counts_once_whatever_is_killed(tmp_path: Path, runs: bool) -> None:
    models = write_module(tmp_path, _MODULE)
    job = python_job(tmp_path, epochs=400)
    if runs:
        inner = job.pop("optimizer")
        job["algorithm"] = {"kind": "diloco", "inner": inner, "period": 5}
        job["consistency"] = "asp"
    job.update(evaluate={"every": "100 epochs"}, checkpoint={"every": "500ms"})
    with worker_cluster(tmp_path, models, servers=2, workers=2) as cluster:
        submitted = cluster.connect().submit(job, plugins=[models])
        turns = ["python", "worker-0", "ps-0", "scheduler", "python", "worker-1"]
        born = set()
        for turn in turns:
            wait_for(lambda: len(pythons_of(cluster)) == 2)
            born.update(pythons_of(cluster).values())
            applied = submitted.progress.applied
            if turn == "python":
                os.kill(pythons_of(cluster)["worker-0"], signal.SIGKILL)
            else:
                cluster.kill(turn)
            wait_for(lambda: applied_of(submitted) > applied + 600)
        submitted.scale(workers=2)
        submitted.wait(LIMIT_S)
        audit = audit_of_all(submitted, LIMIT_S)
        assert audit.exact, audit.all
        assert audit.expected == audit.applied == 400 * 600
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in born), 60)

