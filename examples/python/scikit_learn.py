"""Trains scikit-learn pipelines on ebb's workers.

    python3 examples/python/scikit_learn.py

The first fit starts a scheduler, a server and two workers behind this process;
the others find them there. All of them end with this process.
"""

import time

import numpy as np
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ebb.sklearn import LogisticRegression, MatrixFactorization, MLPClassifier


def main() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    train_X, test_X, train_y, test_y = train_test_split(X, y, random_state=1)
    clf = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, n_workers=2))
    clf.fit(train_X, train_y)
    print(f"logistic regression: accuracy {clf.score(test_X, test_y):.3f}")

    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MLPClassifier((16,), max_iter=60)),
        {"mlpclassifier__learning_rate_init": [0.001, 0.01]},
        cv=3,
        n_jobs=1,
    )
    begin = time.monotonic()
    search.fit(X, y)
    seconds = time.monotonic() - begin
    print(f"grid search: {search.best_params_}, accuracy {search.best_score_:.3f}")
    print(f"7 fits of a perceptron in {seconds:.1f} s")

    users, items = np.divmod(np.arange(1200), 30)
    ratings = 3 + np.sin(users) * np.cos(items)
    pairs = train_test_split(np.column_stack([users, items]), ratings, random_state=1)
    model = MatrixFactorization(rank=2, alpha=0.01, eta0=0.02, max_iter=30, batch_size=32)
    model.fit(pairs[0], pairs[2])
    print(f"matrix factorisation: R^2 {model.score(pairs[1], pairs[3]):.3f}")


if __name__ == "__main__":
    main()
