"""Small models and data sets for tests of ebb.torch."""

import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Net(nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.a = nn.Linear(6, 5)
        self.b = nn.Linear(5, 3)

    def forward(self, x):
        return self.b(F.relu(self.a(x)))


class Data(torch.utils.data.Dataset):
    """Classes that a linear model nearly tells apart."""

    def __init__(self, count=50, seed=1):
        made = torch.Generator().manual_seed(seed)
        self.x = torch.randn(count, 6, generator=made)
        self.y = (self.x[:, :3] + 0.1 * torch.randn(count, 3, generator=made)).argmax(1)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, number):
        return self.x[number], self.y[number]


class Augmented(Data):
    """Adds noise from all three generators."""

    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        noise = 0.01 * random.random() + 0.01 * float(np.random.rand())
        return x + noise + 0.01 * torch.randn(6), y


class Unreadable(Data):
    def __init__(self, bad, count=50):
        super().__init__(count)
        self.bad = bad

    def __getitem__(self, number):
        if number == self.bad:
            raise ValueError(f"picture {number} is torn")
        return super().__getitem__(number)


def loss_of(model, batch):
    x, y = batch
    return F.cross_entropy(model(x), y)


def sgd(model, **options):
    return torch.optim.SGD(model.parameters(), lr=0.1, **options)


def work(job, loss=loss_of, **options):
    """The loop of the design, with the loss of each batch."""
    seen = []
    loader = job.loader(**options)
    for batch in loader:
        job.optimizer.zero_grad()
        value = loss(job.model, batch)
        value.backward()
        job.optimizer.step()
        seen.append(float(value))
    return loader, seen


def farthest(a, b):
    """The largest difference between the values of two models."""
    pairs = zip(a.state_dict().items(), b.state_dict().items())
    return max(float((p - q).abs().max()) for (_, p), (_, q) in pairs)
