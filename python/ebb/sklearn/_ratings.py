"""Matrix factorisation: ratings of items by users."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import numpy as np
from scipy import sparse

from ebb.sklearn import _data
from ebb.sklearn._base import Regressor, check_count, refuse
from ebb.sklearn._data import Numbers
from ebb.sklearn._factors import dense_of, divide
from ebb.sklearn._linear import sgd_job

# All whole numbers below are floats of 64 bits.
_MOST_NUMBER = float(2**53)


class MatrixFactorization(Regressor):
    """Predicts how a user rates an item, from pairs of a user and an item (Koren 2009).

    The rows of X are pairs: the number of a user, and that of an item. Numbers are
    whole, not negative, and may have gaps. It learns a bias and a factor of `rank`
    numbers for each. A user or an item that was not in training has none, so the
    mean and the other's bias predict. Workers do not wait for each other, so two
    fits differ slightly.

    rank: the length of a factor.
    alpha: the weight of the squares of factors and biases.

    The other arguments are those of SGDRegressor.
    """

    _repeats = False
    _words = {"/ratings.txt": "X", "model.rank": "rank"}

    users_: Numbers
    items_: Numbers
    user_biases_: Numbers
    item_biases_: Numbers
    user_factors_: Numbers
    item_factors_: Numbers
    intercept_: float

    def __init__(
        self,
        rank: int = 16,
        *,
        alpha: float = 0.1,
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

    def fit(self, X: Any, y: Any, **unsupported: Any) -> "MatrixFactorization":
        """Learns from pairs of a user and an item, and their ratings. Blocks."""
        refuse(unsupported)
        X, ratings = self._begin(X, y)
        check_count("rank", self.rank)
        job = sgd_job(self, len(ratings))
        users, items = _pairs(X)
        self.users_, user = np.unique(users, return_inverse=True)
        self.items_, item = np.unique(items, return_inverse=True)
        first = len(self.users_)  # Keys of users go before those of items.
        job["model"] = {
            "kind": "matrix_factorisation",
            "rank": int(self.rank),
            "l2": self.alpha,
        }
        keys = first + len(self.items_)
        divide(job, keys, self.rank, self.n_servers)
        result = self._run_over(
            lambda folder: _data.write_pairs(folder, user, first + item, ratings), job
        )
        biases, factors = (
            dense_of(result.tensors, table, keys)
            for table in result.model["tables"]
        )
        self.user_biases_, self.item_biases_ = biases[:first, 0], biases[first:, 0]
        self.user_factors_, self.item_factors_ = factors[:first], factors[first:]
        self.intercept_ = float(result.tensors["bias"][0])
        self._warn_if_it_learned_nothing()
        return self

    def _scores(self, X: Any) -> Numbers:
        users, items = _pairs(X)
        user, knows_user = _places(self.users_, users)
        item, knows_item = _places(self.items_, items)
        pairs = (self.user_factors_[user] * self.item_factors_[item]).sum(axis=1)
        scores: Numbers = (
            self.intercept_
            + self.user_biases_[user] * knows_user
            + self.item_biases_[item] * knows_item
            + pairs * (knows_user & knows_item)
        )
        return scores[:, None]


def _pairs(X: Any) -> Tuple[Numbers, Numbers]:
    """Returns the numbers of users and items. Raises ValueError for other rows."""
    if sparse.issparse(X):
        raise ValueError("X is a sparse matrix; pairs of a user and an item are dense")
    if X.shape[1] != 2:
        raise ValueError(
            f"X has {X.shape[1]} columns; it must have 2: the number of a user, and that "
            "of an item"
        )
    whole = (X == np.floor(X)) & (X >= 0) & (X < _MOST_NUMBER)
    if not whole.all():
        row = int(np.argmin(whole.all(axis=1)))
        raise ValueError(
            f"row {row} of X is {X[row].tolist()}; users and items are whole numbers, and "
            "not negative, and below 2^53: sklearn.preprocessing.OrdinalEncoder makes "
            "some of texts and of larger numbers"
        )
    return X[:, 0].astype(np.int64), X[:, 1].astype(np.int64)


def _places(known: Numbers, numbers: Numbers) -> Tuple[Numbers, Numbers]:
    """Returns where numbers stand in a sorted array, and which of them are there."""
    places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return places, known[places] == numbers
