"""Emulates asp with an outer momentum in one process: late_program.py SETTINGS.

Workers take the next run when they have ended one, and each run takes them about the same
time. A run that arrives makes an outer step of its way, divided by one more than the steps
since it began, and the worker goes on with the values after it. "outer_momentum" is none,
that of each step ("delayed" 0), or delayed Nesterov: the momentum changes after "delayed"
steps, by their mean (arXiv:2401.09135, algorithm 3 with c = 0).
"""

import heapq
import json
import random
import sys

import small_gpt
import torch
from torch.nn.utils import vector_to_parameters

#: How much longer or shorter a run takes than others.
_JITTER = 0.1


class OuterStep:
    """The servers' rule: ``values`` after each ``way`` that arrives."""

    def __init__(self, values, rate, momentum, delayed):
        self.values, self.steps = values, 0
        self._rate, self._momentum, self._delayed = rate, momentum, delayed
        self._velocity, self._sum = torch.zeros_like(values), torch.zeros_like(values)

    def arrive(self, way, began):
        """``way``: start - end of a run whose values had ``began`` steps."""
        way = way / (1 + self.steps - began)
        self.steps += 1
        step = way
        if self._delayed:
            self._sum += way
            if self.steps % self._delayed == 0:
                self._velocity = self._momentum * self._velocity + self._sum / self._delayed
                self._sum.zero_()
                # Once for all the ways of the mean.
                step = way + self._momentum * self._velocity
        elif self._momentum:
            self._velocity = self._momentum * self._velocity + way
            step = way + self._momentum * self._velocity
        self.values = self.values - self._rate * step


def train(study, settings):
    order, steps = study.order(), settings["steps"]
    parameters = list(study.model.parameters())
    outer = OuterStep(
        study.values(), settings["outer_rate"], settings["outer_momentum"], settings["delayed"]
    )
    chance = random.Random(settings["seed"])
    runs = iter(range(0, len(order), steps))
    queue = []  # When a run ends, its first batch, and the values and steps that it began with.

    def begin(now):
        first = next(runs, None)
        if first is not None:
            ends = now + 1 + chance.uniform(-_JITTER, _JITTER)
            heapq.heappush(queue, (ends, first, outer.values, outer.steps))

    for _ in range(settings["workers"]):
        begin(0.0)
    while queue:
        now, first, start, began = heapq.heappop(queue)
        vector_to_parameters(start.clone(), parameters)
        study.optimizer.state.clear()
        for place, sequences in enumerate(order[first : first + steps]):
            study.set_rate(first + place, min(1.0, (place + 1) / max(1, settings["warm_up"])))
            study.backward(sequences)
            study.step()
        outer.arrive(start - study.values(), began)
        begin(now)
    vector_to_parameters(outer.values, parameters)


def main():
    settings = json.loads(sys.argv[1])
    study = small_gpt.Study(settings)
    clock = small_gpt.Clock()
    train(study, settings)
    small_gpt.tell({**study.result(), **clock.read()})


if __name__ == "__main__":
    main()
