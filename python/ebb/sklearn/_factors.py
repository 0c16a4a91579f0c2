"""Factorisation machines over sparse tables."""

from __future__ import annotations

from typing import Any, Dict, Optional

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import safe_sparse_dot

from ebb.sklearn._base import Classifier, Estimator, Regressor, check_count, refuse
from ebb.sklearn._data import Numbers
from ebb.sklearn._linear import sgd_job


# A model of so few numbers is divided into few partitions: each of them is asked
# for its rows.
_FEW_NUMBERS = 1 << 16


def divide(job: Dict[str, Any], keys: int, rank: int, n_servers: int) -> None:
    """Names the partitions of a job whose keys have a number and a factor each."""
    if keys * (rank + 1) <= _FEW_NUMBERS:
        job["partitions"] = 4 * int(n_servers)


def dense_of(tensors: Dict[str, Any], table: Dict[str, str], keys: int) -> Numbers:
    """Returns the rows of keys 0, 1, ... of a table; zeros where there is none."""
    rows = tensors[table["rows"]].astype(np.float64)
    dense = np.zeros((keys, rows.shape[1]))
    dense[tensors[table["keys"]].astype(np.int64)] = rows
    return dense


class _Factors(Estimator):
    """The parts that both share. A column without a value in training counts as 0."""

    _repeats = False
    _words = {"model.rank": "rank"}

    coef_: Numbers
    factors_: Numbers
    intercept_: float

    def __init__(
        self,
        rank: int = 8,
        *,
        alpha: float = 0.0,
        optimizer: str = "adam",
        eta0: Optional[float] = None,
        max_iter: Optional[int] = None,
        batch_size: Optional[int] = None,
        n_workers: int = 2,
        n_servers: int = 1,
        scheduler: Optional[str] = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.rank = rank
        self.alpha = alpha
        self.optimizer = optimizer
        self.eta0 = eta0
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.n_workers = n_workers
        self.n_servers = n_servers
        self.scheduler = scheduler
        self.random_state = random_state
        self.verbose = verbose

    def _learn(self, X: Any, labels: Numbers, kind_of_labels: str) -> None:
        job = sgd_job(self, X.shape[0])
        check_count("rank", self.rank)
        job["model"] = {
            "kind": "fm",
            "rank": int(self.rank),
            "l2": self.alpha,
            "labels": kind_of_labels,
        }
        divide(job, X.shape[1], self.rank, self.n_servers)
        # Rows have no means to be standardised by.
        job["data"] = {}
        result = self._run(X, labels, job, keys=True)
        linear, factors = (
            dense_of(result.tensors, table, self.n_features_in_)
            for table in result.model["tables"]
        )
        self.coef_ = linear[:, 0]
        self.factors_ = factors
        self.intercept_ = float(result.tensors["bias"][0])

    def _scores(self, X: Any) -> Numbers:
        squares = X.multiply(X) if sparse.issparse(X) else X * X
        sums = safe_sparse_dot(X, self.factors_, dense_output=True)
        of_squares = safe_sparse_dot(squares, self.factors_**2, dense_output=True)
        pairs = (sums**2 - of_squares).sum(axis=1) / 2
        linear = safe_sparse_dot(X, self.coef_, dense_output=True)
        scores: Numbers = (linear + pairs + self.intercept_)[:, None]
        return scores


class FMClassifier(_Factors, Classifier):
    """A factorisation machine that tells two classes apart (Rendle 2010).

    It learns a weight for each column and a factor of `rank` numbers, whose
    products weigh all pairs of columns. Workers do not wait for each other, so
    two fits differ slightly.

    rank: the length of a factor.

    The other arguments are those of SGDClassifier.
    """

    _two_classes_only = True

    def fit(self, X: Any, y: Any, **unsupported: Any) -> "FMClassifier":
        """Learns from the rows of X and their classes. Blocks."""
        refuse(unsupported)
        X, labels = self._begin(X, y)
        self._learn(X, labels, "classes")
        self._warn_if_it_learned_nothing()
        return self


class FMRegressor(_Factors, Regressor):
    """A factorisation machine that predicts values (Rendle 2010).

    The arguments are those of FMClassifier. Two fits differ slightly.
    """

    def fit(self, X: Any, y: Any, **unsupported: Any) -> "FMRegressor":
        """Learns from the rows of X and their values. Blocks."""
        refuse(unsupported)
        X, labels = self._begin(X, y)
        self._learn(X, labels, "values")
        self._warn_if_it_learned_nothing()
        return self
