"""Fits of ebb.sklearn: a9a beside scikit-learn's lbfgs, and iris alone."""

import functools
from pathlib import Path
from typing import List

from figures import Comparison, Contest, at_most
from processes import HERE, run

_SECONDS, _OBJECTIVE = "s", "objective"


def contests(a9a: str) -> List[Contest]:
    """a9a: the folder of the data set."""
    program = str(HERE / "estimators_program.py")
    path = Path(a9a) / "a9a"
    logistic = "LogisticRegression on a9a, 2 workers / lbfgs"
    return [
        Contest(
            "logistic",
            {
                who: functools.partial(run, [program, "logistic", who, str(path)])
                for who in ("ebb", "sklearn")
            },
            [
                Comparison(logistic, _SECONDS, "ebb", "sklearn", at_most(5)),
                Comparison(logistic, _OBJECTIVE, "ebb", "sklearn", at_most(1.001)),
            ],
            settings=str(path.resolve()),
            missing="" if path.exists() else f"no data in {a9a}",
        ),
        Contest(
            "iris",
            {"ebb": functools.partial(run, [program, "iris"])},
            [
                Comparison("LogisticRegression on iris, first fit", "s, cold", "ebb", bound=at_most(1.5)),
                Comparison("LogisticRegression on iris, next fit", "s, warm", "ebb", bound=at_most(0.2)),
            ],
        ),
    ]
