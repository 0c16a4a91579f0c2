"""Made-up runs for the tests of this folder, which import it first."""

import dataclasses
import sys
import unittest
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "command"), str(HERE.parent / "pages")]

import charts  # noqa: E402
from run_figures import LossPoint, RunFigures  # noqa: E402

#: For tests of what draws charts.
needs_charts = unittest.skipUnless(charts.available(), charts.MISSING)


def algorithm_run(
    algorithm: str, workers: int, accuracy: float, waited: float, **more: Any
) -> RunFigures:
    run = RunFigures(
        data="fashion", algorithm=algorithm, workers=workers, machine="a machine", commit="abc",
        measured="today", seconds=20, took_seconds=25, examples=6000, bytes=7_000_000,
        worker_seconds=100, waited_seconds=waited, accuracy=accuracy, test_loss=0.5, staleness=3.5,
        staleness_p99=9, curve=[LossPoint(1, 1000, 2), LossPoint(2, 2000, 0.9), LossPoint(4, 5000, 0.6)])
    return dataclasses.replace(run, **more)


def workers_run(workers: int, score: "float | None", disturbance: str = "quiet", **more: Any) -> RunFigures:
    run = RunFigures(
        data="fashion-softmax", algorithm="default", workers=workers, disturbance=disturbance, seed=1,
        at_once=16, machine="a machine", build="Release", commit="abc", examples=4000,
        worker_seconds=100, waited_seconds=10, score=score, staleness=3.5,
        curve=[LossPoint(1, 1000, 2), LossPoint(2, 2000, 0.9), LossPoint(4, 4000, 0.6)])
    return dataclasses.replace(run, **more)
