"""The examples under kills: .ci/nightly does the same at full length."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

_SCRIPT = Path(__file__).resolve().parent / "kill_examples.py"


def _write(folder, name, examples):
    """Pictures that have a bright row, which is their class."""
    made = np.random.default_rng(examples)
    labels = made.integers(0, 10, examples).astype(np.uint8)
    images = made.integers(0, 64, (examples, 28, 28)).astype(np.uint8)
    images[np.arange(examples), 2 * labels + 4] += 128
    with gzip.open(folder / f"{name}-images-idx3-ubyte.gz", "wb") as file:
        file.write(bytes(16) + images.tobytes())
    with gzip.open(folder / f"{name}-labels-idx1-ubyte.gz", "wb") as file:
        file.write(bytes(8) + labels.tobytes())


def _train_under_kills(tmp_path, *flags):
    done = subprocess.run(
        [sys.executable, "-B", str(_SCRIPT), *flags],
        capture_output=True,
        text=True,
        timeout=800,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_kills_change_neither_the_count_nor_the_accuracy(tmp_path):
    _write(tmp_path, "train", 3000)
    _write(tmp_path, "t10k", 1000)
    told = _train_under_kills(
        tmp_path,
        *("fashion_cnn", "--data", str(tmp_path), "--kills", "8", "--copies", "2"),
        *("--epochs", "10", "--accuracy", "0.97", "--below", "0.03"),
    )
    assert "8 kills: audit exact" in told


def test_kills_change_nothing_with_rows_on_the_servers(tmp_path):
    told = _train_under_kills(
        tmp_path,
        *("dlrm", "--examples", "10000", "--kills", "4", "--copies", "2"),
        # How much copies learn depends on how late each is: 0.70 to 0.76.
        *("--epochs", "3", "--accuracy", "0.65", "--below", "0.1"),
    )
    assert "4 kills: audit exact" in told
