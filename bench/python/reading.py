"""A loader with two processes, where an example takes 5 ms to read."""

import functools
from typing import List

import ebb.local
from figures import Comparison, Contest, Sample, at_least
from processes import HERE, run

_SPEED = "examples/s"


def contests(examples: int) -> List[Contest]:
    program = str(HERE / "reading_program.py")

    def ours() -> Sample:
        with ebb.local.cluster(servers=1) as cluster:
            return run([program, str(examples)], {"EBB_SCHEDULER": cluster.address})

    return [
        Contest(
            "loader",
            {"ebb": ours, "torch": functools.partial(run, [program, str(examples), "alone"])},
            [
                Comparison(
                    "loader, 2 processes, 5 ms an example / DataLoader",
                    _SPEED,
                    "ebb",
                    "torch",
                    at_least(0.95),
                )
            ],
            settings=f"{examples} examples",
        )
    ]
