"""Small jobs for tests, with data that they write themselves."""

from pathlib import Path
from typing import Any, Dict

import numpy as np

CLASSES = 3
FEATURES = 4


def examples(count: int, seed: int = 1) -> "tuple[np.ndarray, np.ndarray]":
    """Examples of three classes, each round a corner."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    corners = 2.0 * np.eye(CLASSES, FEATURES)
    features = corners[labels] + random.normal(0, 0.5, (count, FEATURES))
    return np.round(features, 4), labels


def write_csv(path: Path, features: np.ndarray, labels: np.ndarray) -> None:
    with open(path, "w") as file:
        for row, label in zip(features, labels):
            file.write(",".join(f"{one:g}" for one in row) + f",{label}\n")


def small_job(folder: Path, *, epochs: int = 3, count: int = 600) -> Dict[str, Any]:
    write_csv(folder / "train.csv", *examples(count))
    write_csv(folder / "test.csv", *examples(200, seed=2))
    return {
        "name": "corners",
        "model": "softmax",
        "data": {
            "train": {"csv": str(folder / "train.csv")},
            "test": {"csv": str(folder / "test.csv")},
        },
        "train": {"epochs": epochs, "batch": 20},
        "optimizer": {"kind": "adam", "rate": 0.05},
    }


def long_job(folder: Path) -> Dict[str, Any]:
    """The same, for minutes."""
    job = small_job(folder, epochs=100000)
    del job["data"]["test"]
    return job
