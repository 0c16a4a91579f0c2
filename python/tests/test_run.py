"""Tests of ebb.run() and ebb.chaos(): whole runs on this machine."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, Dict

import numpy as np
import pytest

import ebb
from ebb.command import Access
from jobs import examples, long_job, small_job
from test_local import alive, wait_for


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Bug: ebb.run() of a job with validate was refused, because of a flag of its own.
def test_cross_validates(tmp_path: Path) -> None:
    job = {**small_job(tmp_path), "validate": 3}
    del job["data"]["test"]
    run = ebb.run(job)
    assert run.state == "complete"
    (trial,) = run.trials
    assert trial["figures"]["accuracy"]["mean"] > 0.9
    assert [fold["state"] for fold in trial["folds"]] == ["complete"] * 3
    with pytest.raises(ebb.Unavailable, match="left no report(.|\n)*run.trials"):
        run.report
    with pytest.raises(ebb.JobFailed, match="expect.accuracy: the mean of the folds"):
        ebb.run({**job, "expect": {"accuracy": ">= 0.9999"}})
    with pytest.raises(ebb.Refused, match="--tls"):
        ebb.run(job, tls=True)
    whole = ebb.run(small_job(tmp_path), epochs=1)
    with pytest.raises(ebb.Unavailable, match="has no trials(.|\n)*validate"):
        whole.trials


def test_trains_and_keeps_everything(tmp_path: Path) -> None:
    run = ebb.run(small_job(tmp_path))
    assert run.folder == "runs/corners-1"
    assert run.state == "complete"
    assert run.progress.share == 1.0 and run.progress.epochs == 3
    assert run.audit() and run.report["passed"]
    assert os.path.exists(run.report_html)
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    assert run.history[-1]["test_accuracy"] > 0.9
    assert run.history[-1]["seconds"] > 0
    features, labels = examples(50, seed=3)
    assert (run.predict(features) == labels).mean() > 0.9
    assert run.state_dict()["weights"].shape == (4, 3)
    model = run.model
    assert (model.predict(features) == run.predict(features)).all()
    assert (model.predict_proba(features) == run.predict_proba(features)).all()
    assert model.kind == "softmax" and set(model.state_dict()) == {"weights", "bias"}
    with pytest.raises(ebb.Refused, match="(?s)is a path.*job.predict"):
        model.predict("test.csv")
    assert run.versions()
    assert "good" in run._repr_html_()
    with pytest.raises(ebb.Unavailable, match="is over"):
        run.pause()
    with pytest.raises(ebb.Unavailable, match="is over"):
        run.rollback()
    with pytest.raises(ebb.Unavailable, match="is over.*(.|\n)*complete: run.report") as over:
        run.status()
    assert "resume" not in str(over.value)
    # Again: a folder of its own.
    path = tmp_path / "job.yaml"
    path.write_text(json.dumps(small_job(tmp_path)))
    again = ebb.run(path, set={"train.epochs": 1})
    assert again.folder == "runs/corners-2"
    assert again.progress.epochs == 1
    assert np.isfinite(again.state_dict()["bias"]).all()


def test_trains_on_frames_and_predicts_them(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    features, labels = examples(400)
    frame = pd.DataFrame(features, columns=["a", "b", "c", "d"])
    frame.insert(2, "colour", np.array(["red", "green, dark", None])[labels])
    frame["code"] = pd.Categorical(labels * 7)
    frame["kind"] = np.array(["x", "y", "z"])[labels]
    frame = frame.sample(frac=1, random_state=1)  # Its index is no longer 0, 1, 2.
    job = {
        "name": "frames",
        "model": "softmax",
        "data": {"train": {"csv": frame[:300]}, "test": {"csv": {"path": frame[300:], "label": "kind"}}},
        "train": {"epochs": 20, "batch": 20},
        "optimizer": {"kind": "adam", "rate": 0.05},
    }
    job["data"]["train"] = {"csv": {"path": frame[:300], "label": "kind", "missing": "mean"}}
    job["data"]["test"]["csv"]["missing"] = "mean"
    run = ebb.run(job)
    assert run.history[-1]["test_accuracy"] > 0.9
    names = run.model.about["features"]["names"]
    assert "a" in names and not any("index" in name.lower() for name in names)
    # Columns go by their names, and others are left out.
    shuffled = frame[300:].assign(more=1)[["kind", "d", "code", "colour", "more", "c", "b", "a"]]
    predicted = run.predict(shuffled)
    assert (predicted == frame["kind"][300:].to_numpy()).mean() > 0.9
    assert run.predict_proba(shuffled).shape == (100, 3)
    with pytest.raises(ebb.Refused, match="(?s)a table with text.*job.predict"):
        run.model.predict(shuffled)
    with pytest.raises(ebb.Error, match="the frame.*'colour'"):
        run.predict(shuffled.drop(columns="colour"))
    with pytest.raises(ebb.Refused, match="data.train.csv is not what the run began with"):
        ebb.run({**job, "data": {"train": {"csv": frame}}}, resume=run.folder)
    # A job that is refused leaves nothing behind.
    with pytest.raises(ebb.Refused, match="model.kind"):
        ebb.run({**job, "model": "softmix"})
    assert sorted(os.listdir("runs")) == ["frames-1", "frames-1.data"]


def test_trains_on_arrays(tmp_path: Path) -> None:
    features, labels = examples(200)
    job = small_job(tmp_path)
    job["data"] = {"train": {"npy": {"features": features, "labels": labels}}, "split": 0.2}
    run = ebb.run(job, epochs=5)
    assert run.history[-1]["test_accuracy"] > 0.9
    assert (run.predict(features) == labels).mean() > 0.9


def test_goes_on_in_the_background_and_stands_kills(tmp_path: Path) -> None:
    run = ebb.run(long_job(tmp_path), workers=2, kill_every=1, wait=False)
    assert run.running
    with pytest.raises(ebb.Unavailable, match="no report yet"):
        run.report
    assert wait_for(lambda: run.progress.applied > 0)
    assert wait_for(lambda: len(run.events) > 2)
    assert "as planned" in " ".join(run.events)
    assert wait_for(lambda: len(run.history) > 1)
    assert run.number > 0
    assert "corners" in run._repr_html_()
    with pytest.raises(TimeoutError):
        run.wait(0.1)
    run.stop()
    assert not run.running
    assert run.state == "stopped"
    with pytest.raises(ebb.JobFailed, match="was interrupted") as caught:
        run.wait()
    assert caught.value.run is run
    assert run.audit().doubled == 0
    went_on = ebb.run(long_job(tmp_path), resume=run.folder, wait=False)
    assert wait_for(
        lambda: went_on.progress.applied >= run.progress.applied, 20
    )
    went_on.stop()


# Bug: it raised Unavailable while a scheduler that had been killed came back.
def test_its_number_waits_for_the_scheduler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ebb.run(long_job(tmp_path), workers=1, wait=False)
    assert wait_for(lambda: run.progress.applied > 0)
    status = run.status
    away = [ebb.Unavailable("no scheduler listens")]

    def answer() -> Dict[str, Any]:
        if away:
            raise away.pop()
        return status()

    monkeypatch.setattr(run, "status", answer)
    assert run.number == int(status()["id"])
    run.stop()
    assert run.number > 0


# Bug: its state was "stopped", as of a run that was interrupted.
def test_a_run_whose_job_is_cancelled_says_so(tmp_path: Path) -> None:
    run = ebb.run(long_job(tmp_path), workers=1, wait=False)
    assert wait_for(lambda: run.progress.applied > 0)
    run.cancel()
    with pytest.raises(ebb.JobFailed, match="cancelled"):
        run.wait()
    assert run.state == "cancelled"
    assert run.report["cancelled"] and not run.report["interrupted"]


def test_the_model_of_a_program_is_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    job = ebb.Job(Access("127.0.0.1:1"), 1, "digits")
    monkeypatch.setattr(job, "_export", lambda: ({}, {"name": "digits", "model": "program"}))
    with pytest.raises(ebb.Refused, match="(?s)digits: the model is a program's.*state_dict"):
        job.model


def test_a_model_of_pytorch_needs_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    job = ebb.Job(Access("127.0.0.1:1"), 1, "digits")
    monkeypatch.setattr(job, "_export", lambda: ({}, {"name": "digits", "model": "python"}))
    for name in list(sys.modules):
        if name.startswith("ebb.torch"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ebb.NotFound, match="(?s)needs PyTorch.*pip install torch"):
        job.model


def test_a_refused_job_leaves_no_folder(tmp_path: Path) -> None:
    job = {**small_job(tmp_path), "optimiser": {"kind": "adam"}}
    with pytest.raises(ebb.Refused, match=r"^[^:]*optimiser"):
        ebb.run(job)
    assert not os.path.exists("runs/corners-1")
    with pytest.raises(ebb.NotFound):
        ebb.run("nofile.yaml")
    with pytest.raises(ebb.NotFound, match="no run of corners"):
        ebb.run(small_job(tmp_path), resume=True)
    with pytest.raises(ebb.Refused, match="function"):
        ebb.run(lambda: None)  # type: ignore[arg-type]


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    job = {**small_job(tmp_path), "expect": {"log_loss": "<= 0.1"}}
    job["optimizer"] = {"kind": "sgd", "rate": 1e-9}
    with pytest.raises(ebb.JobFailed, match="log loss|log_loss") as caught:
        ebb.run(job)
    assert caught.value.run.report["complete"]
    assert caught.value.run.audit()


def test_chaos_disturbs(tmp_path: Path) -> None:
    run = ebb.chaos(
        small_job(tmp_path, epochs=40),
        {"name": "worker killed", "workers": 2, "compute": "2ms", "events": [{"at": "30%", "kill": "worker"}]},
    )
    assert run.audit()
    assert run.report["restarts"]["workers"] >= 1


def test_an_uncaught_error_ends_with_the_users_line(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text("import ebb\nebb.run('nofile.yaml')\n")
    ran = subprocess.run([sys.executable, script], stderr=subprocess.PIPE, text=True)
    assert ran.returncode == 1 and "ebb.run('nofile.yaml')" in ran.stderr
    assert "local_start.py" not in ran.stderr


def test_tls(tmp_path: Path) -> None:
    run = ebb.run(long_job(tmp_path), tls=True, wait=False)
    with pytest.raises(ebb.Unavailable, match="is just starting\n.*ask again"):
        run.status()
    assert wait_for(lambda: run.progress.applied > 0)
    assert run.state == "running"
    run.stop()
    with pytest.raises(ebb.Unavailable, match='resume="runs/corners-1".* goes on'):
        run.status()
    # There may be no version yet. Bug: it said to call wait().
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            run.state_dict()
        except ebb.Error:
            return
    texts = [str(one.message) for one in told]
    assert any('go on with ebb.run(job, resume="runs/corners-1")' in text for text in texts), texts


SCRIPT = """
import ebb, json, sys, time
run = ebb.run(json.loads(sys.argv[1]), wait={wait}, progress=True)
print(run.folder, run._process.pid, flush=True)
{end}
"""


def daemons_of(folder: Path) -> "list[int]":
    """Processes whose working folder is below this one."""
    found = []
    for one in os.listdir("/proc"):
        if one.isdigit():
            try:
                where = os.readlink(f"/proc/{one}/cwd")
            except OSError:
                continue
            if where.startswith(str(folder) + "/"):
                found.append(int(one))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_ends_in_good_order_with_its_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    wait = number == signal.SIGINT
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(wait=wait, end="time.sleep(60)")]
        + [json.dumps(long_job(tmp_path))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stderr is not None
    metrics = tmp_path / "runs" / "corners-1" / "metrics.csv"
    assert wait_for(lambda: metrics.exists() and len(daemons_of(tmp_path)) >= 4, 20)
    # It waits for the run and shows how far that is, or has said where the run is.
    assert child.stdout.read(1)
    child.send_signal(number)
    child.wait(40)
    told = child.stderr.read()
    child.stdout.close()
    child.stderr.close()
    if number == signal.SIGINT:
        assert "KeyboardInterrupt: the run in runs/corners-1 has stopped; ebb.run(job, resume=" in told
    assert wait_for(lambda: not daemons_of(tmp_path), 40)
    # The run writes it after the daemons.
    assert wait_for((metrics.parent / "report.json").exists, 40)
    report = json.loads((metrics.parent / "report.json").read_text())
    assert report["interrupted"] and not report["problems"]
