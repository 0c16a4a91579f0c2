"""Trains PyTorch models on machines that may go away.

    job = ebb.torch.job("digits", model, train_set, epochs=10, batch=128,
                        optimizer=torch.optim.Adam(model.parameters(), lr=1e-3))
    optimizer = job.optimizer
    for x, y in job.loader(num_workers=2):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    torch.save(job.state_dict(), "digits.pt")
"""

from __future__ import annotations

from ebb import packages as _packages

_packages.need("numpy", "ebb.torch")
_packages.need("torch", "ebb.torch")

from ebb.torch.amp import GradScaler
from ebb.torch.check import Report, check
from ebb.torch.embeddings import Embedding, EmbeddingBag
from ebb.torch.handin import HandIn
from ebb.torch.job import Batch, Loader, TorchJob
from ebb.torch.keys import Keys
from ebb.torch.local import DiLoCo
from ebb.torch.stopping import Patience
from ebb.torch.submission import job, join, submit
from ebb.torch.tokens import Tokens

__all__ = [
    "Batch",
    "DiLoCo",
    "Embedding",
    "EmbeddingBag",
    "GradScaler",
    "HandIn",
    "Keys",
    "Loader",
    "Patience",
    "Report",
    "Tokens",
    "TorchJob",
    "check",
    "job",
    "join",
    "submit",
]
