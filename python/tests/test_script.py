"""Tests of ``ebb run SCRIPT.py``: a program several times, killed meanwhile."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, List, Sequence

import pytest

import ebb
from ebb import programs
from jobs import small_job
from test_local import alive, wait_for
from test_run import daemons_of

# Its gradients are those of an ebb-worker that the program starts, so that
# these tests need neither an engine nor torch.
SCRIPT = """
import json, os, subprocess, sys
import ebb
from ebb import programs

job = ebb.connect().submit(json.loads(sys.argv[1]), request_id="once")
worker = subprocess.Popen(
    [programs.path_of("ebb-worker"), "--die-with-parent", str(os.getpid())]
    + ["--batch-time", "5ms"]
)
try:
    job.wait()
    print("weights", job.state_dict()["weights"].shape)
finally:
    worker.terminate()
    worker.wait()
"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corners.py").write_text(SCRIPT)


def start(tmp_path: Path, *flags: str, epochs: int = 3) -> "subprocess.Popen[str]":
    job = small_job(tmp_path, epochs=epochs)
    return subprocess.Popen(
        [programs.path_of("ebb"), "run", "corners.py", *flags, "--", json.dumps(job)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def report_of(folder: str = "runs/corners-1") -> Any:
    return json.loads(Path(folder, "report.json").read_text())


def test_runs_a_program_to_the_end_of_its_job(tmp_path: Path) -> None:
    # Long enough for two samples, which the page draws.
    run = start(tmp_path, "--workers", "2", "--servers", "1", "--details", epochs=20)
    out, err = run.communicate(timeout=100)
    assert run.returncode == 0, out + err
    assert "audit           exact" in out
    report = report_of()
    assert f"  updates         {report['updates']:,} applied by all" in out
    assert "\n  workers         " in out and "\n  values          pushed " in out
    assert report["passed"] and report["complete"]
    # Figures of the test data, as of a job file.
    figures = report["evaluations"][-1]
    assert f"epoch 20: test accuracy {figures['accuracy']:.4f}, " in out
    assert f"  test accuracy   {figures['accuracy']:.4f}\n" in out
    assert report["audit"]["expected"] == 12000
    assert len(report["training_loss"]) == 20
    for worker in ("worker-0", "worker-1"):
        log = Path(f"runs/corners-1/logs/{worker}.log").read_text()
        assert "weights (4, 3)" in log
    assert "exact" in Path("runs/corners-1/report.html").read_text()
    assert "name: corners\ntrain:\n  epochs: 20\n" in Path("runs/corners-1/program.yaml").read_text()
    assert not Path("runs/corners-1/job.yaml").exists()
    assert not daemons_of(tmp_path)


def test_a_complete_run_is_not_started_again(tmp_path: Path) -> None:
    run = start(tmp_path, "--workers", "1", "--servers", "1")
    out, err = run.communicate(timeout=100)
    assert run.returncode == 0, out + err
    log = Path("runs/corners-1/logs/worker-0.log").read_text()
    report = report_of()
    run = start(tmp_path, "--workers", "1", "--resume", "--report", "again.json")
    out, err = run.communicate(timeout=100)
    assert (run.returncode, err) == (0, "")
    assert out == (
        "the run is complete: its report is runs/corners-1/report.json "
        "(and report.html)\n"
    )
    assert Path("runs/corners-1/logs/worker-0.log").read_text() == log
    assert report_of() == report == json.loads(Path("again.json").read_text())
    # Bug: a page was asked for, and JSON was in it.
    run = start(tmp_path, "--workers", "1", "--resume", "--report", "again.html")
    out, err = run.communicate(timeout=100)
    assert (run.returncode, err) == (0, "")
    # It ended with a traceback.
    run = start(tmp_path, "--workers", "1", "--resume", "--report", "nowhere/a.json")
    out, err = run.communicate(timeout=100)
    assert run.returncode == 1
    assert err == (
        "ebb: --report nowhere/a.json: the report cannot be copied: nowhere/a.json: "
        "No such file or directory\n  hint: the run is complete, and "
        "runs/corners-1/report.json is its report\n"
    )

    page = Path("runs/corners-1/report.html").read_text()
    assert Path("again.html").read_text() == page and page.startswith("<!doctype html>")
    # Bug: more epochs were "complete", and nothing was trained.
    run = start(tmp_path, "--workers", "1", "--resume", epochs=6)
    out, err = run.communicate(timeout=100)
    assert (run.returncode, out) == (2, "")
    assert "is complete, and its arguments have changed since: --resume does not" in err
    assert "hint: more epochs are a new run, without --resume" in err
    Path("corners.py").write_text(SCRIPT + "\n# epochs=6\n")
    run = start(tmp_path, "--workers", "1", "--resume")
    out, err = run.communicate(timeout=100)
    assert run.returncode == 2 and "corners.py has changed since" in err
    Path("corners.py").write_text(SCRIPT)
    # A program that failed is started again.
    report["passed"] = False
    Path("runs/corners-1/report.json").write_text(json.dumps(report))
    run = start(tmp_path, "--workers", "1", "--servers", "1", "--resume")
    out, err = run.communicate(timeout=100)
    assert run.returncode == 0, out + err
    assert report_of()["passed"]


def test_goes_on_whatever_is_killed(tmp_path: Path) -> None:
    run = ebb.run(
        "corners.py",
        workers=2,
        servers=2,
        kill_every=1,
        arguments=[json.dumps(small_job(tmp_path, epochs=40))],
    )
    assert run.audit()
    assert run.report["audit"]["doubled"] == 0
    assert run.report["restarts"]["total"] >= len(run.report["kills"]) > 0
    assert any("as planned" in event for event in run.events)
    assert run.state_dict()["weights"].shape == (4, 3)
    assert run.history[-1]["epoch"] == 40


# A life after the first begins as slowly as one that imports PyTorch on a loaded
# machine, while others compute. It says whether another kill came meanwhile.
LATE = """
import os, time
from pathlib import Path

import ebb

def lives(cluster):
    roles = cluster.status()["roles"]
    return [one["process_id"] for one in roles if one["role"] != "worker"]

def other_kill():
    cluster, begin = ebb.connect(), time.monotonic()
    (job,), before = cluster.jobs(), lives(cluster)
    enough = job.progress.applied + 200
    # Ten times as long as the period of kills.
    while time.monotonic() - begin < 2 or job.progress.applied < enough:
        if job.state != "running":
            break
        time.sleep(0.1)
    return lives(cluster) != before

began = Path("began-" + os.environ["EBB_NAME"])
if began.exists() and not Path("late").exists():
    try:
        killed = other_kill()
    except ebb.Unavailable:
        killed = True
    Path("late").write_text("killed" if killed else "alone")
began.touch()
"""


def test_the_next_kill_waits_until_a_program_has_joined(tmp_path: Path) -> None:
    """Bug: the program counted as back while it imported PyTorch."""
    Path("corners.py").write_text(LATE + SCRIPT)
    run = ebb.run(
        "corners.py",
        workers=2,
        servers=1,
        kill_every=0.2,
        arguments=[json.dumps(small_job(tmp_path, epochs=60))],
    )
    assert run.audit()
    assert Path("late").read_text() == "alone"
    # Then it goes on.
    assert len(run.report["kills"]) > 1


def test_an_error_of_the_program_ends_the_run(tmp_path: Path) -> None:
    Path("bad.py").write_text("import nothing_of_this_name\n")
    done = subprocess.run(
        [programs.path_of("ebb"), "run", "bad.py", "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 1
    assert "worker-0 ended with exit code 1; its log" in done.stderr
    assert "No module named 'nothing_of_this_name'" in done.stderr
    assert "ran it; EBB_PYTHON names another interpreter" in done.stderr
    Path("idle.py").write_text("print('done')\n")
    with pytest.raises(ebb.JobFailed, match="idle.py ended without a job"):
        ebb.run("idle.py", workers=1)


def test_an_error_of_the_loop_ends_the_run_at_once(tmp_path: Path) -> None:
    """Bug: it had several starts, one after the other, and each failed alike."""
    Path("corners.py").write_text(
        FAILING.replace("for batch in", "raise ValueError('no batches today')\nfor batch in")
    )
    run = start(tmp_path, "--workers", "1", "--servers", "1")
    out, err = run.communicate(timeout=60)
    assert run.returncode == 1, out + err
    assert out.count("worker-0 ended with exit code 1") == 1
    assert err.count("ValueError: no batches today") == 1, err


# It computes its batches by itself, and fails at an example in the second epoch.
FAILING = """
import json, os, sys
import numpy as np
import ebb

content = json.loads(sys.argv[1])
del content["data"]["test"]  # It evaluates nothing.
job = ebb.connect().submit(content, request_id="once")
for batch in ebb.join(None, job.name):
    if batch.epoch == 1 and 7 in batch.examples and not os.path.exists("mended"):
        batch.push(np.full(batch.values.shape, np.nan))
    batch.push(np.zeros(batch.values.shape))
"""


def test_a_program_that_has_finished_was_not_lost(tmp_path: Path) -> None:
    """Bug: it left the complete job, and was "lost" until its process ended."""
    Path("mended").touch()
    Path("corners.py").write_text(FAILING + "\nimport time\ntime.sleep(2)\n")
    run = start(tmp_path, "--workers", "1", "--servers", "1")
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, out + err
    assert "worker-0 has finished" in out and " lost" not in out, out


@pytest.mark.parametrize("flags", [(), ("--skip",)], ids=["mended", "skipped"])
def test_a_job_that_pauses_ends_the_run_and_says_why(
    tmp_path: Path, flags: Sequence[str]
) -> None:
    Path("corners.py").write_text(FAILING)
    run = start(tmp_path, "--workers", "2", "--servers", "1")
    out, err = run.communicate(timeout=60)
    assert run.returncode == 1, out + err
    assert "corners is paused: item (epoch 2, shard " in err
    assert "the gradient of " in err and " is nan" in err
    # The program's own words, and what helps.
    assert "ebb.errors.NonFinite" in err
    assert "ebb run corners.py --resume --run-dir runs/corners-1" in err
    assert "--skip" in err
    report = report_of()
    assert not report["passed"] and " is nan" in report["problems"][0]
    assert " is nan" in Path("runs/corners-1/report.html").read_text()
    # It goes on from there, with the cause mended or without the batch.
    if not flags:
        Path("mended").touch()
    run = start(tmp_path, "--workers", "2", "--servers", "1", "--resume", *flags)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, out + err
    assert report_of()["audit"]["skipped"] == (20 if flags else 0)


@pytest.mark.parametrize("number", ["SIGSEGV", "SIGKILL"])
def test_a_program_that_is_always_killed_ends_the_run(number: str) -> None:
    Path("crash.py").write_text(
        f"import os, signal\nos.kill(os.getpid(), signal.{number})\n"
    )
    done = subprocess.run(
        [programs.path_of("ebb"), "run", "crash.py", "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"worker-0 was ended by {number}; its log" in done.stderr
    # A signal from outside may not come again.
    starts = done.stdout.count(f"worker-0 was ended by {number}")
    assert starts == (1 if number == "SIGSEGV" else 3)


def test_what_a_killed_program_started_ends_with_the_run() -> None:
    # Bug: the loaders of a program that was killed outlived the run.
    Path("loaders.py").write_text(
        "import os, signal, subprocess\n"
        "loader = subprocess.Popen(['sleep', '600'])\n"
        "with open('loaders', 'a') as file:\n"
        "    print(loader.pid, file=file, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [programs.path_of("ebb"), "run", "loaders.py", "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    loaders = [int(pid) for pid in Path("loaders").read_text().split()]
    left = [pid for pid in loaders if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert len(loaders) == 3 and not left
    # It is the program that is to blame, and not the run.
    assert "left behind" not in done.stdout + done.stderr


def test_an_interpreter_without_numpy_is_named(tmp_path: Path) -> None:
    # Without its site-packages, as one that was first on PATH.
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(
        [programs.path_of("ebb"), "run", "corners.py"],
        env={**os.environ, "EBB_PYTHON": str(python)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"ebb: the package ebb needs NumPy, and {sys.executable} has none\n")
    assert "pip install numpy" in done.stderr
    assert "Traceback" not in done.stderr


def test_refuses_wrong_flags(tmp_path: Path) -> None:
    for flags in (
        ["nofile.py"],
        ["corners.py", "--workers", "0"],
        ["corners.py", "-x"],
        ["corners.py", "--skip"],
    ):
        done = subprocess.run(
            [programs.path_of("ebb"), "run", *flags], stderr=subprocess.PIPE
        )
        assert done.returncode == 2, flags
    assert not os.path.exists("runs")


def refused(*words: str) -> str:
    done = subprocess.run(
        [programs.path_of("ebb"), "run", *words], stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_names_the_program_that_was_meant() -> None:
    assert refused("cornres.py") == (
        "ebb: cornres.py: there is no such file; is it corners.py?\n"
    )
    assert refused("nowhere/x.py") == "ebb: nowhere/x.py: there is no such file\n"


def test_names_the_flag_that_was_meant() -> None:
    """A job file has the same words."""
    for script in ("corners.py", "job.yaml"):
        assert refused(script, "--wrokers", "3") == (
            "ebb run: there is no flag --wrokers; is it --workers?\n"
            "ebb run --help has all flags\n"
        )
        assert refused(script, "--nonsense=1") == (
            "ebb run: there is no flag --nonsense\nebb run --help has all flags\n"
        )


def test_a_damaged_size_starts_nothing() -> None:
    # Bug: the exit code was 1, as of a run that failed.
    Path("runs/corners-1/state").mkdir(parents=True)
    Path("runs/corners-1/run").write_text("servers two\n")
    err = refused("corners.py", "--resume")
    assert 'runs/corners-1/run: cannot read "servers two"\n' in err
    assert "hint: remove it, and give --workers and --servers" in err
    assert not Path("runs/corners-1/logs").exists()


# It ended with a traceback.
def test_names_the_folder_that_cannot_be_made(tmp_path: Path) -> None:
    Path("runs").write_text("a file")
    assert refused("corners.py") == (
        f"ebb: cannot make the folder runs in {tmp_path}: Not a directory\n"
    )


def test_is_interrupted_and_goes_on(tmp_path: Path) -> None:
    run = start(tmp_path, "--workers", "2", "--servers", "1", epochs=120)
    metrics = Path("runs/corners-1/metrics.csv")

    def has_counted() -> bool:
        # Its last line may be half written.
        lines = metrics.read_text().splitlines(keepends=True) if metrics.exists() else []
        whole = [line for line in lines if line.endswith("\n")]
        return any(int(row["applied"]) > 0 for row in csv.DictReader(whole))

    assert wait_for(has_counted, 100)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=100)
    assert run.returncode == 130, out + err
    assert "go on with: ebb run corners.py --resume" in out
    assert not daemons_of(tmp_path)
    assert report_of()["interrupted"]
    interrupted = len(metrics.read_text().splitlines()) - 1
    run = start(tmp_path, "--servers", "3", "--resume", epochs=120)
    assert "--servers 3: the run in runs/corners-1 has 1 servers" in run.communicate()[1]
    # It has as many processes as before.
    run = start(tmp_path, "--resume", epochs=120)
    out, err = run.communicate(timeout=100)
    assert run.returncode == 0, out + err
    assert "corners.py: 2 times, on 1 server\n" in out
    report = report_of()
    assert report["audit"]["exact"]
    # The metrics before the interrupt are the least that it went on from.
    with metrics.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > interrupted
    before = int(rows[interrupted - 1]["applied"])
    assert 0 < before <= report["examples_before"] < report["audit"]["expected"]


def test_the_history_of_a_stopped_run_is_whole(tmp_path: Path) -> None:
    run = ebb.run(
        "corners.py",
        workers=1,
        arguments=[json.dumps(small_job(tmp_path, epochs=1000))],
        wait=False,
    )
    # Also while its program has not submitted the job yet.
    assert wait_for(lambda: len(run.history) > 2, 60)
    assert "seconds" in run.history[0]
    # The run asks once a second, and an epoch takes 0.15 s.
    samples = len(run.samples)
    assert wait_for(lambda: len(run.samples) > samples)
    # Epochs go by of which it has no sample yet.
    epochs = len(run.history) + 3
    assert wait_for(lambda: len(run.history) >= epochs)
    run.stop()
    assert run.state == "stopped"
    assert len(run.history) >= epochs
    assert run.samples[-1]["applied"] >= (epochs - 1) * 600


def test_nothing_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    run = start(tmp_path, "--workers", "1", epochs=100000)
    metrics = Path("runs/corners-1/metrics.csv")
    assert wait_for(metrics.exists, 30)
    processes: List[int] = daemons_of(tmp_path) + programs_in(tmp_path)
    assert len(processes) >= 4
    run.kill()
    run.communicate()
    assert wait_for(lambda: not any(alive(pid) for pid in processes))


def programs_in(folder: Path) -> List[int]:
    found = []
    for one in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{one}/cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder / "corners.py") in words:
            found.append(int(one))
    return found
