"""Boosted trees beside XGBoost's `hist`, with the same settings and one thread."""

import functools
import importlib.util
from pathlib import Path
from typing import List

from figures import Comparison, Contest, Sample, at_least
from processes import run

TITLE = "Boosted trees"
_HERE = Path(__file__).resolve().parent
_A9A = "../shared/data/a9a"
_FASHION = "/usr/share/datasets/fashion-mnist"
_SECONDS, _ACCURACY = "s", "accuracy"


def contests(quick: bool = False) -> List[Contest]:
    """Each round has another seed, which divides the small data sets anew. `quick`
    has only those."""
    program = str(_HERE / "boosted_program.py")
    found = {"digits": "", "breast-cancer": ""}
    if not quick:
        found["a9a"] = "" if (Path(_A9A) / "a9a").exists() else f"no data in {_A9A}"
        found["fashion"] = "" if Path(_FASHION).is_dir() else f"no data in {_FASHION}"
    if importlib.util.find_spec("xgboost") is None:
        found = dict.fromkeys(found, "no xgboost (Debian's python3-xgboost)")
    folders = {"a9a": _A9A, "fashion": _FASHION}
    return [
        Contest(
            f"boosted-{name}",
            {
                who: functools.partial(
                    _measure, [program, name, who, folders.get(name, "")]
                )
                for who in ("ebb", "xgboost")
            },
            [
                Comparison(
                    f"boosted trees on {name}, 1 worker / hist",
                    _ACCURACY,
                    "ebb",
                    "xgboost",
                    at_least(0.995),
                    means=True,
                ),
                Comparison(
                    f"boosted trees on {name}, 1 worker / hist",
                    _SECONDS,
                    "ebb",
                    "xgboost",
                ),
            ],
            settings=f"{name} {folders.get(name, '')}",
            missing=missing,
            seeded=True,
        )
        for name, missing in found.items()
    ]


def _measure(argv: List[str], seed: int) -> Sample:
    return run([*argv, str(seed)])
