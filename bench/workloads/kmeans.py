"""K-Means beside scikit-learn's: the same rounds, how long one takes, and steps of mini-batches."""

import functools
import gzip
import json
import os
import statistics
import struct
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import numpy as np

from figures import Comparison, Contest, Sample, at_most
from processes import run
from runs import Run, ebb, fast_products

TITLE = "K-Means"
HERE = Path(__file__).resolve().parent
_FASHION = "/usr/share/datasets/fashion-mnist"
_ROUNDS = 10
_ROUND, _INERTIA = "s a round", "inertia"
_DIFFERENCE, _OTHERS = "relative difference", "share of examples"


class Data:
    """Examples, as an array and as a job names them.

    source: the value of ``data.train``; its paths are absolute, or in ``files``.
    """

    def __init__(self, array: np.ndarray, source: str, files: Dict[str, bytes]) -> None:
        self.array, self.source, self.files = array, source, files

    def first(self, clusters: int, seed: int) -> np.ndarray:
        """The centroids to begin with: examples, each moved a little towards another.

        Examples of whole numbers may be as near to one example as to another,
        and scikit-learn's rounding then decides.
        """
        rows = np.random.RandomState(seed).choice(len(self.array), (2, clusters), replace=False)
        return (0.9 * self.array[rows[0]] + 0.1 * self.array[rows[1]]).astype(np.float32)


@functools.lru_cache(maxsize=1)
def _fashion() -> Data:
    with gzip.open(f"{_FASHION}/train-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    array = pixels.astype(np.float32) * np.float32(1 / 255)
    return Data(array, f"{{idx: {_FASHION}/train, scale: 1/255}}", {})


def _npy(array: np.ndarray) -> bytes:
    with tempfile.TemporaryFile() as file:
        np.save(file, array)
        file.seek(0)
        return file.read()


@functools.lru_cache(maxsize=1)
def _digits() -> Data:
    from sklearn.datasets import load_digits

    array = load_digits().data.astype(np.float32)
    return Data(array, "{npy: {features: digits.npy}}", {"digits.npy": _npy(array)})


@functools.lru_cache(maxsize=1)
def _clusters() -> Data:
    with tempfile.TemporaryDirectory(prefix="ebb_workloads_") as folder:
        words = "generate clusters points --rows 200000 --test-rows 0 --dimensions 32 --clusters 20"
        ebb(*words.split(), folder=Path(folder))
        data = (Path(folder) / "points.train.csv").read_bytes()
    rows = np.loadtxt(data.decode().splitlines()[1:], np.float32, delimiter=",")
    return Data(rows[:, :-1].copy(), "{csv: points.csv}", {"points.csv": data})


def _safetensors(centroids: np.ndarray) -> bytes:
    data = centroids.astype("<f4").tobytes()
    header = {"dtype": "F32", "shape": list(centroids.shape), "data_offsets": [0, len(data)]}
    text = json.dumps({"centroids": header}).encode()
    return struct.pack("<Q", len(text)) + text + data


def _centroids(path: Path) -> np.ndarray:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    found = json.loads(data[8 : 8 + size])["centroids"]
    begin, end = found["data_offsets"]
    values = np.frombuffer(data[8 + size + begin : 8 + size + end], "<f4")
    return values.reshape(found["shape"])


def _job(data: Data, clusters: int, first: np.ndarray, more: str) -> Tuple[str, Dict[str, bytes]]:
    text = (
        f"name: measured\nmodel: {{kind: kmeans, clusters: {clusters}, initial: first.safetensors}}\n"
        f"data: {{train: {data.source}}}\n{more}\n"
    )
    return text, {**data.files, "first.safetensors": _safetensors(first)}


def _nearest(array: np.ndarray, centroids: np.ndarray) -> Tuple[np.ndarray, float]:
    """The nearest of each, and the inertia."""
    labels, inertia = [], 0.0
    wide = centroids.astype(np.float64)
    for begin in range(0, len(array), 4096):
        block = array[begin : begin + 4096].astype(np.float64)
        squares = (block**2).sum(1)[:, None] - 2 * block @ wide.T + (wide**2).sum(1)
        labels.append(squares.argmin(1))
        inertia += squares.min(1).sum()
    return np.concatenate(labels), float(inertia)


def _sklearn(load: Callable[[], Data], clusters: int, what: str, seed: int = 1) -> Dict[str, Any]:
    data = load()
    with tempfile.TemporaryDirectory(prefix="ebb_workloads_") as folder:
        np.save(f"{folder}/examples.npy", data.array)
        np.save(f"{folder}/first.npy", data.first(clusters, seed))
        return run([str(HERE / "kmeans_program.py"), what, folder, str(_ROUNDS)], fast_products())


@functools.lru_cache(maxsize=3)
def _reference(load: Callable[[], Data], clusters: int) -> Dict[str, Any]:
    return _sklearn(load, clusters, "rounds")


def _ebb(load: Callable[[], Data], clusters: int) -> Sample:
    data = load()
    algorithm = f"algorithm: {{tolerance: 0, max_rounds: {_ROUNDS}}}"
    made = Run(*_with_workers(_job(data, clusters, data.first(clusters, 1), algorithm), 1))
    try:
        size = len(data.array)
        inertias = [mean * size for mean in made.report["training_loss"]]
        labels, last = _nearest(data.array, _centroids(made.tensors()))
        seconds = made.round_seconds()
    finally:
        made.close()
    theirs = _reference(load, clusters)
    # The first is that of the centroids to begin with, which scikit-learn does not say.
    ours = inertias[1:] + [last]
    differences = [abs(a / b - 1) for a, b in zip(ours, theirs["inertias"])]
    others = float((labels != np.array(theirs["labels"])).mean())
    return {_ROUND: statistics.median(seconds), _DIFFERENCE: max(differences), _OTHERS: others}


def _with_workers(
    job: Tuple[str, Dict[str, bytes]], workers: int
) -> Tuple[str, int, Dict[str, bytes]]:
    return job[0], workers, job[1]


def _mini_batch(seed: int) -> Sample:
    data = _fashion()
    more = "algorithm: mini_batch\ntrain: {epochs: 5, batch: 1024}"
    made = Run(*_with_workers(_job(data, 10, data.first(10, seed), more), 4))
    try:
        return {_INERTIA: _nearest(data.array, _centroids(made.tensors()))[1]}
    finally:
        made.close()


def _sklearn_mini_batch(seed: int) -> Sample:
    found = _sklearn(_fashion, 10, "mini_batch", seed)
    return {_INERTIA: _nearest(_fashion().array, np.array(found["centroids"]))[1]}


def _rounds(name: str, title: str, load: Callable[[], Data], clusters: int, timed: bool) -> Contest:
    bound = at_most(1.3) if timed else None
    return Contest(
        name,
        {
            "ebb": functools.partial(_ebb, load, clusters),
            "sklearn": functools.partial(_sklearn, load, clusters, "seconds"),
        },
        [
            Comparison(f"{title}, 1 worker / scikit-learn", _ROUND, "ebb", "sklearn", bound),
            Comparison(f"{title}: inertia after each of {_ROUNDS} rounds", _DIFFERENCE, "ebb", bound=at_most(1e-4)),
            Comparison(f"{title}: another cluster after {_ROUNDS} rounds", _OTHERS, "ebb", bound=at_most(1e-4)),
        ],
        settings=f"{clusters} clusters",
    )


def contests(quick: bool) -> List[Contest]:
    missing = "" if os.path.isdir(_FASHION) else "apt-get install dataset-fashion-mnist"
    fashion = _rounds("kmeans-fashion", "Fashion-MNIST, k = 10", _fashion, 10, True)
    mini = Contest(
        "kmeans-mini-batch",
        {"ebb": _mini_batch, "sklearn": _sklearn_mini_batch},
        [
            Comparison(
                "Fashion-MNIST, mini_batch, 5 epochs, 4 workers / MiniBatchKMeans",
                _INERTIA,
                "ebb",
                "sklearn",
                at_most(1.05),
                means=True,
            )
        ],
        missing=missing,
        seeded=True,
    )
    every = [
        Contest(**{**vars(fashion), "missing": missing}),
        _rounds("kmeans-digits", "digits, k = 10", _digits, 10, False),
        _rounds("kmeans-clusters", "generated, 200,000 × 32, k = 20", _clusters, 20, True),
        _rounds("kmeans-few", "generated, 200,000 × 32, k = 10", _clusters, 10, True),
        mini,
    ]
    return [one for one in every if not quick or one.name == "kmeans-digits"]
