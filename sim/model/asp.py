"""Runs in asp: one item, on which any worker works that is there, also two."""

from typing import NamedTuple

from explore import Violation
from runs import APPLIED, MOVED, Reply, Run, Runs


class Part(NamedTuple):
    mark: int = 0
    term: int = 0
    stored: int = 0  # The mark of the version that it comes back with.


class Asp(Runs):

    def first_part(self):
        return Part()

    def marks(self, state, item):
        return tuple(part.mark for part in state.parts)

    def open_items(self, state):
        return (0,) if min(self.marks(state, 0)) < self.size(0) else ()

    def planned_end(self, item, begin):
        period = self.bounds.period
        return min((begin // period + 1) * period, self.size(item))

    def keeps_part(self):
        return True

    def is_over(self, state, worker):
        return False

    def store(self, part):
        return part._replace(stored=part.mark)

    def stored(self, part):
        return part._replace(mark=part.stored)

    # --- Values ----------------------------------------------------------------

    def may_pull(self, state, worker, p):
        """A pull lacks one own run at most: that which is computed, or pushed."""
        if self.bounds.beside:
            return not worker.run or not worker.out[p]
        return not worker.run and not worker.out[p]

    def read(self, state, worker, p):
        part = state.parts[p]
        return part.mark, part.term

    def run_from(self, worker, begin, end):
        added = [self.adds_own(worker, p) for p in self.places]
        from_pulled = self.plant == "change_is_from_what_was_pulled"
        return Run(begin, begin, end, moments=worker.moments,
                   twice=any(added) and from_pulled)

    def adds_own(self, worker, p):
        """Returns whether a run begins with the pulled values plus the own last run.

        It does where the pulled values are those to which that run is a step:
        the mark is where it begins, in the term of its push. Else it is in them,
        or is refused, or was lost with the server."""
        own = worker.own[p]
        if not own:
            return False
        mark, term = worker.pulled[p]
        lacks = (mark, term) == (own.begin, own.term)
        added = self.bounds.beside and {
            "own_run_counts_twice": True,
            "own_run_is_added_until_the_answer": bool(worker.out[p]),
            "own_run_is_added_below_its_end": mark < own.end,
        }.get(self.plant, lacks)
        if added and mark > own.begin and term == own.term:
            raise Violation(f"values: batch {own.begin} is twice in what a run "
                            f"begins with, of partition {p}")
        if lacks and not added:
            raise Violation("values: the own last run is not in what a run begins "
                            f"with, of partition {p}")
        return added

    # --- A push ----------------------------------------------------------------

    def judge(self, state, push):
        p = push.partition
        part = state.parts[p]
        if push.term != part.term:
            return state, Reply(MOVED, part.mark, part.term)
        verdict = self.verdict(push, part.mark)
        if verdict == APPLIED:
            self.check_applied(state, push)
            part = part._replace(mark=push.end)
            state = self.change(state, p, lambda _: part)
        return state, Reply(verdict, part.mark, part.term)
