"""In which order the examples of the items of a job stand."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Tuple

import numpy as np

from ebb import seam

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ebb.engine_session import Session

    Numbers = NDArray[np.int64]

# Orders of items that are kept, so that each is asked for once.
_MOST_ORDERS = 64
# The others beside the newest take at most this.
_MOST_BYTES = 64 << 20


class Orders:
    """The orders of items, asked of the engine and kept for a while."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._kept: "collections.OrderedDict[Tuple[int, int], Numbers]" = (
            collections.OrderedDict()
        )

    def examples(self, epoch: int, shard: int) -> "Numbers":
        """Returns the numbers of an item's examples by position. Read-only."""
        order = self._kept.get((epoch, shard))
        if order is not None:
            self._kept.move_to_end((epoch, shard))
            return order
        order = self._asked(epoch, shard)
        self._kept[(epoch, shard)] = order
        others = sum(one.nbytes for one in self._kept.values()) - order.nbytes
        while len(self._kept) > _MOST_ORDERS or others > _MOST_BYTES:
            _, oldest = self._kept.popitem(last=False)
            others -= oldest.nbytes
        return order

    def _asked(self, epoch: int, shard: int) -> "Numbers":
        job = self._session.job
        size = min(job.shard_size, job.examples - shard * job.shard_size)
        order = np.empty(size, np.int64)
        have = 0
        while have < size:
            _, _, body = self._session.link.ask(
                seam.ORDER, seam.ORDER_BODY.pack(epoch, shard, have, size)
            )
            numbers = np.frombuffer(body, np.int64)
            order[have : have + len(numbers)] = numbers
            have += len(numbers)
        order.flags.writeable = False
        return order
