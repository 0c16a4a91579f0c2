"""Data sets of a module's own that are wrong, or differ between machines."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import ebb  # noqa: E402
from worker_data import DATA, MODEL, data_job, in_a_folder_of_its_own  # noqa: E402, F401
from worker_models import LIMIT_S, wait_for, worker_cluster, write_module  # noqa: E402


def test_a_file_of_its_own_is_compared_as_the_module_is(tmp_path: Path) -> None:
    models = write_module(tmp_path, MODEL)
    write_module(tmp_path, DATA, "sets.py")
    job = data_job(tmp_path)
    train, test = (job["data"][name]["python"] for name in ("train", "test"))
    train["factory"], test["factory"] = "sets.py:train_set", "sets.py:test_set"
    with worker_cluster(tmp_path, models, workers=1) as cluster:
        submitted = cluster.connect().submit(job, plugins=[models])
        assert submitted.wait(LIMIT_S).state == "complete"
        submitted = cluster.connect().submit({**job, "name": "changed"}, plugins=[models])
        write_module(tmp_path, DATA + "\n# Changed.\n", "sets.py")
        worker = cluster.add_worker()
        wait_for(lambda: "sets.py is not what was submitted" in cluster.log(worker, 200))

    test["sha256"] = "0" * 64
    with pytest.raises(ebb.Refused, match=r"data.test.python: .*sets.py is not what was submitted"):
        ebb.run(job, plugins=[models])
    Path(models, "sets.py").chmod(0o666)
    with pytest.raises(ebb.Refused, match=r"data.train.python: .*sets.py"):
        ebb.run(job, plugins=[models])


def test_a_worker_with_other_data_is_refused_with_both_numbers(tmp_path: Path) -> None:
    models = write_module(tmp_path, MODEL + DATA)
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
    text = MODEL + DATA.replace(
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
    text = MODEL + DATA
    assert right in text
    models = write_module(tmp_path, text.replace(right, wrong))
    with pytest.raises(ebb.Error, match=f"(?s){told}"):
        ebb.run(data_job(tmp_path), plugins=[models])
