"""Jobs that end early because of their evaluations."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch_models import Data, Net, farthest, sgd, work  # noqa: E402

import ebb  # noqa: E402
import ebb.local  # noqa: E402
import ebb.torch  # noqa: E402
from ebb.torch import submission  # noqa: E402


def rows(*losses):
    return [
        {"epoch": i, "test_loss": loss, "test_f1": None if loss is None else -loss}
        for i, loss in enumerate(losses, 1)
    ]


@pytest.mark.parametrize(
    "losses, ends",
    [((3, 2, 1), False), ((1, 2), False), ((1, 2, 3), True), ((1, 2, 0.5, 1), False),
     ((1, 1, 1), True), ((1, float("nan"), float("nan")), True), ((1, None, 2), True),
     ((float("nan"), float("nan")), True), ((), False)],
)  # fmt: skip
def test_patience(losses, ends):
    assert ebb.torch.Patience(2)(rows(*losses)) == ends
    assert ebb.torch.Patience(2, "test_f1")(rows(*losses)) == ends


def test_patience_with_a_least_change():
    assert ebb.torch.Patience(2, least=0.5)(rows(3, 2.9, 2.8))
    assert not ebb.torch.Patience(2, least=0.5)(rows(3, 2, 1))
    with pytest.raises(ebb.Refused, match="epoch 1 has no test_auc; it has test_loss, test_f1"):
        ebb.torch.Patience(2, "test_auc")(rows(1))
    with pytest.raises(ebb.Refused, match="must be 1 or more"):
        ebb.torch.Patience(0)
    with pytest.raises(ebb.Refused, match='begins with test_(.|\n)*"test_f1"'):
        ebb.torch.Patience(3, "f1")
    assert ebb.torch.Patience(2, "test_mae")([{"epoch": i, "test_mae": i} for i in (1, 2, 3)])


def test_stopping_needs_evaluations():
    options = {"optimizer": "sgd", "epochs": 1, "batch": 8}
    with pytest.raises(ebb.Refused, match="there is no evaluate="):
        submission.prepared("a", Net(), Data(), stop_when=ebb.torch.Patience(3), **options)
    with pytest.raises(ebb.Refused, match="must be a function(.|\n)*Patience"):
        submission.prepared("a", Net(), Data(), stop_when=3, evaluate=len, **options)


def keys_of(stop_when, epochs=9, **options):
    _, description, _ = submission.prepared(
        "a", Net(), Data(), optimizer="sgd", epochs=epochs, batch=8, evaluate=len,
        stop_when=stop_when, **options,
    )  # fmt: skip
    return {key: description.keys.get(key) for key in ("stop", "keep_best")}


def test_patience_is_the_jobs_own():
    stop = {"metric": "f1", "patience": 3, "min_delta": 0.0}
    assert keys_of(ebb.torch.Patience(3, "test_f1")) == {"stop": stop, "keep_best": "f1"}
    cost = ebb.torch.Patience(3, "test_cost", least=0.5, larger_is_better=False)
    stop = {"metric": "cost", "patience": 3, "min_delta": 0.5, "larger_is_better": False}
    assert keys_of(cost) == {"stop": stop, "keep_best": "cost"}
    # One that never passes is as long as may be, for the job would be refused.
    assert keys_of(ebb.torch.Patience(9), epochs=4)["stop"]["patience"] == 3
    assert keys_of(ebb.torch.Patience(9), epochs=9, evaluate_every=4)["stop"]["patience"] == 2
    assert keys_of(ebb.torch.Patience(9), epochs=1) == {"stop": None, "keep_best": None}
    with pytest.warns(ebb.Warning, match="the best version is not kept"):
        made = keys_of(ebb.torch.Patience(3), settings={"on_nonfinite": "rollback"})
    assert made["keep_best"] is None
    asked = {"stop": {"metric": "stop_when", "reach": 1}, "keep_best": None}
    assert keys_of(lambda history: False) == asked


def test_a_figure_that_is_not_evaluated_is_named():
    _, job, cluster = mock.one(
        evaluate=lambda _: {"loss": 1.0, "f1": 0.5}, evaluate_after=[2],
        stop_when=ebb.torch.Patience(3, "test_auc"), epochs=3,
    )  # fmt: skip
    with pytest.raises(ebb.Refused, match="epoch 1 has no test_auc; it has test_loss, test_f1"):
        work(job)
    assert "has no test_auc" in cluster.evaluated[0]["error"]


def test_a_function_is_asked_with_the_row_of_the_evaluation():
    seen = []

    def stop_when(history):
        seen.append(history)
        return len(seen) == 2

    _, job, cluster = mock.one(
        evaluate=lambda _: {"loss": 2.0, "f1": 0.5}, evaluate_after=[2, 3],
        stop_when=stop_when, evaluate_every=2, epochs=5,
    )  # fmt: skip
    cluster.remote.about.update(
        losses=[{"epoch": 1, "mean": 3.0}, {"epoch": 2, "mean": None}, {"epoch": 4, "mean": 1.0}],
        evaluations=[{"epoch": 2, "loss": None, "f1": 0.25, "stop_when": 0.0}],
    )
    work(job)
    first, second = seen[0]
    assert first["epoch"] == 2 and first["test_f1"] == 0.25
    assert first["test_loss"] != first["test_loss"]  # NaN.
    assert "test_stop_when" not in first
    assert second == {"epoch": 4, "loss": 1.0, "test_loss": 2.0, "test_f1": 0.5}
    assert [one["figures"]["stop_when"] for one in cluster.evaluated] == [0.0, 1.0]


def test_the_counters_are_those_of_the_result():
    """Bug: after an early stop they were this copy's own."""

    class Normed(Net):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(3)

        def forward(self, x):
            return self.norm(super().forward(x))

    _, job, cluster = mock.one(
        model=Normed(), epochs=4, evaluate=len, stop_when=ebb.torch.Patience(1)
    )
    cluster.remote.about.update(epochs=2, ended="stopped after epoch 3: because")
    with pytest.warns(ebb.Warning, match="job job stopped after epoch 3: because") as told:
        work(job)
    assert told[0].filename.endswith("torch_models.py")  # The line of the loop.
    assert job.stopped == "job job stopped after epoch 3: because"
    assert int(job.model.norm.num_batches_tracked) == 2 * 7
    assert int(job.state_dict()["norm.num_batches_tracked"]) == 2 * 7


def test_going_back_at_the_last_epoch_is_said():
    """Bug: the values of an earlier epoch were those of the job without a word."""
    _, job, cluster = mock.one(epochs=4, evaluate=len, stop_when=ebb.torch.Patience(2))
    cluster.remote.about.update(epochs=2, ended="went back from epoch 4 to epoch 2: because")
    with pytest.warns(ebb.Warning, match="job job went back from epoch 4 to epoch 2"):
        work(job)
    assert job.stopped is None


def early(losses, stop_when, epochs=12, **options):
    """A job whose evaluations come to these losses, and which epochs were evaluated."""
    model, evaluations = Net(), []

    def evaluate(model):
        evaluations.append({k: v.clone() for k, v in model.state_dict().items()})
        return {"loss": losses[min(len(evaluations), len(losses)) - 1], "f1": 0.5}

    job = ebb.torch.job(
        "early", model, Data(100), optimizer=sgd(model), epochs=epochs, batch=8,
        evaluate=evaluate, stop_when=stop_when, **options,
    )  # fmt: skip
    return job, evaluations


NAN = float("nan")


# Bugs: with a NaN it was never asked, each epoch waited for ten seconds, short epochs went on
# meanwhile, and the job ended as cancelled, with its last version.
@pytest.mark.parametrize(
    "losses, epochs, best, said",
    [
        ((3.0, 1.0, 2.0, 2.5), 4, 2, "2 evaluations without a better loss than that of epoch 2"),
        ((3.0, NAN, 4.0), 3, 1, "1 of them with a loss that is no finite number"),
    ],
)
def test_a_job_ends_early_with_its_best_version(monkeypatch, losses, epochs, best, said):
    with ebb.local.cluster() as cluster:
        monkeypatch.setenv("EBB_SCHEDULER", cluster.address)
        job, evaluations = early(losses, ebb.torch.Patience(2))
        with pytest.warns(ebb.Warning, match=f"stopped after epoch {epochs}: "):
            work(job)
        assert len(evaluations) == epochs and said in job.stopped
        assert job.state == "complete" and job.audit()
        status = job.status()
        assert status["epochs"] == best and status["best"]["epoch"] == best
        for name, value in evaluations[best - 1].items():
            assert torch.equal(job.model.state_dict()[name], value)
        assert torch.equal(job.state_dict()["a.weight"], job.model.a.weight)

        late, _ = early(losses, ebb.torch.Patience(2))
        with pytest.warns(ebb.Warning, match="stopped after epoch"):
            assert list(late.loader()) == []
        assert late.stopped == job.stopped
        assert farthest(late.model, job.model) == 0


def test_a_function_ends_a_job(monkeypatch):
    asked = []

    def stop_when(history):
        asked.append([row["epoch"] for row in history])
        return history[-1]["test_loss"] > 1

    with ebb.local.cluster() as cluster:
        monkeypatch.setenv("EBB_SCHEDULER", cluster.address)
        job, evaluations = early((1.0, NAN, 2.0), stop_when)
        with pytest.warns(ebb.Warning, match="stopped after epoch 3: stop_when 1"):
            work(job)
        assert asked == [[1], [1, 2], [1, 2, 3]]
        assert job.state == "complete" and job.audit()
        assert job.status()["epochs"] == 3
        assert torch.equal(job.model.a.weight, evaluations[2]["a.weight"])


def test_a_job_that_somebody_cancels_is_not_stopped(monkeypatch):
    with ebb.local.cluster() as cluster:
        monkeypatch.setenv("EBB_SCHEDULER", cluster.address)
        model = Net()
        job = ebb.torch.job(
            "cancelled", model, Data(2000), optimizer=sgd(model), epochs=50, batch=8,
            evaluate=lambda _: job.cancel() or 1.0, stop_when=lambda history: False,
        )  # fmt: skip
        with pytest.raises(ebb.JobFailed, match="cancelled is cancelled"):
            work(job)
        assert job.stopped is None
