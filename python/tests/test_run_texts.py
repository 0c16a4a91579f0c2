"""Tests of what a run says of its figures."""

from ebb import history


def test_a_history_says_which_epoch_has_the_figures_of_a_later_one() -> None:
    # Bug: after the scheduler was away, six epochs had the same figures.
    job = {
        "epochs": 8,
        "losses": [{"epoch": 1, "mean": 0.5}],
        "evaluations": [
            {"epoch": 1, "loss": 0.5, "position": 110},
            {"epoch": 3, "loss": 0.25, "position": 800, "further": 5.0},
        ],
    }
    assert history.of_status(job) == [
        {"epoch": 1, "loss": 0.5, "test_loss": 0.5},
        {"epoch": 3, "loss": None, "test_loss": 0.25, "test_further": 5.0},
    ]
