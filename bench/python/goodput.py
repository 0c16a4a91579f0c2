"""Measures what a copy that is killed every ten seconds costs, beside torchrun's restarts."""

import functools
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List

from figures import Comparison, Contest, Sample, at_least
from processes import HERE, Failed, result_of, start

import ebb.local

_SPEED, _ACCURACY = "examples/s, with starts", "accuracy"
_ROWS = 60_000
_COPIES = 2
_EVERY_S = 10.0
_LOOK_S = 0.05
_LIMIT_S = 900.0
_RULE = ["--optimizer=sgd", "--momentum=0.9", "--rate=0.01"]


def contests(epochs: int, data: str) -> List[Contest]:
    """epochs: enough for a minute. data: the folder of Fashion-MNIST."""
    flags = [*_RULE, f"--epochs={epochs}", f"--data={data}"]
    side = functools.partial(functools.partial, flags=flags)
    killed = f"a copy killed every {_EVERY_S:g} s / none"
    return [
        Contest(
            "goodput",
            {
                "ebb": side(_ours, kills=False),
                "ebb killed": side(_ours, kills=True),
                "torch": side(_elastic, kills=False),
                "torch killed": side(_elastic, kills=True),
            },
            [
                Comparison(f"ebb.torch: {killed}", _SPEED, "ebb killed", "ebb", at_least(0.9)),
                Comparison(f"ebb.torch: {killed}", _ACCURACY, "ebb killed", "ebb", at_least(0.995), means=True),
                Comparison(f"torchrun, DDP: {killed}", _SPEED, "torch killed", "torch"),
            ],
            settings=str(flags),
            seeded=True,
        )
    ]


def _ours(seed: int, flags: List[str], kills: bool) -> Sample:
    with ebb.local.cluster(servers=1) as cluster:
        more = {"EBB_SCHEDULER": cluster.address}
        program = [str(HERE / "training_program.py"), *flags, f"--seed={seed}", f"--workers={_COPIES}"]
        begin = time.monotonic()
        copies = [start(program, more) for _ in range(_COPIES)]
        try:

            def kill() -> None:
                victim = copies.pop(0)
                victim.kill()
                victim.communicate()
                copies.append(start(program, more))

            _watch(lambda: any(one.poll() is not None for one in copies), kill if kills else None)
            answers = [result_of(one) for one in copies]
        finally:
            for one in copies:
                one.kill()
                one.wait()
        seconds = time.monotonic() - begin
    if not all(answer["exact"] for answer in answers):
        raise Failed("the audit is not exact")
    return _sample(flags, seconds, answers[0])


def _elastic(seed: int, flags: List[str], kills: bool) -> Sample:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        torchrun = start(
            ["-m", "torch.distributed.run", f"--nproc_per_node={_COPIES}", "--max_restarts=1000"]
            + ["--monitor_interval=0.1", "--rdzv_backend=c10d", f"--rdzv_id={random.randrange(10**9)}"]
            # PyTorch 1.13 cannot leave the output alone under Python 3.11.
            + ["--redirects=1", "--tee=1", f"--log_dir={folder}"]
            + ["--rdzv_endpoint=localhost:0", str(HERE.parent / "peers" / "torch_elastic.py"), *flags]
            + [f"--seed={seed}", f"--checkpoint={folder}/state.pt"],
            {"PYTHONPATH": str(HERE.parent / "peers")},
        )
        try:

            def kill() -> None:
                for pid in _children(torchrun.pid)[:1]:
                    os.kill(pid, signal.SIGKILL)

            _watch(lambda: torchrun.poll() is not None, kill if kills else None)
            answer = _report_of(torchrun)
        finally:
            _end(torchrun)
        return _sample(flags, time.monotonic() - begin, answer)


def _report_of(torchrun: "subprocess.Popen[str]") -> Dict[str, float]:
    """The line of JSON, before which torchrun wrote whose it is."""
    out, errors = torchrun.communicate(timeout=_LIMIT_S)
    lines = [line for line in out.splitlines() if "{" in line]
    if torchrun.returncode != 0 or not lines:
        last = (errors.strip().splitlines() or ["no output"])[-1]
        raise Failed(f"torchrun ended with {torchrun.returncode}: {last}")
    answer: Dict[str, float] = json.loads(lines[-1][lines[-1].index("{") :])
    return answer


def _watch(over: Callable[[], bool], kill: "Callable[[], None] | None") -> None:
    """Kills as often as it should, until it is over."""
    begin = time.monotonic()
    after = begin + _EVERY_S
    while not over():
        now = time.monotonic()
        if now > begin + _LIMIT_S:
            busy = "; on a busy machine, copies are killed before they compute" if kill else ""
            raise Failed(f"goodput took more than {_LIMIT_S:g} s{busy}: measure it alone")
        if kill and now >= after:
            kill()
            after += _EVERY_S
        time.sleep(_LOOK_S)  # Nothing tells which of several processes ends first.


def _children(pid: int) -> List[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(one) for one in text.split()]


def _end(process: "subprocess.Popen[str]") -> None:
    """Ends a process and its children, if they are still there."""
    if process.poll() is None:
        children = _children(process.pid)
        process.kill()
        for pid in children:
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _sample(flags: List[str], seconds: float, answer: Dict[str, float]) -> Sample:
    epochs = next(int(flag.partition("=")[2]) for flag in flags if flag.startswith("--epochs="))
    return {_SPEED: epochs * _ROWS / seconds, _ACCURACY: answer["accuracy"]}
