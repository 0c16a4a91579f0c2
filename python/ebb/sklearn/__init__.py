"""Estimators of scikit-learn's kind that ebb's workers and servers train.

    from ebb.sklearn import LogisticRegression

    clf = LogisticRegression(C=1.0, n_workers=4).fit(X, y)

They take NumPy arrays, pandas frames and scipy.sparse matrices, and go where
scikit-learn's own estimators go: pipelines, grid searches, cross-validation. A
fit is an ordinary job of ebb on one local cluster, which starts at the first
fit, serves all of them, and ends after a minute without one. With
``scheduler="HOST:PORT"`` a fit is a job of that cluster.
"""

from __future__ import annotations

from ebb import packages as _packages

for _module in ("numpy", "scipy", "sklearn"):
    _packages.need(_module, "ebb.sklearn")

from ebb.sklearn._base import Fit as Fit
from ebb.sklearn._factors import FMClassifier as FMClassifier
from ebb.sklearn._factors import FMRegressor as FMRegressor
from ebb.sklearn._forest import RandomForestClassifier as RandomForestClassifier
from ebb.sklearn._forest import RandomForestRegressor as RandomForestRegressor
from ebb.sklearn._kmeans import KMeans as KMeans
from ebb.sklearn._linear import LinearRegression as LinearRegression
from ebb.sklearn._linear import LogisticRegression as LogisticRegression
from ebb.sklearn._linear import Ridge as Ridge
from ebb.sklearn._linear import SGDClassifier as SGDClassifier
from ebb.sklearn._linear import SGDRegressor as SGDRegressor
from ebb.sklearn._perceptron import MLPClassifier as MLPClassifier
from ebb.sklearn._perceptron import MLPRegressor as MLPRegressor
from ebb.sklearn._ratings import MatrixFactorization as MatrixFactorization

__all__ = [
    "FMClassifier",
    "FMRegressor",
    "Fit",
    "KMeans",
    "LinearRegression",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "MatrixFactorization",
    "RandomForestClassifier",
    "RandomForestRegressor",
    "Ridge",
    "SGDClassifier",
    "SGDRegressor",
]
