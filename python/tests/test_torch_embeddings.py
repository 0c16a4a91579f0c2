"""Embeddings in a loop, over a mock engine: rows, pieces and mistakes."""

import copy
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_clicks  # noqa: E402
import torch_rows_mock  # noqa: E402
from torch_clicks import (  # noqa: E402
    Clicks,
    Net,
    PlainNet,
    collate,
    key_of,
    loss_of,
    plain_collate,
)

import ebb  # noqa: E402
import ebb.torch  # noqa: E402
from ebb.torch import Keys, embeddings  # noqa: E402


def trained(model=None, data=None, **options):
    """Trains over the mock; returns the model, the cluster and the rows."""
    loader = {
        name: options.pop(name) for name in ("micro", "num_workers") if name in options
    }
    model = model or Net()
    job, cluster, _ = torch_rows_mock.job(model, data or Clicks(), **options)
    job._load_result = lambda: None
    torch_clicks.train(job, **loader)
    return model, cluster


def of_plain(mode="sum", epochs=2):
    model = PlainNet(mode)
    torch_rows_mock.plain(
        model, torch.optim.SGD(model.parameters(), lr=0.1), Clicks(), plain_collate, loss_of,
        epochs=epochs, batch=8,
    )
    return model


def assert_same(model, cluster, plain):
    for ours, theirs in zip(model.tower.parameters(), plain.tower.parameters()):
        assert torch.allclose(ours, theirs, atol=1e-6)
    weight = plain.ids.bag.weight.detach().numpy()
    rows = cluster.rows["ids"]
    assert len(rows) > 30
    for number in range(torch_clicks.KEYS):
        if key_of(number) in rows:
            assert np.allclose(rows[key_of(number)], weight[number], atol=1e-6)
        else:
            assert not weight[number].any()


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_rows_are_those_of_the_plain_loop(mode):
    model, cluster = trained(Net(mode), epochs=2)
    assert_same(model, cluster, of_plain(mode))
    # Only the first batch was asked for: the others were told ahead.
    assert len(cluster.wanted) == 1


@pytest.mark.parametrize("micro", [3, 5])
def test_pieces_make_the_same_rows(micro):
    assert_same(*trained(epochs=2, micro=micro), of_plain())


def test_readers_hand_keys_on():
    assert_same(*trained(epochs=2, num_workers=1), of_plain())


def test_a_batch_may_be_asked_for_again():
    model = Net()
    job, cluster, _ = torch_rows_mock.job(model, Clicks(), epochs=2)
    job._load_result = lambda: None
    times = 0
    for batch in job.loader(collate_fn=collate, micro=5):
        times += 1
        loss_of(model, batch).backward()
        if times == 2:
            job.again()
        else:
            job.optimizer.step()
    assert cluster.again == 1
    assert_same(model, cluster, of_plain())


def test_scaled_gradients_of_rows_are_unscaled():
    model = Net()
    job, cluster, _ = torch_rows_mock.job(model, Clicks(), epochs=2)
    job._load_result = lambda: None
    scaler = ebb.torch.GradScaler(init_scale=2.0**10)
    times = 0
    for batch in job.loader(collate_fn=collate):
        job.optimizer.zero_grad()
        loss = loss_of(model, batch)
        scaler.scale(loss).backward(retain_graph=times == 1)
        if times == 1:  # Twice, and the first does not count.
            job.optimizer.zero_grad()
            scaler.scale(loss).backward()
        if times == 3:  # Only the rows overflow.
            job.optimizer.gradients()[-1].fill_(float("inf"))
        times += 1
        scaler.step(job.optimizer)
        scaler.update()
    assert cluster.again == 1
    assert_same(model, cluster, of_plain())


def test_an_embedding_gives_a_row_for_each_key():
    class Words(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rows = ebb.torch.Embedding("words", 2, init=ebb.Zeros())
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, keys):
            return self.scale * self.rows(keys)

    model = Words()
    job, cluster, _ = torch_rows_mock.job(model, [[7, 9], [9, 7]], batch=2)
    job._load_result = lambda: None
    for keys in job.loader(collate_fn=lambda lists: Keys.of(lists, "words")):
        made = model(keys)
        assert made.shape == (4, 2)
        made.sum().backward()
        job.optimizer.step()
    for key in (7, 9):  # Two gradients of 1 each; the rate is 0.1.
        assert np.allclose(cluster.rows["words"][key], -0.2)


class Pair(torch.nn.Module):
    """Has two tables, and uses one of them twice."""

    def __init__(self):
        super().__init__()
        self.a = ebb.torch.EmbeddingBag("a", 1, init=ebb.Zeros())
        self.b = ebb.torch.EmbeddingBag("b", 2, init=ebb.Zeros())
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, left, right, other):
        return self.scale * (self.a(left) - 3 * self.a(right) + self.b(other).sum(1, True))


def make_of_pair(lists):
    return {"x": (Keys.of(lists, "a"), Keys.of([one[:1] for one in lists], "a")),
            "y": [Keys.of(lists, "b")]}


def test_a_table_may_have_several_keys_in_a_batch_and_a_model_several_tables():
    make, model = make_of_pair, Pair()
    job, cluster, _ = torch_rows_mock.job(model, [[1, 2], [2]], batch=2)
    job._load_result = lambda: None
    for batch in job.loader(collate_fn=make):
        model(*batch["x"], batch["y"][0]).sum().backward()
        job.optimizer.step()
    assert np.allclose(cluster.rows["a"][1], 0.2)  # A gradient of 1 - 3.
    assert np.allclose(cluster.rows["a"][2], 0.1)  # 2 - 3
    assert np.allclose(cluster.rows["b"][2], -0.2)


def test_a_batch_may_have_no_key_at_all():
    data = Clicks(16)
    data.ids = [[] for _ in data.ids]
    model, cluster = trained(data=data)
    assert cluster.rows["ids"] == {}
    assert len(cluster.pushed) == 2


def test_an_evaluation_looks_up_its_keys():
    held_out = Clicks(20, seed=9)
    seen = []

    def evaluate(model):
        seen.append(loss_of(model, collate([held_out[i] for i in range(20)])).item())
        return seen[-1]

    model, cluster = trained(evaluate=evaluate, evaluate_after=[3])
    assert cluster.looked_up == 1
    assert cluster.evaluated == [
        {"examples": 1, "loss_sum": seen[0], "correct": -1, "figures": None}
    ] or cluster.evaluated[0]["loss_sum"] == seen[0]
    assert len(cluster.pushed) == 6


def test_a_call_of_the_model_looks_up_the_keys_of_all_tables_at_once():
    """Each look-up brings the dense values along."""
    said, own, scales = [], [], []
    data = [[1, 2], [2]]

    def evaluate(model):
        scales.append(float(model.scale))
        batch = make_of_pair(data)
        said.append(model(*batch["x"], batch["y"][0]).tolist())
        own.append(model.a(Keys.of([[1], [2]], "a")).tolist())  # Without the model's forward().
        return 0.0

    model = Pair()
    job, cluster, _ = torch_rows_mock.job(
        model, data, batch=2, evaluate=evaluate, evaluate_after=[1]
    )
    job._load_result = lambda: None
    for batch in job.loader(collate_fn=make_of_pair):
        model(*batch["x"], batch["y"][0]).sum().backward()
        job.optimizer.step()
    assert cluster.looked_up == 2
    a, b = ({key: row.sum() for key, row in cluster.rows[name].items()} for name in "ab")
    assert np.allclose(own[0], [[a[1]], [a[2]]])
    scale = scales[0]
    expected = [scale * (a[1] + a[2] - 3 * a[1] + b[1] + b[2]), scale * (a[2] - 3 * a[2] + b[2])]
    assert np.allclose(np.ravel(said[0]), expected)


def test_a_lost_evaluation_is_left_and_the_loop_goes_on():
    def evaluate(model):
        return loss_of(model, collate([Clicks()[0]])).item()

    model = Net()
    job, cluster, _ = torch_rows_mock.job(
        model, Clicks(), evaluate=evaluate, evaluate_after=[2]
    )
    cluster.lose_look_up = True
    job._load_result = lambda: None
    torch_clicks.train(job)
    assert cluster.evaluated == [] and len(cluster.pushed) == 6


# --- Mistakes -----------------------------------------------------------------


def refused(collate_fn=collate, forward=None, model=None):
    """Returns the error of a loop, which loses nothing: its batch is failed or given back."""
    model = model or Net()
    job, cluster, _ = torch_rows_mock.job(model, Clicks())
    with pytest.raises(ebb.Error) as raised:
        for keys, numbers, labels in job.loader(collate_fn=collate_fn):
            (forward or model)(keys, numbers).sum().backward()
            job.optimizer.step()
    assert cluster.left == 1 and model.ids.source is None
    assert len(cluster.pushed) + len(cluster.todo) + len(cluster.failed) == 6
    return str(raised.value), cluster


def collate_with(make):
    def made(examples):
        keys, numbers, labels = collate(examples)
        return make(keys), numbers, labels

    return made


def test_keys_of_a_table_that_is_not_there():
    said, cluster = refused(collate_with(lambda keys: Keys(keys.keys, keys.offsets, "idz")))
    assert "keys of table idz, and the model has no EmbeddingBag" in said
    assert "idz" in cluster.unreadable[0]


def test_other_keys_in_forward():
    model = Net()
    said, _ = refused(
        model=model,
        forward=lambda keys, x: model(Keys(keys.keys.copy(), keys.offsets, "ids"), x),
    )
    assert "ids(keys): these keys are not the batch's Keys" in said
    assert "return ebb.torch.Keys from collate_fn" in said
    said, _ = refused(model=model, forward=lambda keys, x: model(torch.tensor([1]), x))
    assert "it takes ebb.torch.Keys, not a Tensor" in said


@pytest.mark.parametrize(
    "keys, what",
    [
        ([-1, 2], "a key of ids is -1; keys are not negative"),
        ([0.5], "keys of ids are float64; keys are whole numbers"),
        (["a"], "keys of ids are <U1"),
        (torch.tensor([1.0]), "keys of ids are float32"),
        ([2**64], "keys of ids are"),
    ],
)
def test_what_is_no_key(keys, what):
    with pytest.raises(ebb.Refused, match=what):
        Keys.of([keys], table="ids")


def test_errors_of_collate_count_once():
    def broken(examples):
        raise ValueError("a torn line")

    job, cluster, _ = torch_rows_mock.job(Net(), Clicks())
    with pytest.raises(ValueError, match="a torn line"):
        torch_clicks.collate, saved = broken, torch_clicks.collate
        try:
            torch_clicks.train(job)
        finally:
            torch_clicks.collate = saved
    assert cluster.unreadable == ["ValueError: a torn line"]


def test_offsets_must_fit():
    for offsets in ([1, 2], [0, 2, 1], [0, 9], []):
        with pytest.raises(ebb.Refused, match="offsets of ids"):
            Keys([1, 2, 3], offsets, "ids")


def test_a_gradient_that_is_not_finite():
    model = Net()
    job, cluster, _ = torch_rows_mock.job(model, Clicks())
    with pytest.raises(ebb.NonFinite):
        for keys, numbers, _ in job.loader(collate_fn=collate):
            (model(keys, numbers).sum() * float("nan")).backward()
            job.optimizer.step()
    assert cluster.failed == ["not finite"]


def test_rows_without_a_gradient():
    model = Net()
    said, _ = refused(
        model=model,
        forward=lambda keys, x: model.tower(torch.cat([torch.zeros(len(x), 4), x], 1)),
    )
    assert "no gradient for ids in this batch" in said


def test_a_loop_without_a_loader_has_no_keys():
    job, _, _ = torch_rows_mock.job(Net(), Clicks())
    with pytest.raises(ebb.Refused, match="loader"):
        next(iter(job))


def test_settings_of_one_table_must_agree():
    model = Net()
    model.other = ebb.torch.EmbeddingBag("ids", 4, init=ebb.Normal(1))
    with pytest.raises(ebb.Refused, match="two embeddings share the table ids"):
        torch_rows_mock.job(model, Clicks())


def test_another_model_is_refused():
    from ebb.rows import RowTable
    from ebb.torch import embeddings

    modules = embeddings.modules_of(Net())
    for tables, what in (
        ([], "ids is no sparse table of job x"),
        ([RowTable("ids", 3)], "ids has dim=4 here, 3 in job x"),
        ([RowTable("ids", 4), RowTable("b", 1)], "has the sparse table b"),
    ):
        with pytest.raises(ebb.ModelDiffers, match=what):
            embeddings.check_tables("x", modules, tables)


# --- What a job file says, and rows of its own ----------------------------------


def test_the_settings_are_those_of_a_job_file():
    model = Net(
        optimizer=ebb.Adagrad(0.05), admit=3, expire_after=1000, max_rows=50, at_limit="evict",
        init=ebb.Normal(0.1), cache={"rows": 10},
    )
    _, _, description = torch_rows_mock.job(model, Clicks())
    assert description.keys["model"]["sparse_tables"] == {"ids": {"width": 4}}
    assert description.keys["tables"]["ids"] == {
        "optimizer": {"kind": "adagrad", "rate": 0.05},
        "admit": {"kind": "count", "count": 3},
        "expire_after": 1000,
        "max_rows": 50,
        "at_limit": "evict",
        "init": {"kind": "normal", "spread": 0.1},
        "cache": {"rows": 10},
    }


def test_a_model_with_rows_of_its_own_computes_without_a_job():
    model, cluster = trained(epochs=2)
    batch = collate([Clicks()[i] for i in range(20)])
    with pytest.raises(ebb.Refused, match="the rows are on the servers"):
        model(*batch[:2])
    keys = np.array(sorted(cluster.rows["ids"]), np.uint64)
    model.ids.set_rows(keys, np.array([cluster.rows["ids"][int(k)] for k in keys]))
    theirs = of_plain()(*plain_collate([Clicks()[i] for i in range(20)])[:2])
    assert torch.allclose(model(*batch[:2]), theirs, atol=1e-6)
    state = model.state_dict()
    assert state["ids.keys"].dtype == torch.int64 and state["ids.rows"].shape[1] == 4
    other = Net()
    other.load_state_dict(state)
    assert torch.equal(other(*batch[:2]), model(*batch[:2]))
    # Keys without a row have zeros.
    unseen = Keys.of([[5], [key_of(0)]], "ids")
    assert not other.ids(unseen)[0].any()


def test_keys_of_arrays_that_differ_in_their_signs():
    parts = [np.array([2**63 + 1], np.uint64), np.array([5], np.int64), torch.tensor([7])]
    assert Keys.of(parts, "ids").keys.tolist() == [2**63 + 1, 5, 7]
    with pytest.raises(ebb.Refused, match=r"a key of ids is -1.*\n.*\.numpy\(\)\.view\(np.uint64\)"):
        Keys.of([*parts, np.array([-1])], "ids")


def with_rows():
    model = Net()
    model.ids.set_rows(np.array([3, 9], np.uint64), np.ones((2, 4), np.float32))
    return model


def first_rows(model, init=None):
    return embeddings.initial_rows(model, embeddings.modules_of(model), init)


def test_a_job_begins_with_the_rows_of_the_model_or_of_init():
    state = with_rows().state_dict()
    exported = {"ids/keys": np.array([3, 9], np.uint64), "ids/rows": np.ones((2, 4), np.float32)}
    half = {**state, "ids.rows": state["ids.rows"].bfloat16()}
    for made in (
        first_rows(with_rows()),
        first_rows(Net(), state),
        first_rows(Net(), exported),
        first_rows(Net(), half),
    ):
        assert set(made) == {"ids/keys", "ids/rows"}
        assert made["ids/keys"].tolist() == [3, 9] and made["ids/keys"].dtype == np.uint64
        assert made["ids/rows"].tolist() == [[1] * 4] * 2
        assert made["ids/rows"].dtype == np.float32
    # What init says counts, also that there are none.
    assert first_rows(with_rows(), {**state, "ids.rows": state["ids.rows"] * 2})[
        "ids/rows"
    ].tolist() == [[2] * 4] * 2
    assert not first_rows(with_rows(), Net().state_dict())
    assert not first_rows(Net()) and not first_rows(Net(), {})
    wide = torch.nn.Sequential(with_rows())
    assert first_rows(wide, {"0.ids.keys": state["ids.keys"], "0.ids.rows": state["ids.rows"]})


def test_rows_of_another_form_are_refused():
    keys, rows = torch.tensor([3, 9]), torch.ones(2, 4)
    for init, told in (
        ({"ids.keys": keys}, "it has ids.keys alone"),
        ({"ids/rows": rows}, "it has ids/rows alone"),
        ({"ids.keys": keys, "ids.rows": torch.ones(2, 3)}, r"ids.rows is \(2, 3\) there.*dim=4"),
        ({"ids.keys": keys.float(), "ids.rows": rows}, "ids.keys is float32.*int64 or uint64"),
    ):
        with pytest.raises(ebb.Refused, match=f"init: {told}"):
            first_rows(Net(), init)


def test_the_state_of_a_model_has_its_rows_or_is_refused():
    model, other = Net(), with_rows()
    job, _, _ = torch_rows_mock.job(model, Clicks())
    job._load_result = lambda: None
    values = {"ids/keys": np.array([5], np.uint64), "ids/rows": np.ones((1, 4), np.float32)}
    for keys, numbers, clicked in job.loader(collate_fn=collate):
        with pytest.raises(ebb.Refused, match="ids: the rows are on the servers.*\n.*job.state_dict"):
            model.state_dict()
        model.tower.state_dict()
        copy.deepcopy(model)
        loss_of(model, (keys, numbers, clicked)).backward()
        job.optimizer.step()
    with pytest.raises(ebb.Refused, match="job.load"):
        model.state_dict()
    job._values = lambda version, rows: {**job._remote.state_dict(), **values}
    state = job.state_dict()
    assert state["ids.keys"].tolist() == [5]
    job.load()
    assert model.state_dict()["ids.keys"].tolist() == [5]
    other.load_state_dict(Net().state_dict())
    assert not other.ids.has_rows
    del state["ids.keys"]
    with pytest.raises(RuntimeError, match='Missing key.*"ids.keys"'):
        other.load_state_dict(state)
    other.load_state_dict(state, strict=False)


def finished(remote_rows=((5, 7), 1.0)):
    """A model whose loop is over, and the job's remote, which has rows."""
    model = Net()
    job, _, _ = torch_rows_mock.job(model, Clicks())
    for piece in job.loader(collate_fn=collate):
        if job._remote.values is not None:
            keys, value = remote_rows
            job._remote.values["ids/keys"] = np.array(keys, np.uint64)
            job._remote.values["ids/rows"] = np.full((len(keys), 4), value, np.float32)
        loss_of(model, piece).backward()
        job.optimizer.step()
    return model, job, job._remote


# Bug: every copy fetched all rows at its end, however many there were.
def test_the_end_of_a_loop_fetches_no_rows():
    model, job, remote = finished()
    assert remote.asked_for_rows == [False]
    assert model.ids.has_rows
    model.tower.state_dict()
    assert remote.asked_for_rows == [False]


@pytest.mark.parametrize(
    "use",
    [
        lambda model, job: model.state_dict()["ids.rows"],
        lambda model, job: model.ids(Keys.of([[5]], "ids")),
        lambda model, job: pickle.loads(pickle.dumps(model)).state_dict()["ids.rows"],
        lambda model, job: job.state_dict()["ids.rows"],
        lambda model, job: (job.load(), model.state_dict()["ids.rows"])[1],
    ],
)
def test_the_first_use_of_rows_fetches_them(use):
    model, job, remote = finished()
    assert use(model, job).reshape(-1, 4)[0].tolist() == [1.0] * 4
    assert remote.asked_for_rows == [False, True]


def test_rows_are_fetched_once():
    model, _, remote = finished()
    model.state_dict()
    model.state_dict()
    model.ids(Keys.of([[5]], "ids"))
    assert remote.asked_for_rows == [False, True]


def test_rows_that_were_set_meanwhile_stay():
    model, _, remote = finished()
    model.ids.set_rows(np.array([3], np.uint64), np.zeros((1, 4), np.float32))
    assert model.state_dict()["ids.keys"].tolist() == [3]
    assert remote.asked_for_rows == [False]


def test_a_model_with_rows_may_be_cast():
    model = with_rows().bfloat16()
    rows, _ = model.ids._found(Keys.of([[9], [4]], "ids"))
    assert rows.dtype == torch.bfloat16 and rows.tolist() == [[1] * 4, [0] * 4]


def test_keys_travel_between_processes():
    keys = Keys.of([[1, 2**64 - 1], [], np.array([7])], "ids")
    other = pickle.loads(pickle.dumps(keys))
    assert other.keys.tolist() == [1, 2**64 - 1, 7]
    assert other.offsets.tolist() == [0, 2, 2] and other.table == "ids" and len(other) == 3


def test_check_looks_at_embeddings_without_a_cluster():
    report = ebb.torch.check(Net(), Clicks(), loss_of, collate_fn=collate)
    assert report.problems == [] and report.reduction == "mean"


def test_check_reports_embeddings_that_differ_in_their_settings():
    model = Net()
    model.more = ebb.torch.EmbeddingBag("ids", torch_clicks.DIM, init=ebb.Normal(0.5))
    report = ebb.torch.check(model, Clicks(), loss_of, collate_fn=collate)
    assert ["two embeddings share the table ids" in problem for problem in report.problems] == [True]
