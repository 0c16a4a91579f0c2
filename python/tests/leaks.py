#!/usr/bin/env python3
"""Hands in many tiny batches, and looks whether memory grows.

  leaks.py BATCHES [--most KIB]

A loop of ebb.torch trains a model of 4 KiB. The resident memory of the program, its
engine, the server and the scheduler is read ten times. The program
and the engine may grow by --most KiB after the first fifth. It exits 1 if one grows
more.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch  # noqa: E402

import ebb.local  # noqa: E402
import ebb.torch  # noqa: E402
from processes import children_of  # noqa: E402

_EXAMPLES = 10_000
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def resident(pid):
    """KiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KIB


def engine_of(program):
    for pid in children_of(program):
        if b"--serve" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise SystemExit("there is no engine")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("batches", type=int)
    parser.add_argument("--most", type=int, default=4096, metavar="KIB")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    model = torch.nn.Linear(31, 32)
    dataset = torch.utils.data.TensorDataset(torch.zeros(_EXAMPLES, 1))
    inputs = torch.ones(1, 31)
    seen = []
    with ebb.local.cluster(servers=1) as cluster:
        job = ebb.torch.job(
            "leaks",
            model,
            dataset,
            optimizer=torch.optim.SGD(model.parameters(), lr=1e-6),
            epochs=-(-flags.batches // _EXAMPLES),
            batch=1,
            algorithm="sgd",
            scheduler=cluster.address,
            settings={"train": {"item_examples": 1000}},
        )
        every = max(1, flags.batches // 10)
        names = ("program", "engine", *cluster.processes)
        print("batches  " + "  ".join(f"{name:>10}" for name in names), flush=True)
        for number, batch in enumerate(job):
            batch.push(model(inputs).mean())
            if (number + 1) % every == 0:
                pids = (os.getpid(), engine_of(os.getpid()), *cluster.processes.values())
                seen.append([resident(pid) for pid in pids])
                line = "  ".join(f"{kib:>10}" for kib in seen[-1])
                print(f"{number + 1:>7}  {line}", flush=True)
            if number + 1 == flags.batches:
                break
    first = seen[len(seen) // 5]
    grew = [last - before for before, last in zip(first, seen[-1])]
    print("grew     " + "  ".join(f"{kib:>10}" for kib in grew))
    return int(max(grew[:2]) > flags.most)


if __name__ == "__main__":
    sys.exit(main())
