"""A module with a data set of its own, and a job that trains on it."""

from pathlib import Path

import pytest
import torch
from jobs import CLASSES, FEATURES, examples

MODEL = f"""
import os
import torch
import torch.nn.functional as F

class Net(torch.nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.first = torch.nn.Linear({FEATURES}, hidden)
        self.last = torch.nn.Linear(hidden, {CLASSES})

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))

def loss(model, batch):
    x, y = batch
    return F.cross_entropy(model(x), y)
"""
DATA = """
import os
import torch

class Arrays(torch.utils.data.Dataset):
    def __init__(self, path):
        self.x, self.y = torch.load(path)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, number):
        return self.x[number], self.y[number]

def train_set(folder):
    return Arrays(os.path.join(folder, "train.pt"))

def test_set(folder="."):
    return Arrays(os.path.join(folder, "test.pt"))
"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def data_job(folder: Path, *, epochs: int = 2, batch: int = 50):
    for name, count, seed in (("train", 600, 1), ("test", 200, 2)):
        features, labels = examples(count, seed=seed)
        torch.save(
            (torch.tensor(features, dtype=torch.float32), torch.tensor(labels)),
            str(folder / f"{name}.pt"),
        )
    options = {"folder": str(folder)}
    return {
        "name": "own",
        "model": {"kind": "python", "module": "net.py", "class": "Net"},
        "data": {
            "train": {"python": {"factory": "net.py:train_set", "options": options}},
            "test": {"python": {"factory": "test_set", "options": options}},
        },
        "train": {"epochs": epochs, "batch": batch},
        "optimizer": {"kind": "adam", "rate": 0.02},
        "evaluate": {"every": "1 epoch"},
    }
