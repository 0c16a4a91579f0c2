"""How programs find their job, over a mock of the cluster."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch_models import Data, Net, sgd  # noqa: E402

import ebb  # noqa: E402
import ebb.local  # noqa: E402
from ebb import copies  # noqa: E402
from ebb.torch import meeting, submission  # noqa: E402


class Cluster:
    """Jobs by number, and the request ids by which they were submitted."""

    address = "here:1"

    def __init__(self):
        self.all, self.requests = [], {}

    def status(self):
        return {"jobs": [dict(job) for job in self.all]}

    def job(self, number):
        return int(number)

    def submit(self, keys, request_id):
        if request_id in self.requests:  # Initial values differ.
            raise ebb.Refused(f"request id {request_id} is that of job {keys['name']}")
        self.all.append({"id": len(self.all) + 1, "name": keys["name"], "state": "running"})
        self.requests[request_id] = len(self.all)
        return len(self.all)

    def end(self):
        for job in self.all:
            job["state"] = "complete"


@pytest.fixture
def cluster(monkeypatch):
    made = Cluster()
    monkeypatch.setattr(meeting, "_connected", lambda access, address, timeout=10.0: made)
    monkeypatch.delenv("EBB_RUN_NAME", raising=False)
    return made


@pytest.fixture
def launched(monkeypatch):
    """Sets the variables of a launcher, and unsets those of others."""

    def set_variables(variables):
        for size, rank in copies._LAUNCHERS:
            monkeypatch.delenv(size, raising=False)
            monkeypatch.delenv(rank, raising=False)
        monkeypatch.delenv("EBB_SCHEDULER", raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


def _number(rerun):
    model = Net()
    made = {"optimizer": sgd(model), "epochs": 1, "batch": 8, "scheduler": "here:1"}
    return submission.submit("digits", model, Data(), rerun=rerun, **made)


def test_a_job_is_submitted_once(cluster):
    assert [_number(False), _number(True), _number("monday")] == [1, 1, 1]
    cluster.end()
    assert _number(False) == 1


def test_true_begins_another_job_after_the_end(cluster):
    _number(False)
    cluster.end()
    assert [_number(True), _number(True)] == [2, 2]
    cluster.end()
    assert _number(True) == 3


def test_a_text_begins_one_job(cluster):
    _number(False)
    cluster.end()
    assert [_number("monday"), _number("monday")] == [2, 2]
    cluster.end()
    assert _number("monday") == 2  # A copy that comes late.
    assert _number("tuesday") == 3


def test_the_engine_joins_by_number(monkeypatch):
    import ebb.engine

    joined = []
    monkeypatch.setattr(
        ebb.engine.Engine, "join", lambda *names, **options: joined.append((names, options))
    )
    remote = type("Remote", (), {"name": "digits", "number": 7})
    access = meeting.Access("here:1", None, None, False)
    place = meeting.Place(access, "here:1", remote, True)
    place.join(evaluates=False, prefetch=True, look_ahead=True)()
    assert joined[0][0] == ("here:1", "digits") and joined[0][1]["number"] == 7
    assert joined[0][1]["prefetch"] and joined[0][1]["look_ahead"]


@pytest.mark.parametrize(
    "own, given, prefetch, look_ahead",
    [
        (True, {}, False, False),
        (True, {"prefetch": True}, True, True),
        (False, {}, True, True),
        (False, {"look_ahead": False}, True, False),
        (False, {"prefetch": False}, False, False),
    ],
)
def test_a_copy_that_is_alone_waits_for_the_step_of_its_batch(
    monkeypatch, own, given, prefetch, look_ahead
):
    asked = []
    monkeypatch.setattr(meeting.Place, "join", lambda place, **how: asked.append(how))
    access = meeting.Access("here:1", None, None, False)
    place = meeting.Place(access, "here:1", None, False, own=own)
    monkeypatch.setattr(meeting, "find_or_submit", lambda *_: place)
    model = Net()
    ebb.torch.job("alone", model, Data(), optimizer=sgd(model), epochs=1, batch=8, **given)
    assert asked == [
        {"evaluates": False, "prefetch": prefetch, "look_ahead": look_ahead, "steps": False}
    ]


def test_ebb_run_names_the_run(cluster, monkeypatch):
    monkeypatch.setenv("EBB_RUN_NAME", "/tmp/run-1")
    assert _number(True) == 1
    cluster.end()
    assert _number(True) == 1
    monkeypatch.setenv("EBB_RUN_NAME", "/tmp/run-2")
    assert _number(True) == 2


def test_a_run_of_another_text_is_refused():
    import torch_mock as mock

    _, _, cluster = mock.one(rerun="monday")
    mock.one(cluster=cluster, rerun="monday")
    mock.one(cluster=cluster, rerun=True)
    with pytest.raises(ebb.Refused, match='rerun is "tuesday" here, "monday" in job'):
        mock.one(cluster=cluster, rerun="tuesday")


@pytest.mark.parametrize(
    "launcher, told",
    [
        ({"WORLD_SIZE": "4", "RANK": "1", "LOCAL_RANK": "1"}, r"4 copies .*\(WORLD_SIZE=4, RANK=1\)"),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}, "OMPI_COMM_WORLD_RANK=0"),
        ({"PMI_SIZE": "3"}, r"3 copies .*\(PMI_SIZE=3\)"),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}, "SLURM_PROCID=1"),
    ],
)
def test_copies_of_a_launcher_need_one_cluster(cluster, launched, launcher, told):
    launched(launcher)
    model = Net()
    options = {"optimizer": sgd(model), "epochs": 1, "batch": 8}
    with pytest.raises(ebb.Refused, match=f"{told}.* would train the whole job digits") as error:
        submission.submit("digits", model, Data(), **options)
    assert f"--workers {launcher[next(iter(launcher))]}`" in error.value.hint
    assert f"unset {next(iter(launcher))}" in error.value.hint
    # With a cluster that they share they have one job.
    assert _number(False) == 1
    assert cluster.all[0]["name"] == "digits"


def test_a_single_copy_of_a_launcher_is_alone(launched, monkeypatch):
    launched({"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"})
    own = type("Own", (), {"address": "own:1", "check": lambda: None})
    monkeypatch.setattr(ebb.local, "cluster", lambda **_: own)
    monkeypatch.setattr(meeting, "_own", None)
    assert meeting._own_cluster("digits") == "own:1"


def test_copies_that_each_run_a_job_are_told(launched, monkeypatch):
    launched({"WORLD_SIZE": "2", "RANK": "1"})
    monkeypatch.setattr(ebb.local, "LocalCluster", lambda **_: None)
    with pytest.warns(ebb.Warning, match="one of 2 copies .* starts a cluster of its own") as told:
        ebb.local.cluster()
    assert told[0].filename == __file__
    with pytest.warns(ebb.Warning, match="one of 2 copies .* trains the whole job"):
        with pytest.raises(ebb.Refused, match="no job"):
            ebb.run({})
