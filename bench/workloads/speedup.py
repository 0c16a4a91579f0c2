"""How each workload gets faster with workers. They are emulated: each batch takes as
long as it says here, whatever it costs this machine."""

import functools
import statistics
import tempfile
from pathlib import Path
from typing import Dict, List, Tuple

from figures import Comparison, Contest, Sample, at_least
from runs import Run, ebb
from workloads_page import Chart

TITLE = "With more workers"
_WORKERS = (1, 2, 4, 8)
_TIME, _BATCHES, _BATCH = "100ms", 64, 8
_EXAMPLES = _BATCHES * _BATCH
_SECONDS = "s"

_POINTS = f"clusters points --rows {_EXAMPLES} --test-rows 0 --dimensions 8 --clusters 4"
_DOCUMENTS = f"documents news --rows {_EXAMPLES} --test-rows 0 --topics 4 --vocabulary 150"
_LINES = f"analogies lines --rows {_EXAMPLES} --test-rows 0"

#: By workload: the model and its data, the steps, and what makes the data.
_JOBS: Dict[str, Tuple[str, str, str]] = {
    "kmeans": (
        "model: {kind: kmeans, clusters: 4}\n"
        "data: {train: {csv: points.train.csv}}\n"
        "algorithm: {tolerance: 0, max_rounds: 2}",
        f"batch: {_BATCH}",
        _POINTS,
    ),
    # It has as many batches as the others, which take two rounds or epochs.
    "forest": (
        f"model: {{kind: forest, trees: {2 * _BATCHES}}}\ndata: {{train: {{csv: points.train.csv}}}}",
        "",
        _POINTS,
    ),
    "boosted trees": (
        "model: {kind: boosted_trees, trees: 1, depth: 2}\n"
        "data: {train: {csv: points.train.csv}}",
        f"batch: {_BATCH}",
        _POINTS,
    ),
    "lda": (
        "model: {kind: lda, topics: 4}\n"
        "data: {train: {bags: {path: news.train.bags, vocabulary: news.train.words}}}",
        f"batch: {_BATCH}, epochs: 2",
        _DOCUMENTS,
    ),
    "word vectors": (
        "model: {kind: word_vectors, dim: 8}\n"
        "data: {train: {text: {path: lines.train.txt, document: line}}}",
        f"batch: {_BATCH}, epochs: 2",
        _LINES,
    ),
}


@functools.lru_cache(maxsize=None)
def _made(what: str) -> Dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="ebb_workloads_") as folder:
        ebb("generate", *what.split(), folder=Path(folder))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _measure(name: str, workers: int) -> Sample:
    job, steps, data = _JOBS[name]
    if steps:
        job += f"\ntrain: {{{steps}, item_examples: {_BATCH}}}"
    job = f"name: work\n{job}\nworkers: {{min: {workers}, max: {workers}}}\n"
    made = Run(job, workers, _made(data), {"EBB_BATCH_TIME": _TIME})
    try:
        return {_SECONDS: made.report["seconds"]}
    finally:
        made.close()


def contests(quick: bool) -> List[Contest]:
    return [
        Contest(
            f"{name} with workers",
            {str(n): functools.partial(_measure, name, n) for n in _WORKERS},
            [
                Comparison(
                    f"{name}, batches of {_TIME}: 1 worker / {n} workers",
                    _SECONDS,
                    "1",
                    str(n),
                    at_least(0.8 * n),
                )
                for n in _WORKERS[1:]
            ],
        )
        for name in _JOBS
        if not quick or name == "forest"
    ]


def charts(contest: Contest, samples: List[Dict[str, Sample]]) -> List[Chart]:
    seconds = {n: statistics.median(each[str(n)][_SECONDS] for each in samples) for n in _WORKERS}
    lines = {
        "ebb": [seconds[1] / seconds[n] for n in _WORKERS],
        "ideal": [float(n) for n in _WORKERS],
    }
    name = contest.name.split(" with ")[0]
    return [
        Chart(
            f"workloads-{name.replace(' ', '-')}.svg",
            f"Speed-up of {name}, batches of {_TIME}",
            "workers",
            "times as fast",
            [str(n) for n in _WORKERS],
            lines,
        )
    ]
