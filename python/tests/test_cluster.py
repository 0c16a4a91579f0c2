"""Tests of ebb.connect(), Cluster and Job against real daemons."""

import json
import warnings
from pathlib import Path
from typing import Iterator

import numpy as np
import pytest

import ebb
from ebb import command, local
from ebb.progress import Reached
from jobs import examples, long_job, small_job, write_csv


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with local.cluster(servers=2, workers=2) as cluster:
        yield cluster.address


@pytest.fixture
def cluster(address: str) -> ebb.Cluster:
    return ebb.connect(address)


def test_trains_a_dict(cluster: ebb.Cluster, tmp_path: Path) -> None:
    job = cluster.submit(small_job(tmp_path))
    assert job.name == "corners"
    assert job.wait(60) is job
    assert job.state == "complete"
    assert job.progress.share == 1.0
    assert job.progress.examples == 1800
    audit = job.audit()
    assert audit and audit.missing == 0 and audit.expected == 1800
    history = job.history
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["test_accuracy"] > 0.9
    assert "seconds" not in history[-1]  # Only a run knows them.
    assert job.number in [one.number for one in cluster.jobs()]
    assert cluster.job("corners").number == job.number
    assert cluster.job(job.number).name == "corners"
    assert "corners" in job._repr_html_() and "complete" in job._repr_html_()
    state = job.state_dict()
    assert state["weights"].shape == (4, 3) and state["weights"].dtype == np.float32
    assert job.versions()[-1]["examples"] == 1800
    assert job.explain()["state"] == "complete"


def test_a_history_becomes_a_frame() -> None:
    pytest.importorskip("pandas")
    history = ebb.History([{"epoch": epoch, "loss": 0.5} for epoch in (1, 2, 3)])
    assert list(history.to_pandas()["epoch"]) == [1, 2, 3]


def test_predicts_the_same_from_arrays_and_files(
    cluster: ebb.Cluster, tmp_path: Path
) -> None:
    job = cluster.submit(small_job(tmp_path)).wait(60)
    features, labels = examples(50, seed=3)
    of_array = job.predict(features)
    assert (of_array == labels).mean() > 0.9
    assert np.allclose(job.predict_proba(features).sum(axis=1), 1)
    np.savetxt(tmp_path / "new.csv", features, delimiter=",", fmt="%g")
    assert (job.predict(tmp_path / "new.csv") == of_array).all()
    with pytest.raises(ebb.Refused, match="3 features, the model 4"):
        job.predict(features[:, :3])


# Bug: the live line said 0 % while a scheduler that was started again did not know the marks.
def test_a_scheduler_that_began_anew_does_not_take_progress_back() -> None:
    def status(applied: int, generation: int) -> "dict[str, object]":
        return {
            "generation": generation, "examples": 100, "epochs": 2, "marks": {"least": applied},
            "workers": {"has": 1},
        }  # fmt: skip

    reached = Reached()
    seen = [reached.by(status(*one)) for one in [(60, 1), (0, 1), (70, 1), (20, 2)]]
    assert [(one.applied, one.epoch) for one in seen] == [(60, 2), (60, 2), (70, 2), (20, 1)]


def test_keys_overrides_and_request_ids(cluster: ebb.Cluster, tmp_path: Path) -> None:
    content = small_job(tmp_path)
    job = cluster.submit(**{**content, "name": "by-keys"}, set={"train.epochs": 2})
    assert job.name == "by-keys"
    assert job.progress.epochs == 2
    path = tmp_path / "job.yaml"
    path.write_text(json.dumps(content))
    first = cluster.submit(path, request_id="once", set={"train.epochs": 1})
    again = cluster.submit(str(path), request_id="once", set={"train.epochs": 1})
    assert again.number == first.number
    with pytest.raises(ebb.Refused, match="once"):
        cluster.submit(path, request_id="once", set={"train.epochs": 2})
    with pytest.raises(ebb.Refused, match="set="):
        cluster.submit(path, seed=3)


def test_pauses_scales_rolls_back_and_cancels(
    cluster: ebb.Cluster, tmp_path: Path
) -> None:
    job = cluster.submit(long_job(tmp_path))
    job.pause()
    assert job.state == "paused"
    with pytest.raises(TimeoutError, match="not complete after 0.2 s"):
        job.wait(0.2)
    job.scale(workers=1)
    assert job.status()["workers"]["max"] == 1
    job.resume()
    assert job.state in ("running", "waiting")
    with pytest.raises(ebb.Refused, match="workers= or servers="):
        job.scale()
    done = job.rollback(versions_ago=0, rate_factor=0.5)
    assert done
    assert job.status()["rate_factor"] == 0.5
    job.cancel()
    assert job.state == "cancelled"
    with pytest.raises(ebb.JobFailed, match="is cancelled"):
        job.wait()


def test_errors_are_those_of_the_command(cluster: ebb.Cluster, tmp_path: Path) -> None:
    with pytest.raises(ebb.NotFound, match="there is no job nobody at"):
        cluster.job("nobody")
    with pytest.raises(ebb.Refused) as refused:
        cluster.submit(small_job(tmp_path), set={"seed": "x"})
    assert refused.value.message == 'set: seed: "x" is not a whole number'
    assert refused.value.hint == "seed: 1"
    assert refused.value.code == "refused"
    with pytest.raises(ebb.Refused, match=r"^[^:]*optimiser"):
        cluster.submit(small_job(tmp_path), optimiser="adam")
    with pytest.raises(ebb.NotFound, match="nofile.yaml"):
        cluster.submit("nofile.yaml")
    with pytest.raises(ebb.Unavailable, match="no scheduler listens at 127.0.0.1:9 "):
        ebb.connect("127.0.0.1:9", timeout=0)


def test_warnings_of_the_command_are_warnings(
    cluster: ebb.Cluster, tmp_path: Path
) -> None:
    job = cluster.submit(long_job(tmp_path))
    with pytest.warns(ebb.Warning, match=r"not complete.* stored version.* call wait\(\)$") as told:
        job.state_dict()
    assert told[0].filename == __file__  # The line of the program, and none of ebb.
    with pytest.raises(ebb.Refused, match="only the newest"):
        job.state_dict(version="best")
    job.cancel()


def test_tensors_come_back_to_the_bit(tmp_path: Path) -> None:
    path = str(tmp_path / "a.safetensors")
    random = np.random.default_rng(1)
    tensors = {
        "a": random.normal(size=(3, 4)).astype(np.float32),
        "keys": random.integers(0, 2**63, 5).astype(np.uint64),
        "scalar": np.float64(3.5),
        "empty": np.zeros((0, 7), np.int8),
        "turned": np.arange(6, dtype=np.int32).reshape(2, 3).T,
    }
    ebb.save(tensors, path)
    back = ebb.load(path)
    assert list(back) == list(tensors)
    for name, value in tensors.items():
        assert back[name].dtype == np.asarray(value).dtype
        assert np.array_equal(back[name], value)
    with pytest.raises(ebb.Refused, match="complex"):
        ebb.save({"c": np.zeros(1, complex)}, path)
    with pytest.raises(ebb.NotFound):
        ebb.load(str(tmp_path / "nothing"))
    (tmp_path / "bad.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(ebb.Refused, match="no safetensors"):
        ebb.load(str(tmp_path / "bad.safetensors"))


def test_submits_without_a_cluster_in_hand(address: str, tmp_path: Path) -> None:
    job = ebb.submit(small_job(tmp_path), scheduler=address, name="at-once")
    assert job.name == "at-once"
    assert job.wait(60).audit()


def test_pushes_data(cluster: ebb.Cluster, tmp_path: Path) -> None:
    job = small_job(tmp_path)
    cluster.push_data(str(tmp_path), "corners-data")
    job["data"] = {"train": {"csv": "ebb://corners-data/train.csv"}}
    assert cluster.submit(job, name="pushed").wait(60).audit()


def test_import_is_light() -> None:
    import subprocess
    import sys

    script = (
        "import sys, ebb; print([m for m in sys.modules if m.split('.')[0] in "
        "('grpc', 'google', 'torch', 'sklearn', 'pandas', 'subprocess')])"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert done.stdout.decode().strip() == "[]"
    assert "connect" in dir(ebb)
    with pytest.raises(AttributeError):
        ebb.nothing


def test_an_answer_that_broke_off_means_away():
    """Bug: a scheduler that was killed while it answered ended programs."""
    told = "ebb: the connection to the scheduler at h:1 broke before its answer. Try again."
    assert isinstance(command.error_of_text(told, 1, "status"), ebb.Unavailable)


def test_messages_have_lines_of_files_that_the_caller_wrote() -> None:
    from ebb.command import renamed
    from ebb.job_file import as_file

    for word, line in (("job", "seed: no"), ("scenario", "scenario: seed: no")):
        with as_file({"seed": "x"}, {}, word) as (path, names):
            told = renamed(f"{path}:41: seed: no\n{path}: wrong\n", names)
        assert told == f"{line}\n{word}: wrong\n"
    with as_file("a.yaml", {}) as (path, names):
        assert renamed("a.yaml:41: seed: no", names) == "a.yaml:41: seed: no"
