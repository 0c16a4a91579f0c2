"""Trains boosted trees: DATA ebb|xgboost FOLDER SEED. It prints one line of JSON.

Both have one thread, the same number of trees, levels and intervals, and the same
shrinkage and weights. XGBoost begins with the shares of the classes, as ebb does.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import sklearn.datasets
import sklearn.model_selection

TREES = {"digits": 40, "breast-cancer": 60, "a9a": 60, "fashion": 10}
DEPTH = {"digits": 4, "breast-cancer": 4, "a9a": 6, "fashion": 6}
BINS = {"digits": 16, "breast-cancer": 64, "a9a": 2, "fashion": 16}
SHRINKAGE, L2 = 0.3, 1.0


def divided(load, seed):
    x, y = load(return_X_y=True)
    train, test, of_train, of_test = sklearn.model_selection.train_test_split(
        x.astype(np.float32), y, test_size=0.3, random_state=seed, stratify=y
    )
    return train, of_train, test, of_test


def images(folder, part):
    def read(kind, skip):
        (path,) = Path(folder).glob(f"{part}-{kind}*")
        return np.frombuffer(gzip.open(path).read(), np.uint8, offset=skip)

    labels = read("labels", 8).astype(np.int64)
    return read("images", 16).reshape(len(labels), -1).astype(np.float32), labels


def data_of(name, folder, seed):
    if name == "digits":
        return divided(sklearn.datasets.load_digits, seed)
    if name == "breast-cancer":
        return divided(sklearn.datasets.load_breast_cancer, seed)
    if name == "fashion":
        return (*images(folder, "train"), *images(folder, "t10k"))
    parts = []
    for part in ("a9a", "a9a.t"):
        x, y = sklearn.datasets.load_svmlight_file(f"{folder}/{part}", n_features=123)
        parts += [x, (y > 0).astype(np.int64)]
    return tuple(parts)


def by_xgboost(name, data, seed):
    import xgboost

    train, of_train, test, of_test = data
    if hasattr(train, "toarray"):  # To XGBoost what is absent is missing.
        train, test = train.toarray(), test.toarray()
    classes = int(of_train.max()) + 1
    shares = np.bincount(of_train) / len(of_train)
    settings = {
        "tree_method": "hist",
        "max_depth": DEPTH[name],
        "max_bin": BINS[name],
        "eta": SHRINKAGE,
        "lambda": L2,
        "min_child_weight": 0,
        "nthread": 1,
        "seed": seed,
    }
    if classes == 2:
        settings.update(objective="binary:logistic", base_score=float(shares[1]))
    else:
        settings.update(objective="multi:softprob", num_class=classes)
    begin = time.perf_counter()
    matrix = xgboost.DMatrix(train, of_train)
    if classes > 2:
        matrix.set_base_margin(np.tile(np.log(shares), (len(of_train), 1)))
    model = xgboost.train(settings, matrix, TREES[name])
    seconds = time.perf_counter() - begin
    other = xgboost.DMatrix(test)
    if classes > 2:
        other.set_base_margin(np.tile(np.log(shares), (len(of_test), 1)))
    told = model.predict(other)
    told = told.argmax(axis=1) if classes > 2 else told > 0.5
    return {"s": seconds, "accuracy": float((told == of_test).mean())}


def write(folder, name, part, x, y):
    if hasattr(x, "toarray"):
        path = f"{name}-{part}.libsvm"
        sklearn.datasets.dump_svmlight_file(x, y, f"{folder}/{path}", zero_based=False)
        return f"{{libsvm: {{path: {path}, features: {x.shape[1]}}}}}"
    np.save(f"{folder}/{part}.features.npy", x.astype(np.float32))
    np.save(f"{folder}/{part}.labels.npy", y.astype(np.int64))
    return f"{{npy: {{features: {part}.features.npy, labels: {part}.labels.npy}}}}"


def by_ebb(name, data, seed):
    train, of_train, test, of_test = data
    with tempfile.TemporaryDirectory(prefix="ebb_boosted_") as folder:
        text = f"""
name: {name}
seed: {seed}
model: {{kind: boosted_trees, trees: {TREES[name]}, depth: {DEPTH[name]},
  bins: {BINS[name]}, shrinkage: {SHRINKAGE}, l2: {L2}}}
data: {{train: {write(folder, name, "train", train, of_train)},
  test: {write(folder, name, "test", test, of_test)}}}
evaluate: 100000 epochs
"""
        Path(folder, "job.yaml").write_text(text)
        ebb = os.path.join(os.environ.get("EBB_BIN", ""), "ebb")
        begin = time.perf_counter()
        done = subprocess.run(
            [ebb, "run", "job.yaml", "--workers", "1", "--servers", "1",
             "--report", "report.json", "--run-dir", "run"],
            cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        seconds = time.perf_counter() - begin
        if done.returncode != 0:
            raise RuntimeError(done.stdout)
        report = json.loads(Path(folder, "report.json").read_text())
    if not report["audit"]["exact"]:
        raise RuntimeError("the audit is not exact")
    return {
        "s": seconds,
        "accuracy": report["evaluations"][-1]["accuracy"],
        "rounds": report["epochs"],
    }


if __name__ == "__main__":
    NAME, WHO, FOLDER, SEED = sys.argv[1:]
    measure = by_ebb if WHO == "ebb" else by_xgboost
    print(json.dumps(measure(NAME, data_of(NAME, FOLDER, int(SEED)), int(SEED))))
