#!/usr/bin/env python3
"""Simulates how lateness changes what a job learns, without ebb.

Workers compute batches of Fashion-MNIST for the same time, one of eight takes
three times as long. Each gradient is computed from the values that the worker
pulled, and applied by Adam when the worker is done, so it is as late as it would
be on a cluster. Time is simulated, gradients are real. The rate is 1 / features,
falls by a cosine, and is multiplied by a factor for lateness.

  python3 bench/studies/staleness_study.py --data ../shared/data/fashion-mnist
  python3 bench/studies/staleness_study.py --model mlp --workers 1,16 --batch 32
  python3 bench/studies/staleness_study.py --factors one,root --pull early

It prints a table in Markdown: the accuracy on the test images after the last
epoch, and the mean staleness in updates. It needs numpy: Debian's python3-numpy,
or `pip install numpy` in a virtual environment. docs/decisions/0025 uses it.
"""
import argparse
import gzip
import heapq
import math
import os

import numpy as np

# A rate is multiplied by these, by the updates between a pull and its push.
FACTORS = {
    "one": lambda late: 1.0,
    "inverse": lambda late: 1.0 / (1 + late),  # DynSGD.
    "root": lambda late: 1.0 / math.sqrt(1 + late),
    "least8": lambda late: min(1.0, 8 / (1 + late)),
    "least16": lambda late: min(1.0, 16 / (1 + late)),
}


class Images:
    """Standardised features and labels, for training and for testing."""

    def __init__(self, folder):
        def read(name, shape):
            with gzip.open(os.path.join(folder, name)) as file:
                skip = 16 if len(shape) > 1 else 8
                return np.frombuffer(file.read(), np.uint8,
                                     offset=skip).reshape(shape)

        train = read("train-images-idx3-ubyte.gz", (-1, 784))
        test = read("t10k-images-idx3-ubyte.gz", (-1, 784))
        train, test = train.astype(np.float32), test.astype(np.float32)
        mean, deviation = train.mean(0), train.std(0)
        deviation[deviation == 0] = 1
        self.train = (train - mean) / deviation
        self.test = (test - mean) / deviation
        self.labels = read("train-labels-idx1-ubyte.gz", (-1,)).astype(int)
        self.test_labels = read("t10k-labels-idx1-ubyte.gz",
                                (-1,)).astype(int)


class Network:
    """Layers with ReLU between them, and softmax at the end."""

    def __init__(self, sizes):
        self.shapes = list(zip(sizes, sizes[1:]))
        self.parameters = sum((inputs + 1) * outputs
                              for inputs, outputs in self.shapes)

    def initial(self, random):
        """One layer starts at zero, several with He's deviation."""
        parts = []
        for inputs, outputs in self.shapes:
            deviation = math.sqrt(2 / inputs) if len(self.shapes) > 1 else 0
            parts += [random.normal(0, deviation, inputs * outputs),
                      np.zeros(outputs)]
        return np.concatenate(parts).astype(np.float32)

    def layers(self, values):
        place = 0
        for inputs, outputs in self.shapes:
            end = place + inputs * outputs
            yield (values[place:end].reshape(inputs, outputs),
                   values[end:end + outputs])
            place = end + outputs

    def forward(self, values, features):
        """Returns the inputs of each layer, and the outputs of the last."""
        inputs = []
        for number, (weights, bias) in enumerate(self.layers(values)):
            if number > 0:
                features = np.maximum(features, 0)
            inputs.append(features)
            features = features @ weights + bias
        return inputs, features

    def gradient(self, values, features, labels):
        inputs, outputs = self.forward(values, features)
        outputs = np.exp(outputs - outputs.max(1, keepdims=True))
        error = outputs / outputs.sum(1, keepdims=True)
        error[np.arange(len(labels)), labels] -= 1
        error /= len(labels)
        parts = []
        for (weights, _), before in zip(reversed(list(self.layers(values))),
                                        reversed(inputs)):
            parts += [error.sum(0), (before.T @ error).ravel()]
            error = (error @ weights.T) * (before > 0)
        return np.concatenate(parts[::-1])

    def accuracy(self, values, features, labels):
        outputs = self.forward(values, features)[1]
        return float((outputs.argmax(1) == labels).mean())


class Adam:
    """Kingma and Ba 2015, with the usual constants."""

    def __init__(self, parameters):
        self.mean = np.zeros(parameters, np.float32)
        self.square = np.zeros(parameters, np.float32)
        self.steps = 0

    def step(self, values, gradient, rate):
        self.steps += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient * gradient
        mean = self.mean / (1 - 0.9 ** self.steps)
        square = self.square / (1 - 0.999 ** self.steps)
        return values - rate * mean / (np.sqrt(square) + 1e-8)


def train(network, images, workers, batch, epochs, factor, early, seed):
    """Returns the accuracy at the end, and the mean staleness."""
    random = np.random.default_rng(seed)
    examples = len(images.labels)
    orders = [random.permutation(examples) for _ in range(epochs)]
    an_epoch = math.ceil(examples / batch)
    batches = an_epoch * epochs
    values, adam = network.initial(random), Adam(network.parameters)
    events, begun, applied, lateness = [], 0, 0, 0

    def begin(worker, now, pulled):
        """`pulled`: the values of this batch, and the updates in them."""
        nonlocal begun
        if begun == batches:
            return
        slow = 3.0 if workers >= 8 and worker % 8 == 7 else 1.0
        end = now + slow * random.uniform(0.95, 1.05)
        heapq.heappush(events, (end, worker, begun, pulled, (values, applied)))
        begun += 1

    for worker in range(workers):
        begin(worker, random.uniform(0, 1), (values, 0))
    while events:
        now, worker, number, (pulled, updates), following = heapq.heappop(events)
        epoch, place = divmod(number, an_epoch)
        chosen = orders[epoch][place * batch:(place + 1) * batch]
        gradient = network.gradient(pulled, images.train[chosen],
                                    images.labels[chosen])
        late = applied - updates
        rate = (1 / 784 * factor(late) *
                0.5 * (1 + math.cos(math.pi * number / batches)))
        values = adam.step(values, gradient, rate)
        applied += 1
        lateness += late
        begin(worker, now, following if early else (values, applied))
    accuracy = network.accuracy(values, images.test, images.test_labels)
    return accuracy, lateness / batches


def main():
    flags = argparse.ArgumentParser(
        description=__doc__.splitlines()[0])
    flags.add_argument("--data", default="../shared/data/fashion-mnist",
                       help="folder with the four files of Fashion-MNIST")
    flags.add_argument("--model", choices=["softmax", "mlp"],
                       default="softmax")
    flags.add_argument("--workers", default="1,4,16,64,200")
    flags.add_argument("--batch", type=int, default=128)
    flags.add_argument("--epochs", type=int, default=10)
    flags.add_argument("--factors", default=",".join(FACTORS))
    flags.add_argument("--pull", choices=["early", "late"], default="late",
                       help="while the batch before is computed, or after it")
    flags.add_argument("--seeds", type=int, default=1)
    flags = flags.parse_args()
    images = Images(flags.data)
    network = Network([784, 10] if flags.model == "softmax" else
                      [784, 128, 10])
    names = flags.factors.split(",")
    print("| workers | staleness | " + " | ".join(names) + " |")
    print("|--:|--:|" + "--:|" * len(names))
    for workers in map(int, flags.workers.split(",")):
        cells, staleness = [], 0
        for name in names:
            results = [train(network, images, workers, flags.batch,
                             flags.epochs, FACTORS[name],
                             flags.pull == "early", seed)
                       for seed in range(1, flags.seeds + 1)]
            cells.append(f"{np.mean([result[0] for result in results]):.4f}")
            staleness = results[0][1]
        print(f"| {workers} | {staleness:.0f} | " + " | ".join(cells) + " |",
              flush=True)


if __name__ == "__main__":
    main()
