"""How a loop ends, and what comes before: evaluations and late programs."""

import copy

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.nn.functional as F  # noqa: E402
import torch_mock as mock  # noqa: E402
from torch_models import Data, Net, farthest, loss_of, sgd, work  # noqa: E402

import ebb  # noqa: E402


def test_break_leaves_in_good_order_and_the_next_loop_goes_on():
    dataset = Data()
    a, b = Net(), Net()
    mock.plain(a, sgd(a), dataset, loss_of, epochs=1, batch=8)
    job, cluster = mock.job(b, dataset, optimizer=sgd(b))
    for place, batch in enumerate(job.loader()):
        if place == 3:
            break
        loss_of(b, batch).backward()
        job.optimizer.step()
    assert cluster.left == 1 and len(cluster.pushed) == 3
    work(job)
    assert farthest(a, b) < 1e-6
    assert sorted(cluster.pushed) == sorted(set(cluster.pushed))


def test_the_model_has_memory_of_its_own_after_the_loop():
    model = Net()
    job, _ = mock.job(model, Data(), optimizer=sgd(model))
    places = {p.data_ptr() for p in model.parameters()}
    for batch in job.loader():
        assert not places & {p.data_ptr() for p in model.parameters()}
        loss_of(model, batch).backward()
        job.optimizer.step()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert float(job.state_dict()["a.weight"].abs().max()) > 0


def test_a_second_pass_warns_and_yields_nothing():
    model = Net()
    job, _ = mock.job(model, Data(8), optimizer=sgd(model))
    work(job)
    with pytest.warns(ebb.Warning, match="all 1 epochs.*outer loop"):
        assert list(job.loader()) == []


def test_evaluates_between_two_batches():
    model = Net()
    test = Data(20, seed=9)
    modes = []

    def evaluate(it):
        modes.append((it.training, torch.is_grad_enabled()))
        guess = it(test.x)
        right = int((guess.argmax(1) == test.y).sum())
        loss = F.cross_entropy(guess, test.y)
        return {"loss": float(loss), "correct": right, "examples": 20, "margin": 0.5}

    job, cluster = mock.job(
        model, Data(), optimizer=sgd(model), evaluate=evaluate, evaluate_after=[2, 7]
    )
    work(job)
    assert modes == [(False, False)] * 2
    assert model.training
    first = cluster.evaluated[0]
    assert first["examples"] == 20 and first["figures"] == {"margin": 0.5}
    assert first["loss_sum"] > 0 and 0 <= first["correct"] <= 20


@pytest.mark.parametrize("figure", [{"accuracy": 0.7}, {"correct": 14}])
def test_accuracy_needs_the_number_of_examples(figure):
    def answer(more):
        model, job, cluster = mock.one(
            evaluate=lambda _: {"loss": 0.5, **figure, **more}, evaluate_after=[0]
        )
        work(job)
        return cluster.evaluated[0]

    made = answer({"examples": 20})
    assert (made["examples"], made["correct"], made["loss_sum"]) == (20, 14, 10.0)
    with pytest.raises(ebb.Refused, match=f"returned {list(figure)[0]} without examples"):
        answer({})


def test_an_evaluation_that_fails_is_told_and_raised():
    model = Net()

    def evaluate(_):
        raise RuntimeError("no test data")

    job, cluster = mock.job(
        model, Data(), optimizer=sgd(model), evaluate=evaluate, evaluate_after=[0]
    )
    with pytest.raises(RuntimeError, match="no test data"):
        work(job)
    assert cluster.evaluated[0]["error"] == "RuntimeError: no test data"


def test_a_job_that_was_cancelled():
    model, job, cluster = mock.one()
    with pytest.raises(ebb.JobFailed, match="job is cancelled"):
        for place, batch in enumerate(job.loader()):
            loss_of(model, batch).backward()
            job.optimizer.step()
            if place == 2:
                cluster.todo.clear()
                cluster.remote.state = "cancelled"


def test_an_engine_that_leaves_ends_the_loop():
    _, job, cluster = mock.one()
    cluster.remote.state = "left"
    cluster.todo.clear()
    with pytest.warns(ebb.Warning, match="left job job, which is not complete"):
        assert list(job.loader()) == []


def test_a_program_that_comes_late_has_the_result_at_once():
    model, job, cluster = mock.one()
    work(job)
    late, job, _ = mock.one(cluster=cluster)
    with pytest.warns(ebb.Warning, match="complete already, so nothing is trained") as told:
        _, seen = work(job)
    assert len(told) == 1
    assert seen == [] and farthest(model, late) == 0


def test_the_model_stays_usable_by_a_copy():
    model, job, _ = mock.one()
    work(job)
    copy.deepcopy(model)


def test_joining_takes_epochs_and_batch_from_the_job():
    _, _, cluster = mock.one(epochs=2)
    model, job, _ = mock.one(cluster=cluster, joins=True)
    work(job)
    assert len(cluster.pushed) == 14
