"""Tests what is observed of a run."""

import unittest
from pathlib import Path

import runs_for_tests  # noqa: F401
from kept_runs import KeptRun
from point import Point, batch_time_flags
from run_figures import RunFigures

REPORT = {
    "total_seconds": 9, "traffic": {"pulled_bytes": 3, "pushed_bytes": 4}, "accuracy": None,
    "loss": None, "cpu_seconds": 2, "staleness": {"mean": 1.5, "p99": None},
    "examples_recomputed": 5, "audit": {"missing": None, "doubled": 1},
    "restarts": {"total": 6}, "problems": ["one", "two"]}


def status(ms, counted, computed, loss=None, most=0):
    """One of two workers that compute and a third that starts; worker-7 is slow."""
    states = {"worker-0": "working", "worker-7": "idle", "worker-2": "starting"}
    roles = [{"role": "worker", "name": name, "state": state} for name, state in states.items()]
    shares = [{"worker": name, "examples": n} for name, n in computed.items()]
    job = {
        "marks": {"least": counted}, "examples": 1000, "computed": shares,
        "workers": {"max": most}, "quarantined": []}
    if loss is not None:
        job["recent_loss"] = loss
    server = {"role": "server", "process_id": ms}
    return {"now_unix_ms": ms, "roles": [*roles, server], "jobs": [job]}


class PointTest(unittest.TestCase):
    def watch(self, *statuses, counts_from=0.0):
        point = Point(10, 0.1, counts_from, lambda pids: pids[0] * 1e-4)
        for one in statuses:
            point.see(one)
        figures = RunFigures()
        point.add_to(REPORT, statuses[-1], figures)
        return figures

    def test_workers_wait_while_they_do_not_compute(self):
        figures = self.watch(
            {"now_unix_ms": 500, "roles": [], "jobs": []},
            status(1000, 0, {}),  # Nothing was computed yet.
            status(2000, 0, {"worker-0": 10}, loss=2),
            status(3000, 100, {"worker-0": 20, "worker-7": 10}, loss=1),
            status(3000, 900, {"worker-0": 900}, loss=9),  # The same once more.
            status(4000, 950, {"worker-0": 500, "worker-7": 400}, loss=0.5),
            status(5000, 1000, {"worker-0": 600, "worker-7": 400}, loss=0.4))
        # Two workers for a second, of which a batch and a slow one took 0.1 and 0.3 s.
        self.assertAlmostEqual(figures.worker_seconds, 2)
        self.assertAlmostEqual(figures.waited_seconds, 1.6)
        self.assertEqual(figures.seconds, 2)
        self.assertAlmostEqual(figures.server_cores, 0.1)
        self.assertEqual(figures.curve, [(0, 0, 2), (1, 100, 1), (2, 950, 0.5), (3, 1000, 0.4)])
        self.assertEqual(
            (figures.examples, figures.bytes, figures.doubled, figures.missing, figures.staleness_p99),
            (1000, 7, 1, 0, 0))
        self.assertEqual(figures.failure, "one; two")

    def test_it_counts_from_a_share_of_the_examples(self):
        figures = self.watch(
            status(1000, 0, {"worker-0": 10}),
            status(2000, 300, {"worker-0": 310}),
            status(3000, 500, {"worker-0": 510}),
            counts_from=0.4)
        self.assertAlmostEqual(figures.worker_seconds, 2)
        self.assertAlmostEqual(figures.waited_seconds, 0)

    def test_no_more_wait_than_the_job_takes(self):
        figures = self.watch(
            status(1000, 0, {"worker-0": 10}, most=1), status(2000, 100, {"worker-0": 10}, most=1))
        self.assertAlmostEqual(figures.worker_seconds, 1)

    def test_slow_workers_are_told_their_times(self):
        self.assertEqual(batch_time_flags(7, 0.04), ["--batch-time", "0.040000000s"])
        self.assertEqual(
            batch_time_flags(16, 0.04)[2:],
            ["--batch-time", "worker-7=0.120000000s", "--batch-time", "worker-15=0.120000000s"])

    def test_a_scenario_leaves_the_job_its_most_workers(self):
        kept = KeptRun("n", "s", "job.yaml", ["seed=1"], 2, 8, 10, 0.1)
        self.assertEqual(
            kept.words(Path("x")),
            "run job.yaml --set seed=1 --servers 2 --workers 8 --batch-time 0.100000000s "
            "--batch-time worker-7=0.300000000s".split())
        kept.events, kept.most_workers, kept.may_end_early, kept.added = [{}], 4, True, 8
        self.assertEqual(
            kept.words(Path("x")),
            "chaos job.yaml --scenario x --chaos-seed 0 --may-end-early --set seed=1 --set "
            "workers.max=4 --servers 2 --workers 8 --batch-time 0.100000000s --batch-time "
            "worker-7=0.300000000s --batch-time worker-15=0.300000000s".split())


if __name__ == "__main__":
    unittest.main()
