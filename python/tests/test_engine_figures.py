"""The figures of a program's evaluations arrive as it computed them."""

import linear as model
import pytest

import ebb
import ebb.local


def test_figures_are_those_of_the_snapshots(tmp_path):
    linear = model.make_data(tmp_path)
    means, rmses = [], []

    def evaluate(values):
        _, loss = linear.sums(values)
        means.append(loss / 600)
        rmses.append((2 * loss / 600) ** 0.5)
        return ebb.Evaluated(600, loss, figures={"spread": rmses[-1]})

    with ebb.local.cluster(servers=2) as cluster:
        job = ebb.connect(cluster.address).submit(
            model.job(tmp_path, test=True, evaluate="1 epoch")
        )
        for batch in ebb.join(cluster.address, job.name, evaluate=evaluate):
            batch.push(*linear.sums(batch.values, batch.examples))
        rows = job.history
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["test_loss"] for row in rows] == pytest.approx(means)
    assert [row["test_spread"] for row in rows] == pytest.approx(rmses)
