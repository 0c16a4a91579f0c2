"""Measures ebb.torch.EmbeddingBag against torch's own in one process.

    PYTHONPATH=python EBB_BIN=build/bin python3 bench/studies/python_embeddings.py

Both train one click model on the same batches. The keys of an example are drawn
by Zipf's law, their rows are summed, and a linear layer follows. ebb has one
worker and one server, which steps rows by Adagrad. Torch has
nn.EmbeddingBag(sparse=True), and steps rows by Adagrad too; with SparseAdam,
which has more to do, in a further row. They take turns of some batches in one
process, with one thread each, in an order that changes from round to round. The
ratios of the turns are printed, and the processor time of a batch in each
process, which says more on a busy machine.
"""

import argparse
import itertools
import json
import os
import platform
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import ebb
import ebb.local
import ebb.torch


def drawn_keys(count, a_row, keys, exponent, seed=1):
    """Keys by Zipf's law, the frequent ones anywhere in the space."""
    random = np.random.default_rng(seed)
    weights = np.arange(1, min(keys, 10**6) + 1, dtype=np.float64) ** -exponent
    ranks = np.searchsorted(np.cumsum(weights) / weights.sum(), random.random((count, a_row)))
    if keys <= 10**6:
        return random.permutation(keys)[ranks]
    # The tail of a large space: each block of ranks stands for a block of keys.
    block = keys // 10**6
    return ranks.astype(np.int64) * block + random.integers(0, block, ranks.shape)


class Clicks(torch.utils.data.Dataset):
    def __init__(self, keys, labels):
        self.keys, self.labels = keys, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, number):
        return number


class Net(nn.Module):
    def __init__(self, bag, dim):
        super().__init__()
        torch.manual_seed(1)
        self.ids = bag
        self.out = nn.Linear(dim, 1)

    def forward(self, keys):
        return self.out(self.ids(keys)).squeeze(1)


class Plain(nn.Module):
    def __init__(self, keys, dim):
        super().__init__()
        self.bag = nn.EmbeddingBag(keys, dim, mode="sum", sparse=True)
        nn.init.normal_(self.bag.weight, 0, 0.01)

    def forward(self, keys):
        return self.bag(keys)


def loss_of(model, keys, labels):
    return F.binary_cross_entropy_with_logits(model(keys), labels)


def of_ebb(data, options, address):
    """Yields after each batch."""
    offsets = np.arange(options.batch, dtype=np.int64) * options.a_row

    def collate(numbers):
        keys = data.keys[numbers]
        return (
            ebb.torch.Keys(keys.reshape(-1), offsets[: len(numbers)], "ids"),
            data.labels[numbers],
        )

    bag = ebb.torch.EmbeddingBag(
        "ids", options.dim, optimizer=ebb.Adagrad(0.05),
        max_rows=options.max_rows, at_limit="evict",
    )
    model = Net(bag, options.dim)
    job = ebb.torch.job(
        "embeddings", model, data, epochs=1000, batch=options.batch, scheduler=address,
        optimizer=torch.optim.Adagrad(model.parameters(), lr=0.05), seeds=False,
        settings=options.settings,
    )
    for keys, labels in job.loader(collate_fn=collate, num_workers=options.readers):
        job.optimizer.zero_grad()
        loss_of(model, keys, labels).backward()
        job.optimizer.step()
        yield


#: The rules for the rows of torch.
RULES = {
    "torch": lambda rows: torch.optim.Adagrad(rows, lr=0.05),
    "torch, SparseAdam": lambda rows: torch.optim.SparseAdam(rows, lr=0.01),
}


def of_torch(data, options, rule):
    model = Net(Plain(options.keys, options.dim), options.dim)
    rows = rule(list(model.ids.parameters()))
    dense = torch.optim.Adagrad(model.out.parameters(), lr=0.05)

    def collate(numbers):
        return torch.from_numpy(data.keys[numbers]), data.labels[numbers]

    for _ in itertools.count():
        loader = torch.utils.data.DataLoader(
            data, options.batch, shuffle=True, collate_fn=collate, drop_last=True
        )
        for keys, labels in loader:
            rows.zero_grad()
            dense.zero_grad()
            loss_of(model, keys, labels).backward()
            rows.step()
            dense.step()
            yield


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children():
    """Process ids of the children of this process by the names of their programs."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
            with open(f"/proc/{pid}/cmdline") as file:
                name = os.path.basename(file.read().split("\0")[0])
        except OSError:
            continue
        if parent == os.getpid() and name.startswith("ebb-"):
            found[name] = pid
    return found


def memory_gib(pid):
    """The memory of a process that is in use, shared memory too."""
    with open(f"/proc/{pid}/status") as file:
        (kib,) = (line.split()[1] for line in file if line.startswith("VmRSS:"))
    return int(kib) / 2**20


class Turns:
    """The turns of one loop: examples a second, and processor time by process."""

    def __init__(self, loop, options, pids):
        self._loop, self._options = loop, options
        self._pids = {"this process": os.getpid(), **pids}
        self._used = dict.fromkeys(self._pids, 0.0)
        self.rates = []
        self._run(20)

    def _run(self, batches):
        begin = time.perf_counter()
        for _ in itertools.islice(self._loop, batches):
            pass
        return time.perf_counter() - begin

    def turn(self):
        before = {name: processor_seconds(pid) for name, pid in self._pids.items()}
        seconds = self._run(self._options.batches)
        for name, pid in self._pids.items():
            self._used[name] += processor_seconds(pid) - before[name]
        self.rates.append(self._options.batch * self._options.batches / seconds)

    def tell(self, name):
        batches = len(self.rates) * self._options.batches
        used = ", ".join(
            f"{name} {1000 * used / batches:.1f} ms" for name, used in self._used.items()
        )
        print(
            f"{name}: {statistics.median(self.rates):.0f} examples/s, {min(self.rates):.0f} to "
            f"{max(self.rates):.0f}; a batch takes {used}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=10**6)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--a-row", type=int, default=26, help="keys of an example")
    parser.add_argument("--exponent", type=float, default=1.1)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--examples", type=int, default=1 << 17)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--batches", type=int, default=40, help="of a turn")
    parser.add_argument("--readers", type=int, default=0)
    parser.add_argument("--alone", action="store_true", help="without torch's own")
    parser.add_argument("--max-rows", type=int, help="of ebb, which forgets old ones")
    parser.add_argument("--json", action="store_true", help="also print a line of JSON")
    options = parser.parse_args()
    options.settings = {}
    torch.set_num_threads(1)
    keys = drawn_keys(options.examples, options.a_row, options.keys, options.exponent)
    labels = torch.from_numpy((keys.sum(1) % 3 == 0).astype(np.float32))
    data = Clicks(keys, labels)
    distinct = statistics.mean(len(np.unique(keys[i::16][: options.batch])) for i in range(16))
    print(f"{platform.machine()}, {os.cpu_count()} processors, torch {torch.__version__}; "
          f"{distinct:.0f} distinct keys in a batch of {options.batch}", flush=True)
    with ebb.local.cluster(servers=1) as cluster:
        loop = of_ebb(data, options, cluster.address)
        next(loop)  # It has its engine now.
        sides = {"ebb": Turns(loop, options, children())}
        if not options.alone:
            for name, rule in RULES.items():
                sides[name] = Turns(of_torch(data, options, rule), options, {})
        for number in range(options.pairs):
            turns = list(sides.values())
            for side in reversed(turns) if number % 2 else turns:
                side.turn()
        ours = sides["ebb"].rates
        figures = {"examples_per_s": {}, "ratios": {}}
        for name, side in sides.items():
            side.tell(name)
            figures["examples_per_s"][name] = statistics.median(side.rates)
            if name != "ebb":
                ratios = sorted(a / b for a, b in zip(ours, side.rates))
                figures["ratios"][name] = statistics.median(ratios)
                print(
                    f"  ebb by {name}: {statistics.median(ratios):.2f}, "
                    f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
                )
        figures["server_gib"] = memory_gib(cluster.processes["ps-0"])
        if options.json:
            print(json.dumps(figures))
        loop.close()


if __name__ == "__main__":
    main()
