"""Searches all states of a small model, breadth first.

A model has `initial()`, `done(state)` and `actions(state)`. The last yields
`(label, fault, next)`: `next()` returns the state after the action, or raises
Violation. The search tells the shortest way to a violation. Without one it also
tells whether each state has a way to the end that needs no more faults.
"""

import collections
import dataclasses


class Violation(Exception):
    """A rule of the model does not hold."""


@dataclasses.dataclass
class Outcome:
    """The result of a search: without a violation all states were seen."""
    states: int
    violation: str = ""
    trace: tuple[str, ...] = ()

    def __str__(self):
        if not self.violation:
            return f"{self.states} states: none"
        return f"{self.states} states: {self.violation} ({len(self.trace)} steps)"


class _Search:
    def __init__(self, model):
        self.model = model
        first = model.initial()
        self.number = {first: 0}
        self.states = [first]
        self.reached_by = [(0, "")]  # By state: the one before, and the action.
        self.fair_before = collections.defaultdict(list)

    def trace(self, state):
        labels = []
        while state:
            state, label = self.reached_by[state]
            labels.append(label)
        return tuple(reversed(labels))

    def add(self, state, before, label):
        known = self.number.get(state)
        if known is None:
            known = self.number[state] = len(self.states)
            self.states.append(state)
            self.reached_by.append((before, label))
        return known

    def run(self, most):
        place = 0
        while place < len(self.states):
            if place >= most:
                raise RuntimeError(f"more than {most} states: make it smaller")
            for label, fault, after in self.model.actions(self.states[place]):
                try:
                    state = after()
                except Violation as violation:
                    return Outcome(len(self.states), str(violation),
                                   self.trace(place) + (label,))
                known = self.add(state, place, label)
                if not fault:
                    self.fair_before[known].append(place)
            place += 1
        return self.stuck() or Outcome(len(self.states))

    def stuck(self):
        """Returns the first state that has no way to the end, or None."""
        ends = [number for number, state in enumerate(self.states)
                if self.model.done(state)]
        reach = set(ends)
        while ends:
            for before in self.fair_before[ends.pop()]:
                if before not in reach:
                    reach.add(before)
                    ends.append(before)
        for number in range(len(self.states)):
            if number not in reach:
                return Outcome(len(self.states), "I8: there is no way to the end",
                               self.trace(number))
        return None


def explore(model, most=2_000_000):
    """Returns the Outcome of a search of all states, of which there may be `most`."""
    return _Search(model).run(most)
