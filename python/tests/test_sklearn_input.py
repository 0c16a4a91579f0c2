"""Tests what estimators make of the arrays that they are given, without a job."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="ebb.sklearn needs scikit-learn")
pytest.importorskip("scipy", reason="ebb.sklearn needs SciPy")

from scipy import sparse

from ebb import sklearn as es
from ebb.sklearn import _data, _kmeans

TAKES_SPARSE = [
    es.FMClassifier(),
    es.FMRegressor(),
    es.KMeans(2),
    es.LinearRegression(),
    es.LogisticRegression(),
    es.MLPClassifier(),
    es.MLPRegressor(),
    es.Ridge(),
    es.SGDClassifier(),
    es.SGDRegressor(),
]
DENSE = np.array([[2.0, 0, 0, 3], [0, 0, 0, 0], [0, 5, 1, 0]])


def _with_duplicates():
    """DENSE as a CSR matrix whose columns are unsorted, and partly there twice."""
    parts = ([3.0, 1, 1, 1, 2, 3], [3, 0, 0, 2, 1, 1], [0, 3, 3, 6])
    made = sparse.csr_matrix(tuple(map(np.array, parts)), shape=DENSE.shape)
    assert not made.has_canonical_format and np.array_equal(made.toarray(), DENSE)
    return made


def _sparse_forms():
    yield _with_duplicates()  # Conversions may add up in place.
    yield _with_duplicates().astype(np.float32)
    yield _with_duplicates().tocsc()
    yield _with_duplicates().tocoo()
    whole = sparse.csr_matrix(DENSE)
    for name in ("csr", "csc", "coo", "bsr", "lil", "dok", "dia"):
        yield whole.asformat(name)
        yield getattr(sparse, f"{name}_array")(DENSE)


@pytest.mark.parametrize("estimator", TAKES_SPARSE, ids=lambda one: type(one).__name__)
def test_every_sparse_form_is_the_same_matrix(estimator):
    for given in _sparse_forms():
        found = estimator._validated(given, reset=True)
        assert found.format == "csr" and found.has_canonical_format
        assert np.array_equal(found.toarray(), DENSE), given.format


def test_the_callers_matrix_stays_as_it_is():
    given = _with_duplicates()
    before = [given.data.copy(), given.indices.copy()]
    found, _ = es.Ridge()._validated(given, np.ones(3), reset=True)
    assert found.nnz == 4 and given.nnz == 6
    assert np.array_equal(given.data, before[0]) and np.array_equal(given.indices, before[1])


def test_what_is_written_has_each_place_once(tmp_path):
    for write in (_data.write_matrix, _data.write_keys):
        about = write(str(tmp_path), es.Ridge()._validated(_with_duplicates(), reset=True))
        assert np.load(tmp_path / about["data"]).tolist() == [2, 3, 5, 1]
        assert np.load(tmp_path / about["indices"]).tolist() == [0, 3, 1, 2]


def test_inertia_of_duplicates():
    X = sparse.csr_matrix((np.ones(2), np.zeros(2, int), np.array([0, 2])), shape=(1, 1))
    found = es.KMeans(1)._validated(X, reset=True)
    assert _kmeans._nearest(found, np.zeros((1, 1)))[1] == 4


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_an_outlier_hides_no_distances(form):
    X = np.random.default_rng(0).normal(size=(300, 3)) * 1e-3
    X[7] = 1e6
    centres = np.array([X[7], X[:7].mean(axis=0), [1e-3, 0, 0], [-1e-3, 0, 0]])
    squares = ((X[:, None] - centres) ** 2).sum(axis=-1)
    labels, inertia = _kmeans._nearest(form(X), centres)
    assert np.array_equal(labels, squares.argmin(axis=1))
    assert inertia == pytest.approx(squares.min(axis=1).sum(), rel=1e-9)
