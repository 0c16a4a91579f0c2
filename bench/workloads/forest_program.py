"""The side of scikit-learn: forest_program.py SETTINGS, which are JSON."""

import gzip
import json
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import accuracy_score, r2_score


def idx(path):
    """Images and labels of the files whose names begin so."""
    with gzip.open(f"{path}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read()[16:], np.uint8)
    with gzip.open(f"{path}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read()[8:], np.uint8)
    return pixels.reshape(len(labels), -1).astype(np.float32), labels


def load(folder):
    parts = []
    for part, images in (("train", "train"), ("test", "t10k")):
        if (folder / f"{part}.npy").exists():
            rows = np.load(folder / f"{part}.npy")
            parts.append((rows[:, :-1].astype(np.float32), rows[:, -1]))
        else:
            parts.append(idx(folder / images))
    return parts


def main():
    settings = json.loads(sys.argv[1])
    (x, y), (test_x, test_y) = load(Path(settings["folder"]))
    how = {"n_jobs": 1, "random_state": settings["seed"]}
    kind = RandomForestRegressor if settings["values"] else RandomForestClassifier
    forest = kind(settings["trees"], **how)
    begin = time.perf_counter()
    forest.fit(x, y)
    seconds = time.perf_counter() - begin
    said = forest.predict(test_x)
    figure = (
        {"r2": r2_score(test_y, said)}
        if settings["values"]
        else {"accuracy": accuracy_score(test_y, said)}
    )
    print(json.dumps({**figure, "trees/s": settings["trees"] / seconds}))


if __name__ == "__main__":
    main()
