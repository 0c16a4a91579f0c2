"""Linear models: by L-BFGS on the servers, or by asynchronous SGD."""

from __future__ import annotations

from typing import Any, Dict, Optional

import numpy as np
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from ebb.sklearn import _data
from ebb.sklearn._base import (
    Classifier,
    Estimator,
    Regressor,
    centre_of,
    check_choice,
    check_count,
    check_number,
    lbfgs_job,
    refuse,
)
from ebb.sklearn._data import Numbers, Unit


class _LinearClassifier(Classifier):
    coef_: Numbers
    intercept_: Numbers

    def _scores(self, X: Any) -> Numbers:
        scores: Numbers = safe_sparse_dot(X, self.coef_.T, dense_output=True)
        return scores + self.intercept_

    def _kind(self) -> str:
        return "logistic" if len(self.classes_) == 2 else "softmax"

    def _keep(self, tensors: Dict[str, Any], shift: Unit, unit: Unit) -> None:
        weights = np.asarray(tensors["weights"], np.float64)
        self.coef_ = weights.T / unit
        self.intercept_ = tensors["bias"] - (self.coef_ * shift).sum(axis=1)


class _LinearRegressor(Regressor):
    coef_: Numbers
    intercept_: float

    def predict(self, X: Any) -> Numbers:
        """The value of each row."""
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        values: Numbers = safe_sparse_dot(X, self.coef_, dense_output=True)
        return values + self.intercept_

    def _keep(self, tensors: Dict[str, Any], shift: Unit, unit: Unit) -> None:
        weights = np.asarray(tensors["weights"], np.float64)[:, 0]
        self.coef_ = weights * self._unit / unit
        bias = float(tensors["bias"][0]) * self._unit + self._mean
        self.intercept_ = bias - float((self.coef_ * shift).sum())


# The estimators by L-BFGS call the keys of their jobs so.
_OF_LBFGS = {"algorithm.tolerance": "tol"}


class LogisticRegression(_LinearClassifier):
    """Logistic regression with L2, by L-BFGS on the servers.

    The objective is scikit-learn's: C times the sum of the losses, plus half the
    squared weights; more than two classes are multinomial. Two fits give the
    same bits.

    C: the inverse of the regularisation; numpy.inf: none.
    max_iter: passes over the data, at most.
    tol: the fit ends when the gradient is at most this share as long as at the
        start. A fit that max_iter ends warns if the loss still falls: by more than
        this share in the last tenth. A share is below 1.
    n_workers, n_servers: processes of the local cluster that take part.
    scheduler: HOST:PORT of a cluster to use instead.
    verbose: 1 prints the loss every few seconds.
    """

    _words = {**_OF_LBFGS, "model.l2": "C"}

    def __init__(
        self,
        C: float = 1.0,
        *,
        max_iter: int = 100,
        tol: float = 1e-4,
        n_workers: int = 2,
        n_servers: int = 1,
        scheduler: Optional[str] = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.C = C
        self.max_iter = max_iter
        self.tol = tol
        self.n_workers = n_workers
        self.n_servers = n_servers
        self.scheduler = scheduler
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, **unsupported: Any) -> "LogisticRegression":
        """Learns from the rows of X and their classes. Blocks."""
        refuse(unsupported)
        check_number("C", self.C, 1e-30)
        check_number("tol", self.tol, below=1)
        check_count("max_iter", self.max_iter)
        X, labels = self._begin(X, y)
        shift, unit = centre_of(X)
        l2 = 1 / (self.C * X.shape[0] * unit**2)
        weights = X.shape[1] * len(self.classes_)
        job = lbfgs_job(X, weights, self.max_iter, self.n_workers, self.tol)
        job["model"] = {"kind": self._kind(), "l2": l2}
        result = self._run(X, labels, job, shift=shift, unit=unit)
        self._keep(result.tensors, shift, unit)
        self._warn_if_it_still_falls(self.tol, self.max_iter)
        return self


class Ridge(_LinearRegressor):
    """Least squares with L2, by L-BFGS on the servers.

    alpha: the weight of the squared coefficients, beside the sum of the squared
        errors.

    The other arguments are those of LogisticRegression. Two fits give the same
    bits.
    """

    _words = _OF_LBFGS

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        max_iter: int = 100,
        tol: float = 1e-4,
        n_workers: int = 2,
        n_servers: int = 1,
        scheduler: Optional[str] = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.n_workers = n_workers
        self.n_servers = n_servers
        self.scheduler = scheduler
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, **unsupported: Any) -> "Ridge":
        """Learns from the rows of X and their values. Blocks."""
        refuse(unsupported)
        check_number("alpha", self.alpha)
        check_number("tol", self.tol, below=1)
        check_count("max_iter", self.max_iter)
        X, labels = self._begin(X, y)
        shift, unit = centre_of(X)
        job = lbfgs_job(X, X.shape[1], self.max_iter, self.n_workers, self.tol)
        l2 = self.alpha / (X.shape[0] * unit**2)
        job["model"] = {"kind": "linear", "l2": l2}
        result = self._run(X, labels, job, shift=shift, unit=unit)
        self._keep(result.tensors, shift, unit)
        self._warn_if_it_still_falls(self.tol, self.max_iter)
        return self


class LinearRegression(_LinearRegressor):
    """Least squares, by L-BFGS on the servers.

    The arguments are those of LogisticRegression. Two fits give the same bits.
    """

    _words = _OF_LBFGS

    def __init__(
        self,
        *,
        max_iter: int = 100,
        tol: float = 1e-4,
        n_workers: int = 2,
        n_servers: int = 1,
        scheduler: Optional[str] = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.n_workers = n_workers
        self.n_servers = n_servers
        self.scheduler = scheduler
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, **unsupported: Any) -> "LinearRegression":
        """Learns from the rows of X and their values. Blocks."""
        refuse(unsupported)
        check_number("tol", self.tol, below=1)
        check_count("max_iter", self.max_iter)
        X, labels = self._begin(X, y)
        shift, unit = centre_of(X)
        scales: Unit = unit
        if not _data.is_sparse(X):
            # Without L2 each column may have a unit of its own.
            deviation = X.std(axis=0, dtype=np.float64)
            scales = np.where(deviation > 0, deviation, 1.0)
        job = lbfgs_job(X, X.shape[1], self.max_iter, self.n_workers, self.tol)
        job["model"] = {"kind": "linear", "l2": 0}
        result = self._run(X, labels, job, shift=shift, unit=scales)
        self._keep(result.tensors, shift, scales)
        self._warn_if_it_still_falls(self.tol, self.max_iter)
        return self


class _SGD(Estimator):
    """The arguments that the two by asynchronous SGD share."""

    _repeats = False

    def __init__(
        self,
        *,
        alpha: float = 0.0001,
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


class SGDClassifier(_SGD, _LinearClassifier):
    """Logistic regression with L2 by asynchronous SGD.

    Workers do not wait for each other, so two fits differ slightly. Scale the
    features first, for example by a StandardScaler.

    alpha: the weight of half the squared weights, beside the mean loss.
    optimizer: the servers' rule: adam, adagrad, sgd, momentum, nesterov, rmsprop.
    eta0: its rate. None: ebb chooses, for adam and rmsprop by the data.
    max_iter: passes over the data. None: ebb chooses by the number of rows.
    batch_size: examples of a gradient. None: ebb chooses.

    The other arguments are those of LogisticRegression.
    """

    def fit(self, X: Any, y: Any, **unsupported: Any) -> "SGDClassifier":
        """Learns from the rows of X and their classes. Blocks."""
        refuse(unsupported)
        X, labels = self._begin(X, y)
        job = sgd_job(self, X.shape[0])
        job["model"] = {"kind": self._kind(), "l2": self.alpha}
        result = self._run(X, labels, job)
        self._keep(result.tensors, 0.0, 1.0)
        self._warn_if_it_learned_nothing()
        return self


class SGDRegressor(_SGD, _LinearRegressor):
    """Least squares with L2 by asynchronous SGD.

    The arguments are those of SGDClassifier. Two fits differ slightly. Scale the
    features first.
    """

    def fit(self, X: Any, y: Any, **unsupported: Any) -> "SGDRegressor":
        """Learns from the rows of X and their values. Blocks."""
        refuse(unsupported)
        X, labels = self._begin(X, y)
        job = sgd_job(self, X.shape[0])
        job["model"] = {"kind": "linear", "l2": self.alpha}
        result = self._run(X, labels, job)
        self._keep(result.tensors, 0.0, 1.0)
        self._warn_if_it_learned_nothing()
        return self


OPTIMIZERS = ("adam", "adagrad", "sgd", "momentum", "nesterov", "rmsprop")


def sgd_job(estimator: Any, rows: int) -> Dict[str, Any]:
    """The keys of a job by asynchronous SGD, from an estimator's arguments."""
    check_number("alpha", estimator.alpha)
    check_choice("optimizer", estimator.optimizer, OPTIMIZERS)
    optimizer: Dict[str, Any] = {"kind": estimator.optimizer}
    train: Dict[str, Any] = {}
    if estimator.eta0 is not None:
        check_number("eta0", estimator.eta0, 1e-30)
        optimizer["rate"] = float(estimator.eta0)
    if estimator.max_iter is not None:
        check_count("max_iter", estimator.max_iter)
        train["epochs"] = int(estimator.max_iter)
    if estimator.batch_size is not None:
        check_count("batch_size", estimator.batch_size)
        train["batch"] = min(int(estimator.batch_size), rows)
    return {"optimizer": optimizer, "train": train}
