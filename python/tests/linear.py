"""A linear model in numpy, for tests: its data, its job and its gradient.

Run as a program, it computes a job until that is over:
    linear.py SCHEDULER JOB DATA.npz [SECONDS]
It sleeps so long in each batch.
"""

import sys
import time
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import numpy as np

FEATURES = 4


def make_data(folder: Path, count: int = 600) -> "Linear":
    random = np.random.default_rng(1)
    features = random.normal(size=(count, FEATURES)).astype(np.float32)
    labels = (features @ np.arange(1.0, FEATURES + 1) + 0.5).astype(np.float32)
    linear = Linear(features, labels)
    np.savez(folder / "data.npz", features=features, labels=labels)
    rows = np.column_stack([features, labels])
    np.savetxt(folder / "data.csv", rows, "%.9g", ",")
    return linear


def job(folder: Path, name: str = "linear", *, epochs: int = 3, **more: Any) -> Any:
    csv = {"path": str(folder / "data.csv"), "header": False}
    data: Dict[str, Any] = {
        "train": {"csv": csv},
        "standardise": False,
        "standardise_labels": False,
    }
    if more.pop("test", False):
        data["test"] = {"csv": csv}
    return {
        "name": name,
        "model": "linear",
        "data": data,
        "train": {"epochs": epochs, "batch": 16},
        "optimizer": {"kind": "sgd", "rate": 0.05},
        **more,
    }


class Linear:
    def __init__(self, features: np.ndarray, labels: np.ndarray) -> None:
        self.features = features
        self.labels = labels

    @classmethod
    def load(cls, path: str) -> "Linear":
        with np.load(path) as data:
            return cls(data["features"], data["labels"])

    def sums(
        self, values: np.ndarray, examples: Optional[np.ndarray] = None
    ) -> Tuple[np.ndarray, float]:
        """The sums of gradients and of losses over the examples; None: all."""
        chosen = slice(None) if examples is None else examples
        features = self.features[chosen]
        errors = features @ values[:FEATURES] + values[FEATURES] - self.labels[chosen]
        gradient = np.append(errors @ features, errors.sum())
        return gradient, float(errors @ errors) / 2


def main() -> None:
    import ebb

    scheduler, name, data, *seconds = sys.argv[1:]
    linear = Linear.load(data)
    for batch in ebb.join(scheduler, name):
        time.sleep(float(seconds[0]) if seconds else 0)
        batch.push(*linear.sums(batch.values, batch.examples))


if __name__ == "__main__":
    main()
