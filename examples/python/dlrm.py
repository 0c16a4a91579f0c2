"""Trains a small click model in the manner of DLRM on clicks that it makes up.

An advertisement has categories, whose keys are any 64-bit numbers, and some
numbers. The rows of the keys are on the servers; keys get theirs as they come.
"""

import functools
import os

import ebb
import ebb.torch
import torch
import torch.nn.functional as F
import torch.utils.data
from torch import nn

EXAMPLES = int(os.environ.get("EXAMPLES", "40000"))
EPOCHS = int(os.environ.get("EPOCHS", "2"))
HELD_OUT = 10_000
TABLES = ("user", "ad", "words")
DIM = 8
torch.set_num_threads(1)


class Clicks(torch.utils.data.Dataset):
    """Clicks that follow hidden likings of users and qualities of ads."""

    def __init__(self, begin, count):
        self.begin, self.count = begin, count

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        made = torch.Generator().manual_seed(self.begin + number)
        uniform = torch.rand(8, generator=made)
        user, ad = int(1000 * uniform[0] ** 3), int(100 * uniform[1] ** 2)
        words = torch.randint(300, (int(1 + 4 * uniform[2]),), generator=made).tolist()
        numbers = torch.randn(4, generator=made)
        liking = (1.5 if user % 2 else -1.5) + (1.0 if ad % 3 == 0 else -0.5) + numbers[0]
        click = uniform[3] < torch.sigmoid(liking + 0.2 * sum(word % 3 - 1 for word in words))
        # Any number of 64 bits is a key, such as a hash of a name.
        keys = {"user": [hash_of("user", user)], "ad": [hash_of("ad", ad)], "words": words}
        return keys, numbers, float(click)


def hash_of(kind, number):
    return (0x9E3779B97F4A7C15 * (number + 1) + len(kind)) % 2**64


class Dlrm(nn.Module):
    def __init__(self):
        super().__init__()
        self.rows = nn.ModuleDict(
            {
                table: ebb.torch.EmbeddingBag(
                    table, DIM, mode="mean", optimizer=ebb.Adagrad(0.1), init=ebb.Normal(0.1)
                )
                for table in TABLES
            }
        )
        self.bottom = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, DIM))
        self.top = nn.Sequential(nn.Linear(DIM + 6, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, keys, numbers):
        dense = self.bottom(numbers)
        vectors = torch.stack([dense, *(self.rows[table](keys[table]) for table in TABLES)], 1)
        products = vectors @ vectors.transpose(1, 2)
        pairs = torch.triu_indices(4, 4, offset=1)
        return self.top(torch.cat([dense, products[:, pairs[0], pairs[1]]], 1)).squeeze(1)


def collate(examples):
    keys = {
        table: ebb.torch.Keys.of([keys[table] for keys, _, _ in examples], table=table)
        for table in TABLES
    }
    numbers = torch.stack([numbers for _, numbers, _ in examples])
    return keys, numbers, torch.tensor([click for _, _, click in examples])


@functools.lru_cache(maxsize=1)
def held_out():
    """Returns batches of clicks that are not trained on."""
    clicks = Clicks(10**6, HELD_OUT)
    return list(torch.utils.data.DataLoader(clicks, batch_size=500, collate_fn=collate))


def evaluate(model):
    losses, right = 0.0, 0
    for keys, numbers, clicks in held_out():
        scores = model(keys, numbers)
        losses += float(F.binary_cross_entropy_with_logits(scores, clicks, reduction="sum"))
        right += int(((scores > 0) == (clicks > 0.5)).sum())
    return {"loss": losses / HELD_OUT, "correct": right, "examples": HELD_OUT}


def main():
    model = Dlrm()
    job = ebb.torch.job(
        "dlrm",
        model,
        Clicks(0, EXAMPLES),
        epochs=EPOCHS,
        batch=256,
        optimizer=torch.optim.Adagrad(model.parameters(), lr=0.05),
        schedule={"kind": "cosine"},
        evaluate=evaluate,
    )
    optimizer = job.optimizer
    for keys, numbers, clicks in job.loader(collate_fn=collate):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(keys, numbers), clicks)
        loss.backward()
        optimizer.step()
    torch.save(job.state_dict(), os.environ.get("OUTPUT", "dlrm.pt"))
    print(job.history[-1])


if __name__ == "__main__":
    main()
