#!/usr/bin/env python3
"""Searches the models of runs, and finds each weaker rule in them.

  runs_test.py          the test
  runs_test.py --print  prints a line for each search
"""

import sys
import unittest

from asp import Asp
from explore import explore
import plants
from rounds import Rounds
from runs import Bounds

# A job in rounds: two items, one after the other; and three in rounds of two, of
# which one item and the last round are short.
TWO = ((2, 2), (2,))
THREE = ((2, 2), (1,), (2,))
# The batch that kills is all of its item.
SINGLE = ((2,), (2,))

#: All states of these hold all rules.
RIGHT = [
    (Asp, Bounds(crashes=1, notices=1)),
    (Asp, Bounds(beside=True, crashes=1)),
    (Asp, Bounds(poison=1, luck=True, deaths=1)),
    (Asp, Bounds(partitions=2, deaths=1)),
    (Asp, Bounds(partitions=2, workers=1, notices=1, losses=1)),
    (Asp, Bounds(partitions=2, workers=1, poison=1, luck=True)),
    (Rounds, Bounds(items=THREE, round_items=2, deaths=1)),
    (Rounds, Bounds(items=THREE, round_items=2, notices=1)),
    (Rounds, Bounds(items=TWO, partitions=2)),
    (Rounds, Bounds(items=TWO, crashes=1)),
    (Rounds, Bounds(items=TWO, poison=1, luck=True)),
    (Rounds, Bounds(items=SINGLE, workers=1, poison=0, luck=True, crashes=1)),
]

#: Where each weaker rule is found, and the rule of the model that it breaks.
WRONG = [
    ("run_counts_without_its_tail", "I1", Asp, Bounds(notices=1)),
    ("moment_of_a_dead_worker_counts", "function", Asp, Bounds(deaths=1)),
    ("moment_of_a_dead_worker_counts", "function", Rounds,
     Bounds(items=TWO, deaths=1)),
    ("short_run_weighs_as_a_whole", "weight", Asp, Bounds()),
    ("short_run_weighs_as_a_whole", "weight", Rounds,
     Bounds(items=THREE, round_items=2)),
    ("own_run_counts_twice", "values", Asp, Bounds(beside=True)),
    ("skip_leaves_out_the_run", "skip", Asp, Bounds(poison=1)),
    ("skip_leaves_out_the_run", "skip", Rounds, Bounds(items=TWO, poison=1)),
    ("death_names_what_was_heard_last", "skip", Asp, Bounds(poison=1)),
    ("death_names_what_was_heard_last", "skip", Rounds,
     Bounds(items=TWO, poison=1)),
    ("own_run_is_added_until_the_answer", "values", Asp, Bounds(beside=True)),
    ("own_run_is_added_below_its_end", "values", Asp,
     Bounds(beside=True, notices=1)),
    ("change_is_from_what_was_pulled", "I1", Asp, Bounds(beside=True)),
    ("skip_without_new_terms", "skip", Asp, Bounds(poison=1, luck=True)),
    ("skip_is_not_heard_with_the_terms", "skip", Asp,
     Bounds(poison=1, luck=True)),
    ("leaver_pushes_a_part_in_rounds", "whole", Rounds,
     Bounds(items=TWO, notices=1)),
    ("round_closes_without_an_item", "plan", Rounds,
     Bounds(items=THREE, round_items=2)),
    ("values_are_kept_over_a_skip", "I7", Rounds,
     Bounds(items=SINGLE, poison=0, luck=True, crashes=1)),
    ("short_round_makes_a_whole_step", "weight", Rounds,
     Bounds(items=THREE, round_items=2)),
]


class RunsTest(unittest.TestCase):

    def test_right_rules_hold_in_all_states(self):
        for kind, bounds in RIGHT:
            with self.subTest(model=kind.__name__, bounds=bounds):
                outcome = explore(kind(bounds))
                self.assertFalse(outcome.violation, "\n".join(outcome.trace))
                self.assertGreater(outcome.states, 100)

    def test_each_weaker_rule_is_found(self):
        for plant, rule, kind, bounds in WRONG:
            with self.subTest(plant=plant, model=kind.__name__):
                outcome = explore(kind(bounds, plant))
                self.assertTrue(outcome.violation.startswith(f"{rule}: "),
                                f"found as {outcome.violation!r}")
                self.assertTrue(outcome.trace)

    def test_each_weaker_rule_has_a_row(self):
        self.assertEqual({plant for plant, *_ in WRONG},
                         {*plants.PLANTED, *plants.WEAKER})

    def test_a_rule_that_is_not_there_is_refused(self):
        with self.assertRaisesRegex(ValueError, "no weaker rule 'no_such'"):
            Asp(Bounds(), "no_such")


class StuckTest(unittest.TestCase):
    """The search sees states from which no fair step leads to the end."""

    def test_a_state_without_a_way_to_the_end_is_found(self):
        class Trap:

            def initial(self):
                return 0

            def done(self, state):
                return state == 2

            def actions(self, state):
                if state == 0:
                    yield "goes", False, lambda: 2
                    yield "falls", True, lambda: 1
                if state == 1:
                    yield "is lifted", True, lambda: 2

        outcome = explore(Trap())
        self.assertTrue(outcome.violation.startswith("I8"))
        self.assertEqual(outcome.trace, ("falls",))


def describe(kind, bounds):
    usual = Bounds()
    said = [f"{name}={value}" for name, value in vars(bounds).items()
            if value != getattr(usual, name)]
    return f"{kind.__name__.lower()} {' '.join(said) or 'without faults'}"


def main():
    for kind, bounds in RIGHT:
        print(f"{describe(kind, bounds)}: {explore(kind(bounds))}", flush=True)
    for plant, _, kind, bounds in WRONG:
        print(f"{plant} in {describe(kind, bounds)}: "
              f"{explore(kind(bounds, plant))}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        main()
    else:
        unittest.main()
