"""Lets tests, and the processes that they start, find the package and programs.

EBB_BIN and PYTHONPATH of the caller go before those of this tree.
"""

import os
import sys
from pathlib import Path

_PYTHON = Path(__file__).resolve().parent.parent
_PROGRAMS = _PYTHON.parent / "build" / "bin"

if "EBB_BIN" in os.environ:
    os.environ["EBB_BIN"] = os.path.abspath(os.environ["EBB_BIN"])
elif _PROGRAMS.is_dir():
    os.environ["EBB_BIN"] = str(_PROGRAMS)
_PATH = [str(_PYTHON), *filter(None, os.environ.get("PYTHONPATH", "").split(":"))]
os.environ["PYTHONPATH"] = ":".join(os.path.abspath(part) for part in _PATH)
os.environ.setdefault("EBB_PYTHON", sys.executable)
sys.path.insert(0, str(_PYTHON))
