"""Tests of ebb.sklearn: scikit-learn's own checks, and what its users do.

Each fit is a real job on the local cluster of this process.
"""

import os
import pickle
import subprocess
import sys
import time
import warnings
from unittest import SkipTest

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="ebb.sklearn needs scikit-learn")
pytest.importorskip("scipy", reason="ebb.sklearn needs SciPy")

from scipy import sparse
from sklearn import linear_model
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from ebb import local
from ebb import sklearn as es
from ebb.errors import Error, Unavailable
from ebb.sklearn import _base, _runner

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)

IRIS = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
CANCER_SCALED = (StandardScaler().fit_transform(CANCER[0]), CANCER[1])
DIABETES_SCALED = (StandardScaler().fit_transform(DIABETES[0]), DIABETES[1])
IRIS_SCALED = (StandardScaler().fit_transform(IRIS[0]), IRIS[1])


# --- Comparable with scikit-learn ---------------------------------------------


def objective(model, X, y, C):
    """Returns what scikit-learn's LogisticRegression minimises."""
    numbers = np.searchsorted(model.classes_, y)
    chances = model.predict_proba(X)[np.arange(len(y)), numbers]
    return -C * np.log(chances).sum() + (model.coef_**2).sum() / 2


@pytest.mark.parametrize("C", [0.01, 1.0])
@pytest.mark.parametrize("data", [IRIS, CANCER_SCALED], ids=["iris", "cancer"])
def test_logistic_regression_reaches_the_optimum(data, C):
    X, y = data
    ours = es.LogisticRegression(C=C).fit(X, y)
    theirs = linear_model.LogisticRegression(C=C, max_iter=5000, tol=1e-8).fit(X, y)
    best = objective(theirs, X, y, C)
    assert objective(ours, X, y, C) <= 1.001 * best
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == theirs.intercept_.shape
    difference = ours.predict_proba(X) - theirs.predict_proba(X)
    assert np.abs(difference).max() < 0.01
    shape = theirs.decision_function(X).shape
    assert ours.decision_function(X).shape == shape


def test_regressions_find_the_same_coefficients():
    X, y = DIABETES
    for ours, theirs in [
        (es.LinearRegression(), linear_model.LinearRegression()),
        (es.Ridge(alpha=0.5), linear_model.Ridge(alpha=0.5)),
    ]:
        ours.fit(X, y)
        theirs.fit(X, y)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=0.01, atol=0.1)
        assert ours.intercept_ == pytest.approx(theirs.intercept_, rel=1e-3)
        assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-4)


def test_columns_far_from_zero_do_no_harm():
    X, y = DIABETES
    ours = es.LinearRegression().fit(1e6 + 1e3 * X, 1e9 + y)
    assert ours.score(1e6 + 1e3 * X, 1e9 + y) == pytest.approx(0.5177, abs=1e-3)


def test_the_asynchronous_ones_learn():
    assert es.SGDClassifier().fit(*IRIS_SCALED).score(*IRIS_SCALED) > 0.9
    assert es.SGDRegressor().fit(*DIABETES_SCALED).score(*DIABETES_SCALED) > 0.49


def test_perceptrons_learn():
    classifier = es.MLPClassifier((16,), learning_rate_init=0.01, max_iter=100)
    assert classifier.fit(*IRIS_SCALED).score(*IRIS_SCALED) > 0.9
    assert [w.shape for w in classifier.coefs_] == [(4, 16), (16, 3)]
    np.testing.assert_allclose(classifier.predict_proba(IRIS[0]).sum(axis=1), 1)
    regressor = es.MLPRegressor((16,), solver="lbfgs", max_iter=60)
    assert regressor.fit(*DIABETES_SCALED).score(*DIABETES_SCALED) > 0.5


def test_a_regressor_takes_two_values_as_values():
    X, y = CANCER_SCALED
    fitted = es.MLPRegressor((8,), max_iter=40, learning_rate_init=0.01).fit(X, y)
    assert fitted.score(X, y) > 0.7


def test_factorisation_machines_find_a_product():
    random = np.random.default_rng(1)
    X = random.standard_normal((600, 6))
    product = X[:, 0] * X[:, 1]
    regressor = es.FMRegressor(rank=4, max_iter=60, eta0=0.02).fit(X, product)
    assert regressor.score(X, product) > 0.8
    assert linear_model.LinearRegression().fit(X, product).score(X, product) < 0.1
    classifier = es.FMClassifier(rank=4, max_iter=60, eta0=0.02)
    classifier.fit(sparse.csr_matrix(X), product > 0)
    assert classifier.score(X, product > 0) > 0.85
    with pytest.raises(ValueError, match="Only binary classification"):
        classifier.fit(*IRIS)


# --- What users do with estimators --------------------------------------------


def test_two_fits_give_the_same_bits():
    X, y = IRIS_SCALED
    for make in [
        lambda: es.LogisticRegression(max_iter=20),
        lambda: es.Ridge(max_iter=20),
        lambda: es.MLPClassifier((8,), max_iter=20),
    ]:
        first, second = make().fit(X, y), make().fit(X, y)
        score = "decision_function" if hasattr(first, "classes_") else "predict"
        assert np.array_equal(getattr(first, score)(X), getattr(second, score)(X))


def test_sparse_matrices_are_as_dense_ones():
    X, y = CANCER_SCALED
    X = np.where(np.abs(X) < 0.5, 0, X)
    dense = es.LogisticRegression().fit(X, y)
    for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix):
        rows = es.LogisticRegression().fit(kind(X), y)
        difference = rows.predict_proba(X) - dense.predict_proba(X)
        assert np.abs(difference).max() < 0.01
    # An element that stands there twice, as scipy allows, is their sum.
    twice = sparse.csr_matrix(([1.0, 2.0, 5.0], [1, 1, 0], [0, 2, 3]), shape=(2, 2))
    apart = es.Ridge(max_iter=20).fit(twice, [1.0, 2.0])
    whole = es.Ridge(max_iter=20).fit(twice.toarray(), [1.0, 2.0])
    assert twice.nnz == 3
    np.testing.assert_allclose(apart.predict(twice), whole.predict(twice), atol=0.01)


def test_frames_keep_their_names():
    pandas = pytest.importorskip("pandas")
    X, y = IRIS
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    named = es.LogisticRegression(max_iter=20).fit(frame, pandas.Series(y))
    assert list(named.feature_names_in_) == ["a", "b", "c", "d"]
    assert named.n_features_in_ == 4
    with pytest.raises(ValueError, match="feature names"):
        named.predict(frame[["b", "a", "c", "d"]])


def test_classes_may_be_text():
    X, y = IRIS
    words = np.array(["red", "green", "blue"])[y]
    fitted = es.LogisticRegression(max_iter=30).fit(X, words)
    assert list(fitted.classes_) == ["blue", "green", "red"]
    assert fitted.score(X, words) > 0.9


def test_pipelines_searches_and_pickles():
    X, y = IRIS
    whole = make_pipeline(StandardScaler(), es.LogisticRegression(max_iter=20))
    assert cross_val_score(whole, X, y, cv=3).mean() > 0.9
    search = GridSearchCV(
        whole, {"logisticregression__C": [1e-4, 1.0]}, cv=2, n_jobs=1
    ).fit(X, y)
    assert search.best_params_ == {"logisticregression__C": 1.0}
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert np.array_equal(again.predict(X), search.predict(X))
    assert clone(whole).get_params()["logisticregression__max_iter"] == 20


def test_threads_share_the_cluster():
    from concurrent.futures import ThreadPoolExecutor

    X, y = IRIS
    with ThreadPoolExecutor(3) as pool:
        fits = [
            pool.submit(es.LogisticRegression(C=C, max_iter=15).fit, X, y)
            for C in (0.1, 1.0, 10.0)
        ]
        norms = [np.linalg.norm(fit.result().coef_) for fit in fits]
    assert norms == sorted(norms)


def test_says_what_became_of_a_fit():
    fitted = es.LogisticRegression(max_iter=12, tol=0).fit(*IRIS)
    assert fitted.n_iter_ == 12 == len(fitted.job_.losses)
    assert fitted.job_.losses[0] == pytest.approx(np.log(3), rel=1e-5)
    assert set(fitted.job_.timing) == {"write", "submit", "train", "export"}


def test_small_models_train_ahead_of_the_disk():
    kept = [_base.rounds("epoch", weights)["rounds_in_memory"] for weights in (15, 10**6, 10**8)]
    assert kept == [100, 4, 2]


def test_a_step_has_the_batch_that_is_asked_for():
    # Bug: with three workers it had 201 examples.
    X = np.zeros((1000, 100))
    for workers, pieces in ((1, 1), (3, 2), (4, 4), (7, 5)):
        model = es.MLPRegressor((300,), batch_size=200, n_workers=workers)
        job = model._job(X, [100, 300, 1])
        assert job["train"] == {"epochs": 200, "batch": 200 // pieces, "item_examples": 200 // pieces}
        assert job["consistency"]["examples"] == 200
        assert job["workers"] == {"max": pieces}


def test_warns_if_it_did_not_converge():
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        es.LogisticRegression(C=1e6, max_iter=4).fit(*CANCER_SCALED)


# Bug: such a fit was worse than guessing, and good without a word.
def test_warns_if_it_learned_nothing():
    nothing = {"max_iter": 2, "random_state": 1}
    random = np.random.default_rng(0)
    X = random.standard_normal((120, 3))
    y = X @ [1.0, -2.0, 0.5]
    for estimator, labels, guess in (
        (es.MLPClassifier(learning_rate_init=1e-6, **nothing), y > 0, "shares of the classes"),
        (es.MLPRegressor(learning_rate_init=1e-6, **nothing), y, "predicts the mean"),
        (es.SGDRegressor(optimizer="sgd", eta0=0.9, batch_size=1, **nothing), 1e3 * y**3, "the mean"),
    ):
        with pytest.warns(ConvergenceWarning, match=f"{guess}: the fit learned nothing"):
            estimator.fit(X, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        es.MLPClassifier((8,), learning_rate_init=0.05, max_iter=20).fit(X, y > 0)
        es.SGDClassifier(eta0=0.05, max_iter=10).fit(X, y > 0)


# --- What is refused ----------------------------------------------------------


def test_refuses_weights_of_examples():
    for estimator in (es.LogisticRegression(), es.MLPRegressor(), es.FMClassifier()):
        with pytest.raises(TypeError, match="sample_weight is not supported"):
            estimator.fit(*IRIS, sample_weight=np.ones(150))
    with pytest.raises(TypeError, match="unexpected argument 'colour'"):
        es.Ridge().fit(*DIABETES, colour=1)


@pytest.mark.parametrize(
    "estimator, words",
    [
        (es.LogisticRegression(C=0), "C=0: it must be a number"),
        (es.LogisticRegression(max_iter=0), "max_iter=0: it must be a whole number"),
        (es.LogisticRegression(n_workers=1.5), "n_workers=1.5"),
        (es.LogisticRegression(n_workers=0), "n_workers=0: it must be a whole number"),
        (es.Ridge(n_workers=0), "n_workers=0"),
        (es.LogisticRegression(n_servers=0), "n_servers=0"),
        # Bug: it started all of them.
        (es.Ridge(n_workers=257), "n_workers=257: a cluster of this process has at most 256"),
        (es.Ridge(n_servers=65), "n_servers=65"),
        (es.SGDClassifier(optimizer="lamb"), "optimizer='lamb': it must be one of"),
        (es.MLPClassifier(activation="gelu"), "activation='gelu'"),
        (es.MLPClassifier(()), "hidden_layer_sizes is empty"),
        (es.FMClassifier(rank=0), "rank=0"),
    ],
)
def test_refuses_wrong_arguments(estimator, words):
    X, y = CANCER
    with pytest.raises(ValueError, match=words.split(":")[0]):
        estimator.fit(X, y)


def test_names_what_does_not_fit():
    X, y = IRIS
    with pytest.raises(ValueError, match="only one class"):
        es.LogisticRegression().fit(X, np.zeros(150))
    with pytest.raises(NotFittedError):
        es.LogisticRegression().predict(X)
    with pytest.raises(ValueError, match="too large for float32"):
        es.FMRegressor().fit(np.full((4, 1), 1e300), [0.0, 1.0, 2.0, 3.0])


# --- The cluster of the process -----------------------------------------------


@pytest.mark.parametrize(
    "fit, told",
    [
        (lambda X, y: es.KMeans(3, max_iter=10**7).fit(X), "max_iter"),
        (lambda X, y: es.KMeans(3, n_init=10**6).fit(X), "n_init"),
        (lambda X, y: es.RandomForestClassifier(10**7).fit(X, y), "n_estimators"),
        (lambda X, y: es.RandomForestClassifier(3, max_depth=10**6).fit(X, y), "max_depth"),
        (lambda X, y: es.LogisticRegression(max_iter=10**8).fit(X, y), "max_iter"),
        (lambda X, y: es.SGDClassifier(eta0=1e39).fit(X, y), "eta0"),
        (lambda X, y: es.FMRegressor(10**6).fit(X, y), "rank"),
        (lambda X, y: es.MLPClassifier((10**9,)).fit(X, y), "hidden_layer_sizes"),
    ],
)
def test_limits_name_the_argument(fit, told):
    with pytest.raises(Error, match=rf"^{told}\b") as refused:
        fit(*IRIS)
    for word in ("job.yaml", ".npy", "model.", "train.", "/tmp", "algorithm.", "[", "hint"):
        assert word not in str(refused.value), refused.value
    # Bug: hints were lines of a job file, and one argument of two keys was told twice.
    assert refused.value.hint is None and str(refused.value).count(told) == 1


def test_a_cluster_that_lost_daemons_goes_on():
    es.Ridge(max_iter=5).fit(*DIABETES)
    cluster = _runner._warm._cluster
    cluster.kill("worker-0")
    cluster.kill("scheduler")
    assert es.Ridge(max_iter=30).fit(*DIABETES).score(*DIABETES) > 0.4


def test_another_number_of_servers_is_another_cluster():
    es.Ridge(max_iter=5).fit(*DIABETES)
    es.Ridge(max_iter=5, n_servers=2, n_workers=3).fit(*DIABETES)
    assert len(_runner._warm._cluster.servers) == 2
    assert len(_runner._warm._cluster.workers) == 3


def test_an_idle_cluster_ends(monkeypatch):
    monkeypatch.setattr(_runner, "_IDLE_S", 0.1)
    es.Ridge(max_iter=5).fit(*DIABETES)
    deadline = time.monotonic() + 20
    while _runner._warm._cluster is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _runner._warm._cluster is None
    monkeypatch.undo()
    es.Ridge(max_iter=5).fit(*DIABETES)


def test_a_forked_child_has_a_cluster_of_its_own():
    es.Ridge(max_iter=5).fit(*DIABETES)
    mine = _runner._warm._cluster.address
    child = os.fork()
    if child == 0:
        code = 1
        try:
            es.Ridge(max_iter=5).fit(*DIABETES)
            code = 0 if _runner._warm._cluster.address != mine else 2
            _runner._warm._close()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    es.Ridge(max_iter=5).fit(*DIABETES)
    assert _runner._warm._cluster.address == mine


@pytest.mark.parametrize("during", ["submit", "wait"])
def test_ctrl_c_cancels_the_job_and_ends_the_wait(during):
    program = """
import os, signal, sys, time
import ebb.sklearn as es
from ebb.sklearn import _runner
from sklearn.datasets import load_breast_cancer
X, y = load_breast_cancer(return_X_y=True)
es.Ridge(max_iter=2).fit(X, y)
submit, wait = _runner._Local.call, _runner._Local.wait
def call(self, *words):
    said = submit(self, *words)
    if words[0] == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGINT)
    return said
def wait_pressed(self, verbose):
    if sys.argv[1] == "wait":
        os.kill(os.getpid(), signal.SIGINT)
    wait(self, verbose)
_runner._Local.call, _runner._Local.wait = call, wait_pressed
try:
    es.MLPClassifier((8,), batch_size=8, max_iter=100000).fit(X, y)
except KeyboardInterrupt:
    print("interrupted")
metrics = _runner._Metrics(_runner._warm._cluster)
deadline = time.monotonic() + 20
while "ebb_scheduler_job_items{" in metrics.read() and time.monotonic() < deadline:
    time.sleep(0.1)
print("over" if time.monotonic() < deadline else "it goes on")
"""
    out = subprocess.run(
        [sys.executable, "-c", program, during],
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    ).stdout
    assert out.split() == ["interrupted", "over"]


def test_a_cluster_that_runs_takes_fits():
    with local.cluster(servers=1, workers=1) as cluster:
        fitted = es.LogisticRegression(max_iter=30, scheduler=cluster.address)
        assert fitted.fit(*IRIS).score(*IRIS) > 0.9
        rows = es.Ridge(max_iter=10, scheduler=cluster.address)
        rows.fit(sparse.csr_matrix(DIABETES[0]), DIABETES[1])
        assert rows.job_.scheduler == cluster.address


def test_a_scheduler_that_is_not_there_is_unavailable(monkeypatch):
    monkeypatch.setattr(_runner, "_PATIENCE_S", 0.0)
    with pytest.raises(Unavailable, match="no scheduler listens at 127.0.0.1:9 "):
        es.Ridge(scheduler="127.0.0.1:9").fit(*DIABETES)


# --- scikit-learn's own checks ------------------------------------------------

# The checks that ran for each with scikit-learn 1.2.1, which has the fewest. A
# check that is skipped fails the test, but the one for arrays of other libraries,
# which newer releases run only if SCIPY_ARRAY_API is set. Those that compare two
# fits are left out for estimators that say of themselves that they differ.
TWO_FITS = {"check_pipeline_consistency", *_base.TWO_FITS[0]}
_PERCEPTRON = {"max_iter": 30, "learning_rate_init": 0.02}
_SGD = {"max_iter": 20, "batch_size": 16, "eta0": 0.05}
CHECKED = {
    "LogisticRegression": (es.LogisticRegression(max_iter=15), 43),
    "LinearRegression": (es.LinearRegression(max_iter=15), 40),
    "Ridge": (es.Ridge(max_iter=15), 40),
    "SGDClassifier": (es.SGDClassifier(**_SGD), 37),
    "SGDRegressor": (es.SGDRegressor(**_SGD), 33),
    "MLPClassifier": (es.MLPClassifier((16,), **_PERCEPTRON), 43),
    "MLPRegressor": (es.MLPRegressor((16,), **_PERCEPTRON), 40),
    "FMClassifier": (es.FMClassifier(rank=2, **_SGD), 37),
    "FMRegressor": (es.FMRegressor(rank=2, **_SGD), 33),
    "KMeans": (es.KMeans(), 37),
    "RandomForestClassifier": (es.RandomForestClassifier(), 40),
    "RandomForestRegressor": (es.RandomForestRegressor(), 38),
}


def _checks_of(estimator):
    """Pairs of an estimator and a check; scikit-learn 1.6 gave this another name."""
    newer = getattr(estimator_checks, "estimator_checks_generator", None)
    if newer is not None:
        return newer(estimator)
    return estimator_checks.check_estimator(estimator, generate_only=True)


@pytest.mark.parametrize("name", CHECKED)
def test_passes_the_checks_of_scikit_learn(name):
    estimator, least = CHECKED[name]
    ran = 0
    failed = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for one, check in _checks_of(estimator):
            words = getattr(check, "func", check).__name__
            if words in TWO_FITS and not estimator._repeats:
                continue
            try:
                check(one)
                ran += 1
            except SkipTest as skipped:
                if words != "check_array_api_input":
                    failed.append(f"{words} was skipped: {skipped}")
            except Exception as error:  # All that fail are named at once.
                failed.append(f"{words}: {type(error).__name__}: {error}")
    assert not failed, "\n".join(failed)
    assert ran >= least
