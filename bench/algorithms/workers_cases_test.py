"""The cases of the section "Workers", its markets, and its scores."""

import unittest

import runs_for_tests  # noqa: F401
from markets import Trace, TraceEvent, read_trace, rising_market
from workers_cases import (
    DEFAULT, MARKET, QUIET, TRACES, BatchPace, WorkersOptions, find_job, kill_events, workers_cases)
from workers_runs import score_of

SOME_TRACE = Trace([
    TraceEvent(0, True, "a"), TraceEvent(0, True, "b"), TraceEvent(50, False, "a"),
    TraceEvent(100, True, "a")])


def names_of(**options):
    return [one.name for one in workers_cases(WorkersOptions(**options))]


class WorkersCasesTest(unittest.TestCase):
    def test_each_run_has_a_name_of_its_own(self):
        names = names_of(traces={"market-x": SOME_TRACE})
        self.assertEqual(len(set(names)), len(names))
        for name in (
            "fashion-softmax-1-seed-1", "ratings-200-kills-seed-3", "clicks-deepfm-4-market-seed-2",
            "clicks-fm-2-market-x-seed-1", "clicks-fm-dynsgd-64-seed-1",
            "fashion-softmax-speed-64-seed-1"):
            self.assertIn(f"workers-{name}", names)
        self.assertNotIn("workers-ratings-ssp-16-seed-1", names)
        self.assertNotIn("workers-a9a-1-seed-1", names)

    def test_it_runs_what_the_flags_ask_for(self):
        self.assertEqual(
            names_of(counts=[1, 16], seeds=[7], data=["ratings"], variants=[]),
            ["workers-ratings-1-seed-7", "workers-ratings-16-seed-7",
             "workers-ratings-1-kills-seed-7", "workers-ratings-16-kills-seed-7",
             "workers-ratings-4-market-seed-7"])
        self.assertEqual(
            names_of(counts=[4], seeds=[1], data=["ratings"], disturbances=[MARKET, TRACES],
                     traces={"market-x": SOME_TRACE}),
            ["workers-ratings-4-market-seed-1", "workers-ratings-2-market-x-seed-1"])
        self.assertEqual(names_of(data=["a9a"]), [])
        held_out = names_of(seeds=[1], data=["a9a"], held_out=True)
        self.assertIn("workers-a9a-64-kills-seed-1", held_out)
        self.assertNotIn("workers-a9a-200-seed-1", held_out)
        self.assertIn("workers-rcv1-16-seed-1", names_of(seeds=[1], data=["rcv1"], held_out=True))
        self.assertIn(
            "workers-flights-4-market-seed-1", names_of(seeds=[1], data=["flights"], held_out=True))

    def test_the_default_job_is_the_same_for_any_number_of_workers(self):
        for one in workers_cases(WorkersOptions(seeds=[2])):
            if one.variant == DEFAULT and one.disturbance == QUIET:
                self.assertEqual(one.settings, ["seed=2"], one.name)

    def test_the_others_take_all_workers(self):
        found = {
            (one.variant, one.workers): one.settings
            for one in workers_cases(WorkersOptions(data=["clicks-fm"]))
        }
        self.assertEqual(
            found["ssp", 16],
            ["workers.max=16", "consistency.kind=ssp", "consistency.bound=4", "seed=1"])
        self.assertEqual(found["uncapped", 64], ["workers.max=64", "seed=1"])

    def test_the_market_rises_and_falls(self):
        for seed in (1, 2, 3):
            trace = rising_market(seed)
            there, last = 0, 0.0
            for event in trace.events:
                self.assertGreaterEqual(event.at, last)
                last = event.at
                there += 1 if event.add else -1
                self.assertGreater(there, 0)
            self.assertEqual(trace.nodes_at_start, 4)
            self.assertEqual(trace.peak_nodes, 64)
            self.assertEqual(there, 4)
        self.assertEqual(rising_market(2), rising_market(2))
        self.assertNotEqual(rising_market(1), rising_market(2))

    def test_a_trace_follows_the_progress_of_the_job(self):
        self.assertEqual(
            SOME_TRACE.by_progress(),
            [{"at": "45.000000%", "remove": "worker-0"}, {"at": "90.000000%", "add": "worker-0"}])
        for event in rising_market(1).by_progress():
            self.assertLessEqual(float(event["at"].rstrip("%")), 90)

    def test_a_trace_is_read(self):
        text = "t_s,op,node\n0,add,a\n0,add,b\n50,remove,a\n100,add,a\n"
        self.assertEqual(read_trace(text, "x.csv"), SOME_TRACE)
        for bad in ("", "t_s,op,node\n", "t_s,op,node\n0,buy,a\n", "a,b,c\n0,add,a\n"):
            with self.assertRaisesRegex(ValueError, "x.csv"):
                read_trace(bad, "x.csv")

    def test_more_are_killed_where_most_workers_are_idle(self):
        few = len(kill_events(16, 16))
        self.assertEqual(len(kill_events(200, 16)), 13 * few)
        self.assertEqual(len(kill_events(1, 16)), few)

    def test_a_run_takes_as_long_with_any_number_of_workers(self):
        pace = BatchPace(batches=1000, cost=0.003, runs_for=10, cores=1.5)
        self.assertAlmostEqual(pace.batch_time(), 0.010)
        pace.at_once = 16
        self.assertAlmostEqual(pace.batch_time(), 0.160)
        # The processors are what it takes then.
        pace.runs_for = 1
        self.assertAlmostEqual(pace.batch_time(), 0.032)

    def test_each_job_is_known_by_its_data(self):
        self.assertEqual(find_job("ratings").metric, "rmse")
        self.assertIsNone(find_job("none"))


class ScoreTest(unittest.TestCase):
    def setUp(self):
        self.report = {"complete": True, "evaluations": [{"accuracy": 0.8}, {"accuracy": 0.9}]}

    def test_it_is_that_of_the_last_evaluation(self):
        self.assertEqual(score_of(self.report, "accuracy"), 0.9)
        self.assertIsNone(score_of(self.report, "rmse"))
        self.report["evaluations"][1] = {"error": "not finite"}
        self.assertIsNone(score_of(self.report, "accuracy"))
        self.assertIsNone(score_of({}, "accuracy"))

    # Bug: a job that stopped half of the way had the score of that moment.
    def test_a_job_that_is_not_complete_has_none(self):
        self.report["complete"] = False
        self.assertIsNone(score_of(self.report, "accuracy"))


if __name__ == "__main__":
    unittest.main()
