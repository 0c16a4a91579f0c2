"""ebb.sklearn.RandomForest* beside scikit-learn's. Each fit is a real job."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="ebb.sklearn needs scikit-learn")
pytest.importorskip("scipy", reason="ebb.sklearn needs SciPy")

from scipy import sparse
from sklearn import ensemble
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import cross_val_score, train_test_split

from ebb import sklearn as es

CANCER = train_test_split(*load_breast_cancer(return_X_y=True), random_state=1)
DIABETES = train_test_split(*load_diabetes(return_X_y=True), random_state=1)
IRIS = load_iris(return_X_y=True)


@pytest.mark.parametrize(
    "ours, theirs, data",
    [
        (es.RandomForestClassifier, ensemble.RandomForestClassifier, CANCER),
        (es.RandomForestRegressor, ensemble.RandomForestRegressor, DIABETES),
    ],
    ids=["classes", "values"],
)
def test_predicts_as_well_as_scikit_learn(ours, theirs, data):
    X, test_X, y, test_y = data
    mine = ours(60, random_state=1).fit(X, y)
    other = theirs(60, random_state=1).fit(X, y)
    assert mine.score(test_X, test_y) > other.score(test_X, test_y) - 0.04
    both = np.corrcoef(mine.feature_importances_, other.feature_importances_)
    assert both[0, 1] > 0.8
    assert mine.feature_importances_.sum() == pytest.approx(1)


def test_probabilities_are_those_of_the_leaves():
    X, y = IRIS
    words = np.array(["red", "green", "blue"])[y]
    fitted = es.RandomForestClassifier(20, min_samples_leaf=5).fit(X, words)
    chances = fitted.predict_proba(X)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert list(fitted.classes_) == ["blue", "green", "red"]
    assert np.array_equal(fitted.classes_[chances.argmax(axis=1)], fitted.predict(X))
    assert fitted.score(X, words) > 0.94
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(X), chances)


def test_a_whole_tree_knows_its_rows_by_heart():
    X, y = IRIS
    tree = es.RandomForestClassifier(1, bootstrap=False, max_features=None).fit(X, y)
    # Two rows of the same features have different classes.
    assert tree.score(X, y) >= 149 / 150
    shallow = es.RandomForestClassifier(1, bootstrap=False, max_depth=1).fit(X, y)
    assert len(np.unique(shallow.predict_proba(X), axis=0)) == 2
    values = es.RandomForestRegressor(1, bootstrap=False).fit(X[:, :3], X[:, 3])
    assert values.score(X[:, :3], X[:, 3]) > 0.99


def test_columns_far_from_zero_do_no_harm():
    X, y = IRIS
    near = es.RandomForestClassifier(10, random_state=1).fit(X, y)
    far = es.RandomForestClassifier(10, random_state=1).fit(1e9 + X, y)
    assert far.score(1e9 + X, y) > near.score(X, y) - 0.02


def test_two_fits_give_the_same_bits():
    X, y = IRIS
    first, second, other = (
        es.RandomForestClassifier(10, random_state=seed).fit(X, y).predict_proba(X)
        for seed in (3, 3, 4)
    )
    assert np.array_equal(first, second) and not np.array_equal(first, other)
    assert cross_val_score(es.RandomForestClassifier(10), X, y, cv=3).mean() > 0.9


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"n_estimators": 0}, "n_estimators=0"),
        ({"max_depth": 0}, "max_depth=0"),
        ({"min_samples_leaf": 0.1}, "min_samples_leaf=0.1"),
        ({"max_features": "all"}, "max_features='all': it must be sqrt, log2"),
        ({"max_features": 1.5}, "max_features=1.5: a share is above 0"),
        ({"max_features": 0}, "max_features=0"),
    ],
)
def test_refuses_wrong_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        es.RandomForestClassifier(**arguments).fit(*IRIS)


def test_refuses_sparse_matrices():
    with pytest.raises(TypeError, match="(?i)sparse"):
        es.RandomForestClassifier().fit(sparse.csr_matrix(IRIS[0]), IRIS[1])
