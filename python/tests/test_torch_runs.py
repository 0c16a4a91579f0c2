"""Runs of a program's own steps, on a mock cluster: what must be the same each time."""

import types
import warnings

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch_models import Data, Net, farthest, loss_of  # noqa: E402

import ebb  # noqa: E402
import ebb.torch  # noqa: E402

_STEPS = 3


def _adamw(model):
    return torch.optim.AdamW(model.parameters(), lr=0.01)


def _job(make=_adamw, model=None, steps=_STEPS, **options):
    """Returns a job of 48 examples in six batches of 8, thus in two runs an epoch."""
    model = model or Net()
    optimizer = make(model)
    options.setdefault("epochs", 1)
    job, cluster = mock.job(
        model, Data(48), optimizer=optimizer, batch=8, local=ebb.torch.DiLoCo(steps=steps), **options
    )
    return job, cluster, optimizer


def _step(job, batch, loss=loss_of):
    loss(job.model, batch).backward()
    job.optimizer.step()


def _trained(**options):
    job, _, _ = _job(**options)
    for batch in job.loader():
        _step(job, batch)
    return job


def test_an_evaluation_in_mid_run_leaves_the_run_as_it_is():
    seen = []

    def evaluate(model):
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return {"loss": 1.0, "correct": 1, "examples": 2}

    job, cluster, _ = _job(evaluate=evaluate, evaluate_after=(1, 4))
    begins = []
    for batch in job.loader():
        begins.append([p.detach().clone() for p in job.model.parameters()])
        _step(job, batch)
    assert len(seen) == 2
    # It shows what the servers have: the values that the run began with.
    for shown, begin in zip(seen, (begins[0], begins[3])):
        assert all(bool(torch.equal(a, b)) for a, b in zip(shown.values(), begin))
    assert farthest(_trained().model, job.model) == 0


def test_a_second_loop_begins_runs_with_a_new_state():
    job, cluster, optimizer = _job()
    for number, batch in enumerate(job.loader()):
        _step(job, batch)
        if number == 1:
            break
    assert not optimizer.state
    assert cluster.pushed == []
    for batch in job.loader():
        _step(job, batch)
    assert farthest(_trained().model, job.model) == 0


def test_an_exception_in_the_loop_drops_the_run():
    job, cluster, optimizer = _job()
    with pytest.raises(ZeroDivisionError):
        for number, batch in enumerate(job.loader()):
            _step(job, batch)
            if number == 1:
                raise ZeroDivisionError
    assert not job._work.is_open
    assert "step" not in vars(optimizer)
    for batch in job.loader():
        _step(job, batch)
    assert len(cluster.pushed) == len(set(cluster.pushed)) == 6


def test_a_loop_that_cannot_begin_or_end_well_leaves_nothing_open(monkeypatch):
    job, _, optimizer = _job()
    loader = job.loader()

    def close():
        raise KeyboardInterrupt

    monkeypatch.setattr(loader._reader, "close", close)
    batches = iter(loader)
    _step(job, next(batches))
    with pytest.raises(KeyboardInterrupt):
        batches.close()
    assert not job._work.is_open
    assert "step" not in vars(optimizer)
    monkeypatch.setattr("ebb.torch.work.Statistics", None)
    with pytest.raises(TypeError):
        next(iter(job.loader()))
    assert not job._work.is_open


def test_a_run_is_handed_in_by_its_last_step():
    job, cluster, _ = _job()
    batches = iter(job.loader())
    for _ in range(6):
        _step(job, next(batches))
    assert len(cluster.pushed) == 6


def test_a_write_after_the_step_that_ends_a_run_is_refused():
    job, cluster, _ = _job()
    with pytest.raises(ebb.Refused, match="bias was written to after the step that ends a run"):
        for batch in job.loader():
            _step(job, batch)
            with torch.no_grad():
                job.model.a.bias.clamp_(-1, 1)
    assert len(cluster.pushed) == _STEPS


def test_a_write_before_the_step_is_part_of_the_run():
    job, _, _ = _job()
    for batch in job.loader():
        loss_of(job.model, batch).backward()
        with torch.no_grad():
            job.model.a.bias.fill_(0.5)
        job.optimizer.step()
    assert (job.model.a.bias - 0.5).abs().max() < 0.03


@pytest.mark.parametrize("place", [1, 2])
def test_a_step_that_makes_values_infinite_fails_its_own_batch(place):
    class Exploding(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            if explodes:
                with torch.no_grad():
                    self.param_groups[0]["params"][0].fill_(float("inf"))

    job, cluster, _ = _job(lambda model: Exploding(model.parameters(), lr=0.01))
    failed = []
    for number, batch in enumerate(job.loader()):
        explodes = number == place
        try:
            _step(job, batch)
        except ebb.NonFinite as error:
            failed.append(error.examples.tolist())
            assert "the optimizer's step makes a.weight not finite" in str(error)
    assert len(failed) == 1
    assert len(cluster.pushed) == len(set(cluster.pushed)) == 5


def test_an_error_of_the_optimizer_fails_its_batch():
    class Broken(torch.optim.SGD):
        def step(self, closure=None):
            raise MemoryError("no room")

    job, cluster, _ = _job(lambda model: Broken(model.parameters(), lr=0.01))
    with pytest.raises(MemoryError):
        for batch in job.loader():
            _step(job, batch)
    assert cluster.failed == ["MemoryError: no room"]


def test_a_scheduler_in_the_loop_is_refused():
    job, _, optimizer = _job()
    scheduler = None
    with pytest.raises(ebb.Refused, match="the rate follows from the place in the data"):
        for batch in job.loader():
            scheduler = scheduler or torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
            _step(job, batch)
            scheduler.step()


def test_an_optimizer_with_a_scheduler_needs_schedule():
    def made(model):
        optimizer = _adamw(model)
        torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        return optimizer

    with pytest.raises(ebb.Refused, match="it has a scheduler"):
        _job(made)


def test_groups_keep_their_rates_under_a_schedule_of_pytorch():
    def grouped(model):
        return torch.optim.AdamW(
            [{"params": model.a.parameters(), "lr": 0.1}, {"params": model.b.parameters()}], lr=0.01
        )

    model = Net()
    optimizer = grouped(model)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
    job, _ = mock.job(
        model, Data(48), optimizer=optimizer, epochs=1, batch=8, schedule=schedule,
        schedule_every="batch", local=ebb.torch.DiLoCo(steps=_STEPS),
    )  # fmt: skip
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for batch in job.loader():
            rates.append([group["lr"] for group in job.optimizer.param_groups])
            _step(job, batch)
    assert rates[:3] == [[0.1, 0.01]] * 3
    assert rates[3:] == [[0.05, 0.005]] * 3
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.01]


def test_settings_that_the_loop_changes_are_refused():
    job, _, optimizer = _job()
    with pytest.raises(ebb.Refused, match="changed a setting of the optimizer"):
        for number, batch in enumerate(job.loader()):
            if number == 4:
                optimizer.param_groups[0]["weight_decay"] = 0.5
            _step(job, batch)


def test_two_open_loops_need_an_optimizer_each():
    model = Net()
    optimizer = _adamw(model)
    first, _, _ = _job(lambda _: optimizer, model)
    second, _, _ = _job(lambda _: optimizer, model)
    batches = iter(first.loader())
    next(batches)
    with pytest.raises(ebb.Refused, match="steps for another loop, which is open"):
        next(iter(second.loader()))
    batches.close()
    for batch in second.loader():
        _step(second, batch)
    assert "step" not in vars(optimizer)
    assert not hasattr(optimizer, "_ebb_runs")


def test_gradients_from_before_the_loop_are_dropped():
    job, _, _ = _job()
    loss_of(job.model, torch.utils.data.default_collate(list(Data(8)))).backward()
    for batch in job.loader():
        _step(job, batch)
    assert farthest(_trained().model, job.model) == 0


def test_a_norm_that_overflows_is_clipped():
    settings = {"train": {"clip_norm": 1e-3}}
    make = lambda model: torch.optim.SGD(model.parameters(), lr=1.0)  # noqa: E731
    job, _, _ = _job(make, settings=settings)
    before = [p.detach().clone() for p in job.model.parameters()]
    for batch in job.loader():
        _step(job, batch, lambda model, examples: loss_of(model, examples) * 1e30)
    far = [float((a - b).abs().max()) for a, b in zip(before, job.model.parameters())]
    assert 0 < max(far) < 6 * 1.1e-3


class _Looked(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.words = torch.nn.Embedding(50, 3, sparse=True)

    def forward(self, x):
        return self.words(x)


@pytest.mark.parametrize("clipped", [False, True])
def test_sparse_gradients_step(clipped):
    model = _Looked()
    settings = {"train": {"clip_norm": 1e-3}} if clipped else {}
    job, cluster, _ = _job(
        lambda m: torch.optim.SparseAdam(list(m.parameters()), lr=0.01), model, settings=settings
    )
    for number, _ in enumerate(job.loader()):
        model(torch.tensor([number, number])).sum().backward()
        job.optimizer.step()
    assert len(cluster.pushed) == 6


def test_an_optimizer_that_wraps_another_of_the_same_state_steps():
    class Wrapping(torch.optim.Optimizer):
        def __init__(self, inner):
            self.inner = inner
            self.state, self.param_groups = inner.state, inner.param_groups
            self.defaults = inner.defaults

        def step(self, closure=None):
            return self.inner.step(closure)

    job, _, _ = _job(lambda model: Wrapping(_adamw(model)))
    for batch in job.loader():
        _step(job, batch)
    assert farthest(_trained().model, job.model) == 0


def _with_state(model, **state):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for parameter in model.parameters():
        optimizer.state[parameter] = {k: v(parameter) for k, v in state.items()}
    return optimizer


def _without_state(model):
    optimizer = _adamw(model)
    del optimizer.state
    return optimizer


def _without_rate(model):
    optimizer = _adamw(model)
    del optimizer.param_groups[0]["lr"]
    return optimizer


def _rate(model, rate):
    optimizer = _adamw(model)
    optimizer.param_groups[0]["lr"] = rate
    return optimizer


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda m: _with_state(m, momentum_buffer=torch.ones_like), "has stepped, or begins with"),
        (lambda m: _with_state(m, anchor=torch.clone), "has stepped, or begins with"),
        (_without_state, "has no .state"),
        (_without_rate, "has no number as its lr"),
        (lambda m: _rate(m, None), "has no number as its lr"),
    ],
)
def test_what_cannot_begin_anew_is_refused(make, words):
    with pytest.raises(ebb.Refused, match=words):
        _job(make)


def test_the_wrapper_of_a_step_is_a_method_with_its_marks():
    job, _, optimizer = _job()
    for batch in job.loader():
        assert isinstance(optimizer.step, types.MethodType)
        assert optimizer.step.__self__ is optimizer
        _step(job, batch)
