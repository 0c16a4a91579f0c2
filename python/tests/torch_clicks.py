"""A small click model with an embedding, and its plain twin."""

import torch
import torch.nn.functional as F
from torch import nn

import ebb
import ebb.torch

DIM = 4
KEYS = 50
#: Keys of 64 bits, far apart.
SPREAD = 0x9E3779B97F4A7C15


def key_of(number):
    return (number * SPREAD + 12345) % 2**64


class Clicks(torch.utils.data.Dataset):
    """Examples of 0 to 4 keys, 3 numbers and a label."""

    def __init__(self, count=48, seed=3):
        generator = torch.Generator().manual_seed(seed)
        self.numbers = torch.randn(count, 3, generator=generator)
        self.ids = [
            torch.randint(KEYS, (int(n),), generator=generator).tolist()
            for n in torch.randint(0, 5, (count,), generator=generator)
        ]
        self.labels = (torch.rand(count, generator=generator) < 0.4).float()

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        return self.ids[i], self.numbers[i], self.labels[i]


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.tower = nn.Sequential(nn.Linear(DIM + 3, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, keys, numbers):
        return self.tower(torch.cat([self.ids(keys), numbers], 1)).squeeze(1)


class Net(Tower):
    def __init__(self, mode="sum", **settings):
        super().__init__()
        settings.setdefault("init", ebb.Zeros())
        self.ids = ebb.torch.EmbeddingBag("ids", DIM, mode=mode, **settings)


class PlainNet(Tower):
    """The same with torch's own, whose rows begin at zeros."""

    def __init__(self, mode="sum"):
        super().__init__()
        self.ids = Bag(nn.EmbeddingBag(KEYS, DIM, mode=mode))


class Bag(nn.Module):
    def __init__(self, bag):
        super().__init__()
        self.bag = bag
        nn.init.zeros_(bag.weight)

    def forward(self, lists):
        offsets, flat = [], []
        for one in lists:
            offsets.append(len(flat))
            flat += one
        return self.bag(torch.tensor(flat, dtype=torch.int64), torch.tensor(offsets))


def collate(examples):
    ids, numbers, labels = zip(*examples)
    keys = ebb.torch.Keys.of([[key_of(i) for i in one] for one in ids], table="ids")
    return keys, torch.stack(numbers), torch.stack(labels)


def plain_collate(examples):
    ids, numbers, labels = zip(*examples)
    return ids, torch.stack(numbers), torch.stack(labels)


def loss_of(model, batch):
    keys, numbers, labels = batch
    return F.binary_cross_entropy_with_logits(model(keys, numbers), labels)


def train(job, **options):
    optimizer = job.optimizer
    for batch in job.loader(collate_fn=collate, **options):
        optimizer.zero_grad()
        loss_of(job.model, batch).backward()
        optimizer.step()
