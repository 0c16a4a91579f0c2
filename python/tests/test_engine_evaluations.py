"""Evaluations that a program with sparse tables loses in their middle."""

import time

import numpy as np
import pytest

import ebb
import ebb.local

_JOB = {
    "name": "rows-lost",
    "model": {
        "kind": "program",
        "tables": {"bias": {"dims": [1]}},
        "sparse_tables": {"a": {"width": 2}},
    },
    "data": {"train": {"positions": {"examples": 64}}},
    "train": {"epochs": 1, "batch": 8},
    "evaluate": "1 epoch",
}
_LONG_S = 60


def _keys(examples):
    return {"a": examples.astype(np.uint64)}


@pytest.fixture
def cluster():
    with ebb.local.cluster(servers=2) as started:
        yield started


# The loss comes while the program looks up rows, or while it computes.
@pytest.mark.parametrize("pause_s", [0.02, 1.5])
def test_an_evaluation_that_is_leased_again_begins_anew(cluster, pause_s):
    """Bug: the first part of the new one, without rows, answered the old one."""
    job = ebb.connect(cluster.address).submit(_JOB)
    evaluations, lost = [], []

    def evaluate(values):
        first = not evaluations
        evaluations.append(time.monotonic())
        if first:
            assert cluster.kill("scheduler")
        try:
            # All of these, until a scheduler is there that gives it again.
            while len(evaluations) == 1 and time.monotonic() < evaluations[0] + _LONG_S:
                found = work.look_up({"a": np.arange(20, dtype=np.uint64)})["a"]
                assert len(found.places) == 20
                assert found.values.shape == (20, 2)
                time.sleep(pause_s)
        except ebb.EvaluationLost:
            lost.append(len(evaluations))
            raise
        found = work.look_up({"a": np.arange(10, dtype=np.uint64)})["a"]
        assert found.values.shape == (10, 2)
        return ebb.Evaluated(examples=10, loss_sum=float(10 * len(evaluations)))

    work = ebb.join(cluster.address, "rows-lost", keys=_keys, evaluate=evaluate)
    for batch in work:
        batch.push({"bias": [8]}, loss=1, rows={"a": np.ones(batch.rows("a").shape)})
    job.wait(progress=False)
    assert lost == [1] and len(evaluations) > 1
    assert len(job.history) == 1
    assert job.audit().exact
