"""ebb.sklearn.MatrixFactorization: ratings of items by users."""

import pickle
import warnings
from unittest import SkipTest

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="ebb.sklearn needs scikit-learn")
pytest.importorskip("scipy", reason="ebb.sklearn needs SciPy")

from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.utils import estimator_checks

from ebb import sklearn as es

_ARGUMENTS = {"rank": 2, "alpha": 0.01, "eta0": 0.02, "max_iter": 30, "batch_size": 32}


def ratings(users=40, items=30):
    """Pairs of numbers with gaps, and ratings that two factors make."""
    random = np.random.default_rng(1)
    a, b = random.standard_normal((users, 2)), random.standard_normal((items, 2))
    user, item = np.divmod(random.permutation(users * items), items)
    y = 3 + 0.5 * (a[user] * b[item]).sum(1) + 0.3 * a[user, 0]
    return np.column_stack([7 * user + 5, 1000 * item]), y


@pytest.fixture(scope="module")
def fitted():
    X, y = ratings()
    return es.MatrixFactorization(**_ARGUMENTS).fit(X, y)


def test_learns_ratings_that_it_has_not_seen():
    parts = train_test_split(*ratings(), random_state=1)
    model = es.MatrixFactorization(**_ARGUMENTS).fit(parts[0], parts[2])
    assert model.score(parts[1], parts[3]) > 0.8
    assert model.user_factors_.shape == (40, 2) and model.item_factors_.shape == (30, 2)
    assert model.users_[:2].tolist() == [5, 12] and model.n_features_in_ == 2
    assert model.n_iter_ == 30 == len(model.job_.losses)


def test_who_is_unknown_has_the_others_bias(fitted):
    X, y = ratings()
    nobody = fitted.predict([[1, 1]])
    assert nobody[0] == pytest.approx(fitted._mean + fitted._unit * fitted.intercept_)
    assert abs(nobody[0] - y.mean()) < 0.5
    item = fitted.predict([[1, 1000]])[0] - nobody[0]
    assert item == pytest.approx(fitted._unit * fitted.item_biases_[1])


def test_scores_are_those_of_the_model(fitted):
    X, y = ratings()
    assert fitted.score(X, y) > 0.85
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict(X), fitted.predict(X))
    assert clone(fitted).get_params() == fitted.get_params()


def test_goes_through_cross_validation():
    model = es.MatrixFactorization(**_ARGUMENTS)
    assert cross_val_score(model, *ratings(), cv=2).mean() > 0.6


def test_whole_ratings_are_values():
    X, y = ratings()
    stars = np.clip(np.round(y), 1, 5)
    assert es.MatrixFactorization(**_ARGUMENTS).fit(X, stars).score(X, stars) > 0.5
    likes = (y > 3).astype(int)
    assert es.MatrixFactorization(**_ARGUMENTS).fit(X, likes).score(X, likes) > 0.3


@pytest.mark.parametrize(
    "X, words",
    [
        ([[1, 2, 3], [4, 5, 6]], "X has 3 columns; it must have 2"),
        ([[1, 2], [1.5, 2]], r"row 1 of X is \[1.5, 2.0\]"),
        ([[1, 2], [-1, 2]], "whole numbers, and not negative"),
        # Bug: nothing said that such a number is too large.
        ([[1, 2], [2**53 + 1, 2]], r"and below 2\^53"),
        (sparse.csr_matrix([[1, 2], [3, 4]]), "X is a sparse matrix"),
    ],
)
def test_refuses_what_are_no_pairs(fitted, X, words):
    with pytest.raises(ValueError, match=words):
        es.MatrixFactorization().fit(X, [1.0, 2.0])
    if sparse.issparse(X) or len(X[0]) == 2:
        with pytest.raises(ValueError, match=words):
            fitted.predict(X)


def test_refuses_wrong_arguments():
    X, y = ratings()
    with pytest.raises(ValueError, match="rank=0"):
        es.MatrixFactorization(rank=0).fit(X, y)
    with pytest.raises(TypeError, match="sample_weight is not supported"):
        es.MatrixFactorization().fit(X, y, sample_weight=y)
    with pytest.raises(NotFittedError):
        es.MatrixFactorization().predict(X)


# The other checks of scikit-learn fit matrices of any numbers.
_CHECKS = (
    "check_dont_overwrite_attributes",
    "check_estimator_get_tags_default_keys",
    "check_estimators_unfitted",
    "check_get_params_invariance",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
)


def test_passes_the_checks_of_scikit_learn_that_need_no_fit():
    newer = getattr(estimator_checks, "estimator_checks_generator", None)
    model = es.MatrixFactorization()
    pairs = newer(model) if newer else estimator_checks.check_estimator(model, generate_only=True)
    ran = set()
    for one, check in pairs:
        name = getattr(check, "func", check).__name__
        if name not in _CHECKS:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check(one)
            ran.add(name)
        except SkipTest:
            pass
    assert len(ran) >= 4, ran
