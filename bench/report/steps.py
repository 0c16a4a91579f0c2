"""The benchmarks that `ebb bench report` runs, one after the other."""

import dataclasses
from typing import List, Optional


@dataclasses.dataclass(frozen=True)
class Step:
    """limit: what it compares with. words, quick: the arguments of `ebb bench`, at full
    length and for a quick look."""

    name: str
    title: str
    limit: str
    words: List[str]
    quick: List[str]
    needs_fashion: bool = False


@dataclasses.dataclass(frozen=True)
class Choices:
    """The choices that some of the steps are told. checkpoint_folder: None stands for the
    system's for temporary files; python: for that of `data`; bucket: for no objects."""

    job: str = "examples/jobs/fashion_mlp.yaml"
    peers: str = "bench/peers"
    checkpoint_folder: Optional[str] = None
    python: Optional[str] = None
    bucket: Optional[str] = None


def steps(choices: Choices) -> List[Step]:
    """So many pairs that all of it takes less than half an hour."""
    return [
        _step("kernels", "Optimizer kernels, one thread", "triad", "kernels --rounds 7",
              "kernels --rounds 3 --array-bytes 67108864"),
        *_dense(),
        *_sparse(),
        _step("checkpoint", "Checkpoints, restores and memory", "limit", "checkpoint --pairs 7",
              "checkpoint --quick", _flag("--folder", choices.checkpoint_folder)),
        *_jobs(choices),
        *_data(choices),
    ]


def _flag(name: str, value: Optional[str]) -> List[str]:
    return [name, value] if value else []


def _step(
    name: str, title: str, limit: str, words: str, quick: str, more: Optional[List[str]] = None
) -> Step:
    return Step(name, title, limit, words.split() + (more or []), quick.split() + (more or []))


def _dense() -> List[Step]:
    sizes = "--quick --kib 4 1024 4096"
    return [
        _step("dense-grpc", "Dense pushes and pulls over gRPC", "raw socket", "dense --pairs 7",
              f"dense {sizes}"),
        _step("dense-bulk", "Dense pushes and pulls over a bulk stream", "raw socket",
              "dense --transport bulk --pairs 7", f"dense --transport bulk {sizes}"),
        _step("dense-bulk-tls", "Dense pushes and pulls over a bulk stream by mutual TLS",
              "raw TLS socket", "dense --transport bulk --tls --pairs 7",
              "dense --transport bulk --tls --quick --kib 1024 4096"),
        _step("dense-shm", "Dense pushes and pulls through shared memory",
              "raw socket (CPU: one process)", "dense --transport shm --pairs 7",
              f"dense --transport shm {sizes}"),
        _step("dense-tls", "Mutual TLS against plain text, both over gRPC", "plain text",
              "dense --tls --pairs 7", "dense --tls --quick --kib 4096"),
    ]


def _sparse() -> List[Step]:
    limit = "hash map"
    return [
        _step("sparse-grpc", "Rows of a sparse table over gRPC", limit, "sparse --pairs 7",
              "sparse --quick"),
        _step("sparse-bulk", "Rows of a sparse table over a bulk stream", limit,
              "sparse --transport bulk --pairs 7", "sparse --transport bulk --quick"),
        _step("sparse-shm", "Rows of a sparse table through shared memory", limit,
              "sparse --transport shm --pairs 7", "sparse --transport shm --quick"),
        _step("sparse-zipf", "Rows of which few are most of what is asked, over gRPC", limit,
              "sparse --zipf 1.1 --pairs 7", "sparse --zipf 1.1 --quick"),
        _step("sparse-large", "Rows of a table of ten million, over gRPC", limit,
              "sparse --rows 10000000 --pairs 5", "sparse --rows 200000 --quick"),
    ]


def _jobs(choices: Choices) -> List[Step]:
    loop = ["job", choices.job, "--against", "loop", "--epochs"]
    peers = ["job", choices.job, "--against", "peers", "--epochs"]
    where = ["--peers", choices.peers]
    return [
        Step("job", "A cluster of one against a loop in one process", "one process", [*loop, "8"],
             [*loop, "1", "--quick"], True),
        Step("peers", "The main job beside PyTorch", "PyTorch", [*peers, "8", *where],
             [*peers, "1", "--quick", *where], True),
        _step("scaling", "More workers and servers, computing emulated", "single workers",
              "scaling --seconds 3s", "scaling --workers 1 2 --servers 1 --seconds 1s"),
    ]


def _data(choices: Choices) -> List[Step]:
    return [
        _step("data-table", "Images as files, TFRecord and packed sets", "other",
              "data --only table --pairs 3", "data --only table --quick --pairs 1",
              _flag("--python", choices.python)),
        _step("data-rows", "Reading and packing data, one thread", "limit",
              "data --only rows --pairs 7", "data --only rows --quick --pairs 3"),
        _step("data-job", "A job on a packed set beside one in memory", "in memory",
              "data --only job --pairs 5", "data --only job --quick --pairs 1"),
        _step("data-objects", "Objects of a bucket beside curl", "curl",
              "data --only objects --pairs 7", "data --only objects --quick --pairs 3",
              _flag("--bucket", choices.bucket)),
    ]
