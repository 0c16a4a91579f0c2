"""Runs the programs of examples/python that need no PyTorch."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ebb import programs

_FOLDER = Path(__file__).resolve().parents[2] / "examples" / "python"


def _run(command: "list[str]", folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _has_the_plane(out: str) -> bool:
    found = re.search(r"weight \[(.*?)\] bias \[(.*?)\]", out)
    if found is None:
        return False
    numbers = [float(number) for number in (found[1] + " " + found[2]).split()]
    return all(abs(a - b) < 0.1 for a, b in zip(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 3]))


def test_the_numpy_program_alone(tmp_path: Path) -> None:
    assert _has_the_plane(_run([sys.executable, "-B", str(_FOLDER / "numpy_line.py")], tmp_path))


def test_the_numpy_program_three_times_while_processes_are_killed(tmp_path: Path) -> None:
    # 4,000 batches on 3 workers take 2.6 s then, and the first kill comes in
    # the first second.
    text = (_FOLDER / "numpy_line.py").read_text()
    push = "        batch.push("
    assert push in text
    slow = tmp_path / "numpy_line.py"
    slow.write_text("import time\n\n" + text.replace(push, "        time.sleep(0.002)\n" + push))
    command = [programs.path_of("ebb"), "run", "numpy_line.py"]
    out = _run([*command, "--workers", "3", "--kill-every", "1"], tmp_path)
    assert re.search(r"200,000 of 200,000 applied in each of \d+ partitions?: 0 missing, 0 doubled", out)
    report = json.loads((tmp_path / "runs" / "numpy_line-1" / "report.json").read_text())
    assert report["kills"]
    logs = (tmp_path / "runs" / "numpy_line-1").rglob("worker-*.log")
    assert any(_has_the_plane(log.read_text()) for log in logs)


def test_the_scikit_learn_program(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    out = _run([sys.executable, "-B", str(_FOLDER / "scikit_learn.py")], tmp_path)
    figures = [float(number) for number in re.findall(r"(?:accuracy|R\^2) ([\d.]+)", out)]
    assert len(figures) == 3
    assert min(figures) > 0.8, out
