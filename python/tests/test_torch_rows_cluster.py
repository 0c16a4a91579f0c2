"""Embeddings, and rows in a loop of numpy, on a real cluster of this machine."""

import ast
import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_clicks  # noqa: E402
from torch_clicks import Clicks, Net, PlainNet, collate, key_of, loss_of, plain_collate  # noqa: E402

import ebb  # noqa: E402
import ebb.local  # noqa: E402
import ebb.torch  # noqa: E402


@pytest.fixture(scope="module")
def address():
    with ebb.local.cluster(servers=2) as cluster:
        yield cluster.address


def _rule(word, parameters):
    if word == "adagrad":
        return torch.optim.Adagrad(parameters, lr=0.1)
    if word == "adam":
        return torch.optim.Adam(parameters, lr=0.01)
    return torch.optim.SGD(parameters, lr=0.1)


@pytest.mark.parametrize(
    "word, mode, loader",
    [
        ("sgd", "sum", {}),
        ("adagrad", "sum", {"num_workers": 2}),
        ("adagrad", "mean", {"micro": 7}),
    ],
)
def test_rows_are_those_of_torchs_own_embedding(address, word, mode, loader):
    """With one worker under bsp each batch sees the step of the one before."""
    dataset = Clicks(128)  # No short batch, for its step is shorter, too.
    model, plain = Net(mode), PlainNet(mode)
    job = ebb.torch.job(
        f"rows-{word}-{mode}", model, dataset, epochs=2, batch=16, scheduler=address,
        optimizer=_rule(word, model.parameters()), algorithm="sgd", consistency="bsp",
    )
    batches = []
    for batch in job.loader(collate_fn=collate, **loader):
        out = job._work.out
        if not batches:
            first = copy.deepcopy(model.tower.state_dict())
        if out.last:
            numbers = out.batch.examples.tolist()
            # A batch whose lease was lost comes again; then this one counts.
            if numbers in batches:
                batches.remove(numbers)
            batches.append(numbers)
        loss_of(model, batch).backward()
        job.optimizer.step()
    assert sorted(sum(batches, [])) == sorted([*range(128)] * 2)
    plain.tower.load_state_dict(first)
    optimizer = _rule(word, plain.parameters())
    for numbers in batches:
        optimizer.zero_grad()
        loss_of(plain, plain_collate([dataset[i] for i in numbers])).backward()
        optimizer.step()
    for ours, theirs in zip(model.tower.parameters(), plain.tower.parameters()):
        assert torch.allclose(ours, theirs, atol=1e-5)
    state = job.state_dict()
    rows = dict(zip((k % 2**64 for k in state["ids.keys"].tolist()), state["ids.rows"]))
    weight = plain.ids.bag.weight.detach()
    used = {i for ids in dataset.ids for i in ids}
    assert set(rows) == {key_of(i) for i in used}
    for i in used:
        assert torch.allclose(rows[key_of(i)], weight[i], atol=1e-5)
    assert job.audit().exact
    # The model has its rows now, and computes without the cluster.
    keys, numbers, _ = collate([dataset[i] for i in range(20)])
    theirs = plain(*plain_collate([dataset[i] for i in range(20)])[:2])
    assert torch.allclose(model(keys, numbers), theirs, atol=1e-4)


def test_an_evaluation_sees_rows_and_admits_none(address):
    dataset, held_out = Clicks(96), Clicks(40, seed=9)
    unseen = [2**62 + i for i in range(40)]
    made = []

    def evaluate(model):
        loss, right = 0.0, 0
        for begin in range(0, 40, 10):
            keys, x, y = collate([held_out[i] for i in range(begin, begin + 10)])
            out = model(keys, x)
            loss += torch.nn.functional.binary_cross_entropy_with_logits(
                out, y, reduction="sum"
            ).item()
            right += int(((out > 0) == (y > 0.5)).sum())
        nothing = model.ids(ebb.torch.Keys.of([[key] for key in unseen], "ids"))
        made.append(bool(nothing.any()))
        return {"loss": loss / 40, "correct": right, "examples": 40, "looks": 5}

    model = Net()
    job = ebb.torch.job(
        "rows-evaluated", model, dataset, epochs=3, batch=16, scheduler=address,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1), evaluate=evaluate,
    )
    torch_clicks.train(job)
    history = job.history
    assert len(history) == 3 and made and not any(made)
    assert history[-1]["test_loss"] > 0
    state = job.state_dict()
    keys = {key % 2**64 for key in state["ids.keys"].tolist()}
    assert not keys & set(unseen)
    assert job.audit().exact


def test_keys_that_are_not_admitted_have_no_row(address):
    dataset = Clicks(96)
    model = Net(admit=3, optimizer=ebb.Adagrad(0.05))
    job = ebb.torch.job(
        "rows-admitted", model, dataset, epochs=1, batch=16, scheduler=address,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
    )
    torch_clicks.train(job)
    state = job.state_dict()
    used = {i for ids in dataset.ids for i in ids}
    assert 0 < len(state["ids.keys"]) < len(used)
    assert job.audit().exact


def test_larger_batches_come_later(address):
    """The memory for rows grows while a batch is out."""
    dataset = Clicks(64)
    random = np.random.default_rng(1)
    sizes = np.where(np.arange(64) % 16 < 8, 1, 900)
    dataset.ids = [random.integers(0, 5000, n).tolist() for n in sizes]
    model = Net()
    job = ebb.torch.job(
        "rows-grow", model, dataset, epochs=2, batch=8, scheduler=address,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.01),
        settings={"train": {"item_examples": 16}},
    )
    torch_clicks.train(job)
    assert job.audit().exact
    assert len(job.state_dict()["ids.keys"]) == len({i for ids in dataset.ids for i in ids})


@pytest.mark.parametrize("word", ["adagrad", "adam"])
def test_a_job_goes_on_from_rows_and_their_state(address, tmp_path, word):
    """Two jobs of an epoch, one after the other, are one of torch's own over both."""
    dataset = Clicks(128)
    path = str(tmp_path / "half.safetensors")
    plain = PlainNet()
    theirs = [_rule(word, plain.parameters())]
    if word == "adam":  # Servers step the rows that a batch has, as SparseAdam does.
        plain.ids.bag.sparse = True
        theirs = [
            _rule(word, plain.tower.parameters()),
            torch.optim.SparseAdam(plain.ids.parameters(), lr=0.01),
        ]
    for name, init in (("first", None), ("second", path)):
        model = Net()
        job = ebb.torch.job(
            f"rows-on-{word}-{name}", model, dataset, epochs=1, batch=16, scheduler=address,
            optimizer=_rule(word, model.parameters()), algorithm="sgd", consistency="bsp",
            init=init,
        )
        batches = []
        for batch in job.loader(collate_fn=collate):
            numbers = job._work.out.batch.examples.tolist()
            if not batches and init is None:
                plain.tower.load_state_dict(copy.deepcopy(model.tower.state_dict()))
            if numbers in batches:
                batches.remove(numbers)
            batches.append(numbers)
            loss_of(model, batch).backward()
            job.optimizer.step()
        for numbers in batches:
            plain.zero_grad()
            loss_of(plain, plain_collate([dataset[i] for i in numbers])).backward()
            for each in theirs:
                each.step()
        job.checkpoint(path, with_slots=True)
        assert job.audit().exact
    saved = ebb.load(path)
    assert saved[f"slots/{word}/step/ids"].tolist() == [16]
    rows = dict(zip(saved["ids/keys"].tolist(), saved["ids/rows"]))
    for i in {i for ids in dataset.ids for i in ids}:
        ours = torch.from_numpy(rows[key_of(i)])
        # Adam turns rounding of tiny gradients into steps.
        assert torch.allclose(
            ours, plain.ids.bag.weight[i], atol=2e-3 if word == "adam" else 1e-4
        ), i
    # Without the state the first steps are others.
    bare = {name: value for name, value in saved.items() if not name.startswith("slots/")}
    model = Net()
    job = ebb.torch.job(
        f"rows-on-{word}-bare", model, dataset, epochs=1, batch=16, scheduler=address,
        optimizer=_rule(word, model.parameters()), algorithm="sgd", consistency="bsp", init=bare,
    )
    torch_clicks.train(job)
    job.checkpoint(path + ".bare.safetensors", with_slots=True)
    steps = ebb.load(path + ".bare.safetensors")[f"slots/{word}/step/ids"].tolist()
    assert steps == [8]


def test_a_model_with_rows_begins_a_job(address):
    dataset = Clicks(96)
    model = Net()
    for name, lr in (("trained", 0.1), ("again", 1e-30)):
        job = ebb.torch.job(
            f"rows-model-{name}", model, dataset, epochs=1, batch=16, scheduler=address,
            optimizer=torch.optim.SGD(model.parameters(), lr=lr),
        )
        torch_clicks.train(job)
        if name == "trained":
            first = job.state_dict()
    assert torch.equal(job.state_dict()["ids.rows"], first["ids.rows"])
    assert first["ids.rows"].any()
    assert job.audit().exact


# --- numpy ----------------------------------------------------------------------

_JOB = {
    "model": {
        "kind": "program",
        "tables": {"bias": {"dims": [1]}},
        "sparse_tables": {"a": {"width": 2}, "b": {"width": 1}},
    },
    "data": {"train": {"positions": {"examples": 64}}},
    "train": {"epochs": 2, "batch": 8},
    "optimizer": {"kind": "sgd", "rate": 1},
    "algorithm": "sgd",
}


def _keys(examples):
    """Two keys of a in each example, and one of b in every second."""
    a = np.stack([examples % 5, examples + 100], 1).reshape(-1).astype(np.uint64)
    return {"a": a, "b": (examples[examples % 2 == 0]).astype(np.uint64) + 2**63}


def test_a_loop_in_numpy_has_rows(address):
    job = ebb.connect(address).submit({**_JOB, "name": "numpy-rows"})
    for batch in ebb.join(address, "numpy-rows", keys=_keys):
        places, rows = batch.places("a"), batch.rows("a")
        assert len(places) == 16 and rows.shape[1] == 2 and places.max() == len(rows) - 1
        assert not rows.flags.writeable
        of_a = np.zeros(rows.shape, np.float32)
        np.add.at(of_a, places, np.float32([8, 16]))  # Servers divide by 8 examples.
        of_b = np.full(batch.rows("b").shape, 8)
        batch.push({"bias": [8]}, loss=1, rows={"a": of_a, "b": of_b})
    job.wait(progress=False)
    state = job.state_dict()
    assert state["bias"] == -2 * 8
    rows = dict(zip(state["a/keys"].tolist(), state["a/rows"].tolist()))
    assert len(rows) == 5 + 64
    # Examples 0, 5, … 60 have key 0.
    assert rows[0] == [-2 * 13, -4 * 13] and rows[163] == [-2, -4]
    assert state["b/keys"].tolist() == [2**63 + i for i in range(0, 64, 2)]
    assert (state["b/rows"] == -2).all()
    assert job.audit().exact


def test_mistakes_in_numpy_are_named(address):
    ebb.connect(address).submit(
        {**_JOB, "name": "numpy-mistakes", "on_nonfinite": "skip"}
    )
    with pytest.raises(ebb.Refused, match="sparse tables .a, b., and nothing says which keys"):
        ebb.join(address, "numpy-mistakes")
    with ebb.join(address, "numpy-mistakes", keys=_keys) as work:
        batch = work.next()
        with pytest.raises(ebb.Refused, match="no sparse table c; it has a, b"):
            batch.rows("c")
        with pytest.raises(ebb.Refused, match=r"the gradient of a has the shape \(1,\)"):
            batch.push({}, rows={"a": [1]})
        bad = np.zeros(batch.rows("a").shape)
        bad[3, 1] = np.nan
        with pytest.raises(ebb.NonFinite, match="the gradient of row [0-9]+ of a is nan"):
            batch.push({}, rows={"a": bad})
    with ebb.join(
        address, "numpy-mistakes", keys=lambda examples: {"c": examples}
    ) as work, pytest.raises(ebb.Refused, match="no sparse table c"):
        work.next()


def test_jobs_with_rows_are_checked(address):
    cluster = ebb.connect(address)

    def refusal(model, **more):
        with pytest.raises(ebb.Refused) as raised:
            cluster.submit({**_JOB, **more, "name": "refused", "model": {"kind": "program", **model}})
        return str(raised.value)

    tables = {"bias": {"dims": [1]}}
    assert "width" in refusal({"tables": tables, "sparse_tables": {"a": {"width": 0}}})
    assert "width" in refusal({"tables": tables, "sparse_tables": {"a": {}}})
    assert "of a dense table" in refusal(
        {"tables": tables, "sparse_tables": {"bias": {"width": 1}}}
    )
    # A blank is escaped, and then the name is too long.
    assert "128" in refusal({"tables": tables, "sparse_tables": {"a" * 126 + " ": {"width": 1}}})
    assert "tables.z: is no table of the model" in refusal(
        {"tables": tables, "sparse_tables": {"a": {"width": 1}}}, tables={"z": {"max_rows": 5}}
    )
    assert "sparse tables need asp or ssp" in refusal(
        {"tables": tables, "sparse_tables": {"a": {"width": 1}}}, consistency="rounds"
    )


def test_a_model_of_rows_alone(address):
    model = {"kind": "program", "sparse_tables": {"a": {"width": 1}}}
    job = ebb.connect(address).submit({**_JOB, "name": "only-rows", "model": model})
    for batch in ebb.join(address, "only-rows", keys=lambda examples: {"a": examples % 3}):
        batch.push([], rows={"a": np.full(batch.rows("a").shape, 8)})
    job.wait(progress=False)
    assert len(job.state_dict()["a/keys"]) == 3


def test_the_example_learns(tmp_path):
    example = Path(__file__).resolve().parents[2] / "examples" / "python" / "dlrm.py"
    output = tmp_path / "dlrm.pt"
    environment = {**os.environ, "EXAMPLES": "12000", "EPOCHS": "2", "OUTPUT": str(output)}
    environment.pop("EBB_SCHEDULER", None)
    done = subprocess.run(
        [sys.executable, str(example)], env=environment, cwd=tmp_path, capture_output=True,
        text=True, timeout=300,
    )
    assert done.returncode == 0, done.stderr
    state = torch.load(output)
    assert state["rows.user.keys"].numel() > 300
    assert state["rows.words.rows"].shape == (300, 8)
    figures = ast.literal_eval(done.stdout)
    # With 4,000 examples it learns them by heart: 0.65 to 0.72.
    assert figures["test_accuracy"] > 0.7, figures
