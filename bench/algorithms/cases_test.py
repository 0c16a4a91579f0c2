"""The cases of the algorithms."""

import unittest

import runs_for_tests  # noqa: F401
from cases import CaseOptions, all_cases, compared_workers, slowness


class CasesTest(unittest.TestCase):
    def test_each_run_has_a_name_of_its_own(self):
        every = [one.name for one in all_cases(CaseOptions())]
        names = set(every)
        self.assertEqual(len(names), len(every))
        for name in (
            "fashion-asp-1", "fashion-eamsgd-16", "fashion-local_sgd-8-churn",
            "fashion-diloco-4",
            "fashion-aeasgd-8-every-64", "clicks-dynsgd-2", "clicks-adag-16", "clicks-geo-8-churn"):
            self.assertIn(name, names)
        # Rows have no rounds.
        self.assertNotIn("clicks-rounds-8", names)
        self.assertNotIn("clicks-aeasgd-8", names)

    def test_the_runs_of_eight_workers_are_disturbed(self):
        self.assertEqual(compared_workers(CaseOptions()), 8)
        self.assertEqual(compared_workers(CaseOptions(workers=(1, 4))), 4)
        for one in all_cases(CaseOptions(workers=(2, 3))):
            self.assertTrue(not one.churn or one.workers == 3, one.name)

    # With few items one met three kills, and its job was paused.
    def test_who_is_killed_on_purpose_is_no_poison(self):
        for one in all_cases(CaseOptions(workers=(8,))):
            if one.churn:
                self.assertIn("quarantine_after=100", one.settings, one.name)

    def test_rounds_grow_with_the_workers_and_one_has_no_backup_tasks(self):
        found = 0
        for one in all_cases(CaseOptions(workers=(8,), batch=32, rate=0.25)):
            if one.algorithm not in ("rounds", "rounds+backup"):
                continue
            self.assertEqual(one.backup_tasks, one.algorithm == "rounds+backup")
            self.assertIn("consistency.examples=512", one.settings)
            self.assertIn("optimizer.rate=1", one.settings)
            found += 1
        self.assertEqual(found, 4)  # Each also under churn.

    def test_one_worker_of_eight_is_slow(self):
        self.assertEqual([worker for worker in range(16) if slowness(worker) > 1], [7, 15])


if __name__ == "__main__":
    unittest.main()
