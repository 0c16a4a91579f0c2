"""The main job's perceptron, trained by ebb.torch and by PyTorch alone."""

import functools
import random
from typing import Any, Dict, List

import figures

import ebb.local
from figures import Comparison, Contest, Sample, at_least, at_most
from processes import HERE, Failed, cpu_seconds, result_of, run, start

_PEERS = HERE.parent / "peers"
_SPEED, _CPU, _ACCURACY = "examples/s", "CPU s per million", "accuracy"


def contests(epochs: int, data: str) -> List[Contest]:
    """epochs: as many as a sample has. data: the folder of Fashion-MNIST."""
    momentum = ["--optimizer=sgd", "--momentum=0.9", "--rate=0.01"]
    adam = ["--optimizer=adam", "--rate=0.001"]
    more = [f"--epochs={epochs}", f"--data={data}"]
    ours = functools.partial(functools.partial, _ours)
    peer = functools.partial(functools.partial, _peer)
    return [
        Contest(
            "perceptron",
            {
                "ebb": ours([*momentum, *more]),
                "torch": peer("torch_single", [*momentum, *more]),
                "no prefetch": ours([*momentum, *more, "--no-prefetch"]),
            },
            [
                Comparison("SGD 0.9: 1 worker / plain loop", _SPEED, "ebb", "torch", at_least(0.95)),
                Comparison(
                    "the same without prefetch", _SPEED, "no prefetch", "torch", at_least(0.8)
                ),
                Comparison("SGD 0.9: 1 worker / plain loop", _ACCURACY, "ebb", "torch", at_least(0.995), means=True),
                Comparison("SGD 0.9: 1 worker / plain loop", _CPU, "ebb", "torch"),
            ],
            settings=str([*momentum, *more, "--seed"]),
            seeded=True,
        ),
        Contest(
            "adam",
            {
                "ebb": ours([*adam, *more]),
                "torch": peer("torch_single", [*adam, *more]),
                "no prefetch": ours([*adam, *more, "--no-prefetch"]),
            },
            [
                Comparison("Adam: 1 worker / plain loop", _SPEED, "ebb", "torch", at_least(0.85)),
                Comparison("Adam: 1 worker / plain loop", _ACCURACY, "ebb", "torch", at_least(0.995), means=True),
                Comparison(
                    "Adam, without prefetch", _SPEED, "no prefetch", "torch", at_least(0.85)
                ),
                Comparison(
                    "Adam, without prefetch", _ACCURACY, "no prefetch", "torch", at_least(0.995), means=True
                ),
            ],
            settings=str([*adam, *more, "--seed"]),
            seeded=True,
        ),
        Contest(
            "ddp",
            {
                "ebb": ours([*momentum, *more, "--workers=2"]),
                "torch": peer("torch_ddp", [*momentum, *more]),
                "apart": functools.partial(_apart, [*momentum, *more]),
            },
            [
                Comparison("SGD 0.9: 2 workers / DDP, 2 processes", _SPEED, "ebb", "torch", at_least(1.5)),
                Comparison("two plain loops apart / DDP, 2 processes", _SPEED, "apart", "torch"),
                Comparison("SGD 0.9: 2 workers / DDP, 2 processes", _CPU, "ebb", "torch", at_most(1.2)),
                Comparison("SGD 0.9: 2 workers / DDP, 2 processes", _ACCURACY, "ebb", "torch", at_least(0.995), means=True),
            ],
            settings=str([*momentum, *more, "--seed"]),
            seeded=True,
        ),
    ]


def _ours(flags: List[str], seed: int) -> Sample:
    """Trains on a cluster of its own: one server, and as many copies as --workers."""
    workers = 2 if "--workers=2" in flags else 1
    flags = [*flags, f"--seed={seed}"]
    with ebb.local.cluster(servers=1) as cluster:
        daemons = list(cluster.processes.values())
        before = cpu_seconds(daemons)
        more = {"EBB_SCHEDULER": cluster.address}
        programs = [start([str(HERE / "training_program.py"), *flags], more) for _ in range(workers)]
        answers = [result_of(program) for program in programs]
        servers = cpu_seconds(daemons) - before
    if not all(answer["exact"] for answer in answers):
        raise Failed("the audit is not exact")
    examples = sum(answer["examples"] for answer in answers)
    begin = min(answer["begin"] for answer in answers)
    seconds = max(answer["end"] for answer in answers) - begin
    cpu = servers + sum(answer["cpu_seconds"] for answer in answers)
    return {
        _SPEED: examples / seconds,
        _CPU: 1e6 * cpu / examples,
        _ACCURACY: answers[0]["accuracy"],
        **{figures.PART + part: us for part, us in answers[0]["timing"].items()},
    }


def _apart(flags: List[str], seed: int) -> Sample:
    """Two plain loops at once that share nothing: as fast as two processors compute."""
    script = str(_PEERS / "torch_single.py")
    loops = [start([script, *flags, f"--seed={seed}"]) for _ in range(2)]
    answers = [result_of(loop) for loop in loops]
    return {_SPEED: sum(answer["examples_per_s"] for answer in answers)}


def _peer(name: str, flags: List[str], seed: int) -> Sample:
    port = [f"--port={random.randrange(20000, 30000)}"] if name == "torch_ddp" else []
    answer: Dict[str, Any] = run([str(_PEERS / f"{name}.py"), *flags, f"--seed={seed}", *port])
    return {
        _SPEED: answer["examples_per_s"],
        _CPU: answer["cpu_s_per_million_examples"],
        _ACCURACY: answer["accuracy"],
    }
