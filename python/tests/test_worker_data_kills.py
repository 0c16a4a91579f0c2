"""Data sets of a module's own: a job of them whose processes are killed, and those of examples/."""

import gzip
import os
import signal
import subprocess
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from processes import audit_of_all  # noqa: E402
from worker_data import DATA, MODEL, data_job, in_a_folder_of_its_own  # noqa: E402, F401
from worker_models import (  # noqa: E402
    LIMIT_S,
    applied_of,
    pythons_of,
    wait_for,
    worker_cluster,
    write_module,
)


def test_each_example_counts_once_whatever_is_killed(tmp_path: Path) -> None:
    models = write_module(tmp_path, MODEL + DATA)
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
