"""The examples: how little a program for a cluster differs from a plain one."""

import difflib
from pathlib import Path

_FOLDER = Path(__file__).resolve().parents[2] / "examples" / "python"


def _lines(name):
    return [line.strip() for line in (_FOLDER / name).read_text().splitlines()]


def test_five_lines_differ_from_the_plain_program():
    changes = difflib.ndiff(_lines("plain.py"), _lines("fashion_cnn.py"))
    assert len([line for line in changes if line.startswith("+ ")]) <= 5
