"""The batches and evaluations that an engine gives a program to compute."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Dict, NamedTuple, Tuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ebb.rows import Rows

    Numbers = NDArray[np.int64]


class Table(NamedTuple):
    """A dense table of the model."""

    name: str
    shape: Tuple[int, ...]
    offset: int  # In the flat vector.

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class Place:
    """Some examples of a data shard in an epoch.

    epoch, shard: both count from 0.
    begin, end: its examples are those from ``begin`` to before ``end`` in the
        shard's order of this epoch.
    examples: the numbers of these examples in the training data, in order.
    """

    __slots__ = ("epoch", "shard", "begin", "end", "examples")

    def __init__(
        self, epoch: int, shard: int, begin: int, end: int, examples: Numbers
    ) -> None:
        self.epoch = epoch
        self.shard = shard
        self.begin = begin
        self.end = end
        self.examples = examples

    @property
    def place(self) -> Tuple[int, int, int, int]:
        """Names it within the job."""
        return (self.epoch, self.shard, self.begin, self.end)

    def __len__(self) -> int:
        return self.end - self.begin

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(epoch={self.epoch}, shard={self.shard}, "
            f"begin={self.begin}, end={self.end})"
        )


def name_of(place: Place) -> str:
    """Names a batch in errors, which count epochs and shards from 1, as tables do."""
    return f"batch (epoch {place.epoch + 1}, shard {place.shard + 1}, {place.begin}..{place.end})"


class Wanted(Place):
    """A batch to come, whose keys the engine must know: Engine.tell."""

    __slots__ = ()


class Batch(Place):
    """Examples to compute now. Hand in their sums with Engine.push."""

    __slots__ = ("ticket", "answered", "rows", "goes_on", "ends_run", "rate_factor", "epochs")

    def __init__(
        self,
        ticket: int,
        epoch: int,
        shard: int,
        begin: int,
        end: int,
        examples: Numbers,
    ) -> None:
        super().__init__(epoch, shard, begin, end, examples)
        self.ticket = ticket
        self.answered = False  # Handed in, or failed.
        #: Where the program makes runs of steps: the run goes on from the values that the
        #: program came to, and it ends with the batch.
        self.goes_on = False
        self.ends_run = False
        #: What rollbacks multiply the job's rates by.
        self.rate_factor = 1.0
        #: Of the job; they may change while a program is at it.
        self.epochs = 0
        #: By sparse table.
        self.rows: "Dict[str, Rows]" = {}


class Evaluation:
    """A snapshot of the model to evaluate now: it is in Engine.values."""

    __slots__ = ("ticket", "snapshot", "answered")

    def __init__(self, ticket: int, snapshot: int) -> None:
        self.ticket = ticket
        self.snapshot = snapshot
        self.answered = False

    def __repr__(self) -> str:
        return f"Evaluation(snapshot={self.snapshot})"
