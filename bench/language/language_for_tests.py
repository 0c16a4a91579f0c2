"""The folders of the study, and runs that were never made, for its tests."""

import sys
from pathlib import Path
from typing import Any, Dict

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), *(str(HERE.parent / name) for name in ("command", "pages", "python"))]

_SETTINGS = {"batch": 8, "context": 32, "epochs": 1, "steps": 50, "filters": None}


def kept(row: str, name: str = "", workers: int = 4, seed: int = 1, **figures: Any) -> Dict[str, Any]:
    """A run of a row as its file has it; keys of ``settings`` begin with an underscore."""
    more = {key[1:]: figures.pop(key) for key in list(figures) if key.startswith("_")}
    settings = {**_SETTINGS, "workers": workers, "seed": seed, **more}
    return {"name": name or row, "row": row, "settings": settings, "figures": figures}
