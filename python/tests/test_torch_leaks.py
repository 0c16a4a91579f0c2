"""Memory of a program and its engine: .ci/nightly hands in a million batches."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

_SCRIPT = Path(__file__).resolve().parent / "leaks.py"


def test_memory_stays_as_it_is():
    done = subprocess.run(
        [sys.executable, "-B", str(_SCRIPT), "20000", "--most", "8192"],
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "grew" in done.stdout
