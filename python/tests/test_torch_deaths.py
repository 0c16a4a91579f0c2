"""Copies that die, or exit, with a batch: what the scheduler makes of it."""

import signal

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch_copies import started  # noqa: E402

import ebb  # noqa: E402
import ebb.local  # noqa: E402
import ebb.torch  # noqa: E402


@pytest.fixture(scope="module")
def address():
    with ebb.local.cluster(servers=2) as cluster:
        yield cluster.address


_POISONED = """
import os, torch, ebb.torch
from torch_models import Data, Net, loss_of
model = Net()
job = ebb.torch.job(
    "died-{word}", model, Data(64), batch=8, epochs=1, workers=1,
    optimizer=torch.optim.AdamW(model.parameters(), lr=0.01),
    local={local}, settings=dict(on_poison="skip"),
)
for batch in job.loader():
    if 11 in job._work.out.batch.examples:
        os._exit(9)
    loss_of(model, batch).backward()
    job.optimizer.step()
"""


# Bug: the engine of a program that died left in good order, so nothing was found.
@pytest.mark.parametrize(
    "word, local",
    [
        ("poisoned", None),
        ("poisoned-rounds", "ebb.torch.DiLoCo(steps=4)"),
        ("poisoned-asp", "ebb.torch.DiLoCo(steps=4, rounds=False)"),
    ],
)
def test_a_batch_that_kills_programs_costs_three_of_them_and_no_other_batch(address, word, local):
    source = _POISONED.format(word=word, local=local)
    ended = []
    while not ended or (ended[-1] == 9 and len(ended) < 8):
        with started(address, source) as program:
            program.communicate()
        ended.append(program.returncode)
    # A batch that was given ahead may kill before the engine was asked to offer it.
    assert ended[:3] == [9, 9, 9]
    assert ended[-1] == 0
    audit = ebb.connect(address).job(f"died-{word}").audit()
    assert audit.exact
    assert audit.skipped == 8


# Bug: a message of the engine that was not read yet dropped the program's LEAVE.
@pytest.mark.parametrize("local", [None, "ebb.torch.DiLoCo(steps=4)"])
@pytest.mark.parametrize(
    "how, code", [("raise SystemExit(9)", 9), ("os.kill(os.getpid(), 15)", -signal.SIGTERM)]
)
def test_a_program_that_exits_gives_its_batch_back(address, how, code, local):
    word = f"exits-{abs(code)}-{bool(local)}".lower()
    source = _POISONED.format(word=word, local=local)
    source = source.replace("for batch in", "batches = iter(job.loader())\nfor batch in")
    source = source.replace("in job.loader():", "in batches:")
    for _ in range(4):
        with started(address, source.replace("os._exit(9)", how)) as program:
            program.communicate()
        assert program.returncode == code
    with started(address, source.replace("os._exit(9)", "pass")) as program:
        program.communicate()
        assert program.returncode == 0
    audit = ebb.connect(address).job(f"died-{word}").audit()
    assert audit.exact
    assert audit.skipped == 0
