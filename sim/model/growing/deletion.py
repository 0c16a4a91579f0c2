"""P3: deletion below a floor, while jobs read, roll back, join and are away.

Objects are at ("chain", place), floors at ("floor", number) and what a job needs at
("reader", number). All three are chains without gaps that begin at 0, so they are
found without lists. README.md has the rules, plants.py the weaker ones.
"""

import random as randomness
from typing import NamedTuple

from bucket import Bucket, CREATED, Programs, newest_place
from job import Job
import plants

MESSAGES = 120


class Body(NamedTuple):
    first: int
    messages: tuple  # Their offsets; the topic has one partition here.
    at: int  # The end of all offsets so far.
    end: bool = False

    @property
    def next(self):
        return self.first + len(self.messages)


NOTHING = Body(0, (), 0)


class Floor(NamedTuple):
    """What is below `place` may be gone; readers that were there before wait."""
    place: int
    number: int  # The first number of the object at the place.


class Wrong(Exception):
    """A rule of the growing set does not hold."""


class Watched(Bucket):
    """A bucket that compares each change with what it does to the jobs."""

    def __init__(self, random, jobs):
        super().__init__(random)
        self.jobs = jobs
        self.truth = {}  # By place, the object that was there first.

    def _create(self, name, body):
        outcome = super()._create(name, body)
        if name[0] == "chain" and outcome == CREATED:
            if any(self.truth[place].end for place in range(name[1])
                   if place in self.truth):
                raise Wrong("end: an object comes after it")
            self.truth.setdefault(name[1], body)
        if name[0] == "forgotten":  # What the job needs does not count any more.
            job = self.jobs[self.get(("reader", name[1])).job[0]]
            if job.number == name[1]:
                job.begun, job.turns = False, self.random.choice((0, 200))
        return outcome

    def _delete(self, name, body):
        body = self.truth[name[1]]
        for job in self.jobs:
            if job.begun and body.next > job.lowest():
                raise Wrong("gone: a job can still need what is deleted")
        super()._delete(name, body)
        if self.trouble and self.random.random() < 0.1:
            # A feeder that was frozen since before puts what it had read.
            more = (*body.messages, body.at)
            self.late.append((self._create, name, body._replace(
                messages=more, at=body.at + 1)))


class Deletion:

    wrong = Wrong

    def __init__(self, seed, plant=""):
        plants.check(plant)
        self.plant = plant
        self.random = randomness.Random(seed)
        self.jobs = [Job(self, name) for name in range(3)]
        self.bucket = Watched(self.random, self.jobs)
        self.offset = 0  # The topic has messages below.
        self.ends = self.random.random() < 0.5
        self.told = None
        self.programs = Programs(self.random, {
            **{f"feeder {n}": self.feeder for n in range(2)},
            **{f"deleter {n}": self.deleter for n in range(2)},
            **{f"job {job.name}": job.program for job in self.jobs},
            "ender": self.ender, "operator": self.operator}, sleeps=(5, 30, 100, 400))

    # --- Feeders -----------------------------------------------------------------

    def floor(self):
        """A generator: returns the newest floor and its number in the chain."""
        number = yield from newest_place(self.bucket, "floor")
        if number is None:
            return -1, Floor(0, 0)
        return number, self.bucket.get(("floor", number))

    def newest(self):
        """A generator: returns the newest place and object; None: look again."""
        number, floor = yield from self.floor()
        first = 0 if self.plant == "newest_is_searched_from_zero" else floor.place
        place = yield from newest_place(self.bucket, "chain", first)
        yield
        again, _ = yield from self.floor()
        if again != number and self.plant != "floor_not_read_after_the_search":
            return None
        if place is None:
            return (floor.place - 1, NOTHING._replace(first=floor.number))
        yield
        body = self.bucket.get(("chain", place))
        return body and (place, body)

    def feeder(self):
        found = yield from self.newest()
        if found is None or found[1].end:
            return
        place, newest = found
        while newest.at < self.offset:
            end = min(self.offset, newest.at + self.random.randrange(1, 6))
            body = Body(newest.next, tuple(range(newest.at, end)), end)
            yield
            if self.bucket.create(("chain", place + 1), body) != CREATED:
                return
            if self.plant != "floor_not_read_after_a_put":
                _, floor = yield from self.floor()
                if floor.place > place + 1:
                    return
            if self.bucket.truth[place + 1] != body:  # It tells a program so.
                raise Wrong("told: a message is said to be in the set, and is not")
            place, newest = place + 1, body

    def ender(self):
        yield
        if not self.ends or self.offset < MESSAGES or self.told is not None:
            return
        found = yield from self.newest()
        if found is None:
            return
        place, newest = found
        if newest.end:
            self.told = place
            return
        yield
        body = Body(newest.next, (), newest.at, end=True)
        self.bucket.create(("chain", place + 1), body)  # It looks whether it won.

    # --- The deleter -------------------------------------------------------------

    def needed(self):
        """A generator: returns the lowest number that a reader needs, or None."""
        newest = yield from newest_place(self.bucket, "reader")
        numbers = []
        for reader in range(-1 if newest is None else newest, -1, -1):
            yield
            record = self.bucket.get(("reader", reader))
            if self.bucket.get(("forgotten", reader)) is None and not record.done:
                numbers.append(record.number)
        return min(numbers, default=None)

    def deleter(self):
        number, floor = yield from self.floor()
        done = yield from self.delete_below(number, floor)
        if not done:
            return
        wanted = yield from self.next_floor(floor)
        if wanted is None or wanted.place <= floor.place:
            return
        if self.plant == "floor_after_the_delete":
            for place in range(floor.place, wanted.place):
                yield
                self.bucket.delete(("chain", place))
        yield
        self.bucket.create(("floor", number + 1), wanted)

    def delete_below(self, number, floor):
        """A generator: returns whether all below the floor was deleted."""
        if self.plant != "readers_not_read_after_the_floor":
            needed = yield from self.needed()
            if needed is not None and needed < floor.number:
                return False  # The floor stays; deletion waits for the reader.
        yield
        before = self.bucket.get(("floor", number - 1))
        for place in range(before.place if before else 0, floor.place):
            yield
            if self.bucket.get(("chain", place)) is None:
                continue
            if self.bucket.delete(("chain", place)) != CREATED:
                return False
        return True

    def next_floor(self, floor):
        """A generator: returns the highest floor that all readers allow."""
        needed = yield from self.needed()
        found = yield from self.newest()
        if found is None:
            return None
        place, newest = found
        if self.plant == "newest_object_goes" and not newest.end and (
                needed is None or needed >= newest.next):
            return Floor(place + 1, newest.next)
        if self.plant == "end_goes_with_retention" and newest.end and (
                needed is None or needed >= newest.next):
            return Floor(place + 1, newest.next)
        while place > floor.place:
            yield
            body = self.bucket.get(("chain", place))
            if body is None:
                return None
            if needed is None or body.first <= needed:
                return Floor(place, body.first)
            place -= 1
        return None

    def operator(self):
        """Forgets a reader, which may be asleep and come back."""
        yield
        if self.programs.trouble and self.random.random() < 0.008:
            job = self.random.choice(self.jobs)
            if job.number is not None:
                self.bucket.create(("forgotten", job.number), True)

    # --- The schedule ------------------------------------------------------------

    def run(self):
        """Returns what is wrong in a random schedule, or ""."""
        try:
            for step in range(30000):
                quiet = step >= 8000
                if quiet and step % 50 == 0 and self.is_over():
                    break
                self.bucket.trouble = self.programs.trouble = not quiet
                if self.random.random() < 0.03 or quiet:
                    self.offset = min(MESSAGES, self.offset + 1)
                if quiet or self.random.random() < 0.003:
                    self.bucket.step()
                self.programs.step()
        except Wrong as wrong:
            return str(wrong)
        return self.check()

    def is_over(self):
        last = self.bucket.truth.get(max(self.bucket.truth, default=None), NOTHING)
        return ((last.end and self.told is not None if self.ends else
                 last.at == MESSAGES)
                and all(job.is_at(last.next) for job in self.jobs)
                and self.is_deleted(max(self.bucket.truth)))

    def is_deleted(self, newest):
        places = {floor.place for name, floor in self.bucket.objects.items()
                  if name[0] == "floor"}
        return newest in places and ("chain", newest - 1) not in self.bucket.objects

    def check(self):
        at = NOTHING
        for place in sorted(self.bucket.truth):
            body = self.bucket.truth[place]
            if body.first != at.next or body.messages != tuple(range(at.at, body.at)):
                return "numbers: a feeder built on what does not count"
            at = body
        return "" if self.is_over() else "live: it does not get to the end"


