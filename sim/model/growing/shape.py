"""The shape of a job without an end: epochs, items, and the grid of batches."""

from typing import NamedTuple

FIRST, EPOCH, ITEM, BATCH = 5, 10, 4, 2
ITEMS = -(-EPOCH // ITEM)  # An epoch has so many; the last is shorter.


class Push(NamedTuple):
    partition: int
    term: int
    item: int
    begin: int  # The mark at which it begins.
    numbers: tuple


class Shape:
    """The items of a job that ends at a number, or at None."""

    def __init__(self, end):
        self.end = end

    def numbers(self, item):
        """The numbers of the item."""
        epoch, place = divmod(item, ITEMS)
        begin = FIRST + epoch * EPOCH + place * ITEM
        stop = min(begin + ITEM, FIRST + (epoch + 1) * EPOCH)
        if self.end is not None:
            stop = max(begin, min(stop, self.end))
        return range(begin, stop)

    def batch(self, item, mark):
        return self.numbers(item)[mark:mark + BATCH]

    def is_on_grid(self, item, mark):
        return mark % BATCH == 0 or mark == len(self.numbers(item))

    def reach(self, marks):
        """Returns the number after the highest one that the marks cover."""
        return max((self.numbers(item)[mark - 1] + 1
                    for item, mark in marks.items() if mark), default=FIRST)

    def items_below(self, tail):
        """Yields the items that have numbers below the tail."""
        item = 0
        while (numbers := self.numbers(item)) and numbers[0] < tail:
            yield item
            item += 1
