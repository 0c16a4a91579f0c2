"""The side of scikit-learn: kmeans_program.py WHAT FOLDER ROUNDS.

WHAT is seconds (a round), rounds (what each leads to) or mini_batch. The folder has
examples.npy and the first centroids, first.npy.
"""

import json
import sys
import time
import warnings

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans

warnings.filterwarnings("ignore")


def lloyd(examples, first, rounds):
    return KMeans(
        len(first), init=first, n_init=1, max_iter=rounds, tol=0, algorithm="lloyd"
    ).fit(examples)


def seconds(examples, first, rounds):
    """The time of a round: how much longer more rounds take, without what each fit does once."""
    took = []
    for count in (1, 1 + rounds) * 3:
        began = time.perf_counter()
        done = lloyd(examples, first, count)
        took.append((time.perf_counter() - began, done.n_iter_))
    (short, few), (long, many) = min(took[::2]), min(took[1::2])
    return {"s a round": (long - short) / (many - few)}


def rounds_of(examples, first, rounds):
    """The inertia after each round, and the clusters after the last.

    In double: with float32 scikit-learn adds up each cluster in float32.
    """
    examples, centroids = examples.astype(np.float64), first.astype(np.float64)
    inertias = []
    for _ in range(rounds):
        done = lloyd(examples, centroids, 1)
        centroids = done.cluster_centers_
        inertias.append(float(done.inertia_))
    return {"inertias": inertias, "labels": done.labels_.tolist()}


def mini_batch(examples, first, _):
    done = MiniBatchKMeans(
        len(first), init=first, n_init=1, max_iter=5, batch_size=1024, tol=0,
        max_no_improvement=None, random_state=1,
    ).fit(examples)
    return {"centroids": done.cluster_centers_.tolist()}


what, folder, count = sys.argv[1:]
does = {"seconds": seconds, "rounds": rounds_of, "mini_batch": mini_batch}[what]
print(json.dumps(does(np.load(f"{folder}/examples.npy"), np.load(f"{folder}/first.npy"), int(count))))
