"""K-Means: rounds of many workers, or runs of one worker each."""

from __future__ import annotations

import os
import warnings
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

import numpy as np
from scipy import sparse
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_array, check_random_state, gen_batches
from sklearn.utils.extmath import row_norms
from sklearn.utils.validation import check_is_fitted

from ebb import tensors
from ebb.sklearn import _data
from ebb.sklearn._base import (
    Estimator,
    centre_of,
    check_count,
    check_number,
    divided,
    refuse,
    rounds,
)
from ebb.sklearn._data import Numbers, Unit

# How the servers' job calls them.
_SEEDINGS = {"k-means++": "plus_plus", "k-means||": "parallel"}
_RANDOM = "random"
_RUNS_OF_RANDOM = 10
# The median of so many rows is near enough to that of all.
_ROWS_OF_MEDIAN = 10_000
# Distances that are computed at once.
_CHUNK_BYTES = 8 << 20


class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, Estimator):
    """K-Means by Lloyd's rounds. Two fits give the same bits.

    n_clusters: how many clusters to find.
    init: how the first centroids are chosen: "k-means++", "k-means||" (which looks
        at all data; Bahmani et al. 2012), "random" (rows of X), or an array of
        (n_clusters, n_features).
    n_init: runs from first centroids of their own. The run with the least inertia
        is the model. With an array there is one. "auto" makes 10 runs for "random",
        and otherwise one. Workers share several runs of k-means++ or k-means||.
        Each run is then a task of one worker.
    max_iter: rounds of a run, at most.
    tol: a run ends when a round lowers the inertia by at most this share of itself.

    The other arguments are those of LogisticRegression.
    """

    cluster_centers_: Numbers
    labels_: Numbers
    inertia_: float

    _words = {
        "/first.safetensors": "init",
        "algorithm.max_rounds": "max_iter",
        "algorithm.tolerance": "tol",
        "model.clusters": "n_clusters",
        "model.initial": "init",
        "model.restarts": "n_init",
        "model.seeding": "init",
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: Union[int, str] = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        n_workers: int = 2,
        n_servers: int = 1,
        scheduler: Optional[str] = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.n_workers = n_workers
        self.n_servers = n_servers
        self.scheduler = scheduler
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, **unsupported: Any) -> "KMeans":
        """Finds clusters of the rows of X. y is not looked at. Blocks."""
        refuse(unsupported)
        check_count("n_clusters", self.n_clusters)
        check_count("max_iter", self.max_iter)
        check_number("tol", self.tol, below=1)
        if self.n_init != "auto":
            check_count("n_init", self.n_init)
        self._check_counts()
        X = self._validated(X, reset=True)
        if X.shape[0] < self.n_clusters:
            raise ValueError(
                f"n_samples={X.shape[0]} should be >= n_clusters={self.n_clusters}"
            )
        best = None
        for first in self._starts(X):
            centres, iterations = self._learn(X, first)
            labels, inertia = _nearest(X, centres)
            if best is None or inertia < best[2]:
                best = (centres, labels, inertia, iterations, self.job_)
        assert best is not None
        self.n_iter_, self.job_ = best[3:]
        self.cluster_centers_ = _in_double(X, best[1], best[0])
        self.labels_, self.inertia_ = _nearest(X, self.cluster_centers_)
        found = len(np.unique(self.labels_))
        if found < self.n_clusters:
            warnings.warn(
                f"only {found} of n_clusters={self.n_clusters} clusters have rows: X may "
                "have fewer different rows than that",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def predict(self, X: Any) -> Numbers:
        """The number of the nearest centroid of each row."""
        return self._of_rows(X)[0]

    def transform(self, X: Any) -> Numbers:
        """The distance of each row to each centroid, a column each."""
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        parts = [np.sqrt(some) for _, some in _squares(X, self.cluster_centers_)]
        return np.concatenate(parts)

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the sum of the squared distances of the rows to their centroids."""
        return -self._of_rows(X)[1]

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    def _of_rows(self, X: Any) -> Tuple[Numbers, float]:
        check_is_fitted(self)
        return _nearest(self._validated(X, reset=False), self.cluster_centers_)

    # --- The job ---------------------------------------------------------------

    def _starts(self, X: Any) -> List[Optional[Numbers]]:
        """The first centroids of each job; None: the job chooses."""
        if isinstance(self.init, str):
            if self.init in _SEEDINGS:
                return [None]
            if self.init == _RANDOM:
                random = check_random_state(self._seed())
                return [self._rows_of(X, random) for _ in range(self._runs())]
            choices = ", ".join([*_SEEDINGS, _RANDOM])
            raise ValueError(
                f"init={self.init!r}: it must be one of {choices}, or an array"
            )
        first = check_array(self.init, dtype=np.float64)
        shape = (self.n_clusters, X.shape[1])
        if first.shape != shape:
            raise ValueError(
                f"init has the shape {first.shape}; it must be (n_clusters, n_features), "
                f"which is {shape}"
            )
        return [first]

    def _runs(self) -> int:
        if self.n_init == "auto":
            return _RUNS_OF_RANDOM if self.init == _RANDOM else 1
        return int(self.n_init)

    def _rows_of(self, X: Any, random: Any) -> Numbers:
        chosen = random.choice(X.shape[0], self.n_clusters, replace=False)
        rows = X[chosen]
        dense: Numbers = rows.toarray() if _data.is_sparse(rows) else rows
        return dense.astype(np.float64)

    def _learn(self, X: Any, first: Optional[Numbers]) -> Tuple[Numbers, int]:
        """The centroids that a job finds, and in how many rounds."""
        # One unit for all columns: distances only change their unit.
        shift, unit = _middle_of(X)
        model: Dict[str, Any] = {"kind": "kmeans", "clusters": int(self.n_clusters)}
        job: Dict[str, Any] = {
            "model": model,
            "data": {"standardise": False},
            "algorithm": {
                "kind": "lloyd",
                "tolerance": float(self.tol),
                "max_rounds": int(self.max_iter),
            },
        }
        runs = self._runs() if first is None else 1
        if first is None:
            model["seeding"] = _SEEDINGS[self.init]
        if runs > 1:
            model["restarts"] = runs
            job["workers"] = {"max": min(int(self.n_workers), runs)}
        else:
            job.update(divided(X, self.n_workers))
            weights = int(self.n_clusters) * (X.shape[1] + 1)
            job["consistency"] = rounds("epoch", weights)

        def write(folder: str) -> Dict[str, Any]:
            if first is not None:
                model["initial"] = _write_first(folder, first, shift, unit)
            return {"npy": _data.write_matrix(folder, X, shift, unit)}

        result = self._run_over(write, job)
        centres = result.tensors["centroids"].astype(np.float64) * unit + shift
        if runs > 1:
            return centres, int(result.model["runs"]["best"]["rounds"])
        return centres, result.epochs


def _middle_of(X: Any) -> Tuple[Unit, float]:
    """The median of each column, and the deviation of all columns together.

    An outlier moves the mean far from the other rows, and float32 keeps fewer of
    their digits there. Sparse matrices keep their zeros: the median is 0 for them.
    """
    shift, unit = centre_of(X)
    if _data.is_sparse(X):
        return shift, unit
    some = X[:: max(1, X.shape[0] // _ROWS_OF_MEDIAN)]
    return np.median(some, axis=0).astype(np.float64), unit


def _write_first(folder: str, first: Numbers, shift: Unit, unit: float) -> str:
    """Writes the values that a job begins with; returns the path of the file."""
    path = os.path.join(folder, "first.safetensors")
    tensors.save({"centroids": ((first - shift) / unit).astype(np.float32)}, path)
    return path


def _squares(X: Any, centres: Numbers) -> Iterator[Tuple[slice, Numbers]]:
    """Yields rows, and their squared distances to each of the centroids."""
    row_bytes = 8 * (X.shape[1] + len(centres))
    # Sparse rows keep their zeros. Far from 0 dense ones would lose digits.
    shift: Unit = 0.0 if _data.is_sparse(X) else centres.mean(axis=0)
    near = centres - shift
    of_centres = (near**2).sum(axis=1)
    for part in gen_batches(X.shape[0], max(1, _CHUNK_BYTES // row_bytes)):
        rows = X[part] if _data.is_sparse(X) else X[part] - shift
        squares = euclidean_distances(rows, near, squared=True)
        lengths = row_norms(rows, squared=True)[:, None] + of_centres
        _compute_near(squares, lengths, X[part], centres)
        yield part, squares


def _compute_near(
    squares: Numbers, lengths: Numbers, rows: Any, centres: Numbers
) -> None:
    """Computes those anew that are small beside ``lengths``, the squares of which
    they are differences: the sum of such squares is mostly rounding."""
    # Fewer than 10 of the 16 digits are left below that.
    of_row, of_centre = np.nonzero(squares < 1e-6 * lengths)
    if len(of_row) == 0:  # gen_batches takes no 0 from scikit-learn 1.9 on.
        return
    for some in gen_batches(len(of_row), max(1, _CHUNK_BYTES // (8 * rows.shape[1]))):
        near = rows[of_row[some]]
        if _data.is_sparse(near):
            near = near.toarray()
        difference = near - centres[of_centre[some]]
        squares[of_row[some], of_centre[some]] = (difference**2).sum(axis=1)


def _in_double(X: Any, labels: Numbers, centres: Numbers) -> Numbers:
    """The centroids with the digits of X: servers keep those of float32.

    A number becomes the mean of its rows if no more than rounding is between them.
    So a run that ended before its centroids stood still keeps them.
    """
    sums = np.zeros(centres.shape)
    for part in gen_batches(X.shape[0], max(1, _CHUNK_BYTES // (8 * X.shape[1]))):
        of_part = labels[part]
        places = (of_part, np.arange(len(of_part)))
        members = sparse.csr_matrix(
            (np.ones(len(of_part)), places), (len(centres), len(of_part))
        )
        rows = members @ X[part]
        sums += rows.toarray() if _data.is_sparse(rows) else rows
    counts = np.bincount(labels, minlength=len(centres))[:, None]
    means = sums / np.maximum(counts, 1)
    shift, _ = _middle_of(X)
    # The rows and the centroid are rounded once each, around the shift.
    rounding = 2 * np.finfo(np.float32).eps * np.abs(centres - shift)
    near = (counts > 0) & (np.abs(means - centres) <= rounding)
    return np.where(near, means, centres)


def _nearest(X: Any, centres: Numbers) -> Tuple[Numbers, float]:
    """The number of the nearest centroid of each row, and the inertia."""
    labels = np.empty(X.shape[0], np.int32)
    inertia = 0.0
    for part, squares in _squares(X, centres):
        labels[part] = squares.argmin(axis=1)
        inertia += float(squares.min(axis=1).sum())
    return labels, inertia
