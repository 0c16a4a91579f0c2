"""Times fits: "iris", or "logistic ebb FILE" and "logistic sklearn FILE".

It prints one line of JSON.
"""

import json
import sys
import time

import numpy as np
import sklearn.datasets
import sklearn.linear_model

import ebb.sklearn

_C = 1.0


def timed(estimator, x, y):
    begin = time.perf_counter()
    estimator.fit(x, y)
    return time.perf_counter() - begin


def objective(model, x, y):
    """Returns what both minimise."""
    margin = (2 * y - 1) * (x @ model.coef_.ravel() + model.intercept_[0])
    return float(_C * np.logaddexp(0, -margin).sum() + 0.5 * (model.coef_**2).sum())


def logistic(who, path):
    x, y = sklearn.datasets.load_svmlight_file(path, n_features=123)
    y = (y > 0).astype(int)
    if who == "ebb":
        warm = ebb.sklearn.LogisticRegression(n_workers=2)
        warm.fit(x[:500], y[:500])  # Starts the cluster.
        model = ebb.sklearn.LogisticRegression(C=_C, n_workers=2)
    else:
        model = sklearn.linear_model.LogisticRegression(C=_C, max_iter=1000)
    return {"s": timed(model, x, y), "objective": objective(model, x, y)}


def iris():
    x, y = sklearn.datasets.load_iris(return_X_y=True)
    cold = timed(ebb.sklearn.LogisticRegression(), x, y)
    warm = [timed(ebb.sklearn.LogisticRegression(), x, y) for _ in range(5)]
    return {"s, cold": cold, "s, warm": sorted(warm)[2]}


if __name__ == "__main__":
    print(json.dumps(iris() if sys.argv[1] == "iris" else logistic(*sys.argv[2:])))
