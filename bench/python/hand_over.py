"""Measures what a batch costs a Python program beside its mathematics.

Nothing is computed: each batch is pulled, handed over, pushed, and stepped by one
server with SGD.
"""

import functools
import statistics
import time
from typing import List

import ebb
import ebb.local
from ebb.engine import Engine
from figures import Comparison, Contest, Sample, at_most
from processes import Failed

_MEASURE = "us, median"


def contests(batches: int) -> List[Contest]:
    sizes = {"4 KiB": (1024, 150), "1 MiB": (262144, 400)}
    return [
        Contest(
            "hand-over",
            {
                what: functools.partial(_measure, parameters, batches)
                for what, (parameters, _) in sizes.items()
            },
            [
                Comparison(f"hand-over of {what}", _MEASURE, what, bound=at_most(most))
                for what, (_, most) in sizes.items()
            ],
            settings=f"{batches} batches, 10 in an item",
        )
    ]


def _measure(parameters: int, batches: int) -> Sample:
    keys = {
        "name": "hand-over",
        "model": {"kind": "program", "tables": {"w": {"dims": [parameters]}}},
        "data": {"train": {"positions": 128 * 100}},
        # Else each batch would be an item, which is leased by itself.
        "train": {"epochs": -(-batches // 100), "batch": 128, "item_examples": 1280},
        "optimizer": {"kind": "sgd", "rate": 0.01},
    }
    times = []
    with ebb.local.cluster(servers=1) as cluster:
        job = cluster.connect().submit(keys)
        with Engine.join(cluster.address, "hand-over") as engine:
            before = time.perf_counter()
            while (batch := engine.next()) is not None:
                engine.push(batch, 0.0)
                now = time.perf_counter()
                times.append(1e6 * (now - before))
                before = now
        if not job.audit().exact:
            raise Failed("the audit is not exact")
    times = times[len(times) // 10 :]
    return {_MEASURE: statistics.median(times), "us, mean": statistics.fmean(times)}
