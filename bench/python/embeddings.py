"""Embeddings on the servers, and PyTorch's own in one process.

``bench/studies/python_embeddings.py`` lets them take turns of some batches in one process,
so a round is one run of it.
"""

import functools
from typing import List

from figures import Comparison, Contest, Sample, at_least, at_most
from processes import HERE, run

_RATIO, _SPEED, _MEMORY = "times its examples/s", "examples/s", "GiB of the server"
#: Torch would keep the values and two moments of each of the 100 M rows of 16.
_PEER_GIB = 10**8 * 16 * 4 * 3 / 2**30
_MANY = ["--keys=100000000", "--examples=524288", "--max-rows=4000000", "--alone"]


def contests() -> List[Contest]:
    return [
        Contest(
            "embeddings",
            {"ebb": functools.partial(_measure, [])},
            [
                Comparison(
                    "1 M keys × 16, 26 an example / EmbeddingBag, SparseAdam",
                    _RATIO,
                    "ebb",
                    bound=at_least(1.2),
                ),
            ],
        ),
        Contest(
            "many-keys",
            {"ebb": functools.partial(_measure, _MANY)},
            [
                Comparison("100 M keys × 16, 4 M rows at most", _SPEED, "ebb"),
                Comparison(
                    f"the same; SparseAdam would take {_PEER_GIB:.0f} GiB",
                    _MEMORY,
                    "ebb",
                    bound=at_most(2),
                ),
            ],
            settings=str(_MANY),
        ),
    ]


def _measure(flags: List[str]) -> Sample:
    answer = run([str(HERE.parent / "studies/python_embeddings.py"), "--json", *flags])
    sample = {_SPEED: answer["examples_per_s"]["ebb"], _MEMORY: answer["server_gib"]}
    ratios = answer["ratios"]
    if ratios:
        sample[_RATIO] = ratios["torch, SparseAdam"]
    return sample
