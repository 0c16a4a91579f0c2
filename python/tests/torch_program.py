"""A program that trains a small convolutional net with embeddings, for tests that kill it.

    torch_program.py JOB OUTPUT [epochs [readers]]

Each key that an example has moves its row by -1, so that the rows count, too.
It writes "working" to its output after the first batch. With a folder in
TORCH_PROGRAM_GATE, copies count the batches that they hand in there. Where that
are most of the job, they wait for a file "go".
"""

import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

import ebb
import ebb.torch

torch.set_num_threads(1)
LEVEL_SHARE = 0.005


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.out = nn.Linear(64, 3)
        self.ids = ebb.torch.EmbeddingBag("ids", 2, optimizer=ebb.SGD(1.0), init=ebb.Zeros())
        # Each batch comes to 1, so its average tells how many batches counted.
        self.register_buffer("level", torch.zeros(1))

    def forward(self, x):
        if self.training:
            self.level.fill_(1)
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        return self.out(F.dropout(x.flatten(1), 0.1, self.training))


class Shapes(torch.utils.data.Dataset):
    """Pictures whose brightest of three stripes is the class."""

    def __len__(self):
        return 1500

    def __getitem__(self, number):
        made = torch.Generator().manual_seed(number)
        picture = torch.rand(1, 8, 8, generator=made)
        kind = number % 3
        picture[0, 2 * kind + 1 : 2 * kind + 3] += 0.5
        return picture + 0.01 * torch.randn(1, 8, 8), kind, keys_of(number)


def keys_of(number):
    """The keys of an example: some are frequent, and some are its own."""
    return [number % 7, 10**15 + number % 400, 2**63 + number]


def collate(examples):
    keys = ebb.torch.Keys.of([keys for _, _, keys in examples], table="ids")
    return torch.stack([x for x, _, _ in examples]), torch.tensor([y for _, y, _ in examples]), keys


def evaluate(model):
    """Looks rows up three times, one of them of keys that have none."""
    data, loss = Shapes(), 0.0
    for begin in (0, 700, 10**6):
        x, y, keys = collate([data[number] for number in range(begin, begin + 50)])
        loss += float(F.cross_entropy(model(x), y)) + 0 * float(model.ids(keys).sum())
    return loss / 3


class Gate:
    """Keeps the job from its end until a test has seen enough."""

    def __init__(self, folder, most):
        self._count = os.open(os.path.join(folder, "batches"), os.O_CREAT | os.O_APPEND | os.O_RDWR)
        self._go = os.path.join(folder, "go")
        self._most = most

    def pass_through(self):
        os.write(self._count, b".")
        while os.fstat(self._count).st_size > self._most and not os.path.exists(self._go):
            time.sleep(0.005)


def main():
    name, output = sys.argv[1:3]
    epochs = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    readers = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    model = Net()
    job = ebb.torch.job(
        name,
        model,
        Shapes(),
        epochs=epochs,
        batch=10,
        optimizer=torch.optim.Adam(model.parameters(), lr=0.01),
        evaluate=evaluate,
        algorithm="sgd",  # Others shorten late steps, and rows would not count.
        buffers={"level": "average"},
        settings={
            "oracle": {"width": 4},
            "tables": {"level": {"optimizer": {"share": LEVEL_SHARE}}},
            "train": {"item_examples": 100},
            "quarantine_after": 1000,  # The test kills more often than spot markets do.
        },
    )
    optimizer = job.optimizer
    folder = os.environ.get("TORCH_PROGRAM_GATE")
    gate = Gate(folder, epochs * len(Shapes()) // 10 * 2 // 3) if folder else None
    told = False
    for x, y, keys in job.loader(num_workers=readers, collate_fn=collate):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y) + model.ids(keys).sum()
        loss.backward()
        time.sleep(0.005)
        optimizer.step()
        if not told:
            print("working", flush=True)
            told = True
        if gate:
            gate.pass_through()
    torch.save(job.state_dict(), output)
    print("done", flush=True)


if __name__ == "__main__":
    main()
