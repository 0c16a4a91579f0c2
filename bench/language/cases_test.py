"""The cases of the study."""

import unittest

import language_for_tests  # noqa: F401
from cases import ROWS, START_S, Options, all_cases, large, quick

OPTIONS = Options(text="a.txt", traces=("spot/one.csv",))
BATCHES = 7808


class CasesTest(unittest.TestCase):
    def test_each_run_has_a_name_of_its_own_and_a_row(self):
        every = all_cases(OPTIONS, BATCHES)
        names = [one.name for one in every]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual({one.row for one in every}, set(ROWS))
        for name in (
            "adamw-s3", "ddp-w8-s2", "accumulated-w4-s1-rate-4", "diloco-w4-s1", "diloco-w32-s1", "diloco_asp-w16-s1",
            "moments-w4-s1-kept", "moments-w4-s1-anew", "moments-w4-s1-mean", "kills-w4-s1", "torchft_kills-w4-s1",
            "market-one-asp", "choice_rounds-outer_rate-0.7", "choice_asp-steps-50", "late-w4-s1-momentum-0.9-delayed",
            "choice_ddp-rate_factor-2"):
            self.assertIn(name, names)

    def test_the_whole_study_takes_less_than_four_hours_of_one_core(self):
        every = all_cases(OPTIONS, BATCHES)
        self.assertLess(sum(one.cpu_seconds(0.028) for one in every), 4 * 3600)

    def test_a_case_costs_its_batches_and_the_starts_of_its_processes(self):
        case = next(one for one in all_cases(OPTIONS, 1000) if one.name == "ddp-w4-s1")
        self.assertAlmostEqual(case.cpu_seconds(0.1), 1000 * 0.1 + 4 * START_S)

    def test_rounds_need_no_process_for_each_worker_but_asp_does(self):
        every = {one.name: one.settings for one in all_cases(OPTIONS, BATCHES)}
        self.assertEqual(every["diloco-w32-s1"]["copies"], 2)
        self.assertEqual(every["diloco-w32-s1"]["batch_time"], 0)
        self.assertEqual(every["diloco_asp-w32-s1"]["copies"], 32)
        # 32 workers of 0.03 s a batch on 1.5 processors.
        self.assertAlmostEqual(every["diloco_asp-w32-s1"]["batch_time"], 0.64)
        self.assertEqual(every["kills-w4-s1"]["copies"], 4)

    def test_a_quick_look_has_one_seed_and_four_workers(self):
        every = all_cases(quick(OPTIONS), 128)
        seeds = {one.settings["seed"] for one in every if "seed" in one.settings}
        self.assertEqual(seeds, {1})
        workers = {one.settings["workers"] for one in every if "workers" in one.settings}
        self.assertEqual(workers, {1, 4})

    def test_a_larger_model_has_the_rows_that_are_compared(self):
        names = [one.name for one in all_cases(large(OPTIONS), 3904)]
        self.assertEqual(names, ["adamw-s1", "ddp-w4-s1", "diloco-w4-s1"])


if __name__ == "__main__":
    unittest.main()
