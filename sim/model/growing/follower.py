"""P5: a follower that shows the versions of all partitions, while owners change.

Per partition there are claims, `inherits` and versions, as in
docs/formats/object-checkpoints.md, and what its server last stored of the job: the
generation and its rollback record. README.md has the rules, plants.py the weaker ones.
"""

import random as randomness
from typing import NamedTuple

import plants

PARTITIONS = 2


class Name(NamedTuple):
    """Versions of a partition are in this order."""
    term: int
    sequence: int
    generation: int
    position: int  # How many numbers are in the values.


class Shown(NamedTuple):
    look: int
    generation: int
    version: Name


class Wrong(Exception):
    """A rule of the follower does not hold."""


class Place:
    """The objects of one partition."""

    def __init__(self):
        first = Name(0, 0, 0, 0)
        self.claims = {0}
        self.inherits = {0: ()}
        self.versions = {first}
        self.pinned = {first}  # Rollback records name these.
        self.job = (0, {p: first for p in range(PARTITIONS)})

    def exist(self):
        """The versions that count, by the newest `inherits`."""
        newest = max(self.inherits)
        return sorted(version for version in self.versions
                      if version.term == newest or version in self.inherits[newest])


class Follower:

    def __init__(self, seed, plant=""):
        plants.check(plant)
        self.plant = plant
        self.random = randomness.Random(seed)
        self.places = [Place() for _ in range(PARTITIONS)]
        self.terms = [0] * PARTITIONS
        self.generation, self.record = self.places[0].job
        self.owners = {}  # By partition and term: also those that lost it.
        self.asleep = {}
        self.shown = {}
        self.highest = {}  # By partition and generation, the position shown.
        self.looks = 0
        self.swaps = 0
        self.trouble = True
        for p in range(PARTITIONS):
            self.draw(p)

    # --- Owners ------------------------------------------------------------------

    def draw(self, p):
        """The scheduler gives the partition to another server."""
        self.terms[p] += 1
        self.owners[p, self.terms[p]] = self.own(
            p, self.terms[p], self.generation, self.record)

    def own(self, p, term, generation, record):
        place = self.places[p]
        place.claims.add(term)
        yield
        found = place.exist()
        yield
        place.inherits[term] = tuple(found)
        yield
        if max(place.claims) > term:
            return
        own = [version for version in found if version.generation == generation]
        start = max(own, default=record[p])
        if start.position < self.highest.get((p, generation), 0):
            raise Wrong("durable: what was shown is lost")
        position, sequence = start.position, 0
        if generation >= place.job[0]:
            place.job = (generation, record)
        while True:
            yield
            place.versions.add(Name(term, sequence, generation, position))
            yield
            if max(place.claims) > term:
                return
            sequence += 1
            position += self.random.randrange(3)
            mine = sorted(v for v in place.exist() if v.generation == generation)
            yield
            for version in [*mine[:-2], *place.exist()[:-4]]:
                if version not in place.pinned and version not in mine[-2:]:
                    place.versions.discard(version)

    def roll_back(self):
        """One durable write: a generation, and what each partition begins with."""
        record = {}
        for p, place in enumerate(self.places):
            own = [version for version in place.exist()
                   if version.generation == self.generation]
            record[p] = self.random.choice(own) if own else self.record[p]
            place.pinned.add(record[p])
        self.generation, self.record = self.generation + 1, record
        for p in range(PARTITIONS):
            self.draw(p)

    # --- The follower ------------------------------------------------------------

    def follow(self):
        while True:
            self.looks += 1
            yield
            generation, record = max((place.job for place in self.places),
                                     key=lambda job: job[0])
            found = {}
            for p in range(PARTITIONS):
                if self.plant == "follower_mixes_versions":
                    generation, record = self.places[p].job
                version = yield from self.newest(p, generation, record)
                if version is None:
                    break
                found[p] = Shown(self.looks, generation, version)
                if self.plant == "follower_swaps_one_by_one" and self.shown:
                    self.show({**self.shown, p: found[p]})
            else:
                if self.plant == "follower_goes_back" or not self.is_older(found):
                    self.show(found)

    def newest(self, p, generation, record):
        """A generator: returns the newest version that is durable, or None."""
        place = self.places[p]
        yield
        term = max(place.inherits)
        yield
        listed = sorted(place.versions, reverse=True)
        if self.plant != "late_manifests_count":
            listed = [version for version in listed
                      if version.term == term or version in place.inherits[term]]
        listed = [version for version in listed if version.generation == generation]
        yield
        claims = max(place.claims)
        if claims > term and self.plant not in ("shows_what_is_not_durable",
                                                "late_manifests_count"):
            return None  # Another term begins; it may not go on from these.
        for version in [*listed, record[p]]:
            yield
            if self.trouble and self.random.random() < 0.1:
                continue  # It cannot be read now.
            if version in place.versions:
                return version
        return None

    def is_older(self, found):
        for p, old in self.shown.items():
            new = found[p]
            if new.generation < old.generation:
                return True
            if new.generation == old.generation and (
                    new.version.position < old.version.position):
                return True
        return False

    def show(self, found):
        """From now on answers are from these; all of this is the check."""
        self.swaps += 1
        if len({shown.generation for shown in found.values()}) > 1:
            raise Wrong("mixed: partitions are of several generations")
        if len({shown.look for shown in found.values()}) > 1:
            raise Wrong("torn: partitions are of several looks")
        for p, (_, generation, version) in found.items():
            key, place = (p, generation), self.places[p]
            if version.position < self.highest.get(key, 0):
                raise Wrong("back: it showed a newer one of the generation")
            if p in self.shown and generation < self.shown[p].generation:
                raise Wrong("back: it showed a newer generation")
            if version in place.versions and version not in place.exist() and (
                    version.generation == generation):
                raise Wrong("void: an older term wrote it late")
            self.highest[key] = version.position
        self.shown = dict(found)

    # --- The schedule ------------------------------------------------------------

    def run(self):
        """Returns what is wrong in a random schedule, or ""."""
        self.owners["follower"] = self.follow()
        try:
            for step in range(1500):
                chance = self.random.random()
                if chance < 0.02:
                    self.draw(self.random.randrange(PARTITIONS))
                elif chance < 0.025:
                    self.roll_back()
                self.step()
            self.trouble = False
            for _ in range(400):
                self.step()
        except Wrong as wrong:
            return str(wrong)
        if not self.shown or self.shown[0].generation < self.generation:
            return "live: it does not show the last generation"
        return ""

    def step(self):
        name = self.random.choice([*self.owners, "follower"])
        if self.trouble and self.asleep.get(name, 0):
            self.asleep[name] -= 1
            return
        if self.trouble and self.random.random() < 0.05:
            self.asleep[name] = self.random.choice((2, 6, 15))
        try:
            next(self.owners[name])
        except StopIteration:
            del self.owners[name]
