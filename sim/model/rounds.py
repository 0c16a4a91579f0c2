"""Runs in rounds: whole items, each from the values that the round before closed.

Workers may have any item of the open round. Values of a round are told apart by
their history: for each closed round whether a batch was left out of it. All else
that a round's values depend on is checked where a push is applied.
"""

from typing import NamedTuple

from explore import Violation
from runs import APPLIED, DUPLICATE, MOVED, NOT_OPEN, Reply, Run, Runs


class Held(NamedTuple):
    """The content of a partition, which is stored whole."""
    marks: tuple[int, ...]  # By item of the open round.
    left_out: int = 0  # 1 if the skip was pushed in the open round.
    history: tuple[int, ...] = ()  # `left_out` by closed round.


class Part(NamedTuple):
    held: Held
    disk: Held
    term: int = 0


class Rounds(Runs):

    def first_part(self):
        held = Held(self.no_marks(0))
        return Part(held, held)

    def items_of(self, number):
        first = number * self.bounds.round_items
        return range(first, min(first + self.bounds.round_items,
                                len(self.bounds.items)))

    def no_marks(self, number):
        return (0,) * len(self.items_of(number))

    def round_of(self, item):
        return item // self.bounds.round_items

    def mark(self, held, item):
        ahead = self.round_of(item) - len(held.history)
        if ahead:
            return 0 if ahead > 0 else self.size(item)
        return held.marks[item % self.bounds.round_items]

    def marks(self, state, item):
        return tuple(self.mark(part.held, item) for part in state.parts)

    def open_items(self, state):
        number = min(len(part.held.history) for part in state.parts)
        return [item for item in self.items_of(number)
                if min(self.marks(state, item)) < self.size(item)]

    def planned_end(self, item, begin):
        return self.size(item)

    def whole_run(self):
        return max(sum(item) for item in self.bounds.items)

    def keeps_part(self):
        return self.plant == "leaver_pushes_a_part_in_rounds"

    def is_over(self, state, worker):
        """A partition came back with an older round, which must be closed first."""
        return self.round_of(worker.item) > min(
            len(part.held.history) for part in state.parts)

    def store(self, part):
        return part._replace(disk=part.held)

    def stored(self, part):
        return part._replace(held=part.disk)

    def ends_lease(self, worker):
        """In rounds a skip ends all leases, for values may contain the batch."""
        if self.plant == "values_are_kept_over_a_skip":
            return worker.item == 0
        return super().ends_lease(worker)

    # --- Values ----------------------------------------------------------------

    def may_pull(self, state, worker, p):
        """Values of closed rounds are kept for ever here: how long they must be
        is a rule of rounds, and not of runs."""
        return self.round_of(worker.item) <= len(state.parts[p].held.history)

    def read(self, state, worker, p):
        number = self.round_of(worker.item)
        return (state.parts[p].held.history[:number],)

    def run_from(self, worker, begin, end):
        return Run(begin, begin, end, moments=worker.moments,
                   values=tuple(pulled[0] for pulled in worker.pulled))

    # --- A push ----------------------------------------------------------------

    def judge(self, state, push):
        p = push.partition
        part = state.parts[p]
        held = part.held
        mark = self.mark(held, push.item)
        ahead = self.round_of(push.item) - len(held.history)
        if push.term != part.term:
            return state, Reply(MOVED, mark, part.term)
        if ahead:
            return state, Reply(NOT_OPEN if ahead > 0 else DUPLICATE, mark,
                                part.term)
        verdict = self.verdict(push, mark)
        if verdict == APPLIED:
            self.check_applied(state, push)
            self.check_whole(state, push, held)
            mark = push.end
            held = self.apply(held, push)
            state = self.change(state, p,
                                lambda part: part._replace(held=held))
        return state, Reply(verdict, mark, part.term)

    def check_whole(self, state, push, held):
        """I7, and a run is a whole item but for a batch that is left out."""
        if push.skip:
            return
        where = (f"{push.begin}..{push.end} of item {push.item} on partition "
                 f"{push.partition}")
        if any(values != held.history for values in push.values):
            raise Violation(f"I7: {where} was computed from other values")
        ends = [0, self.size(push.item)]
        if push.item == 0 and state.blame.skipped:
            ends += state.blame.skipped
        if push.begin not in ends or push.end not in ends:
            raise Violation(f"whole: {where} is a part of a run")

    def apply(self, held, push):
        place = push.item % self.bounds.round_items
        marks = held.marks[:place] + (push.end,) + held.marks[place + 1:]
        held = held._replace(marks=marks, left_out=held.left_out or int(push.skip))
        number = len(held.history)
        items = self.items_of(number)
        absent = [item for item in items
                  if self.mark(held, item) < self.size(item)]
        may_lack = int(self.plant == "round_closes_without_an_item")
        if len(absent) > min(may_lack, len(items) - 1):
            return held
        if absent:
            raise Violation(f"plan: round {number} is closed without {absent}")
        self.check_divisor(number)
        return Held(self.no_marks(number + 1), 0,
                    held.history + (held.left_out,))

    def divisor(self, number):
        """Returns by how many examples the sum of a round is divided."""
        own = self.plant == "short_round_makes_a_whole_step"
        return sum(sum(self.bounds.items[item])
                   for item in self.items_of(number if own else 0))

    def check_divisor(self, number):
        here, first = self.divisor(number), self.divisor(0)
        if here != first:
            raise Violation(f"weight: an example of round {number} weighs "
                            f"1/{here}, and one of the first 1/{first}")
