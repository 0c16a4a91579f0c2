"""P2: the plan of a job whose data has no end: scheduler, workers and servers.

Epochs of EPOCH numbers begin at FIRST and are cut into items of ITEM numbers; the
last item of an epoch is shorter. A push is judged by the mark of its item, and only
in the partition's term (docs/protocol.md). README.md has the rules, plants.py the
weaker ones.
"""

import collections
import random as randomness
from typing import NamedTuple

import plants
from scheduler import Scheduler
from shape import BATCH, FIRST, Shape
from worker import Worker

PARTITIONS = 2


class Wrong(Exception):
    """A rule of the plan does not hold."""


class Version(NamedTuple):
    term: int
    marks: dict
    applied: tuple
    end: int | None  # The end of the job, as the server knew it.


class Partition:
    """The values of a partition, in the process of the server that has it."""

    def __init__(self):
        self.term = 0  # 0: no server serves it.
        self.marks = {}
        self.applied = collections.Counter()
        self.end = None
        self.versions = [Version(0, {}, (), None)]

    def judge(self, push):
        """Returns the mark after the push, or None: it is of another term."""
        if push.term != self.term:
            return None
        mark = self.marks.get(push.item, 0)
        if push.begin == mark:
            self.marks[push.item] = push.begin + len(push.numbers)
            self.applied.update(push.numbers)
            if any(self.applied[number] > 1 for number in push.numbers):
                raise Wrong("twice: a number is applied twice")
        return self.marks.get(push.item, 0)

    def store(self):
        self.versions.append(Version(self.term, dict(self.marks),
                                     tuple(self.applied.elements()), self.end))
        del self.versions[:-3]

    def load(self, version):
        self.marks = dict(version.marks)
        self.applied = collections.Counter(version.applied)
        self.end = version.end


class Plan:

    wrong = Wrong

    def __init__(self, seed, plant=""):
        plants.check(plant)
        self.plant = plant
        self.random = randomness.Random(seed)
        self.tail = FIRST  # Numbers below are in the set.
        self.set_end = None  # The set has an END object, which says this.
        self.trouble = True
        self.partitions = [Partition() for _ in range(PARTITIONS)]
        self.scheduler = Scheduler(self)
        self.workers = [Worker(self, number) for number in range(3)]
        self.late = []  # Pushes on their way whose workers wait no more.
        self.finish_at = None  # An operator asks for an end there.
        self.told = None

    # --- What programs may do -----------------------------------------------------

    def grant(self, p, term):
        """A server gets the partition: the same process, or one that loads."""
        partition = self.partitions[p]
        if partition.term == 0:
            self.load(partition)
        partition.term = term
        partition.end = self.scheduler.stored_end
        if self.random.random() < 0.5:
            partition.store()

    def load(self, partition):
        for version in reversed(partition.versions):
            shape = Shape(version.end)
            if self.plant == "stored_full_mark_is_called_damaged":
                shape = Shape(None)
            if all(shape.is_on_grid(item, mark)
                   for item, mark in version.marks.items()):
                partition.load(version)
                return
            raise Wrong("load: a sound version is called damaged")

    def crash(self, p):
        """The server dies; another one has the newest versions, or older ones."""
        partition = self.partitions[p]
        partition.term = 0
        durable = max(1, len(partition.versions) - self.random.randrange(2))
        if self.scheduler.complete:
            durable = len(partition.versions)
        del partition.versions[durable:]
        self.scheduler.lost(p)

    def push(self, push):
        """Returns the mark, or None; the answer or the push may be lost."""
        chance = self.random.random() if self.trouble else 1
        if chance < 0.08:
            self.late.append(push)
            return None
        mark = self.partitions[push.partition].judge(push)
        return None if chance < 0.14 else mark

    # --- The schedule ------------------------------------------------------------

    def run(self):
        """Returns what is wrong in a random schedule, or ""."""
        try:
            return self.faults() or self.quiet()
        except Wrong as wrong:
            return str(wrong)

    def faults(self):
        random = self.random
        ends = random.choice(("finish", "finish", "end", "both", "no"))
        when = random.randrange(100, 800)
        for step in range(900):
            if self.set_end is None and random.random() < 0.04:
                self.tail += random.choice((1, 1, 2, 3, 3, 9))
            if step > when and ends in ("finish", "both") and self.finish_at is None:
                self.finish_at = self.tail + random.choice((-25, -12, -5, 3, 12))
            if step > when and ends in ("end", "both") and random.random() < 0.05:
                self.set_end = self.tail
            chance = random.random()
            if chance < 0.01:
                self.crash(random.randrange(PARTITIONS))
            elif chance < 0.02:
                self.scheduler.restart()
            elif chance < 0.03:
                random.choice(self.workers).die()
            elif chance < 0.15:
                random.choice(self.partitions).store()
            elif self.late and chance < 0.2:
                push = self.late.pop(random.randrange(len(self.late)))
                self.partitions[push.partition].judge(push)
            self.step()
        return ""

    def quiet(self):
        """No more faults. First there is no more data; then there is some."""
        self.trouble = False
        self.settle()
        wrong = self.rest("what is there")
        if not wrong and self.set_end is None and not self.scheduler.complete:
            for worker in self.workers:
                if self.random.random() < 0.5:
                    worker.die()
            self.tail += 10 * BATCH
            self.settle()
            wrong = self.rest("new data")
        return wrong

    def settle(self):
        for step in range(6000):
            if step % 5 == 0:
                for partition in self.partitions:
                    partition.store()
            if step % 200 == 199 and not self.rest(""):
                return
            self.step()

    def rest(self, what):
        """Returns what is wrong when nothing happens any more, or ""."""
        end = self.scheduler.stored_end
        wants = self.set_end is not None or self.finish_at is not None
        if wants and end is None:
            return "live: there is no decision to end"
        top = self.tail if end is None else min(end, self.tail)
        shape = Shape(end)
        for partition in self.partitions:
            for item in shape.items_below(top):
                batch = shape.batch(item, partition.marks.get(item, 0))
                if batch and batch[-1] < self.tail:
                    return f"live: {what} is not applied"
        ended = end is not None and end <= self.tail or self.set_end is not None
        if ended and not self.scheduler.complete:
            return "live: a job with an end is not complete"
        if any(worker.lease not in (None, "watch") for worker in self.workers):
            return "idle: a worker is held without data"
        return ""

    def step(self):
        self.random.choice([self.scheduler, *self.workers, *self.workers]).step()
        self.check()

    def check(self):
        end = self.scheduler.stored_end
        if not self.scheduler.complete or self.random.random() < 0.9:
            return
        if end is None:
            raise Wrong("complete: there is no end")
        for partition in self.partitions:
            if partition.term and partition.applied != collections.Counter(
                    range(FIRST, end)):
                raise Wrong("complete: it has not each number below the end")
        lowered = self.set_end is not None and end == self.set_end < (self.told or 0)
        if self.told is not None and end != self.told and not lowered:
            raise Wrong("told: the job has another end")
