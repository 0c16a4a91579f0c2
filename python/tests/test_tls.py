"""Programs that join a job of a cluster whose daemons speak TLS."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import ebb
import ebb.local

_JOB = {
    "name": "line",
    "model": {"kind": "program", "tables": {"bias": {"dims": [1]}, "weight": {"dims": [3]}}},
    "data": {"train": {"positions": {"examples": 240}}},
    "train": {"epochs": 2, "batch": 16},
    "optimizer": {"kind": "sgd", "rate": 0.05},
}


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A cluster, and the folder of certificates; tokens of users are kept apart."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    tls = str(tmp_path / "tls")
    program = os.path.join(os.environ["EBB_BIN"], "ebb")
    subprocess.run([program, "certs", "--folder", tls], check=True, stdout=subprocess.DEVNULL)

    def flags(role):
        return [f"--tls-cert={tls}/{role}.pem", f"--tls-key={tls}/{role}.key", f"--tls-ca={tls}/ca.pem"]

    with ebb.local.cluster(scheduler_flags=flags("scheduler"), server_flags=flags("ps")) as one:
        yield one, tls


def _train(batches) -> int:
    random = np.random.default_rng(1)
    x = random.normal(size=(240, 3))
    y = x @ [1.0, 2.0, 3.0]
    count = 0
    for batch in batches:
        error = x[batch.examples] @ batch.table("weight") + batch.table("bias") - y[batch.examples]
        gradient = {"weight": error @ x[batch.examples], "bias": [error.sum()]}
        batch.push(gradient, loss=0.5 * (error @ error))
        count += len(batch.examples)
    return count


def test_a_program_joins_by_a_certificate_and_the_token(secure, tmp_path: Path) -> None:
    cluster, tls = secure
    token = str(tmp_path / "line.token")
    job = ebb.connect(cluster.address, tls=tls, token_file=token).submit(_JOB)
    with pytest.raises(ebb.Error, match="token"):
        ebb.join(cluster.address, "line", tls=tls)
    absent = str(tmp_path / "absent.token")
    with pytest.raises(ebb.Refused, match=f"token_file={absent}: there is no such file"):
        ebb.join(cluster.address, "line", tls=f"{tls}/worker", token_file=absent)
    with pytest.raises(ebb.Refused, match="there is no such file"):
        ebb.connect(cluster.address, tls=tls, token_file=absent).job("line").audit()
    with pytest.raises(ebb.Error, match="role"):
        ebb.join(cluster.address, "line", tls=f"{tls}/client", token_file=token)
    with pytest.raises(ebb.Error, match="if its daemons speak TLS, give tls="):
        ebb.join(cluster.address, "line", token_file=token)
    work = ebb.join(cluster.address, "line", tls=f"{tls}/worker", token_file=token)
    assert _train(work) == 2 * 240
    audit = job.audit()
    assert audit.exact and audit.applied == 2 * 240
    assert np.isfinite(job.state_dict()["weight"]).all()


def test_a_pytorch_program_submits_and_joins(secure) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    import ebb.torch

    cluster, tls = secure
    torch.manual_seed(1)
    x = torch.randn(120, 3)
    data = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
    model = torch.nn.Linear(3, 1)
    job = ebb.torch.job(
        "secure",
        model,
        data,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.05),
        epochs=2,
        batch=20,
        scheduler=cluster.address,
        tls=tls,
    )
    for inputs, labels in job.loader():
        job.optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(inputs), labels).backward()
        job.optimizer.step()
    audit = job.audit()
    assert audit.exact and audit.applied == 2 * 120
    assert torch.isfinite(job.state_dict()["weight"]).all()
