"""Tests what the benchmarks of clusters make of statuses and reports."""

import sys
import unittest
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "command"), str(HERE.parent / "pages")]

from moves import Moves  # noqa: E402
from rates import RateMeter  # noqa: E402
from recovery import LOSSES, LossFigures, Recovery  # noqa: E402
from scaling import Point, ratios_of, text  # noqa: E402


class RateMeterTest(unittest.TestCase):
    def test_it_is_that_between_two_counts(self):
        meter = RateMeter()
        for at, counted in ((0, 0), (1, 10), (2, 10)):
            meter.add(at, counted)
        self.assertIsNone(meter.rate)
        meter.add(4, 40)
        meter.add(9, 40)  # The next batch is not there yet.
        self.assertEqual(meter.rate, 10)


class ScalingTest(unittest.TestCase):
    def test_points_stand_beside_so_many_single_workers(self):
        points = [Point(1, 1, 100, 2e6, 0.5), Point(1, 2, 150, 3e6, 0.75)]
        self.assertEqual(ratios_of(points), [1, 0.75])
        self.assertEqual(
            text(points, [1, 2]).splitlines()[1:],
            ["servers          1 worker         2 workers",
             "      1      1.00    50 %      0.75    75 %",
             "the first: 100 examples/s, 2.0 MB/s of values; the last: 150, 3.0"])


def status(ms, counted, pauses=(), moving=0):
    servers = {
        "pauses": [{"paused_s": p, "stored_s": p / 2} for p in pauses],
        "moving": moving, "moved": len(pauses)}
    job = {"id": 7, "marks": {"least": counted}, "servers": servers}
    return {"now_unix_ms": ms, "jobs": [job], "roles": [{"role": "scheduler", "address": "here:1"}]}


class MovesTest(unittest.TestCase):
    def test_it_scales_when_all_have_moved_and_takes_their_pauses(self):
        moves = Moves(servers=2, moves=3, undisturbed=1)
        with mock.patch("ebb_program.call") as call:
            for one in (
                status(0, 0), status(1000, 10), status(1500, 20), status(2000, 30),
                status(2500, 35), status(3000, 40, (0.02, 0.04)),
                status(3500, 45, (0.02, 0.04), moving=1), status(4000, 50, (0.02, 0.04, 0.08))):
                moves.see(one, None)
        self.assertEqual(
            [" ".join(each.args) for each in call.call_args_list],
            [f"scale 7 --servers {n} --scheduler here:1" for n in (1, 0)])
        self.assertTrue(moves.done)
        figures = moves.as_json()
        self.assertEqual(figures["undisturbed_examples_per_second"], 20)
        self.assertEqual(figures["throughput_ratio"], 0.5)
        self.assertEqual(figures["paused_s"], {"p50": 0.04, "p95": 0.08, "max": 0.08})
        self.assertEqual(figures["paused_without_disk_s"]["max"], 0.04)
        self.assertIn("3 moves; 0.50 x the undisturbed 20 examples/s meanwhile", moves.text())
        self.assertNotIn("OVER", moves.text())


class Cluster:
    """Two workers, a server and a scheduler that come back as soon as they are lost."""

    def __init__(self):
        self.seconds = 0.0
        self.did = []
        self._told = []
        self._lives = {}

    def do(self, **event):
        self.did.append(event)
        (op, daemon), *_ = event.items()
        if op == "continue":
            return
        if op != "stop":
            self._lives[daemon] = self._lives.get(daemon, 0) + 1
        times = {"lost": 0.1, "resumed": 0.2, "counted": 0.3}
        self._told.append({"daemon": daemon, **{
            f"{name}_unix_us": int((self.seconds + after) * 1e6) for name, after in times.items()}})

    def status(self):
        self.seconds += 0.1

        def role(role, name):
            process = 10 + 100 * self._lives.get(name, 0)
            return {"role": role, "name": name, "process_id": process, "items": ["1/1"],
                    "connected": True, "since_unix_ms": 1}

        job = {"state": "running", "marks": {"least": int(100 * self.seconds)}, "recoveries": self._told}
        return {
            "now_unix_ms": round(1000 * self.seconds), "jobs": [job], "roles": [
                role("scheduler", "scheduler"), role("server", "ps-0"), role("worker", "worker-0"),
                role("worker", "worker-1")]}


class RecoveryTest(unittest.TestCase):
    def test_each_loss_comes_when_the_one_before_is_made_up_for(self):
        recovery, cluster = Recovery(servers=1, workers=2, kills=2, undisturbed=1, seed=1), Cluster()
        while not recovery.done and cluster.seconds < 60:
            recovery.see(cluster.status(), cluster)
        self.assertEqual(recovery.problems, [])
        stops = [{"stop": "worker-0"}, {"continue": "worker-0"}, {"stop": "worker-1"},
                 {"continue": "worker-1"}]
        leaves = [{"terminate": f"worker-{i}", "grace": "20s"} for i in range(2)]
        self.assertEqual(cluster.did, [
            {"kill": "worker-0"}, {"kill": "worker-1"}, *stops, *leaves, {"kill": "ps-0"},
            {"kill": "ps-0"}, {"kill": "scheduler"}, {"kill": "scheduler"}])
        self.assertEqual([one.loss for one in recovery.figures], list(LOSSES))
        for one in recovery.figures:
            self.assertEqual([told["daemon"] for told in one.told], one.strikes)
            self.assertAlmostEqual(one.rate, 100, delta=10)

    def test_its_times_are_those_of_the_report(self):
        recovery = Recovery(servers=2, workers=3, kills=2, undisturbed=1, seed=1)
        recovery._rate = 100
        told = [{"lost_unix_us": 50_000, "resumed_unix_us": us} for us in (200_000, 400_000)]
        recovery.figures = [
            LossFigures(LOSSES[0], ["worker-0", "worker-1"], told, rate=90),
            LossFigures(LOSSES[1], ["worker-0"], told[:1], rate=50),
            LossFigures(LOSSES[4], ["scheduler"])]

        def event(what, resumed, recovery_s):
            return {"what": what, "resumed_s": resumed, "recovery_s": recovery_s, "ended_s": None}

        recovery.finish({"events": [
            event("worker-0 killed", 0.2, 0.3), event("worker-1 killed", 0.4, 0.5),
            event("worker-0 stopped", 3, 3.1), event("worker-0 continued", None, None),
            event("scheduler killed", 0.6, 0.7)]})
        killed, stopped, scheduler = recovery.as_json()["losses"]
        self.assertAlmostEqual(killed["resumed_s"]["p50"], 0.3)
        self.assertAlmostEqual(killed["required"]["found_s"]["max"], 0.35)
        self.assertEqual(killed["throughput_ratio"], 0.9)
        self.assertEqual(stopped["required"]["found_s"], {"p50": 3, "max": 3})
        self.assertNotIn("required", scheduler)
        self.assertEqual(scheduler["times"], 1)
        line = recovery.text().splitlines()[3]
        self.assertEqual(
            line,
            "worker killed             2  0.300 (0.400)   0.400 (0.500)   0.90 x     its connection "
            "broke to its item leased again, 0.3 s: 0.250 (0.350), OVER")


if __name__ == "__main__":
    unittest.main()
