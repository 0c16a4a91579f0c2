"""A convolutional net and its own data set, which ebb-workers compute.

The job file names the class and the functions that return data sets. Images are
moved and mirrored as they are read: this is why the module reads them itself.
"""

import gzip
import os

import numpy as np
import torch
import torch.nn.functional as F
import torch.utils.data
from torch import nn


class Net(nn.Module):
    def __init__(self, channels=16):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.out = nn.Linear(2 * channels * 7 * 7, 10)

    def forward(self, images):
        x = F.max_pool2d(F.relu(self.first(images)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return self.out(x.flatten(1))


# torch makes this of the examples: images, and the numbers of their classes.
def loss(model, batch):
    images, classes = batch
    return F.cross_entropy(model(images), classes)


class Images(torch.utils.data.Dataset):
    def __init__(self, prefix, moved):
        with gzip.open(f"{prefix}-images-idx3-ubyte.gz") as file:
            self.images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
        with gzip.open(f"{prefix}-labels-idx1-ubyte.gz") as file:
            self.classes = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
        self.moved = moved

    def __len__(self):
        return len(self.classes)

    # ebb seeds random numbers for each example of each epoch.
    def __getitem__(self, number):
        image = torch.from_numpy(self.images[number].astype(np.float32) / 255)
        if self.moved:
            down, right = np.random.randint(-2, 3, 2)
            image = image.roll((int(down), int(right)), (0, 1))
            if np.random.rand() < 0.5:
                image = image.flip(1)
        return image[None], self.classes[number]


# The job's options are the arguments.
def train_set(folder):
    return Images(os.path.join(folder, "train"), moved=True)


def test_set(folder):
    return Images(os.path.join(folder, "t10k"), moved=False)
