"""P4: the ledger of a job without an end: complete epochs become one prefix.

A partition has a row per item, a row per complete epoch, and a prefix of all epochs
below the first that is not complete. The audit compares them with the data, up to a
number, and never looks at marks. README.md has the rules, plants.py the weaker ones.
"""

import collections
import dataclasses
import random as randomness

import plants

ITEM, ITEMS = 3, 2  # Numbers of an item, items of an epoch.
EPOCH = ITEM * ITEMS
EPOCHS = 6
MODULUS = 1 << 64


def number_hash(number):
    return randomness.Random(number).getrandbits(64)


HASHES = [number_hash(number) for number in range(EPOCH * EPOCHS)]


@dataclasses.dataclass(frozen=True)
class Row:
    """How many examples were applied, and the sum of their hashes."""
    count: int = 0
    total: int = 0

    def __add__(self, other):
        return Row(self.count + other.count, (self.total + other.total) % MODULUS)


def row_of(numbers):
    numbers = list(numbers)
    return Row(len(numbers), sum(HASHES[n] for n in numbers) % MODULUS)


@dataclasses.dataclass
class Prefix:
    epochs: int = 0  # The epochs below are in it.
    row: Row = Row()
    skipped: Row = Row()  # Decisions left these examples out.


class Ledger:
    """The ledger of one partition. It changes with values, in the same step."""

    def __init__(self, plant, skips):
        self.plant = plant
        self.skips = skips  # Numbers that decisions leave out, for all partitions.
        self.items = {}
        self.epochs = {}
        self.prefix = Prefix()

    def copy(self):
        other = Ledger(self.plant, self.skips)
        other.items, other.epochs = dict(self.items), dict(self.epochs)
        other.prefix = dataclasses.replace(self.prefix)
        return other

    def due(self, begin, stop):
        """The row that numbers must have, without those that are left out."""
        return row_of(n for n in range(begin, stop) if n not in self.skips)

    def add(self, numbers):
        """Also for an epoch that is merged: it gets a row of its own again."""
        item = numbers[0] // ITEM
        if (self.plant == "prefix_swallows_what_comes_later"
                and item // ITEMS < self.prefix.epochs):
            return
        self.items[item] = self.items.get(item, Row()) + row_of(
            n for n in numbers if n not in self.skips)
        self.fold(item // ITEMS)

    def fold(self, epoch):
        """Folds an epoch of which each item is exact, then all epochs in order."""
        items = range(epoch * ITEMS, (epoch + 1) * ITEMS)
        if epoch < self.prefix.epochs or epoch in self.epochs:
            return
        if not all(self.is_whole(item) for item in items):
            return
        self.epochs[epoch] = sum((self.items.pop(item, Row()) for item in items),
                                 Row())
        if self.plant == "prefix_out_of_order":
            self.merge(epoch)
        while self.prefix.epochs in self.epochs:
            self.merge(self.prefix.epochs)

    def is_whole(self, item):
        """Returns whether the row of the item is what the data says."""
        row = self.items.get(item, Row())
        due = self.due(item * ITEM, (item + 1) * ITEM)
        if self.plant == "prefix_takes_a_doubled_epoch":
            return row.count >= due.count and item in self.items
        if self.plant == "row_is_exact_by_its_count":
            return row.count == due.count
        return row == due and item in self.items

    def merge(self, epoch):
        begin, stop = epoch * EPOCH, (epoch + 1) * EPOCH
        skipped = row_of(n for n in range(begin, stop) if n in self.skips)
        if self.plant == "prefix_forgets_a_skip":
            skipped = Row()
        row = self.epochs.pop(epoch)
        if self.plant == "prefix_takes_a_doubled_epoch":
            row = self.due(begin, stop)  # It has the planned sums, not its own.
        self.prefix = Prefix(self.prefix.epochs + 1, self.prefix.row + row,
                             self.prefix.skipped + skipped)

    # --- The audit ---------------------------------------------------------------

    def audit(self, top):
        """Returns the items and epochs below a number that are not exact.

        The last item may be a prefix of what it is to be. The data alone says what
        is due; what was left out of merged epochs is in the prefix.
        """
        wrong = set()
        have = self.prefix.row + self.prefix.skipped
        if have != row_of(range(self.prefix.epochs * EPOCH)):
            wrong.add("prefix")
        for epoch in range(-(-top // EPOCH)):
            items = range(epoch * ITEMS, (epoch + 1) * ITEMS)
            if epoch < self.prefix.epochs or epoch in self.epochs:
                if epoch in self.epochs and self.epochs[epoch] != self.due(
                        epoch * EPOCH, (epoch + 1) * EPOCH):
                    wrong.add(epoch)
                extra = [item for item in items if self.items.get(item, Row()).count]
                wrong.update([epoch] if extra else [])
            elif not all(self.is_prefix(item, top) for item in items):
                wrong.add(epoch)
        return wrong

    def is_prefix(self, item, top):
        """Returns whether a row is that of the first numbers, up to the top at least."""
        row, begin = self.items.get(item, Row()), item * ITEM
        stop = begin + ITEM
        if stop <= top:
            return row == self.due(begin, stop)
        if self.plant == "open_row_is_compared_by_its_count":
            return row.count <= max(0, top - begin)
        return any(row == self.due(begin, end)
                   for end in range(max(begin, top), stop + 1))


class Accounts:
    """Two partitions whose pushes go wrong in some seeds, and an audit."""

    def __init__(self, seed, plant=""):
        plants.check(plant)
        self.random = randomness.Random(seed)
        self.skips = {n for n in range(EPOCH * EPOCHS) if self.random.random() < 0.06}
        self.faulty = self.random.random() < 0.7
        self.ledgers = [Ledger(plant, self.skips) for _ in range(2)]
        self.applied = [collections.Counter() for _ in range(2)]  # The truth.
        self.marks = [collections.Counter() for _ in range(2)]
        self.versions = [[], []]

    def run(self):
        """Returns what is wrong at the end of a random schedule, or ""."""
        for _ in range(250):
            p, chance = self.random.randrange(2), self.random.random()
            if chance < 0.05:
                self.versions[p].append(
                    (self.ledgers[p].copy(), self.applied[p].copy(),
                     self.marks[p].copy()))
            elif chance < 0.07 and self.versions[p]:  # A server comes back older.
                ledger, applied, marks = self.random.choice(self.versions[p])
                self.ledgers[p], self.applied[p] = ledger.copy(), applied.copy()
                self.marks[p] = marks.copy()
            else:
                self.push(p)
            if self.random.random() < 0.2 and (wrong := self.check(p)):
                return wrong
        return self.check(0) or self.check(1)

    def push(self, p):
        """Applies a part of an item, a little out of order; or it goes wrong."""
        opened = [item for item in range(ITEMS * EPOCHS) if self.marks[p][item] < ITEM]
        if not opened:
            return
        item = self.random.choice(opened[:4])
        begin = item * ITEM + self.marks[p][item]
        end = self.random.randrange(begin, (item + 1) * ITEM) + 1
        numbers = list(range(begin, end))
        self.marks[p][item] += len(numbers)
        chance = self.random.random() if self.faulty else 1
        if chance < 0.01:
            numbers += numbers  # Applied twice.
        elif chance < 0.02:
            return  # Lost, though the mark rises.
        elif chance < 0.03:  # Another one in its place.
            numbers[0] = item * ITEM + (numbers[0] + 1) % ITEM
        self.apply(p, numbers)
        if chance > 0.03 and self.faulty and self.random.random() < 0.02:
            old = self.random.randrange(0, item + 1) * ITEM
            self.apply(p, list(range(old, old + ITEM)))  # A whole item once more.

    def apply(self, p, numbers):
        self.ledgers[p].add(numbers)
        self.applied[p].update(n for n in numbers if n not in self.skips)

    def check(self, p):
        """The audit must name the epochs that are wrong, and no other."""
        whole = [item for item in range(ITEMS * EPOCHS) if self.marks[p][item] == ITEM]
        top = 0
        while top // ITEM in whole:
            top += ITEM
        top += self.marks[p][top // ITEM] if top < EPOCH * EPOCHS else 0
        wrong = {item // ITEMS for item in range(-(-top // EPOCH) * ITEMS)
                 if not self.is_right(p, item, top)}
        found = self.ledgers[p].audit(top)
        if found != wrong:
            missed = wrong - found
            return "missed: an error is not seen" if missed else (
                "alarm: what is exact is called wrong")
        return ""

    def is_right(self, p, item, top):
        """Returns whether a prefix was applied once, up to the top at least."""
        due = [n for n in range(item * ITEM, (item + 1) * ITEM) if n not in self.skips]
        counts = [self.applied[p][n] for n in due]
        least = sum(n < top for n in due)
        return any(counts == [1] * n + [0] * (len(due) - n)
                   for n in range(least, len(due) + 1))
