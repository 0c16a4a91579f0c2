"""Perceptrons with hidden layers, trained in rounds."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import numpy as np
from sklearn.utils.extmath import safe_sparse_dot

from ebb.sklearn._base import (
    Classifier,
    Estimator,
    Regressor,
    check_choice,
    check_count,
    check_number,
    lbfgs_job,
    refuse,
    rounds,
    sigmoid,
)
from ebb.sklearn._data import Numbers


def _relu(scores: Numbers) -> Numbers:
    positive: Numbers = np.maximum(scores, 0)
    return positive


_ACTIVATIONS: Dict[str, Callable[[Numbers], Numbers]] = {
    "relu": _relu,
    "tanh": np.tanh,
    "logistic": sigmoid,
}
# The name of each in a job file.
_ACTIVATION_KEYS = {"relu": "relu", "tanh": "tanh", "logistic": "sigmoid"}
# Products of a round from which it is worth while to divide it.
_DIVIDED_FROM = 4_000_000


def _pieces(batch: int, workers: int) -> int:
    """Returns for how many workers at most a step of the batch has equal parts.

    Parts that are rounded up would make a larger step.
    """
    return next(n for n in range(min(workers, batch), 0, -1) if batch % n == 0)


class _Perceptron(Estimator):
    _words = {
        "model.layers": "hidden_layer_sizes",
        "optimizer.kind": "solver",
        "optimizer.rate": "learning_rate_init",
    }

    coefs_: List[Numbers]
    intercepts_: List[Numbers]

    def __init__(
        self,
        hidden_layer_sizes: Union[int, Sequence[int]] = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Union[int, str] = "auto",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        n_workers: int = 2,
        n_servers: int = 1,
        scheduler: Optional[str] = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.n_workers = n_workers
        self.n_servers = n_servers
        self.scheduler = scheduler
        self.random_state = random_state
        self.verbose = verbose

    def _learn(self, X: Any, labels: Numbers, outputs: int) -> None:
        hidden = self._hidden()
        layers = [X.shape[1], *hidden, outputs]
        job = self._job(X, layers)
        job["model"] = {
            "kind": "mlp",
            "layers": layers,
            "activation": _ACTIVATION_KEYS[self.activation],
            "l2": job.pop("l2"),
        }
        result = self._run(X, labels, job)
        about = result.model["layers"]
        self.coefs_ = [result.tensors[layer["weights"]] for layer in about]
        self.intercepts_ = [result.tensors[layer["bias"]] for layer in about]
        self.n_layers_ = len(layers)
        self.n_outputs_ = outputs
        self.loss_curve_ = result.losses
        self.loss_ = result.losses[-1] if result.losses else float("nan")

    def _hidden(self) -> List[int]:
        sizes = self.hidden_layer_sizes
        hidden = [sizes] if isinstance(sizes, (int, np.integer)) else list(sizes)
        for size in hidden:
            check_count("hidden_layer_sizes", size)
        if not hidden:
            raise ValueError(
                "hidden_layer_sizes is empty: name a size, or take "
                "LogisticRegression or Ridge"
            )
        return [int(size) for size in hidden]

    def _job(self, X: Any, layers: List[int]) -> Dict[str, Any]:
        check_choice("activation", self.activation, tuple(_ACTIVATIONS))
        check_choice("solver", self.solver, ("adam", "sgd", "lbfgs"))
        check_number("alpha", self.alpha)
        check_number("learning_rate_init", self.learning_rate_init, 1e-30)
        check_count("max_iter", self.max_iter)
        rows = X.shape[0]
        weights = sum(a * b for a, b in zip(layers, layers[1:]))
        if self.solver == "lbfgs":
            job = lbfgs_job(X, weights, self.max_iter, self.n_workers)
            job["l2"] = self.alpha / rows
            return job
        batch = 200
        if self.batch_size != "auto":
            check_count("batch_size", self.batch_size)
            batch = int(self.batch_size)
        batch = min(batch, rows)
        workers = self.n_workers if batch * weights >= _DIVIDED_FROM else 1
        piece = batch // _pieces(batch, workers)
        optimizer: Dict[str, Any] = {"kind": "adam", "rate": self.learning_rate_init}
        if self.solver == "sgd":
            optimizer["kind"] = "nesterov"
        return {
            "l2": self.alpha / batch,
            "optimizer": optimizer,
            "algorithm": {"kind": "sgd"},
            "train": {
                "epochs": int(self.max_iter),
                "batch": piece,
                "item_examples": piece,
            },
            "consistency": rounds(batch, weights),
            "workers": {"max": batch // piece},
        }

    def _scores(self, X: Any) -> Numbers:
        act = _ACTIVATIONS[self.activation]
        last = len(self.coefs_) - 1
        for i, (weights, bias) in enumerate(zip(self.coefs_, self.intercepts_)):
            X = safe_sparse_dot(X, weights, dense_output=True) + bias
            X = act(X) if i < last else X
        scores: Numbers = X
        return scores


class MLPClassifier(_Perceptron, Classifier):
    """A perceptron with hidden layers that tells classes apart.

    Workers share each batch, and servers step when it is whole (rounds), so two
    fits give the same bits. Scale the features first, for example by a
    StandardScaler.

    hidden_layer_sizes: the units of each hidden layer.
    activation: relu, tanh or logistic.
    solver: adam, sgd (with Nesterov's momentum) or lbfgs (a pass is a trial).
    alpha: the weight of half the squared weights, beside the sum of the losses
        of a batch.
    batch_size: examples of a step; "auto": 200, or all if there are fewer.
    max_iter: passes over the data. All of them are made.

    The other arguments are those of LogisticRegression.
    """

    def fit(self, X: Any, y: Any, **unsupported: Any) -> "MLPClassifier":
        """Learns from the rows of X and their classes. Blocks."""
        refuse(unsupported)
        X, labels = self._begin(X, y)
        classes = len(self.classes_)
        self._learn(X, labels, 1 if classes == 2 else classes)
        self.out_activation_ = "logistic" if classes == 2 else "softmax"
        self._warn_if_it_learned_nothing()
        return self


class MLPRegressor(_Perceptron, Regressor):
    """A perceptron with hidden layers that predicts values.

    The arguments are those of MLPClassifier. Two fits give the same bits.
    """

    # Labels of two values, standardised, are -1 and 1: classes.
    _stretch = 1.01

    def fit(self, X: Any, y: Any, **unsupported: Any) -> "MLPRegressor":
        """Learns from the rows of X and their values. Blocks."""
        refuse(unsupported)
        X, labels = self._begin(X, y)
        self._learn(X, labels, 1)
        self.out_activation_ = "identity"
        self._warn_if_it_learned_nothing()
        return self
