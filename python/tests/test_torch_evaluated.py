"""Tests that the job shows what evaluate() returned."""

import math

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch_models import work  # noqa: E402

import ebb  # noqa: E402
from ebb.torch.evaluated import figures_of, with_perplexity  # noqa: E402


def shown(answer):
    """The figures that the scheduler makes of an answer (scheduler/job/evaluator.cc)."""
    figures = dict(answer["figures"] or {})
    loss = figures.pop("loss", answer["loss_sum"] / max(1, answer["examples"]))
    told = figures.pop("accuracy", None)
    right = answer["correct"]
    return {
        "loss": loss,
        "accuracy": told if right < 0 else right / answer["examples"],
        **figures,
    }


# Bug: 0.3 of 7 examples became 2 right ones, and was shown as 0.2857.
@pytest.mark.parametrize("accuracy", [0.3, 0.5, 2 / 7, 0.0, 1.0, 0.2857142984867096])
@pytest.mark.parametrize("loss", [0.1, 0.7, 1 / 3])
def test_shows_what_was_returned(accuracy, loss):
    for examples in (7, 49, 10_000):
        answer = figures_of({"loss": loss, "accuracy": accuracy, "examples": examples})
        assert shown(answer) == {"loss": loss, "accuracy": accuracy}


def test_a_loss_that_is_no_number_is_handed_on():
    answer = figures_of({"loss": float("nan"), "f1": 0.5})
    assert answer["loss_sum"] != answer["loss_sum"] and answer["figures"] == {"f1": 0.5}
    assert shown(figures_of(0.25)) == {"loss": 0.25, "accuracy": None}


@pytest.mark.parametrize("returned, why", [
    ({"correct": 2.5, "examples": 7}, "2.5 as correct, which is a whole number"),
    ({"correct": 2, "examples": 7.5}, "7.5 as examples, which is a whole number"),
    ({"correct": float("nan"), "examples": 7}, "nan as correct"),
    ({"accuracy": 30, "examples": 100}, "30 as accuracy, which is a share from 0 to 1"),
    ({"accuracy": 0.5, "correct": 2, "examples": 7}, "an accuracy of 0.5, and 2 correct of 7"),
])  # fmt: skip
def test_counts_that_are_none_are_refused(returned, why):
    with pytest.raises(ebb.Refused, match=why):
        figures_of({"loss": 1.0, **returned})


def test_the_evaluation_of_a_loop_has_it():
    _, job, cluster = mock.one(
        evaluate=lambda model: {"loss": 0.7, "accuracy": 0.3, "examples": 7}, evaluate_after=[2]
    )
    work(job)
    assert [shown(one) for one in cluster.evaluated] == [{"loss": 0.7, "accuracy": 0.3}]


@pytest.mark.parametrize(
    "answer, perplexity",
    [
        (0.5, math.exp(0.5)),
        ({"loss": 1 / 3, "examples": 7}, math.exp(1 / 3)),
        ({"loss": 2.0, "examples": 4, "perplexity": 3.0}, 3.0),
        ({"loss": 1e6}, math.inf),
    ],
)
def test_a_perplexity_is_told_unless_it_was_given(answer, perplexity):
    assert with_perplexity(figures_of(answer))["figures"]["perplexity"] == perplexity


def test_an_evaluation_of_no_examples_has_no_perplexity():
    answer = figures_of({"loss": 0.0, "examples": 0})
    assert with_perplexity(answer) == answer
