"""A model that ebb-workers compute: a job file names it, and its class.

The workers read the examples, and the servers keep the parameters and step. A
module says what the model is, and what its loss is.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    # ebb gives `features` and `classes` to a class that asks for them. The
    # options come from the job.
    def __init__(self, features, classes, hidden=64):
        super().__init__()
        self.first = nn.Linear(features, hidden)
        self.last = nn.Linear(hidden, classes)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


# x: float32, examples x features. y: the numbers of the classes, as int64.
def loss(model, batch):
    x, y = batch
    return F.cross_entropy(model(x), y)
