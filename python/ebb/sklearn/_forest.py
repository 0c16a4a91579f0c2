"""Random forests: each tree is a task of one worker."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Union

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ebb.sklearn._base import (
    Classifier,
    Estimator,
    Regressor,
    check_count,
    check_number,
    refuse,
)
from ebb.sklearn._data import Numbers

# The nodes of a tree have these, by the name of the tensor.
_OF_NODES = ("feature", "threshold", "left", "right", "value", "gain")


class _Forest(Estimator):
    """The parts that both share."""

    _takes_sparse = False
    _words = {
        "model.bootstrap": "bootstrap",
        "model.depth": "max_depth",
        "model.leaf_examples": "min_samples_leaf",
        "model.split_features": "max_features",
        "model.trees": "n_estimators",
    }

    n_estimators: int
    max_depth: Optional[int]
    min_samples_leaf: int
    max_features: Union[str, int, float, None]
    bootstrap: bool

    _trees: List[Dict[str, Numbers]]

    def _learn(self, X: Any, labels: Numbers, kind_of_labels: str) -> None:
        check_count("n_estimators", self.n_estimators)
        check_count("min_samples_leaf", self.min_samples_leaf)
        if X.shape[0] < 2 * self.min_samples_leaf:
            raise ValueError(
                f"n_samples={X.shape[0]} are too few for two leaves of "
                f"min_samples_leaf={self.min_samples_leaf}"
            )
        model: Dict[str, Any] = {
            "kind": "forest",
            "labels": kind_of_labels,
            "trees": int(self.n_estimators),
            "leaf_examples": int(self.min_samples_leaf),
            "split_features": self._split_features(X.shape[1]),
            "bootstrap": bool(self.bootstrap),
        }
        if self.max_depth is not None:
            check_count("max_depth", self.max_depth)
            model["depth"] = int(self.max_depth)
        # Splits go by the order of values alone, and float32 keeps more digits of
        # small ones.
        self._shift = X.mean(axis=0, dtype=np.float64)
        deviation = X.std(axis=0, dtype=np.float64)
        self._scale = np.where(deviation > 0, deviation, 1.0)
        job = {
            "model": model,
            "workers": {"max": int(min(self.n_workers, self.n_estimators))},
        }
        result = self._run(X, labels, job, shift=self._shift, unit=self._scale)
        del self.n_iter_  # All trees are made in one pass.
        starts = result.tensors["tree_starts"]
        self._trees = [
            {name: result.tensors[name][begin:end] for name in _OF_NODES}
            for begin, end in zip(starts[:-1], starts[1:])
        ]

    def _split_features(self, columns: int) -> int:
        wanted = self.max_features
        if wanted is None:
            return columns
        if isinstance(wanted, str):
            if wanted not in ("sqrt", "log2"):
                raise ValueError(
                    f"max_features={wanted!r}: it must be sqrt, log2, a number or None"
                )
            found = np.sqrt(columns) if wanted == "sqrt" else np.log2(columns)
            return max(1, int(found))
        if isinstance(wanted, (float, np.floating)):
            check_number("max_features", wanted)
            if not 0 < wanted <= 1:
                raise ValueError(f"max_features={wanted!r}: a share is above 0 and at most 1")
            return max(1, int(wanted * columns))
        check_count("max_features", wanted)
        return min(int(wanted), columns)

    def _votes(self, X: Any) -> Numbers:
        """The mean over the trees of what the leaves of each row have."""
        rows = ((X - self._shift) / self._scale).astype(np.float32)
        votes: Any = 0
        for tree in self._trees:
            value = tree["value"][_leaves(tree, rows)].astype(np.float64)
            if value.shape[1] > 1:
                value = value / value.sum(axis=1, keepdims=True)
            votes = votes + value
        mean: Numbers = votes / len(self._trees)
        return mean

    @property
    def feature_importances_(self) -> Numbers:
        """The share of each feature in what splits gain, a mean over the trees."""
        check_is_fitted(self)
        shares = np.zeros(self.n_features_in_)
        for tree in self._trees:
            inner = tree["feature"] >= 0
            gains = np.bincount(
                tree["feature"][inner], tree["gain"][inner], len(shares)
            )
            shares += gains / (gains.sum() or 1)
        found: Numbers = shares / (shares.sum() or 1)
        return found


def _leaves(tree: Dict[str, Numbers], rows: Numbers) -> Numbers:
    """The leaf into which each row falls."""
    at = np.zeros(len(rows), np.int64)
    going = np.arange(len(rows))  # The rows that are in no leaf yet.
    while True:
        going = going[tree["feature"][at[going]] >= 0]
        if not len(going):
            return at
        node = at[going]
        left = rows[going, tree["feature"][node]] <= tree["threshold"][node]
        at[going] = np.where(left, tree["left"][node], tree["right"][node])


class RandomForestClassifier(_Forest, Classifier):
    """A random forest for classes (Breiman 2001). Two fits give the same bits.

    The workers share the trees: each is made by one of them, of all data.

    n_estimators: the number of trees.
    max_depth: splits from the root to a leaf, at most. None: as many as there are.
    min_samples_leaf: the fewest different rows of a leaf.
    max_features: columns among which a split chooses: "sqrt", "log2", a number, a
        share, or None for all.
    bootstrap: whether each tree draws rows with replacement.

    The other arguments are those of LogisticRegression.
    """

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        max_depth: Optional[int] = None,
        min_samples_leaf: int = 1,
        max_features: Union[str, int, float, None] = "sqrt",
        bootstrap: bool = True,
        n_workers: int = 2,
        n_servers: int = 1,
        scheduler: Optional[str] = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.bootstrap = bootstrap
        self.n_workers = n_workers
        self.n_servers = n_servers
        self.scheduler = scheduler
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, **unsupported: Any) -> "RandomForestClassifier":
        """Learns from the rows of X and their classes. Blocks."""
        refuse(unsupported)
        X, labels = self._begin(X, y)
        self._learn(X, labels, "classes")
        return self

    def predict_proba(self, X: Any) -> Numbers:
        """The mean over the trees of the shares of the classes, a column each."""
        check_is_fitted(self)
        return self._votes(self._validated(X, reset=False))

    def _scores(self, X: Any) -> Numbers:
        votes = self._votes(X)
        return votes[:, 1:] - 0.5 if votes.shape[1] == 2 else votes


class RandomForestRegressor(_Forest, Regressor):
    """A random forest for values. Two fits give the same bits.

    The arguments are those of RandomForestClassifier.
    """

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        max_depth: Optional[int] = None,
        min_samples_leaf: int = 1,
        max_features: Union[str, int, float, None] = 1.0,
        bootstrap: bool = True,
        n_workers: int = 2,
        n_servers: int = 1,
        scheduler: Optional[str] = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.bootstrap = bootstrap
        self.n_workers = n_workers
        self.n_servers = n_servers
        self.scheduler = scheduler
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, **unsupported: Any) -> "RandomForestRegressor":
        """Learns from the rows of X and their values. Blocks."""
        refuse(unsupported)
        X, labels = self._begin(X, y)
        self._learn(X, labels, "values")
        return self

    def _scores(self, X: Any) -> Numbers:
        return self._votes(X)
