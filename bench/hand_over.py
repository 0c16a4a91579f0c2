#!/usr/bin/env python3
"""Measures what a batch costs a Python program beside its mathematics.

Nothing is computed: each batch is pulled, handed over, pushed, and stepped by
one server with SGD.

  hand_over.py [--batches N] [--parameters N]...
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

import ebb
import ebb.local
from ebb.engine import Engine


def measure(address, parameters, batches):
    """The microseconds of the batches, in their order."""
    name = f"hand-over-{parameters}"
    job = ebb.connect(address).submit(
        {
            "name": name,
            "model": {"kind": "program", "tables": {"w": {"dims": [parameters]}}},
            "data": {"train": {"positions": 128 * 100}},
            "train": {"epochs": -(-batches // 100), "batch": 128},
            "optimizer": {"kind": "sgd", "rate": 0.01},
        }
    )
    times = []
    with Engine.join(address, name) as engine:
        before = time.perf_counter()
        while (batch := engine.next()) is not None:
            engine.push(batch, 0.0)
            now = time.perf_counter()
            times.append(1e6 * (now - before))
            before = now
    assert job.audit().exact
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=5000)
    parser.add_argument("--parameters", type=int, action="append")
    arguments = parser.parse_args()
    print("parameters      KiB   mean us  median us  p95 us")
    with ebb.local.cluster(servers=1) as cluster:
        for parameters in arguments.parameters or [1024, 262144]:
            times = measure(cluster.address, parameters, arguments.batches)
            times = times[len(times) // 10 :]
            times.sort()
            print(
                f"{parameters:10} {parameters / 256:8.0f} "
                f"{statistics.fmean(times):9.0f} {times[len(times) // 2]:10.0f} "
                f"{times[len(times) * 95 // 100]:7.0f}"
            )


if __name__ == "__main__":
    main()
