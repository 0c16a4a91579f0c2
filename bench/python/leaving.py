"""How soon another worker has the items of a program that is told to leave.

The program is in the middle of a long call, and cannot answer. Its engine gets
the signal.
"""

import json
import os
import signal
import subprocess
import sys
import time
from typing import List

import ebb
import ebb.local
from ebb.engine import Engine
from figures import Comparison, Contest, Sample, at_most
from processes import Failed

_KEYS = {
    "name": "leaving",
    "model": {"kind": "program", "tables": {"w": {"dims": [4]}}},
    "data": {"train": {"positions": 128}},
    "train": {"epochs": 1, "batch": 128, "item_examples": 128},
    "optimizer": {"kind": "sgd", "rate": 0.01},
}
_PROGRAM = """
import json, os, sys, time
from ebb.engine import Engine
with Engine.join(os.environ["EBB_SCHEDULER"], "leaving") as engine:
    engine.next()
    print(json.dumps(engine.pid), flush=True)
    time.sleep(60)
"""


def contests() -> List[Contest]:
    return [
        Contest(
            "leaving",
            {"ebb": _measure},
            [
                Comparison(
                    "SIGTERM in a long call, until another has the item",
                    "s",
                    "ebb",
                    bound=at_most(0.5),
                )
            ],
        )
    ]


def _measure() -> Sample:
    with ebb.local.cluster(servers=1) as cluster:
        cluster.connect().submit(_KEYS)
        busy = subprocess.Popen(
            [sys.executable, "-B", "-c", _PROGRAM],
            env={**os.environ, "EBB_SCHEDULER": cluster.address},
            stdout=subprocess.PIPE,
        )
        try:
            assert busy.stdout is not None
            pid = json.loads(busy.stdout.readline())
            with Engine.join(cluster.address, "leaving") as engine:
                try:
                    engine.next(timeout=0.3)
                    raise Failed("the item was leased to two workers")
                except TimeoutError:
                    pass
                begin = time.monotonic()
                os.kill(pid, signal.SIGTERM)
                engine.next(timeout=30)
                return {"s": time.monotonic() - begin}
        finally:
            busy.kill()
            busy.wait()
