"""A partition of a topic: what a feeder can read of it, and its troubles."""

import dataclasses
from typing import NamedTuple


class Entry(NamedTuple):
    kind: str  # "message", "marker" or "aborted".
    identity: int  # Unique, so that two messages at one offset differ.


@dataclasses.dataclass
class Era:
    """A history of the partition between two losses of its newest entries."""
    topic: int
    cut: int  # The entries of the era before are gone from here on.
    entries: list
    first: int = 0  # Retention deleted what is below.
    stable: int = 0  # No transaction is open below.

    def messages(self, begin, end):
        """Returns (offset, identity) of what may be read: committed messages."""
        return [(offset, self.entries[offset].identity)
                for offset in range(max(begin, self.first),
                                    min(end, self.stable, len(self.entries)))
                if self.entries[offset].kind == "message"]


class Partition:

    def __init__(self, random):
        self.random = random
        self.eras = [Era(0, 0, [])]
        self.leader = 0  # Grows whenever another broker leads.
        self.made = 0

    @property
    def now(self):
        return self.eras[-1]

    def produce(self):
        for _ in range(self.random.randrange(0, 4)):
            kind = self.random.choices(("message", "marker", "aborted"), (6, 2, 2))
            self.made += 1
            self.now.entries.append(Entry(kind[0], self.made))

    def settle(self, everything=False):
        """Transactions end, so the stable end moves."""
        more = len(self.now.entries) if everything else self.random.randrange(4)
        self.now.stable = min(len(self.now.entries), self.now.stable + more)

    def retain(self, more):
        most = self.now.first + more
        self.now.first = max(self.now.first, min(self.now.stable, most))

    def elect(self):
        """Another broker leads, which has all that is stable."""
        self.leader += 1

    def truncate(self):
        """A broker leads that lacks the newest entries (an unclean election)."""
        era = self.now
        cut = era.stable - self.random.randrange(0, 4)
        if self.random.random() < 0.6:  # It has the last message, and no marker.
            cut = max([offset + 1 for offset, _ in era.messages(0, era.stable)],
                      default=cut)
        cut = max(era.first, cut)
        self._begin(Era(era.topic, cut, era.entries[:cut], era.first, cut),
                    self.random.randrange(0, 4))

    def make_anew(self):
        """The topic is deleted, and another of its name is made and used."""
        before = len(self.now.entries)
        self._begin(Era(self.now.topic + 1, 0, []),
                    self.random.randrange(0, before + 6))
        self.retain(self.random.randrange(0, before + 6))

    def _begin(self, era, uses):
        self.eras.append(era)
        self.leader += 1
        for _ in range(uses):
            self.produce()
        self.settle(everything=self.random.random() < 0.5)
