"""A place with objects, and the programs that use it, for random schedules.

A program is a generator that yields before each request, so any other may go on
between two of its requests. A schedule lets programs sleep and die at a yield.
"""

import zlib

CREATED, EXISTS, UNKNOWN = "created", "exists", "unknown"


def checksum(body):
    """Returns the hash by which an object names the one before it."""
    return zlib.crc32(repr(body).encode())


class Bucket:
    """Objects by name. There are no lists: a program gets a name, or nothing."""

    def __init__(self, random, replaces=False):
        self.random = random
        self.replaces = replaces  # A weaker rule: a put replaces what is there.
        self.objects = {}
        self.late = []  # Requests that take effect later, though given up.
        self.trouble = True  # True: requests and answers may be lost.

    def get(self, name):
        return self.objects.get(name)

    def create(self, name, body):
        """Returns CREATED, EXISTS, or UNKNOWN: now, later or not at all."""
        chance = self.random.random() if self.trouble else 1
        if chance < 0.06:
            return UNKNOWN
        if chance < 0.12:
            self.late.append((self._create, name, body))
            return UNKNOWN
        outcome = self._create(name, body)
        return UNKNOWN if chance < 0.18 else outcome

    def write(self, name, body):
        """Creates or replaces an object that has one writer; it may fail."""
        if self.trouble and self.random.random() < 0.1:
            return UNKNOWN
        self.objects[name] = body
        return CREATED

    def delete(self, name):
        """A delete that is not answered takes effect now, later or not at all."""
        chance = self.random.random() if self.trouble else 1
        if chance < 0.1:
            return UNKNOWN
        if chance < 0.3:
            self.late.append((self._delete, name, None))
            return UNKNOWN
        self._delete(name, None)
        return CREATED

    def step(self):
        """One late request takes effect."""
        if self.late:
            place = self.random.randrange(len(self.late))
            effect, name, body = self.late.pop(place)
            effect(name, body)

    def _create(self, name, body):
        if name in self.objects and not self.replaces:
            return EXISTS
        self.objects[name] = body
        return CREATED

    def _delete(self, name, body):
        del body
        self.objects.pop(name, None)


class Programs:
    """Runs generators in a random order; each begins again when it ends."""

    def __init__(self, random, begin, sleeps=(5, 30, 150)):
        self.random = random
        self.sleeps = sleeps  # For how many turns a program may sleep.
        self.begin = begin  # By name, the functions that begin a program.
        self.running = {}
        self.asleep = {}
        self.trouble = True

    def step(self):
        name = self.random.choice(list(self.begin))
        if self.trouble and self.asleep.get(name, 0) > 0:
            self.asleep[name] -= 1
            return
        if self.trouble and self.random.random() < 0.01:
            self.running.pop(name, None)  # It dies.
        if self.trouble and self.random.random() < 0.02:
            self.asleep[name] = self.random.choice(self.sleeps)
        if name not in self.running:
            self.running[name] = self.begin[name]()
        try:
            next(self.running[name])
        except StopIteration:
            del self.running[name]


def newest_place(bucket, kind, first=0):
    """A generator: finds the highest place of a chain that begins at `first`.

    It needs gets by name only: it doubles the distance until a place is absent,
    then bisects. It returns None if there is nothing. It is right if no place
    between `first` and the newest is absent, so the caller looks whether
    `first` is still the floor.
    """
    yield
    if bucket.get((kind, first)) is None:
        return None
    low, step = first, 1
    while True:
        yield
        if bucket.get((kind, low + step)) is None:
            break
        low, step = low + step, step * 2
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        yield
        if bucket.get((kind, middle)) is None:
            high = middle
        else:
            low = middle
    return low
