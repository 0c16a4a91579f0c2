"""Starts the programs that a benchmark compares."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

HERE = Path(__file__).resolve().parent
_LIMIT_S = 900
#: One compute thread a process.
ONE_THREAD = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
}


#: The processes that ``start`` started.
_started: "List[subprocess.Popen[str]]" = []


class Failed(Exception):
    """A program that is measured did not end well."""


def start(
    argv: Sequence[str],
    more: Optional[Mapping[str, str]] = None,
    python: str = sys.executable,
) -> "subprocess.Popen[str]":
    """Starts a program of Python, whose output is read by ``result_of``.

    python: its interpreter. ``end_all`` ends it, and what it started, if it still runs then.
    """
    process = subprocess.Popen(
        [python, "-B", *argv],
        env={**os.environ, **ONE_THREAD, **(more or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _started.append(process)
    return process


def end_all() -> None:
    """Kills the programs that still run, with the processes that they started."""
    for process in _started:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    _started.clear()


def result_of(process: "subprocess.Popen[str]", limit_s: float = _LIMIT_S) -> Dict[str, Any]:
    """Waits for a program, and returns its last line of JSON."""
    try:
        out, errors = process.communicate(timeout=limit_s)
    except BaseException:
        end_all()
        raise
    lines = [line for line in out.splitlines() if line.startswith("{")]
    if process.returncode != 0 or not lines:
        words = " ".join(map(str, process.args[2:4]))  # type: ignore[index]
        last = (errors.strip().splitlines() or ["no output"])[-1]
        raise Failed(f"{words} ended with {process.returncode}: {last}")
    answer: Dict[str, Any] = json.loads(lines[-1])
    return answer


def run(argv: Sequence[str], more: Optional[Mapping[str, str]] = None) -> Dict[str, Any]:
    return result_of(start(argv, more))


def cpu_seconds(pids: List[int]) -> float:
    """Returns the CPU time of these processes so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
