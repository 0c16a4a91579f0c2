"""The peers share this: the main job's data, model, schedule and report.

The job is examples/jobs/fashion_mlp.yaml: a perceptron 784-256-128-10 on the
60,000 images of Fashion-MNIST (Debian package dataset-fashion-mnist), batches
of 128 a process, one compute thread a process.
"""

import argparse
import gzip
import json
import math
import os
import resource
import time

# Before numpy reads it: one compute thread a process.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy
import torch

LAYERS = (784, 256, 128, 10)
FOLDER = "/usr/share/datasets/fashion-mnist"


def parser(what):
    flags = argparse.ArgumentParser(description=what)
    flags.add_argument("--data", default=FOLDER, help="folder of the IDX files")
    flags.add_argument("--epochs", type=int, default=8)
    flags.add_argument("--batch", type=int, default=128, help="of a process")
    flags.add_argument("--optimizer", default="rmsprop",
                       choices=("rmsprop", "sgd", "adam"))
    flags.add_argument("--rate", type=float, default=0.0007)
    flags.add_argument("--momentum", type=float, default=0, help="of sgd")
    flags.add_argument("--seed", type=int, default=1)
    return flags


def idx(path):
    """Returns the array of an IDX file, as MNIST's page describes it."""
    with gzip.open(path) as file:
        head = file.read(4)
        shape = [int.from_bytes(file.read(4), "big") for _ in range(head[3])]
        return numpy.frombuffer(file.read(), numpy.uint8).reshape(shape)


def load(folder, name):
    """Returns images as floats in [0, 1], a row each, and labels."""
    images = idx(os.path.join(folder, f"{name}-images-idx3-ubyte.gz"))
    labels = idx(os.path.join(folder, f"{name}-labels-idx1-ubyte.gz"))
    rows = images.reshape(len(images), -1).astype(numpy.float32) / 255
    return torch.from_numpy(rows), torch.from_numpy(labels.astype(numpy.int64))


def model(seed):
    torch.manual_seed(seed)
    layers = []
    for inputs, outputs in zip(LAYERS, LAYERS[1:]):
        linear = torch.nn.Linear(inputs, outputs)
        torch.nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        torch.nn.init.zeros_(linear.bias)
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def optimizer(flags, parameters):
    if flags.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, flags.rate, alpha=0.9)
    if flags.optimizer == "adam":
        return torch.optim.Adam(parameters, flags.rate)
    return torch.optim.SGD(parameters, flags.rate, momentum=flags.momentum)


def cosine(flags, done):
    """Returns the rate after the part `done` (0 to 1) of the job."""
    return flags.rate * 0.5 * (1 + math.cos(math.pi * done))


def batches(flags, rows, epoch, rank=0, processes=1):
    """Places of the examples of each batch of a process, shuffled anew."""
    order = torch.randperm(
        rows, generator=torch.Generator().manual_seed(flags.seed * 1000 + epoch))
    mine = order[rank::processes]
    return torch.split(mine[:len(mine) // flags.batch * flags.batch],
                       flags.batch)


def accuracy(net, images, labels):
    with torch.no_grad():
        return (net(images).argmax(1) == labels).float().mean().item()


class Clock:
    """Returns wall and CPU seconds of this process and of its ended children."""

    def __init__(self):
        self.wall = time.monotonic()
        self.cpu = self._cpu()

    @staticmethod
    def _cpu():
        used = [resource.getrusage(who)
                for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    def stop(self):
        return time.monotonic() - self.wall, self._cpu() - self.cpu


def report(peer, processes, examples, seconds, cpu, reached):
    """Prints one line of JSON: examples counts what all processes computed."""
    print(json.dumps({
        "peer": peer,
        "torch": torch.__version__,
        "processes": processes,
        "examples": examples,
        "seconds": round(seconds, 3),
        "examples_per_s": round(examples / seconds, 1),
        "cpu_s_per_million_examples": round(1e6 * cpu / examples, 2),
        "accuracy": round(reached, 4),
    }), flush=True)
