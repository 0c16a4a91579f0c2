"""The parts that all estimators share: arguments, checks, and the job of a fit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from ebb.sklearn import _data, _runner
from ebb.sklearn._data import Numbers, Unit

# A batch of a pass has at most so many bytes of features.
_MOST_BATCH_BYTES = 8 << 20
# L-BFGS keeps so many steps, each with two vectors as long as the model: on a9a 30
# take a quarter fewer passes than 10.
_STEPS, _STEPS_OF_WIDE = 30, 10
_WIDE = 10_000  # Columns.
# With less data than this, a second worker costs more than it does.
_LEAST_PIECE_BYTES = 256 << 10
# Servers keep the values of so many rounds until they are durable. With few, each
# round waits for the disk, which takes several times as long as a small round.
_ROUNDS_IN_MEMORY, _BYTES_IN_MEMORY = 100, 16 << 20


@dataclass
class Fit:
    """The job that a fit was: what ``job_`` of a fitted estimator holds."""

    name: str
    #: HOST:PORT of the cluster; None: that of the process.
    scheduler: Optional[str]
    #: The mean loss of each epoch. With lbfgs it is the objective of each
    #: trial.
    losses: List[float]
    #: Seconds of each part of the fit: write, submit, train, export.
    timing: Dict[str, float] = field(default_factory=dict)


# Callers know keys of a job, and files of its data, by these: files begin with "/".
_WORDS = {
    "/X-indices.npy": "X",
    "/X-indptr.npy": "X",
    "/X-data.npy": "X",
    "/X.npy": "X",
    "/y.npy": "y",
    "data.train": "X",
    "model.l2": "alpha",
    "optimizer.kind": "optimizer",
    "optimizer.rate": "eta0",
    "seed": "random_state",
    "train.batch": "batch_size",
    "train.epochs": "max_iter",
    "workers.max": "n_workers",
}

# On one machine, as of ``ebb run``: each is a process.
_MOST_PROCESSES = {"n_workers": 256, "n_servers": 64}

# The checks of scikit-learn that compare two fits, and why asynchronous ones fail
# them.
TWO_FITS = (
    (
        "check_classifier_data_not_an_array",
        "check_fit_idempotent",
        "check_regressor_data_not_an_array",
        "check_regressors_int",
        "check_supervised_y_2d",
    ),
    "workers do not wait for each other, so two fits differ slightly",
)


class Estimator(BaseEstimator):
    """The base of all. Subclasses have an ``__init__`` of scikit-learn's kind."""

    n_workers: int
    n_servers: int
    scheduler: Optional[str]
    random_state: Any
    verbose: int

    #: True if two fits of the same data give the same bits.
    _repeats = True
    #: True if it cannot tell more than two classes apart.
    _two_classes_only = False
    _takes_sparse = True
    #: Its arguments by the keys of the job that they become, for messages.
    _words: Mapping[str, str] = {}

    # --- scikit-learn's questions ---------------------------------------------

    def _more_tags(self) -> Dict[str, Any]:  # Before scikit-learn 1.6.
        return {
            "non_deterministic": not self._repeats,
            "binary_only": self._two_classes_only,
            "_xfail_checks": {} if self._repeats else dict.fromkeys(*TWO_FITS),
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = not self._repeats
        tags.input_tags.sparse = self._takes_sparse
        return tags

    def _check_counts(self) -> None:
        for name, most in _MOST_PROCESSES.items():
            count = getattr(self, name)
            check_count(name, count)
            if self.scheduler is None and count > most:
                raise ValueError(
                    f"{name}={count}: a cluster of this process has at most {most}"
                )

    def _validated(self, X: Any, y: Any = "no_validation", *, reset: bool) -> Any:
        """X as a matrix of floats, or a CSR matrix as ``_data.canonical`` has it;
        and y, if it is given."""
        how = {
            "reset": reset,
            "accept_sparse": "csr" if self._takes_sparse else False,
            "dtype": [np.float64, np.float32],
            "order": "C",
        }
        try:
            from sklearn.utils.validation import validate_data
        except ImportError:  # Before scikit-learn 1.6.
            checked = self._validate_data(X, y, **how)
        else:
            checked = validate_data(self, X, y, **how)
        if isinstance(checked, tuple):
            return _data.canonical(checked[0]), checked[1]
        return _data.canonical(checked)

    # --- The job of a fit -----------------------------------------------------

    def _run(
        self,
        X: Any,
        labels: Numbers,
        job: Dict[str, Any],
        *,
        shift: Unit = 0.0,
        unit: Unit = 1.0,
        keys: bool = False,
    ) -> _runner.Result:
        """Runs a job over (X - shift) / unit, and sets job_ and n_iter_."""

        def write(folder: str) -> Dict[str, Any]:
            matrix = (
                _data.write_keys(folder, X)
                if keys
                else _data.write_matrix(folder, X, shift, unit)
            )
            return {"npy": {**matrix, **_data.write_labels(folder, labels)}}

        return self._run_over(write, {"data": {"standardise": False}, **job})

    def _run_over(
        self, write: Callable[[str], Dict[str, Any]], job: Dict[str, Any]
    ) -> _runner.Result:
        """Runs a job over the data that ``write`` writes into a folder."""
        job = {"seed": self._seed(), **job}
        job.setdefault("workers", {"max": int(self.n_workers)})
        result = _runner.run(
            job,
            write,
            n_workers=int(self.n_workers),
            n_servers=int(self.n_servers),
            scheduler=self.scheduler,
            verbose=int(self.verbose),
            words={**_WORDS, **self._words},
        )
        self.job_ = Fit(result.name, self.scheduler, result.losses, result.seconds)
        self.n_iter_ = result.epochs
        return result

    def _seed(self) -> int:
        """A seed is the same at each fit, also where the caller gave none."""
        if self.random_state is None:
            return 1
        return int(check_random_state(self.random_state).randint(1, 2**31 - 1))

    def _warn_if_it_still_falls(self, tol: float, most: int) -> None:
        if self.n_iter_ < most:
            return
        losses = self.job_.losses
        late = max(1, len(losses) * 9 // 10)
        if len(losses) <= late:
            return
        gain = min(losses[:late]) - min(losses)
        if gain > tol * abs(losses[0]):
            warnings.warn(
                f"the objective still falls after {len(losses)} rounds (by "
                f"{gain:.3g} in the last {len(losses) - late}): raise max_iter, or "
                "scale the features",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _warn_if_it_learned_nothing(self) -> None:
        losses = self.job_.losses
        if losses and losses[-1] > self._guess:
            warnings.warn(
                f"the loss is {losses[-1]:.4g} after {len(losses)} passes, and "
                f"{self._guess:.4g} if {self._guessing}: the fit learned nothing. Raise "
                "max_iter, change the rate, or scale the features",
                ConvergenceWarning,
                stacklevel=3,
            )


class Classifier(ClassifierMixin, Estimator):
    """Adds classes. ``_scores`` gives what comes before the link function."""

    classes_: Numbers
    _guessing = "it always predicts the shares of the classes"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = not self._two_classes_only
        return tags

    def _scores(self, X: Any) -> Numbers:
        raise NotImplementedError

    def _begin(self, X: Any, y: Any) -> Tuple[Any, Numbers]:
        """Checks the data; returns X and the number of each example's class."""
        X, y = self._validated(X, y, reset=True)
        self._check_counts()
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        classes, numbers = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} tells classes apart, but y has only one "
                f"class: {classes[0]!r}"
            )
        if self._two_classes_only and len(classes) > 2:
            raise ValueError(
                f"Only binary classification is supported by {type(self).__name__}, "
                f"but y has {len(classes)} classes; "
                "sklearn.multiclass.OneVsRestClassifier makes one of several"
            )
        self.classes_ = classes
        shares = np.bincount(numbers) / len(numbers)
        self._guess = float(-(shares * np.log(shares)).sum())
        return X, numbers.astype(np.int32)

    def decision_function(self, X: Any) -> Numbers:
        """Scores: one for each class; of two classes that of the second."""
        check_is_fitted(self)
        scores = self._scores(self._validated(X, reset=False))
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> Numbers:
        """The class of each row."""
        scores = self.decision_function(X)
        numbers = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
        classes: Numbers = self.classes_[numbers.astype(int)]
        return classes

    def predict_proba(self, X: Any) -> Numbers:
        """The probability of each class, a column each."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            second = sigmoid(scores)
            return np.column_stack([1 - second, second])
        return softmax(scores)

    def predict_log_proba(self, X: Any) -> Numbers:
        """The logarithm of predict_proba."""
        return np.log(self.predict_proba(X))


class Regressor(RegressorMixin, Estimator):
    """Adds values to predict. They are standardised for the job."""

    #: Makes standardised labels of two values fractions: ebb takes whole
    #: numbers for classes where a model could tell two apart.
    _stretch = 1.0
    _guessing = "it always predicts the mean"

    def _begin(self, X: Any, y: Any) -> Tuple[Any, Numbers]:
        """Checks the data; returns X and labels of mean 0 and deviation 1."""
        X, y = self._validated(X, y, reset=True)
        self._check_counts()
        y = column_or_1d(y, warn=True).astype(np.float64)
        self._mean = float(y.mean())
        self._unit = float(y.std()) * self._stretch or 1.0
        labels = ((y - self._mean) / self._unit).astype(np.float32)
        self._guess = float(labels.var(dtype=np.float64)) / 2
        return X, labels

    def _scores(self, X: Any) -> Numbers:
        """A standardised value for each row, in a column."""
        raise NotImplementedError

    def predict(self, X: Any) -> Numbers:
        """The value of each row."""
        check_is_fitted(self)
        scores = self._scores(self._validated(X, reset=False))
        return scores[:, 0] * self._unit + self._mean


# --- Small helpers ------------------------------------------------------------


def refuse(unsupported: Dict[str, Any]) -> None:
    """Refuses further arguments of fit."""
    if "sample_weight" in unsupported:
        raise TypeError(
            "sample_weight is not supported: ebb counts every example once; "
            "repeat rows, or leave it out"
        )
    if unsupported:
        raise TypeError(f"fit() got an unexpected argument {next(iter(unsupported))!r}")


def check_count(name: str, value: Any) -> None:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        if value >= 1:
            return
    raise ValueError(f"{name}={value!r}: it must be a whole number above 0")


def check_number(
    name: str, value: Any, least: float = 0.0, below: float = np.inf
) -> None:
    # inf is a number where nothing is too large.
    if isinstance(value, (int, float, np.number)):
        if value >= least and (value < below or below == np.inf):
            return
    bound = "" if below == np.inf else f" and below {below:g}"
    raise ValueError(f"{name}={value!r}: it must be a number, at least {least:g}{bound}")


def check_choice(name: str, value: Any, choices: Tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r}: it must be one of {', '.join(choices)}")


def sigmoid(scores: Numbers) -> Numbers:
    from scipy.special import expit

    chances: Numbers = expit(scores)
    return chances


def softmax(scores: Numbers) -> Numbers:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Numbers = powers / powers.sum(axis=1, keepdims=True)
    return shares


def centre_of(X: Any) -> Tuple[Unit, float]:
    """The mean of each column, and the deviation of all columns together.

    A model with a bias loses nothing by this shift, and float32 keeps more of
    the digits. Sparse matrices keep their zeros: the mean is 0 for them.
    """
    if _data.is_sparse(X):
        size = float(X.shape[0] * X.shape[1])
        square = float(X.data.astype(np.float64) @ X.data) / size
        return 0.0, float(np.sqrt(square)) or 1.0
    shift = X.mean(axis=0, dtype=np.float64)
    square = float(np.mean(X.var(axis=0, dtype=np.float64)))
    return shift, float(np.sqrt(square)) or 1.0


def rounds(examples: Union[int, str], weights: int) -> Dict[str, Any]:
    """The key ``consistency`` of a job in rounds, for a model of so many weights."""
    kept = _BYTES_IN_MEMORY // (4 * weights)
    return {
        "kind": "rounds",
        "examples": examples,
        "rounds_in_memory": min(_ROUNDS_IN_MEMORY, max(2, kept)),
    }


def divided(X: Any, workers: int) -> Dict[str, Any]:
    """The keys of a job whose passes workers share: a batch or a few for each."""
    rows = X.shape[0]
    size = (8 * X.nnz) if _data.is_sparse(X) else 4 * rows * X.shape[1]
    pieces = int(min(workers, max(1, size // _LEAST_PIECE_BYTES)))
    piece = -(-rows // pieces)
    batches = max(1, -(-(size // pieces) // _MOST_BATCH_BYTES))
    batch = -(-piece // batches)
    return {
        "train": {"batch": batch, "item_examples": piece},
        "workers": {"max": pieces},
    }


def lbfgs_job(
    X: Any, weights: int, epochs: int, workers: int, tol: float = 0
) -> Dict[str, Any]:
    """The keys of a job by L-BFGS: an epoch is a trial."""
    job = divided(X, workers)
    job["train"]["epochs"] = int(epochs)
    return {
        **job,
        "algorithm": {
            "kind": "lbfgs",
            "history": _STEPS if X.shape[1] < _WIDE else _STEPS_OF_WIDE,
            "tolerance": float(tol),
        },
        "consistency": rounds("epoch", weights),
    }
