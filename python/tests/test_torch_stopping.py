"""Jobs that end early because of their evaluations."""

import re
import warnings

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch_models import Data, Net, farthest, sgd, work  # noqa: E402

import ebb  # noqa: E402
import ebb.local  # noqa: E402
import ebb.torch  # noqa: E402
from ebb.torch import submission  # noqa: E402


def rows(*losses):
    return [{"epoch": i, "test_loss": loss, "test_f1": -loss} for i, loss in enumerate(losses, 1)]


@pytest.mark.parametrize(
    "losses, ends",
    [((3, 2, 1), False), ((1, 2), False), ((1, 2, 3), True), ((1, 2, 0.5, 1), False),
     ((1, 1, 1), True), ((1, float("nan"), float("nan")), True), ((), False)],
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


def test_stopping_needs_evaluations():
    options = {"optimizer": "sgd", "epochs": 1, "batch": 8}
    with pytest.raises(ebb.Refused, match="there is no evaluate="):
        submission._prepared("a", Net(), Data(), stop_when=ebb.torch.Patience(3), **options)
    with pytest.raises(ebb.Refused, match="must be a function(.|\n)*Patience"):
        submission._prepared("a", Net(), Data(), stop_when=3, evaluate=len, **options)


def test_a_job_ends_early(monkeypatch):
    evaluations = []

    def evaluate(model):
        evaluations.append(model)
        return {"loss": 1.0 if len(evaluations) < 3 else 2.0}

    def joined():
        model = Net()
        return ebb.torch.job(
            "early", model, Data(2000), optimizer=sgd(model), epochs=50, batch=8,
            evaluate=evaluate, stop_when=lambda history: history[-1]["test_loss"] > 1,
        )  # fmt: skip

    with ebb.local.cluster() as cluster:
        monkeypatch.setenv("EBB_SCHEDULER", cluster.address)
        job = joined()
        # Where epochs are short, not each of them is evaluated.
        with pytest.warns(ebb.Warning, match=r"is stopped by stop_when= after .* epoch \d+: ep"):
            work(job)
        assert 3 <= len(evaluations) < 50  # The job goes on until the scheduler cancels it.
        assert re.search(r"epochs 1-\d+ exact", job.stopped)
        assert job.state == "cancelled"
        # The servers stored all that was trained.
        applied = job.status()["marks"]["most"]
        assert 3 * 2000 <= applied < 50 * 2000
        assert job.versions()[-1]["examples"] == applied
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            state = job.state_dict()
        assert torch.equal(state["a.weight"], job.model.a.weight)

        late = joined()
        with pytest.warns(ebb.Warning, match="is stopped by stop_when="):
            assert list(late.loader()) == []
        assert late.stopped == job.stopped
        assert farthest(late.model, job.model) == 0


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
