"""A job that reads a growing set, for deletion.py: what it can still need."""

from typing import NamedTuple

from bucket import CREATED, newest_place


class Record(NamedTuple):
    """The reader record of a job."""
    job: int
    number: int  # The lowest that a version which may be loaded lacks.
    done: bool = False


class Values:
    """A partition of a job. A version is the first number that it lacks."""

    def __init__(self, number):
        self.position = number
        self.kept = [number]
        self.best = number
        self.rollback = []  # The version that a rollback record names.
        self.away = False  # Its server does not answer, and may come back.

    def loadable(self, plant):
        if plant == "deletes_below_the_newest_version":
            return self.kept[-1:]
        best = [] if plant == "best_version_not_counted" else [self.best]
        back = [] if plant == "rollback_target_not_counted" else self.rollback
        kept = self.kept
        if plant == "record_rises_before_the_versions_go":
            kept = kept[1:] or kept
        served = [] if plant == "served_values_not_counted" else [self.position]
        return [*kept, *best, *back, *served]


class Job:

    def __init__(self, world, name):
        self.world = world
        self.name = name
        self.life = 0  # Another job of this name begins when one is over.
        self.tried = None  # The place at which it is to have its record.
        self.number = None  # The place at which it has it.
        self.partitions = []
        self.begun = False
        self.over = False
        self.ending = False
        self.turns = 0  # For so many it does nothing.

    def uid(self):
        return (self.name, self.life)

    def lowest(self, plant=""):
        """Returns the lowest number that it can still need."""
        away = plant == "an_away_server_not_counted"
        return min((number for values in self.partitions
                    if not (away and values.away)
                    for number in values.loadable(plant)), default=0)

    def is_at(self, number):
        if self.over or self.number is None:
            return True
        forgotten = ("forgotten", self.number) in self.world.bucket.objects
        return forgotten or self.begun and all(
            values.position == number for values in self.partitions)

    def program(self):
        """A generator: the scheduler of the job, which may die and begin again."""
        yield
        if self.over:
            if self.world.programs.trouble and self.world.random.random() < 0.1:
                self.over, self.number, self.partitions = False, None, []
                self.life += 1
            return
        while not self.ending and (self.number is None or not self.partitions):
            yield
            if self.world.random.random() < 0.03:
                yield from self.join()
        while not self.over and not self.ending:
            values = self.world.random.choice(self.partitions)
            if self.world.random.random() < 0.7:
                yield from self.read(values)
            if self.world.programs.trouble:
                self.change(values)
            else:
                number = values.position
                values.kept, values.best, values.rollback = [number], number, []
                values.away = False
            yield from self.report()
            while self.turns > 0:
                self.turns -= 1
                yield
        if self.ending:
            yield from self.leave()

    def join(self):
        """A generator: writes the record, then looks at the floor, then begins."""
        bucket, late = self.world.bucket, self.world.plant == "reader_after_the_floor"
        wanted = 0
        _, floor = yield from self.world.floor()
        if late or self.world.random.random() < 0.7:
            wanted = floor.number
        if self.number is None:
            if self.tried is None:  # It is stored, so that no second one appears.
                place = yield from newest_place(bucket, "reader")
                self.tried = 0 if place is None else place + 1
            while bucket.get(("reader", self.tried)) is None:
                yield
                bucket.create(("reader", self.tried), Record(self.uid(), wanted))
            tried, self.tried = self.tried, None
            if bucket.get(("reader", tried)).job != self.uid():
                return
            self.number = tried
        yield
        record = bucket.get(("reader", self.number))
        if not late:
            _, floor = yield from self.world.floor()
        number = max(record.number, floor.number)
        if ("forgotten", self.number) not in bucket.objects:
            self.partitions = [Values(number), Values(number)]
            self.begun = True

    def report(self):
        """A generator: raises the record to what the job needs now."""
        yield
        lowest = self.lowest(self.world.plant)
        record = self.world.bucket.get(("reader", self.number))
        if lowest > record.number:
            self.world.bucket.write(("reader", self.number),
                                    Record(self.uid(), lowest))
        if self.world.programs.trouble and self.world.random.random() < 0.006:
            self.begun, self.ending = False, True

    def leave(self):
        """A generator: says that it needs nothing, until that is there."""
        outcome = None
        while outcome != CREATED:
            yield
            outcome = self.world.bucket.write(("reader", self.number),
                                              Record(self.uid(), 0, done=True))
        self.over, self.ending = True, False

    def change(self, values):
        """Its servers store, load, come and go; an operator rolls it back."""
        random, chance = self.world.random, self.world.random.random()
        if chance < (0.2 if values.away else 0.02):
            values.away = not values.away
        if values.away:
            return
        if chance < 0.5:
            values.kept.append(values.position)
            if chance < 0.45:  # Else the delete of a version failed.
                del values.kept[:-2]
            if chance < 0.25:
                values.best = values.position
        elif chance < 0.65:  # A crash; its newest version may be damaged.
            values.position = random.choice([*values.kept, *values.rollback])
        elif chance < 0.7:
            values.position = random.choice([*values.kept, values.best])
            values.rollback, values.kept = [values.position], [values.position]
        elif chance < 0.85:
            values.rollback = []
            self.turns = random.choice((0, 100))

    def read(self, values):
        """A generator: reads the object that has the next number, and goes on."""
        bucket, number = self.world.bucket, values.position
        place = yield from self.find(number)
        while place is not None:
            yield
            body = bucket.get(("chain", place))
            if body is None or not body.first <= number < body.next:
                return
            yield
            if (("forgotten", self.number) in bucket.objects
                    and self.world.plant != "forgotten_reader_reads_on"):
                self.begun, self.over = False, True
                return
            if values.away:
                return
            if body != bucket.truth[place]:
                raise self.world.wrong("meaning: a number has another message")
            number = values.position = body.next
            place = place + 1 if self.world.random.random() < 0.8 else None

    def find(self, number):
        """A generator: returns the place that has the number, or None.

        It begins at the newest floor that is not above the number: newer ones may
        be there, and their deleter waits for this reader.
        """
        at, floor = yield from self.world.floor()
        while floor.number > number and (
                self.world.plant != "reader_looks_above_the_newest_floor"):
            at -= 1
            yield
            floor = self.world.bucket.get(("floor", at)) or floor._replace(
                place=0, number=0)
        high = yield from newest_place(self.world.bucket, "chain", floor.place)
        if high is None:
            return None
        low = floor.place
        while low < high:
            middle = (low + high + 1) // 2
            yield
            body = self.world.bucket.get(("chain", middle))
            if body is None:
                return None  # A newer floor came; it looks again.
            low, high = (middle, high) if body.first <= number else (low, middle - 1)
        return low
