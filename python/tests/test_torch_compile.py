"""A module that torch.compile made, whose parameters are the engine's memory."""

import copy
import shutil

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch_models import Data, Net, farthest, loss_of, sgd  # noqa: E402

_needs_compile = pytest.mark.skipif(
    not hasattr(torch, "compile"), reason="torch.compile came with PyTorch 2"
)


def _backends():
    """Returns those that need a compiler of C++ only where there is one."""
    return ["aot_eager", *(["inductor"] if shutil.which("g++") else [])]


@_needs_compile
@pytest.mark.parametrize("backend", _backends())
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_compiled_module_sees_each_pull(backend, when):
    """It is compiled before the job is made, or in the loop after some batches."""
    plain, model = Net(), Net()
    mock.plain(plain, sgd(plain), Data(), loss_of, epochs=2, batch=8)
    first = copy.deepcopy(model.state_dict())
    compiled = torch.compile(model, backend=backend) if when == "before" else model
    job, cluster = mock.job(model, Data(), optimizer=sgd(model), epochs=2)
    for number, batch in enumerate(job.loader()):
        if number == 3 and when == "after":
            compiled = torch.compile(model, backend=backend)
        loss_of(compiled, batch).backward()
        job.optimizer.step()
    assert len(cluster.pushed) == 2 * 7
    assert farthest(plain, model) < 1e-5
    assert any(bool((first[key] != value).any()) for key, value in model.state_dict().items())
