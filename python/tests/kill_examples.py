#!/usr/bin/env python3
"""Trains an example in examples/python while processes of all roles are killed.

  kill_examples.py [fashion_cnn|dlrm] [--kills N] [--copies N] [--epochs N]
                   [--examples N] [--data FOLDER] [--accuracy A] [--below D]

It trains once undisturbed and once with SIGKILLs in turn for copies of the program,
their engines, servers and the scheduler. It exits 1 unless every kill was made,
both audits are exact, both accuracies are at least A, and that with kills is at most
D below the other. A kill waits for its share of the job, so the kills are spread over
it: copies stand still while it is asked for, which may take longer than a short job.
"""

import argparse
import contextlib
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import List, Optional

_PACKAGE = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, _PACKAGE)

import ebb  # noqa: E402
import ebb.local  # noqa: E402
from processes import audit_of_all, children_of  # noqa: E402

_EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"
_TURNS = ("program", "engine", "server", "scheduler")
# The kills are over when so much of the job is.
_UNTIL = 0.9
_LIMIT_S = 3 * 3600


class Run:
    """A cluster with copies of the program, whose processes may be killed."""

    def __init__(self, flags: argparse.Namespace) -> None:
        self._flags = flags
        self._turn = 0

    def train(self, kills: int) -> Optional[float]:
        """Returns the accuracy that the example prints, or None if something is wrong."""
        flags = self._flags
        with ebb.local.cluster(servers=2) as cluster:
            copies = [f"copy-{number}" for number in range(flags.copies)]
            environment = {
                **os.environ,
                "EPOCHS": str(flags.epochs),
                "EXAMPLES": str(flags.examples),
                "FASHION": flags.data,
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": _PACKAGE,
            }
            program = [sys.executable, "-B", str(_EXAMPLES / f"{flags.example}.py")]
            for copy in copies:
                cluster.run_program(copy, program, environment=environment)
            done = self._kill_until_done(cluster, copies, kills)
            job = ebb.connect(cluster.address).job(flags.example)
            audit = audit_of_all(job, 120)
            reached = re.findall(r"accuracy\b\D*([\d.]+)", cluster.log(copies[0]))
        print(f"{done} kills: audit {'exact' if audit.exact else audit.all}, accuracy {reached}")
        good = done == kills and audit.exact and bool(reached)
        return float(reached[-1]) if good else None

    def _kill_until_done(
        self, cluster: ebb.local.LocalCluster, copies: List[str], kills: int
    ) -> int:
        deadline = time.monotonic() + _LIMIT_S
        done = 0
        while not all(cluster.finished(copy) for copy in copies):
            cluster.check()
            if time.monotonic() > deadline:
                print("it takes too long")
                break
            if done < kills:
                self._signal(cluster, copies, signal.SIGSTOP)
                go_on = copies
                if 1 > self._progress(cluster) >= _UNTIL * done / kills:
                    if self._kill(cluster, copies):
                        done += 1
                    else:  # It starts; the others must not end the job meanwhile.
                        go_on = [self._next_copy(copies)]
                self._signal(cluster, go_on, signal.SIGCONT)
            time.sleep(0.2)
        return done

    def _next_copy(self, copies: List[str]) -> str:
        return copies[self._turn // len(_TURNS) % len(copies)]

    @staticmethod
    def _signal(cluster: ebb.local.LocalCluster, copies: List[str], number: int) -> None:
        for pid in filter(None, map(cluster.processes.get, copies)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _progress(self, cluster: ebb.local.LocalCluster) -> float:
        """The part of the job that is done; negative before there is a job."""
        try:
            return cluster.connect().job(self._flags.example).progress.share
        except ebb.Error:
            return -1.0  # It is not there yet, or the scheduler was killed just now.

    def _kill(self, cluster: ebb.local.LocalCluster, copies: List[str]) -> bool:
        """Kills what is next in turn; returns whether it was there."""
        role = _TURNS[self._turn % len(_TURNS)]
        number = self._turn // len(_TURNS)
        copy = self._next_copy(copies)
        if role == "program":
            killed = cluster.kill(copy)
        elif role == "engine":
            killed = self._kill_engine(cluster.processes.get(copy))
        elif role == "server":
            killed = cluster.kill(cluster.servers[number % len(cluster.servers)])
        else:
            killed = cluster.kill("scheduler")
        self._turn += killed
        return killed

    @staticmethod
    def _kill_engine(program: Optional[int]) -> bool:
        for pid in children_of(program) if program else []:
            try:
                if b"ebb-worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
                    return True
            except OSError:
                pass
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("example", nargs="?", choices=("fashion_cnn", "dlrm"), default="fashion_cnn")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--examples", type=int, default=40_000, help="of dlrm, which makes them")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--accuracy", type=float, default=0.9)
    parser.add_argument("--below", type=float, default=0.006)
    flags = parser.parse_args()
    flags.data = os.path.abspath(flags.data)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # The examples write their models there.
        run = Run(flags)
        undisturbed, killed = run.train(0), run.train(flags.kills)
    if undisturbed is None or killed is None:
        return 1
    print(f"accuracy {undisturbed:.4f} undisturbed, {killed:.4f} with kills")
    return int(
        min(undisturbed, killed) < flags.accuracy or killed < undisturbed - flags.below
    )


if __name__ == "__main__":
    sys.exit(main())
