"""Random forests beside scikit-learn's, with the same settings: how well they predict,
and how many trees one core grows in a second."""

import functools
import json
import tempfile
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np

from figures import Comparison, Contest, Sample, at_least
from processes import run
from runs import Run

TITLE = "Random forests"
HERE = Path(__file__).resolve().parent
_FASHION = Path("/usr/share/datasets/fashion-mnist")
_TABLES = Path("../shared/data/sklearn")
_HIGGS = Path("../shared/data/higgs-sample")
_SPEED = "trees/s"
#: By data set: trees, whether labels are values, and the figure.
_SETS: Dict[str, Tuple[int, bool, str]] = {
    "digits": (500, False, "accuracy"),
    "breast_cancer": (500, False, "accuracy"),
    "diabetes": (500, True, "r2"),
    "higgs-sample": (500, False, "accuracy"),
    "fashion": (100, False, "accuracy"),
}


def _read(path: Path) -> np.ndarray:
    """A table of numbers with the label last; a header is passed over."""
    lines = path.read_text().splitlines()
    rows = [line.split(",") for line in lines if line]
    try:
        float(rows[0][0])
    except ValueError:
        rows = rows[1:]
    return np.array(rows, dtype=np.float64)


def _higgs() -> np.ndarray:
    """All 7,500 rows. The 500 of the file for tests are too few to tell half a point."""
    parts = [np.loadtxt(_HIGGS / f"higgs-sample.{part}.tsv") for part in ("train", "test")]
    return np.roll(np.concatenate(parts), -1, axis=1)


def _split(name: str, seed: int) -> Tuple[np.ndarray, np.ndarray]:
    """Four fifths of the rows to learn from, and the others."""
    rows = _higgs() if name == "higgs-sample" else _read(_TABLES / f"{name}.csv")
    order = np.random.default_rng(seed).permutation(len(rows))
    tests = len(rows) // 5
    return rows[order[tests:]], rows[order[:tests]]


def _csv(rows: np.ndarray) -> bytes:
    lines = (",".join(repr(float(x)) for x in row) for row in rows)
    return "\n".join(lines).encode() + b"\n"


def _ours(name: str, trees: int, seed: int = 0) -> Sample:
    _, values, figure = _SETS[name]
    files = {}
    data = f"{{train: {{idx: {_FASHION}/train}}, test: {{idx: {_FASHION}/t10k}}}}"
    if name != "fashion":
        train, test = _split(name, seed)
        files = {"train.csv": _csv(train), "test.csv": _csv(test)}
        data = "{train: {csv: train.csv}, test: {csv: test.csv}}"
    labels = ", labels: values" if values else ""
    job = f"name: forest\nseed: {seed}\nmodel: {{kind: forest, trees: {trees}{labels}}}\ndata: {data}\n"
    forest = Run(job, 1, files)
    report = forest.report
    forest.close()
    return {figure: report["test"][figure], _SPEED: trees / report["seconds"]}


def _theirs(name: str, trees: int, seed: int = 0) -> Sample:
    _, values, _ = _SETS[name]
    with tempfile.TemporaryDirectory(prefix="ebb_forest_") as folder:
        path = str(_FASHION)
        if name != "fashion":
            path = folder
            for part, rows in zip(("train", "test"), _split(name, seed)):
                np.save(Path(folder) / f"{part}.npy", rows)
        settings = {"folder": path, "values": values, "trees": trees, "seed": seed}
        return run([str(HERE / "forest_program.py"), json.dumps(settings)])


def contests(quick: bool = False) -> List[Contest]:
    every = []
    for name, (trees, values, figure) in _SETS.items():
        trees = trees // 10 if quick else trees
        source = {"fashion": _FASHION, "higgs-sample": _HIGGS}.get(name, _TABLES)
        missing = "" if source.is_dir() else f"no data in {source}"
        what = f"{name}, {trees} trees / RandomForest, one core"
        # Half a point. An R² of diabetes is 0.43, and 89 examples tell it.
        bound = at_least(0.988 if values else 0.995)
        every.append(
            Contest(
                f"forest-{name}",
                {
                    "ebb": functools.partial(_ours, name, trees),
                    "sklearn": functools.partial(_theirs, name, trees),
                },
                [
                    Comparison(what, figure, "ebb", "sklearn", bound, means=True),
                    Comparison(what, _SPEED, "ebb", "sklearn", at_least(1)),
                ],
                settings=f"{trees} trees",
                missing=missing,
                seeded=True,
                least_rounds=10 if values and not quick else 1,
            )
        )
    return every
