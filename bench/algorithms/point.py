"""Observes one run of `ebb bench algorithms`.

Its workers emulate the time of computing; one of eight is slower.
"""

import re
from typing import Any, Callable, Dict, List, Optional, Sequence

import cases
from run_figures import LossPoint, RunFigures

Status = Dict[str, Any]
#: Waiting is looked at until so much is counted: at the end there is nothing left to do
#: for some, whatever the algorithm.
_LOOKED_AT = 0.9
_MAY_COMPUTE = ("idle", "working", "parked")


class Point:
    """batch_time: seconds, the least time of a batch, for workers that are not slow.

    counts_from: waiting and the CPU time of servers count from this share of the
        examples: many workers take a while to start.
    cpu_seconds: of processes, so far.
    """

    def __init__(
        self,
        batch: int,
        batch_time: float,
        counts_from: float,
        cpu_seconds: Callable[[Sequence[int]], float],
    ) -> None:
        self._batch, self._batch_time, self._counts_from = batch, batch_time, counts_from
        self._cpu_seconds = cpu_seconds
        self._status_ms = 0  # Time of the last status that was looked at.
        self._workers = 0  # Workers there at that time.
        self._begun_ms: Optional[int] = None
        self._seconds = 0.0  # Until all was counted.
        # CPU time of the servers when counting began and at its latest, and the
        # seconds between.
        self._cpu_before = self._cpu = self._counted_seconds = 0.0
        self._counts_ms = 0  # When counting began.
        # For all workers together, in seconds: how long they were there, and what they
        # had computed at the beginning and at the end of that time.
        self._there = self._computed_before = self._computed = 0.0
        self._curve: List[LossPoint] = []

    def see(self, status: Status) -> None:
        """Takes the next status of the run."""
        now = status["now_unix_ms"]
        if not status["jobs"] or now <= self._status_ms:
            return
        job = status["jobs"][0]
        counted = job["marks"]["least"]
        computes = any(one["examples"] > 0 for one in job["computed"])
        if self._begun_ms is None and not computes and counted == 0:
            return
        progress = counted / max(job["examples"], 1)
        if self._begun_ms is None:
            self._begun_ms = now
            self._count_from(status)
        elif progress < self._counts_from:
            self._count_from(status)
        elif progress < _LOOKED_AT:
            self._there += (now - self._status_ms) * 1e-3 * self._workers
            self._computed = self._compute_time(job)
            self._cpu = self._servers_cpu(status)
            self._counted_seconds = (now - self._counts_ms) * 1e-3
        self._status_ms = now
        self._workers = _workers_of_job(status)
        seconds = (now - self._begun_ms) * 1e-3
        loss = job.get("recent_loss")
        if loss is not None and (not self._curve or self._curve[-1].examples < counted):
            self._curve.append(LossPoint(seconds, counted, loss))
        if counted < job["examples"]:
            self._seconds = seconds

    def add_to(self, report: Dict[str, Any], last: Status, figures: RunFigures) -> None:
        """Adds the observations, and figures from the report and the last status."""
        figures.seconds = self._seconds
        figures.took_seconds = report["total_seconds"]
        figures.examples = last["jobs"][0]["marks"]["least"] if last.get("jobs") else 0
        traffic = report["traffic"]
        figures.bytes = traffic["pulled_bytes"] + traffic["pushed_bytes"]
        figures.worker_seconds = self._there
        figures.waited_seconds = max(0.0, self._there - (self._computed - self._computed_before))
        figures.accuracy, figures.test_loss = report["accuracy"], report["loss"]
        figures.cpu_seconds = report["cpu_seconds"]
        if self._counted_seconds > 0:
            figures.server_cores = (self._cpu - self._cpu_before) / self._counted_seconds
        figures.staleness = report["staleness"]["mean"]
        figures.staleness_p99 = report["staleness"]["p99"] or 0
        figures.recomputed = report["examples_recomputed"]
        audit = report["audit"] or {}
        figures.missing = audit.get("missing") or 0
        figures.doubled = audit.get("doubled") or 0
        figures.restarts = report["restarts"]["total"]
        figures.failure = "; ".join(report["problems"])
        figures.curve = self._curve

    def _count_from(self, status: Status) -> None:
        self._counts_ms = status["now_unix_ms"]
        self._computed_before = self._compute_time(status["jobs"][0])
        self._cpu_before = self._servers_cpu(status)

    def _compute_time(self, job: Dict[str, Any]) -> float:
        """The seconds that the reported computing of workers takes."""
        return sum(
            self._batch_time * _slowness_of(one["worker"]) * one["examples"] / self._batch
            for one in job["computed"]
        )

    def _servers_cpu(self, status: Status) -> float:
        return self._cpu_seconds(
            [one["process_id"] for one in status["roles"] if one["role"] == "server"]
        )


def batch_time_flags(workers: int, batch_time: float) -> List[str]:
    """The time of a batch, and those of the workers that are slow among so many."""
    slow = [i for i in range(workers) if cases.slowness(i) != 1]
    times = [f"{batch_time:.9f}s"]
    times += [f"worker-{i}={cases.slowness(i) * batch_time:.9f}s" for i in slow]
    return [word for time in times for word in ("--batch-time", time)]


def _slowness_of(worker: str) -> int:
    number = re.fullmatch(r"worker-(\d+)", worker)
    return cases.slowness(int(number[1])) if number else 1


def _workers_of_job(status: Status) -> int:
    """A worker beyond the most that the job takes does not wait for it."""
    there = sum(
        one["role"] == "worker" and one["state"] in _MAY_COMPUTE for one in status["roles"]
    )
    most = status["jobs"][0]["workers"]["max"]
    return min(there, most) if most > 0 else there
