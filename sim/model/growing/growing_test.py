#!/usr/bin/env python3
"""Runs the models of the growing set, and finds each weaker rule in them.

  growing_test.py              the test
  growing_test.py --seeds N [PLANT]...
                               prints how many of N seeds find each; without
                               PLANT also how many find the right rules wrong
"""

import collections
import sys
import unittest

from chain import Chain
from deletion import Deletion
from follower import Follower
from ledger import Accounts
from plan import Plan
import plants

#: The models, their weaker rules, and how many seeds of the right rules the test has.
MODELS = [(Chain, plants.CHAIN, 150), (Plan, plants.PLAN, 60),
          (Deletion, plants.DELETION, 60), (Accounts, plants.LEDGER, 60),
          (Follower, plants.FOLLOWER, 60)]

#: Rules that a model can do without.
NOT_NEEDED = [(Plan, "end_is_not_on_the_grid"),
              (Deletion, "floor_not_read_after_the_search")]

#: A seed at which a weaker rule is found that few seeds find.
SEEDS = {
    "leader_is_compared_before_the_fetch_alone": 45,
    "end_told_before_it_is_durable": 66,
    "workers_hear_of_the_end_before_servers": 47,
    "end_object_below_a_finish_is_ignored": 40,
    "an_away_server_not_counted": 34,
    "best_version_not_counted": 29,
    "rollback_target_not_counted": 120,
    "reader_after_the_floor": 134,
    "forgotten_reader_reads_on": 175,
    "floor_not_read_after_a_put": 966,
    "served_values_not_counted": 4113,
}
MOST = 40  # The first seeds, for the others.


class GrowingTest(unittest.TestCase):

    def test_right_rules_hold(self):
        for model, _, seeds in MODELS:
            for seed in range(seeds):
                with self.subTest(model=model.__name__, seed=seed):
                    self.assertEqual(model(seed).run(), "")

    def test_each_weaker_rule_is_found(self):
        for model, weaker, _ in MODELS:
            for plant in weaker:
                seeds = [SEEDS[plant]] if plant in SEEDS else range(MOST)
                with self.subTest(model=model.__name__, plant=plant):
                    self.assertTrue(any(model(seed, plant).run() for seed in seeds))

    def test_some_rules_are_not_needed(self):
        for model, plant in NOT_NEEDED:
            for seed in range(30):
                with self.subTest(plant=plant, seed=seed):
                    self.assertEqual(model(seed, plant).run(), "")

    def test_a_rule_that_is_not_there_is_refused(self):
        with self.assertRaisesRegex(ValueError, "no weaker rule 'no_such'"):
            Chain(0, "no_such")


def main(seeds, names):
    for model, weaker, _ in MODELS:
        more = [plant for kind, plant in NOT_NEEDED if kind is model]
        for plant in ["", *weaker, *more]:
            if names and plant not in names:
                continue
            found = [(seed, wrong) for seed in range(seeds)
                     if (wrong := model(seed, plant).run())]
            kinds = collections.Counter(wrong.split(":")[0] for _, wrong in found)
            print(f"{model.__name__} {plant or 'as it is'}: {len(found)} of {seeds} "
                  f"{dict(kinds)}, first {found[0][0] if found else 'none'}",
                  flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--seeds"]:
        main(int(sys.argv[2]), sys.argv[3:])
    else:
        unittest.main()
