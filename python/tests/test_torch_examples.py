"""The examples: how little a program for a cluster differs from a plain one."""

import difflib
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "examples" / "python"


def _lines(name):
    return [line.strip() for line in (_FOLDER / name).read_text().splitlines()]


def test_four_lines_differ_from_the_plain_program():
    changes = difflib.ndiff(_lines("plain.py"), _lines("fashion_cnn.py"))
    assert len([line for line in changes if line.startswith("+ ")]) <= 4


def _write_images(folder, name, count):
    """Writes IDX files with so many dark images of class 3."""
    with gzip.open(folder / f"{name}-images-idx3-ubyte.gz", "wb") as file:
        file.write(bytes(16) + bytes(count * 28 * 28))
    with gzip.open(folder / f"{name}-labels-idx1-ubyte.gz", "wb") as file:
        file.write(bytes(8) + b"\3" * count)


# Bug: it used a name that it did not have, at the end of its first epoch.
def test_the_plain_program_runs_to_its_end(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not there")
    _write_images(tmp_path, "train", 256)
    _write_images(tmp_path, "t10k", 10)
    done = subprocess.run(
        [sys.executable, "-B", str(_FOLDER / "plain.py")],
        env={**os.environ, "FASHION": str(tmp_path), "EPOCHS": "2"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "accuracy 1.0000\n"
    assert (tmp_path / "fashion_cnn.pt").exists()
