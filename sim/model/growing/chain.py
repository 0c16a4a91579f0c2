"""P1: the chain of a growing set, which several feeders write without a lock.

Objects are at ("chain", place), and settings at "about". A feeder finds the newest
object, reads on from its ends, and creates the next place. README.md has the rules,
plants.py the weaker ones.
"""

import random as randomness

from bucket import Bucket, CREATED, Programs, newest_place
from chain_check import NOTHING, check, is_over
import plants
from topic import Partition

GRID = 4  # Numbers of a batch: so far a feeder pads.


class Chain:

    def __init__(self, seed, plant=""):
        plants.check(plant)
        self.plant = plant
        self.random = randomness.Random(seed)
        self.bucket = Bucket(self.random, replaces=plant == "put_replaces")
        self.topic = [Partition(self.random) for _ in range(2)]
        self.told = None  # The place of the end, once an operator heard of it.
        self.group = {}  # Offsets of the consumer group, for tools that show a lag.
        self.paused = False
        self.ends_at = self.random.choice((None, 250, 400))
        self.loses = self.random.choice((None, None, Partition.truncate,
                                         Partition.make_anew))
        own = [0, self.random.randrange(2), 1]  # Their settings are not the same.
        self.programs = Programs(self.random, {
            **{f"feeder {number}": lambda settings=settings: self.feeder(settings)
               for number, settings in enumerate(own)},
            "ender": self.ender})
        self.steps = 0

    # --- Feeders -----------------------------------------------------------------

    def agree(self, own):
        """A generator: returns the settings in `about`, which the first creates."""
        while True:
            yield
            about = self.bucket.get("about")
            if about is not None:
                return about
            outcome = self.bucket.create("about", own)
            if self.plant == "about_is_believed_without_an_answer":
                return own if outcome != "exists" else self.bucket.get("about")

    def feeder(self, own):
        settings = yield from self.agree(own)
        if settings != own:
            if self.plant != "flags_override_about":
                return
            settings = own
        place, newest = yield from self.newest()
        if newest.end and self.plant != "feeds_on_after_end":
            return
        compared, unverified = {}, set()
        while True:
            body = yield from self.gather(newest, settings, compared, unverified)
            if body is None:
                return
            yield
            outcome = self.bucket.create(("chain", place + 1), body)
            if self.plant == "two_under_way":
                self.bucket.create(("chain", place + 2), body)
            if outcome != CREATED and not (
                    outcome == "unknown" and self.plant == "unknown_is_done"):
                if outcome == "exists" and self.plant == "goes_on_after_exists":
                    place += 1
                    continue
                return
            place, newest = place + 1, body
            if self.random.random() < 0.7:
                self.group.update(body.ends)

    def newest(self):
        """A generator: returns the newest place and its object."""
        place = yield from newest_place(self.bucket, "chain")
        if place is None:
            return -1, NOTHING
        newest = self.bucket.get(("chain", place))
        if self.plant == "group_is_believed":
            newest = newest._replace(ends=dict(self.group))
        return place, newest

    def gather(self, newest, settings, compared, unverified):
        """A generator: returns the next object, or None to begin again."""
        parts = {"ranges": {}, "lost": {}, "anchors": {}, "topics": {}, "eras": {}}
        messages = []
        for p in self.random.sample(range(len(self.topic)), len(self.topic)):
            if self.random.random() < 0.3:
                continue
            partition = self.topic[p]
            yield
            if compared.get(p) != partition.leader:
                leader = partition.leader
                same = self.compare(newest, p, unverified)
                self.paused |= same is False
                if not same:
                    return None
                compared[p] = leader
            yield
            leader_rule = self.plant != "leader_is_compared_before_the_fetch_alone"
            if leader_rule and compared[p] != partition.leader:
                continue  # What it fetched is from another leader.
            messages += self.fetch(newest, p, settings, parts)
        absent = -(newest.next + len(messages)) % GRID
        if self.random.random() < 0.7:
            absent = 0
        if not parts["ranges"] and not absent:
            return None
        return self.body(newest, messages, absent, parts, unverified)

    def fetch(self, newest, p, settings, parts):
        """Reads on in a partition, and adds to the parts of an object."""
        era, begin = self.topic[p].now, newest.ends.get(p, 0)
        if p not in newest.ends and self.plant == "new_partition_begins_at_its_end":
            begin = max(0, era.stable - 2)
        start = max(begin, era.first)
        end = min(era.stable, start + self.random.randrange(0, 16))
        if self.plant == "reads_past_stable":
            end = min(len(era.entries), start + self.random.randrange(0, 16))
        if end <= begin:
            return []
        got = [(offset, identity)
               for offset, identity in era.messages(start, end)]
        if self.plant == "reads_past_stable":
            got = [(offset, era.entries[offset].identity)
                   for offset in range(start, end)
                   if offset >= era.stable or era.entries[offset].kind == "message"]
        if self.plant == "hole_ends_the_range" and got:
            holes = [offset for offset in range(start, end)
                     if offset not in dict(got)]
            end = min(holes, default=end - 1) + 1
        if begin < start and self.plant != "seeks_on":
            parts["lost"][p] = (begin, start)
        begins = self.plant == "range_begins_at_message" and got
        parts["ranges"][p] = (got[0][0] if begins else begin, end)
        parts["topics"][p] = era.topic
        parts["eras"][p] = len(self.topic[p].eras) - 1
        if got:
            parts["anchors"][p] = got[-1]
        return [(p, offset, identity, settings) for offset, identity in got]

    def compare(self, newest, p, unverified):
        """Returns whether the partition is what the set has read; None: unknown."""
        era, end = self.topic[p].now, newest.ends.get(p, 0)
        if self.plant == "anchors_are_not_compared":
            return True
        if (newest.topics.get(p, era.topic) != era.topic
                and self.plant != "topic_is_compared_by_anchors_alone"):
            return False
        if len(era.entries) < end:
            return False
        if era.stable < end:
            return None  # A new leader may not know yet what is stable.
        offset, identity = newest.anchors.get(p, (-1, 0))
        found = era.messages(max(offset, 0), end)
        if self.plant == "anchor_alone_is_compared":
            found = found[:1] if found and found[0][0] == offset else []
        if era.first > offset:
            if offset >= 0 or era.first > 0:
                unverified.add(p)
            return not found
        return found == ([(offset, identity)] if offset >= 0 else [])

    def body(self, newest, messages, absent, parts, unverified):
        ends = {p: end for p, (_, end) in parts["ranges"].items()}
        gone = tuple(sorted(unverified & set(parts["ranges"])))
        unverified.difference_update(gone)
        first = newest.next
        if self.plant == "padding_is_not_counted":
            first -= newest.absent
        own = self.plant == "ends_of_its_own_ranges"
        return NOTHING._replace(
            first=first, messages=tuple(messages), absent=absent,
            ranges=parts["ranges"], ends=ends if own else {**newest.ends, **ends},
            lost=parts["lost"], anchors={**newest.anchors, **parts["anchors"]},
            topics={**newest.topics, **parts["topics"]}, unverified=gone,
            before=newest.hash(), eras=parts["eras"])

    def ender(self):
        """Ends the set for all, when an operator wants it."""
        yield
        if self.ends_at is None or self.steps < self.ends_at or self.told is not None:
            return
        place, newest = yield from self.newest()
        if newest.end:
            self.told = place
            return
        if self.plant == "end_is_told_before_it_is_there":
            self.told = place + 1
        body = self.body(newest, (), 0, {"ranges": {}, "lost": {}, "anchors": {},
                                         "topics": {}, "eras": {}}, set())
        yield
        outcome = self.bucket.create(("chain", place + 1), body._replace(end=True))
        if outcome == CREATED:
            self.told = place + 1

    # --- The schedule ------------------------------------------------------------

    def run(self):
        """Returns what is wrong at the end of a random schedule, or ""."""
        appears_at = self.random.choice((0, 150))
        for _ in range(4):
            self.topic[0].produce()
        for self.steps in range(4000):
            quiet = self.steps >= 600  # Faults have stopped.
            self.bucket.trouble = self.programs.trouble = not quiet
            if quiet and is_over(self):
                break
            for partition in self.topic[:None if self.steps >= appears_at else 1]:
                partition.settle(everything=quiet)
                if not quiet:
                    self.change(partition)
            if quiet or self.random.random() < 0.1:
                self.bucket.step()
            self.programs.step()
        return check(self)

    def change(self, partition):
        for chance, act in ((0.06, partition.produce), (0.02, partition.elect),
                            (0.015, lambda: partition.retain(
                                self.random.randrange(6)))):
            if self.random.random() < chance:
                act()
        if self.loses and self.steps > 60 and self.random.random() < 0.008:
            self.loses(partition)
