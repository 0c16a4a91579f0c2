"""Tests that what an evaluation says is checked before it is sent."""

import os
import threading

import pytest

import ebb
from ebb.batches import Evaluation
from ebb.engine import Engine


@pytest.fixture
def engine():
    """An engine without a process: what passes the checks goes nowhere."""
    engine = object.__new__(Engine)
    engine._pid, engine._thread = os.getpid(), threading.get_ident()
    engine._out = None
    engine.name = "job"
    return engine


@pytest.mark.parametrize("name", ["", "Top5", "top-5", "val/loss", "loß", "a" * 33, "a\n"])
def test_names_of_figures(engine, name):
    evaluation = Evaluation(1, 5)
    with pytest.raises(ebb.errors.Refused, match="lower-case letters") as told:
        engine.evaluated(evaluation, examples=1, loss_sum=0, figures={name: 1.0})
    assert repr(name) in str(told.value)
    assert not evaluation.answered


@pytest.mark.parametrize("examples, correct, what", [
    (-1, -1, "examples is -1"),
    (5, 6, "correct is 6.*which is 5"),
    (5, -2, "correct is -2"),
])
def test_counts(engine, examples, correct, what):
    with pytest.raises(ebb.errors.Refused, match=what):
        engine.evaluated(Evaluation(1, 5), examples=examples, loss_sum=0, correct=correct)


def test_what_is_allowed(engine):
    evaluation = Evaluation(1, 5)
    engine.evaluated(
        evaluation, examples=5, loss_sum=0, correct=5, figures={"top_5": 1.0, "a" * 32: 2.0}
    )
    assert evaluation.answered
