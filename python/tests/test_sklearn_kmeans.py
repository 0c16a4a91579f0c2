"""ebb.sklearn.KMeans beside scikit-learn's. Each fit is a real job."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="ebb.sklearn needs scikit-learn")
pytest.importorskip("scipy", reason="ebb.sklearn needs SciPy")

from scipy import sparse
from sklearn import cluster
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ebb import local
from ebb import sklearn as es

BLOBS, GROUPS = make_blobs(600, 5, centers=4, random_state=3)
FIRST = BLOBS[[0, 1, 2, 3]]
IRIS = load_iris().data


@pytest.fixture(scope="module")
def fitted():
    return es.KMeans(4, random_state=1).fit(BLOBS)


def test_finds_the_blobs(fitted):
    assert adjusted_rand_score(GROUPS, fitted.labels_) == 1
    assert fitted.cluster_centers_.shape == (4, 5)
    assert fitted.labels_.shape == (600,) and fitted.labels_.dtype == np.int32
    assert fitted.n_features_in_ == 5
    assert 1 <= fitted.n_iter_ < 300 and fitted.n_iter_ == len(fitted.job_.losses)
    for number, centre in enumerate(fitted.cluster_centers_):
        mean = BLOBS[fitted.labels_ == number].mean(axis=0)
        np.testing.assert_allclose(centre, mean, atol=1e-4)


@pytest.mark.parametrize("X", [IRIS, IRIS + 1e6], ids=["near", "far"])
def test_the_same_rounds_as_scikit_learn(X):
    first = X[[0, 50, 100]]
    theirs = cluster.KMeans(3, init=first, n_init=1, max_iter=5, tol=0).fit(X)
    ours = es.KMeans(3, init=first, max_iter=5, tol=0).fit(X)
    assert ours.n_iter_ == 5
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, atol=1e-3)
    assert np.array_equal(ours.labels_, theirs.labels_)
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-4)


def test_predicts_as_it_labelled(fitted):
    assert np.array_equal(fitted.predict(BLOBS), fitted.labels_)
    assert fitted.score(BLOBS) == pytest.approx(-fitted.inertia_)
    distances = fitted.transform(BLOBS)
    assert distances.shape == (600, 4)
    assert np.array_equal(distances.argmin(axis=1), fitted.labels_)
    assert (distances.min(axis=1) ** 2).sum() == pytest.approx(fitted.inertia_)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict(BLOBS), fitted.labels_)
    assert list(fitted.get_feature_names_out()) == [f"kmeans{i}" for i in range(4)]


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random", FIRST])
def test_two_fits_give_the_same_bits(init):
    arguments = {"init": init, "n_init": 2, "max_iter": 20, "random_state": 7}
    first, second = (es.KMeans(4, **arguments).fit(BLOBS) for _ in range(2))
    assert np.array_equal(first.cluster_centers_, second.cluster_centers_)
    assert first.inertia_ == second.inertia_
    assert first.inertia_ == pytest.approx(-first.score(BLOBS))


def test_several_runs_are_no_worse_than_one():
    one = es.KMeans(12, random_state=1).fit(IRIS)
    best = es.KMeans(12, n_init=8, random_state=1).fit(IRIS)
    assert best.inertia_ <= 1.000001 * one.inertia_
    assert 1 <= best.n_iter_ <= 300
    # The fewest workers that are of use.
    assert es.KMeans(3, n_init=2, n_workers=3).fit(IRIS).inertia_ < 80


def test_sparse_matrices_are_as_dense_ones():
    X = np.where(np.abs(IRIS - 3) < 1, 0, IRIS)
    first = X[[0, 50, 100]]
    dense = es.KMeans(3, init=first).fit(X)
    for kind in (sparse.csr_matrix, sparse.csc_matrix):
        rows = es.KMeans(3, init=first).fit(kind(X))
        np.testing.assert_allclose(rows.cluster_centers_, dense.cluster_centers_, atol=1e-4)
        assert np.array_equal(rows.predict(kind(X)), dense.labels_)
        assert rows.inertia_ == pytest.approx(dense.inertia_, rel=1e-4)
        np.testing.assert_allclose(rows.transform(kind(X)), dense.transform(X), atol=1e-3)
    runs = es.KMeans(3, n_init=3, random_state=1).fit(sparse.csr_matrix(X))
    assert runs.inertia_ <= 1.05 * dense.inertia_


def test_sums_what_stands_in_one_place_and_keeps_the_digits_of_an_outlier():
    # [[3], [1], [1e6], [1e6 + 0.01]], of which the 3 is 1 + 2.
    twice = sparse.csr_matrix(
        ([1.0, 2.0, 1.0, 1e6, 1e6 + 0.01], [0, 0, 0, 0, 0], [0, 2, 3, 4, 5]), (4, 1)
    )
    first = np.array([[2.0], [1e6]])
    model = es.KMeans(2, init=first, max_iter=1, tol=0).fit(twice)
    assert list(model.labels_) == [0, 0, 1, 1]
    wanted = (twice.toarray() - model.cluster_centers_[model.labels_]) ** 2
    assert model.inertia_ == pytest.approx(wanted.sum(), rel=1e-9)
    assert not twice.has_canonical_format  # It is the caller's.
    # With a centroid on it the outlier is at no distance.
    model.cluster_centers_ = np.array([[2.0], [1e6 + 0.01]])
    assert model.score(twice) == pytest.approx(-(1 + 1 + 0.01**2), rel=1e-8)
    assert model.transform(twice)[3, 1] == 0


def test_an_outlier_leaves_the_digits_of_the_centroids():
    """Bug: the numbers were float32 around a mean that the outlier had moved, and
    its own centroid was 0.01 off, which was most of the inertia."""
    draw = np.random.default_rng(0)
    places = ((0, 0), (1, 1), (2, 0))
    X = np.concatenate([draw.normal(c, 0.05, (200, 2)) for c in places] + [[[1e6, 1e6]]])
    first = X[[0, 200, 400, 600]]
    ours = es.KMeans(4, init=first).fit(X)
    theirs = cluster.KMeans(4, init=first, n_init=1).fit(X)
    off = np.abs(ours.cluster_centers_ - theirs.cluster_centers_).max(axis=1)
    assert off.max() < 1e-6
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-6)
    assert np.array_equal(ours.labels_, theirs.labels_)


def test_goes_where_estimators_go():
    whole = make_pipeline(StandardScaler(), es.KMeans(3, n_init=3, random_state=1))
    assert set(whole.fit_predict(IRIS)) == {0, 1, 2}
    assert whole.fit_transform(IRIS).shape == (150, 3)
    search = GridSearchCV(es.KMeans(), {"n_clusters": [2, 6]}, cv=2, n_jobs=1).fit(IRIS)
    assert search.best_params_ == {"n_clusters": 6}
    assert clone(whole).get_params()["kmeans__n_clusters"] == 3


def test_a_cluster_that_runs_takes_fits():
    with local.cluster(servers=1, workers=1) as running:
        away = es.KMeans(4, init=FIRST, scheduler=running.address).fit(BLOBS)
        assert away.job_.scheduler == running.address
    here = es.KMeans(4, init=FIRST).fit(BLOBS)
    assert np.array_equal(away.cluster_centers_, here.cluster_centers_)


def test_takes_as_many_clusters_as_rows_and_rows_that_are_all_the_same():
    three = es.KMeans(3, random_state=1).fit([[0.0], [1.0], [5.0]])
    assert three.inertia_ < 1e-9 and len(set(three.labels_)) == 3
    with pytest.warns(ConvergenceWarning, match="only 1 of n_clusters=2 clusters"):
        same = es.KMeans(2).fit(np.ones((6, 2)))
    assert same.inertia_ == 0


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"n_clusters": 0}, "n_clusters=0: it must be a whole number"),
        ({"n_clusters": 151}, "n_samples=150 should be >= n_clusters=151"),
        ({"init": "far"}, r"init='far': it must be one of k-means\+\+, k-means\|\|, random"),
        ({"init": IRIS[:2]}, r"init has the shape \(2, 4\); it must be"),
        ({"n_init": 0}, "n_init=0"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"tol": 1}, "tol=1"),
        ({"n_workers": 0}, "n_workers=0"),
    ],
)
def test_refuses_wrong_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        es.KMeans(**arguments).fit(IRIS)


def test_refuses_weights_and_what_is_not_fitted():
    with pytest.raises(TypeError, match="sample_weight is not supported"):
        es.KMeans().fit(IRIS, sample_weight=np.ones(150))
    with pytest.raises(NotFittedError):
        es.KMeans().predict(IRIS)
