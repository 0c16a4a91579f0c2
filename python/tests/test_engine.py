"""Tests what an engine promises to a program that computes by itself."""

import os
import signal
import threading
import time
from pathlib import Path

import linear as model
import numpy as np
import pytest

import ebb
import ebb.local
from ebb import programs
from ebb.engine import Batch, Engine, Evaluation

pytestmark = pytest.mark.filterwarnings("error")

# Machines that test are slow at times.
SOON_S = 60.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with ebb.local.cluster(servers=2) as cluster:
        yield cluster


class Job:
    """A job that is there, and the mathematics to compute it."""

    names = 0

    def __init__(self, cluster, folder: Path, **more) -> None:
        Job.names += 1
        self.linear = model.make_data(folder)
        self.name = f"job-{Job.names}"
        self.address = cluster.address
        self.job = ebb.connect(cluster.address).submit(
            model.job(folder, self.name, **more)
        )
        self.engines: "list[Engine]" = []

    def join(self, **options) -> Engine:
        self.engines.append(Engine.join(self.address, self.name, **options))
        return self.engines[-1]

    def compute(self, engine: Engine, batch: Batch) -> None:
        gradient, loss = self.linear.sums(engine.values, batch.examples)
        engine.sums[:] += gradient
        engine.push(batch, loss)

    def finish(self, engine: Engine) -> None:
        while (batch := engine.next(SOON_S)) is not None:
            self.compute(engine, batch)
        assert engine.ended == "complete"

    def expect_exact(self) -> None:
        audit = self.job.audit()
        assert audit.exact, audit


@pytest.fixture
def job(cluster, tmp_path):
    job = Job(cluster, tmp_path)
    yield job
    for engine in job.engines:
        engine.leave()
    # Others get the servers for themselves.
    if job.job.state not in ("complete", "cancelled"):
        job.job.cancel()


def engine_pid(engine: Engine) -> int:
    assert engine.pid is not None
    return engine.pid


def kill_engine(engine: Engine) -> None:
    os.kill(engine_pid(engine), signal.SIGKILL)
    engine._session.link.process.child.wait()


# --- Batches ------------------------------------------------------------------


def test_each_example_of_each_epoch_is_computed_once(job):
    engine = job.join()
    assert engine.name == job.name
    assert (engine.examples, engine.epochs, engine.batch) == (600, 3, 16)
    assert [(t.name, t.size, t.offset) for t in engine.tables] == [
        ("weights", 4, 0),
        ("bias", 1, 4),
    ]
    seen = [[] for _ in range(3)]
    sizes = set()
    while (batch := engine.next(SOON_S)) is not None:
        seen[batch.epoch].extend(batch.examples)
        sizes.add(len(batch))
        assert len(batch) == len(batch.examples)
        job.compute(engine, batch)
    assert [sorted(epoch) for epoch in seen] == [list(range(600))] * 3
    # The last one of an epoch is short, and counts.
    assert sizes == {16, 8}
    assert np.abs(engine.values - [1, 2, 3, 4, 0.5]).max() < 0.1
    assert engine.ended == "complete" and engine.next() is None
    job.expect_exact()


def test_examples_come_in_the_same_order_for_all(job):
    first, second = job.join(), job.join()
    batch = first.next(SOON_S)
    # The same place, asked for by another engine.
    again = second._orders.examples(batch.epoch, batch.shard)[batch.begin : batch.end]
    assert list(again) == list(batch.examples)
    first.fail(batch, "only a look")


def test_sums_are_zero_for_each_batch(job):
    engine = job.join()
    batch = engine.next(SOON_S)
    assert not engine.sums.any()
    engine.sums[:] = 1e-3
    engine.push(batch, 0)
    batch = engine.next(SOON_S)
    assert not engine.sums.any()
    engine.sums[:] = 1
    engine.fail(batch, "not now")
    engine.next(SOON_S)
    assert not engine.sums.any()


# The other half of the memory has the next batch, once its values are pulled.
def test_the_next_batch_is_there_while_the_last_one_is_taken(cluster, tmp_path):
    job = Job(cluster, tmp_path, epochs=200)
    with job.join() as engine:
        halves, batches = set(), 0
        while halves != {0, 1} and (batch := engine.next(SOON_S)) is not None:
            halves.add(engine.half)
            batches += 1
            # The values are not those of another batch, also where it takes long.
            before = engine.values.copy()
            gradient, loss = job.linear.sums(engine.values, batch.examples)
            until = time.monotonic() + 0.002
            while time.monotonic() < until:
                pass
            assert (engine.values == before).all()
            assert not engine.sums.any()
            engine.sums[:] = gradient
            engine.push(batch, loss, wait=False)
        assert halves == {0, 1}, f"in {batches} batches"
    job.job.cancel()


def test_batches_that_are_handed_in_without_a_wait_count_once(job):
    engine = job.join()
    seen = []
    while (batch := engine.next(SOON_S)) is not None:
        gradient, loss = job.linear.sums(engine.values, batch.examples)
        engine.sums[:] = gradient
        engine.push(batch, loss, wait=False)
        seen.extend(batch.examples)
    assert sorted(seen) == sorted(list(range(600)) * 3)
    assert np.abs(engine.values - [1, 2, 3, 4, 0.5]).max() < 0.1
    job.expect_exact()


def test_what_is_handed_in_without_a_wait_counts_when_the_program_leaves(job):
    counted = 0
    with job.join() as engine:
        for _ in range(40):
            batch = engine.next(SOON_S)
            gradient, loss = job.linear.sums(engine.values, batch.examples)
            engine.sums[:] = gradient
            engine.push(batch, loss, wait=False)
            counted += len(batch)
    assert job.job.audit().applied == counted
    job.finish(job.join())
    job.expect_exact()


# The program did not look at its sums, and the engine does.
def test_sums_that_are_not_finite_fail_the_batch_also_without_a_wait(cluster, tmp_path):
    job = Job(cluster, tmp_path, on_nonfinite="skip")
    engine = job.join()
    batch = engine.next(SOON_S)
    engine.sums[:] = np.nan
    engine.push(batch, 0, wait=False)
    job.finish(engine)
    audit = job.job.audit()
    assert (audit.missing, audit.skipped) == (0, len(batch)), audit
    assert np.isfinite(engine.values).all()


def test_a_batch_can_be_computed_again(job):
    engine = job.join()
    batch = engine.next(SOON_S)
    values = engine.values.copy()
    engine.sums[:] = np.nan
    engine.again(batch)
    assert not engine.sums.any()
    assert (engine.values == values).all()
    job.compute(engine, batch)
    job.finish(engine)
    job.expect_exact()


def test_a_batch_that_failed_comes_again(job):
    engine = job.join()
    batch = engine.next(SOON_S)
    engine.fail(batch, "one bad day")
    with pytest.raises(ebb.Refused, match="handed in or failed before"):
        engine.push(batch, 0)
    job.finish(engine)
    job.expect_exact()


def test_a_batch_is_handed_in_once(job):
    engine = job.join()
    batch = engine.next(SOON_S)
    job.compute(engine, batch)
    with pytest.raises(ebb.Refused, match="handed in or failed before"):
        engine.push(batch, 0)
    job.finish(engine)
    job.expect_exact()


def test_a_batch_that_is_forgotten_counts_as_failed(job):
    engine = job.join()
    engine.next(SOON_S)
    with pytest.raises(ebb.Refused, match="was neither handed in nor failed"):
        engine.next(SOON_S)
    job.finish(engine)
    job.expect_exact()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_named(job, bad):
    engine = job.join()
    batch = engine.next(SOON_S)
    engine.sums[4] = bad
    with pytest.raises(ebb.NonFinite, match=r"gradient of bias\[0\] is"):
        engine.push(batch, 0)
    assert not engine.sums.any()


def test_a_loss_that_is_not_finite_is_refused(job):
    engine = job.join()
    batch = engine.next(SOON_S)
    with pytest.raises(ebb.NonFinite, match="the loss is nan"):
        engine.push(batch, float("nan"))


def test_what_comes_next_is_told(job):
    engine = job.join()
    batch = engine.next(SOON_S)
    deadline = time.monotonic() + SOON_S
    while not (places := engine.ahead()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert places[0].place != batch.place
    job.compute(engine, batch)
    following = engine.next(SOON_S)
    assert following.place == places[0].place
    assert list(following.examples) == list(places[0].examples)


# --- Evaluations --------------------------------------------------------------


def test_snapshots_are_evaluated(cluster, tmp_path):
    job = Job(cluster, tmp_path, test=True, evaluate="1 epoch")
    with job.join(evaluates=True) as engine:
        evaluated = 0
        while (what := engine.next(SOON_S)) is not None:
            if isinstance(what, Evaluation):
                _, loss = job.linear.sums(engine.values)
                engine.evaluated(
                    what,
                    examples=600,
                    loss_sum=loss,
                    figures={"rmse": (2 * loss / 600) ** 0.5},
                )
                evaluated += 1
            else:
                job.compute(engine, what)
    assert evaluated == 3
    job.expect_exact()
    history = job.job.history
    assert len(history) == 3


# --- Errors -------------------------------------------------------------------


def test_a_job_that_is_not_there(cluster):
    with pytest.raises(ebb.NotFound, match="nothing"):
        Engine.join(cluster.address, "nothing")


def test_a_scheduler_that_is_not_there():
    with pytest.raises(ebb.Unavailable):
        Engine.join("127.0.0.1:9", "nothing")


def test_a_wrong_address():
    with pytest.raises(ebb.Refused, match='scheduler: "nowhere"'):
        Engine.join("nowhere", "nothing")


def test_another_version(job, monkeypatch):
    monkeypatch.setattr(programs, "VERSION", "0.1.0")
    with pytest.raises(ebb.Refused, match="the package is of ebb 0.1.0"):
        job.join()


def test_a_job_that_is_complete_has_no_batches(job):
    job.finish(job.join())
    late = job.join()
    assert late.examples == 600
    assert late.next(SOON_S) is None
    assert late.ended == "complete"


def test_a_job_that_is_cancelled_has_no_more_batches(job):
    engine = job.join()
    batch = engine.next(SOON_S)
    job.job.cancel()
    job.compute(engine, batch)
    while (batch := engine.next(SOON_S)) is not None:
        job.compute(engine, batch)
    assert engine.ended == "cancelled"


def test_another_thread_is_refused(job):
    engine = job.join()
    caught = []

    def use() -> None:
        try:
            engine.next(1)
        except ebb.Error as error:
            caught.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert isinstance(caught[0], ebb.Refused)
    assert "another thread" in str(caught[0])


def test_a_forked_child_is_refused_and_does_no_harm(job):
    engine = job.join()
    batch = engine.next(SOON_S)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            engine.push(batch, 0)
        except ebb.ForkedError as error:
            code = 0 if f"pid {os.getpid()}" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    job.compute(engine, batch)
    job.finish(engine)
    job.expect_exact()


@pytest.mark.parametrize("look_ahead", [True, False])
def test_values_that_lack_a_batch_are_moved_on_by_the_momentum(cluster, tmp_path, look_ahead):
    rule = {"kind": "momentum", "rate": 0.01, "momentum": 0.5, "schedule": {"kind": "constant"}}
    job = Job(cluster, tmp_path, optimizer=rule, epochs=4)
    engine = job.join(look_ahead=look_ahead)
    # Each batch has the same mean gradient, 1, so the value after each number of
    # batches is known.
    values, step = [0.0], 0.0
    for _ in range(engine.batches):
        step = 0.5 * step + 0.01
        values.append(values[-1] - step)
    moved_on = [now + 0.5 * (now - last) for last, now in zip(values, values[1:])]
    shown = []
    while (batch := engine.next(SOON_S)) is not None:
        shown.append(float(engine.values[0]))
        engine.sums[:] = engine.batch
        engine.push(batch, 0, wait=False)
    pulled = [one for one in shown if _is_among(one - shown[0], values)]
    ahead = [one for one in shown if _is_among(one - shown[0], moved_on)]
    assert job.job.audit().exact
    if look_ahead:
        assert len(ahead) > len(shown) / 4, shown
    else:
        assert (ahead, pulled) == ([], shown)


def _is_among(value: float, others: "list[float]") -> bool:
    return min(abs(value - one) for one in others) < 1e-4


def test_a_wait_has_a_limit(job):
    job.job.pause()
    engine = job.join()
    with pytest.raises(TimeoutError):
        engine.next(0.3)
    job.job.resume()
    job.finish(engine)
    job.expect_exact()


def _sleeps(thread: int) -> bool:
    stat = Path(f"/proc/self/task/{thread}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "S"


def test_an_interrupt_ends_a_wait_at_once(job):
    job.job.pause()
    engine = job.join()
    process = engine._session.link.process
    receive, asked, pressed = process.receive_into, threading.Event(), []
    waiting = threading.get_native_id()

    def receive_into(*arguments):
        asked.set()
        return receive(*arguments)

    def press() -> None:
        assert asked.wait(SOON_S)
        while not _sleeps(waiting):
            pass
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    process.receive_into = receive_into
    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        engine.next()
    assert time.monotonic() - pressed[0] < 5
    job.job.resume()
    job.finish(engine)
    job.expect_exact()


# --- The end of an engine -----------------------------------------------------


@pytest.mark.parametrize("step", ["joined", "out", "again", "pushed", "failed"])
def test_it_leaves_at_each_step(job, step):
    engine = job.join()
    if step != "joined":
        batch = engine.next(SOON_S)
        if step == "again":
            engine.again(batch)
        elif step == "pushed":
            job.compute(engine, batch)
        elif step == "failed":
            engine.fail(batch, "no")
    pid = engine_pid(engine)
    engine.leave()
    assert engine.ended == "left"
    assert engine.next() is None
    assert not Path(f"/proc/{pid}").exists()
    job.finish(job.join())
    job.expect_exact()


@pytest.mark.parametrize("step", ["joined", "out", "again", "pushed"])
def test_an_engine_that_dies_is_started_again(job, step):
    engine = job.join()
    batch = None
    if step != "joined":
        batch = engine.next(SOON_S)
        if step == "again":
            engine.sums[:] = 1
        elif step == "pushed":
            job.compute(engine, batch)
    values = engine.values
    kill_engine(engine)
    if step == "out":
        # Another engine may have the batch by now.
        job.compute(engine, batch)
    elif step == "again":
        engine.again(batch)
        assert not engine.sums.any()
    following = engine.next(SOON_S)
    assert following.ticket > (batch.ticket if batch else 0)
    assert engine.values is values
    assert not engine.sums.any()
    job.compute(engine, following)
    job.finish(engine)
    job.expect_exact()


def test_an_engine_that_dies_again_and_again_is_lost(job):
    engine = job.join()
    for _ in range(2):
        kill_engine(engine)
        batch = engine.next(SOON_S)
    kill_engine(engine)
    engine.fail(batch, "it is gone")
    with pytest.raises(ebb.EngineLost, match="died 3 times"):
        engine.next(SOON_S)


def test_a_signal_to_the_engine_gives_the_batch_back(job):
    engine = job.join()
    batch = engine.next(SOON_S)
    os.kill(engine_pid(engine), signal.SIGTERM)
    other = job.join()
    # While this process still computes.
    assert isinstance(other.next(SOON_S), Batch)
    engine._session.link.process.child.wait(SOON_S)
    job.compute(engine, batch)
    assert engine.next(SOON_S) is None
    assert engine.ended == "left"


# --- The loop in numpy --------------------------------------------------------


def test_a_loop_in_numpy(job):
    losses = []
    for batch in ebb.join(job.address, job.name):
        gradient, loss = job.linear.sums(batch.values, batch.examples)
        losses.append(loss / batch.size)
        batch.push(gradient, loss)
    assert np.mean(losses[-20:]) < 0.01 * np.mean(losses[:5])
    job.expect_exact()


def test_a_gradient_by_tables(job):
    work = ebb.join(job.address, job.name)
    assert list(work.tables) == ["weights", "bias"]
    for batch in work:
        gradient, loss = job.linear.sums(batch.values, batch.examples)
        weights = gradient[:4].reshape(work.tables["weights"])
        batch.push({"bias": gradient[4:], "weights": weights}, loss)
    job.expect_exact()


def test_wrong_gradients_are_refused_and_may_be_handed_in_again(job):
    with ebb.join(job.address, job.name) as work:
        batch = work.next(SOON_S)
        with pytest.raises(ebb.Refused, match="has 4 values; the model has 5"):
            batch.push(np.zeros(4))
        with pytest.raises(ebb.Refused, match="no table wide"):
            batch.push({"wide": np.zeros(4)})
        with pytest.raises(ebb.Refused, match="gradient of bias has the shape"):
            batch.push({"bias": np.zeros(2)})
        with pytest.raises(ValueError, match="read-only"):
            batch.values[0] = 1
        batch.push(np.zeros(5))


# Bug: torch.from_numpy(batch.examples) warned that the array is not writable.
def test_the_numbers_of_a_batch_are_its_own(job):
    with job.join() as engine:
        batch = engine.next(SOON_S)
        order = engine._orders.examples(batch.epoch, batch.shard)
        numbers = batch.examples.copy()
        batch.examples[:] = -1
        assert list(order[batch.begin : batch.end]) == list(numbers)


def test_break_leaves_in_good_order(job):
    work = ebb.join(job.address, job.name)
    for batch in work:
        break
    assert work.ended == "left"
    job.finish(job.join())
    job.expect_exact()


def test_a_loop_evaluates(cluster, tmp_path):
    job = Job(cluster, tmp_path, test=True, evaluate="1 epoch")
    seen = []

    def evaluate(values):
        _, loss = job.linear.sums(values)
        seen.append(loss)
        return ebb.Evaluated(600, loss)

    for batch in ebb.join(job.address, job.name, evaluate=evaluate):
        batch.push(*job.linear.sums(batch.values, batch.examples))
    assert len(seen) == 3
    job.expect_exact()


def test_a_job_ends_without_evaluations_that_no_program_makes(tmp_path, caplog):
    """Bug: it waited for them for ever, without a word."""
    with ebb.local.cluster(scheduler_flags=["--evaluation-timeout", "1s"]) as cluster:
        job = Job(cluster, tmp_path, test=True, evaluate="1 epoch")
        for batch in ebb.join(job.address, job.name):
            batch.push(*job.linear.sums(batch.values, batch.examples))
        assert "has evaluations, and this program makes none" in caplog.text
        assert job.job.state == "complete"
        job.expect_exact()
        (evaluation,) = job.job.status()["evaluations"]
        assert evaluation["epoch"] == 3
        assert "no worker that is connected evaluates" in evaluation["error"]
