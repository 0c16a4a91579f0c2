"""Trains a small convolutional net on Fashion-MNIST.

The images are those of Debian's package dataset-fashion-mnist.
"""

import gzip
import os

import numpy as np
import ebb.torch
import torch
import torch.nn.functional as F
import torch.utils.data
from torch import nn

FOLDER = os.environ.get("FASHION", "/usr/share/datasets/fashion-mnist")
EPOCHS = int(os.environ.get("EPOCHS", "10"))
torch.set_num_threads(1)


def read(name):
    """Returns images of mean 0 and deviation 1, and their classes."""
    with gzip.open(f"{FOLDER}/{name}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(f"{FOLDER}/{name}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    images = (images.astype(np.float32) / 255 - 0.286) / 0.353
    return torch.from_numpy(images), torch.from_numpy(labels)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 32, 3, padding=1)
        self.hidden = nn.Linear(32 * 7 * 7, 96)
        self.out = nn.Linear(96, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        x = F.dropout(x.flatten(1), 0.25, self.training)
        return self.out(F.relu(self.hidden(x)))


def accuracy(model):
    model.eval()
    images, labels = read("t10k")
    with torch.no_grad():
        guesses = torch.cat([model(part).argmax(1) for part in images.split(1000)])
    return float((guesses == labels).float().mean())


torch.manual_seed(1)
model = Net()
train_set = torch.utils.data.TensorDataset(*read("train"))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
job = ebb.torch.job("fashion_cnn", model, train_set, optimizer=optimizer, epochs=EPOCHS, batch=64)
optimizer = job.optimizer
for x, y in job.loader():
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
torch.save(model.state_dict(), "fashion_cnn.pt")
print(f"accuracy {accuracy(model):.4f}")
