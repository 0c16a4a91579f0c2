"""Trains a linear model whose gradients NumPy computes.

    python3 examples/python/numpy_line.py
    ebb run examples/python/numpy_line.py --workers 3 --kill-every 1

The first starts a scheduler and a server behind this process. The second starts
the program three times, and kills one of the processes each second.
"""

import os

import numpy as np

import ebb
import ebb.local

EXAMPLES, FEATURES, EPOCHS = 20_000, 8, 10


def data():
    """Returns points beside a plane. Every copy must make the same."""
    random = np.random.default_rng(1)
    features = random.normal(size=(EXAMPLES, FEATURES)).astype(np.float32)
    labels = features @ np.arange(FEATURES, dtype=np.float32) + 3
    return features, labels + 0.1 * random.normal(size=EXAMPLES).astype(np.float32)


def train(address):
    """Computes batches until the job is over, and returns the trained tables."""
    features, labels = data()
    job = {
        "name": "line",
        "model": {
            "kind": "program",
            "tables": {"bias": {"dims": [1]}, "weight": {"dims": [FEATURES]}},
        },
        "data": {"train": {"positions": EXAMPLES}},
        "train": {"epochs": EPOCHS, "batch": 50},
        "optimizer": {"kind": "sgd", "rate": 0.05},
    }
    # The first of several copies submits it, and all get the same job.
    submitted = ebb.connect(address).submit(job, request_id="line")
    for batch in ebb.join(address, "line"):
        x, y = features[batch.examples], labels[batch.examples]
        error = x @ batch.table("weight") + batch.table("bias") - y
        # Sums over the batch, and not means.
        gradients = {"weight": error @ x, "bias": [error.sum()]}
        batch.push(gradients, loss=0.5 * float(error @ error))
    return submitted.wait(progress=False).state_dict()


def main():
    address = os.environ.get("EBB_SCHEDULER")
    if address:
        trained = train(address)
    else:
        with ebb.local.cluster(servers=1) as cluster:
            trained = train(cluster.address)
    print("weight", np.round(trained["weight"], 2), "bias", np.round(trained["bias"], 2))


if __name__ == "__main__":
    main()
