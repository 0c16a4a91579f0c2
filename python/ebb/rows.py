"""Rows of sparse tables, as an engine and its program hand them to each other."""

from __future__ import annotations

import collections
import mmap
import os
from typing import (
    TYPE_CHECKING,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np

from ebb.engine_process import shared_memory
from ebb.errors import Refused

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.uint64]

_ALIGNMENT = 64
# What was told is forgotten after so many others; the engine forgets sooner.
_MOST_TOLD = 16
#: Keys of one batch, at most.
MOST_KEYS = 1 << 28


class RowTable(NamedTuple):
    """A sparse table of the model: a row of ``width`` values under each key."""

    name: str
    width: int


class Rows(NamedTuple):
    """The rows of one table in a batch, each distinct key once.

    places: for each key, as it was told, the number of its row.
    values: a row for each distinct key.
    sums: laid out as the values; the batch's gradients are added up there.
    """

    places: "NDArray[np.int32]"
    values: "Floats"
    sums: "Floats"


def as_keys(keys: "ArrayLike", table: str) -> "Keys":
    """Returns keys as 64-bit numbers. Raises Refused for a wrong key."""
    array = np.asarray(keys)
    if array.size == 0:
        return np.zeros(0, np.uint64)
    if array.dtype.kind in "fO" and not isinstance(keys, np.ndarray):
        # Lists that mix numbers below and above 2**63.
        numbers = np.array(keys, object).reshape(-1)
        whole = all(isinstance(key, (int, np.integer)) for key in numbers)
        if whole and 0 <= min(numbers) and max(numbers) < 2**64:
            return numbers.astype(np.uint64)
    if array.dtype.kind not in "iu":
        raise Refused(
            f"keys of {table} are {array.dtype}; keys are whole numbers of 64 bits",
            "hash what is no number, such as a text",
        )
    if array.dtype.kind == "i" and int(array.min()) < 0:
        raise Refused(
            f"a key of {table} is {int(array.min())}; keys are not negative",
            "add an offset, or take the number modulo 2**64; the bits of a hash in int64 are "
            "array.view(np.uint64), or tensor.numpy().view(np.uint64)",
        )
    return np.ascontiguousarray(array, np.uint64).reshape(-1)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class RowMemory:
    """A memory file for the keys of a batch to come, and for the rows of one.

    keys: there is room for so many.
    bytes_: of all.
    """

    def __init__(self, keys: int, bytes_: int) -> None:
        self.keys = keys
        self.bytes = bytes_
        self.file, self._map = shared_memory(bytes_)

    @property
    def map(self) -> mmap.mmap:
        return self._map

    def write_keys(self, keys: Sequence["Keys"]) -> None:
        """Puts keys where the engine reads them, table after table."""
        at = 0
        for each in keys:
            np.frombuffer(self._map, np.uint64, len(each), at)[:] = each
            at += each.nbytes

    def rows(
        self,
        tables: Sequence[RowTable],
        counts: Sequence[int],
        distinct: Sequence[int],
    ) -> Dict[str, Rows]:
        """Returns views of a batch with so many keys, and distinct keys, by table."""
        place = _aligned(8 * self.keys)
        value = place + _aligned(4 * sum(counts))
        floats = sum(n * table.width for n, table in zip(distinct, tables))
        total = value + _aligned(4 * floats)
        made = {}
        for table, keys, rows in zip(tables, counts, distinct):
            shape, size = (rows, table.width), rows * table.width
            made[table.name] = Rows(
                np.frombuffer(self._map, np.int32, keys, place),
                np.frombuffer(self._map, np.float32, size, value).reshape(shape),
                np.frombuffer(self._map, np.float32, size, total).reshape(shape),
            )
            place, value, total = place + 4 * keys, value + 4 * size, total + 4 * size
        return made

    def close(self) -> None:
        """Closes the file; views of it stay valid."""
        os.close(self.file)


Place = Tuple[int, int, int, int]


class RowRoom:
    """The memory in which rows are handed over, and what was told of batches.

    The memory grows with the largest batch: a larger file takes its place.
    """

    def __init__(self) -> None:
        self.tables: List[RowTable] = []
        self.memory: Optional[RowMemory] = None
        self._told: "collections.OrderedDict[Place, List[int]]" = (
            collections.OrderedDict()
        )

    def arranged(self, keys: Mapping[str, "ArrayLike"]) -> List["Keys"]:
        """Returns the keys of each table in turn. Raises Refused."""
        known = {table.name for table in self.tables}
        for name in keys:
            if name not in known:
                raise Refused(
                    f"the job has no sparse table {name}; it has "
                    + (", ".join(sorted(known)) or "none")
                )
        made = [as_keys(keys.get(table.name, ()), table.name) for table in self.tables]
        count = sum(map(len, made))
        if count > MOST_KEYS:
            raise Refused(
                f"a batch has {count} keys, at most {MOST_KEYS} are possible",
                "a smaller batch=",
            )
        return made

    def grown(self, keys: Sequence["Keys"]) -> Optional[RowMemory]:
        """Returns a new memory if the present one has no room for this batch."""
        count = sum(map(len, keys))
        rows = sum(len(each) * table.width for each, table in zip(keys, self.tables))
        needed = 4 * count + 8 * rows + 3 * _ALIGNMENT
        memory = self.memory
        if memory is not None and count <= memory.keys:
            if needed <= memory.bytes - _aligned(8 * memory.keys):
                return None
        room = max(1024, 3 * count // 2, memory.keys if memory else 0)
        # Pages that are never touched take no memory.
        bytes_ = _aligned(8 * room) + max(1 << 16, 3 * needed // 2)
        return RowMemory(room, max(bytes_, memory.bytes if memory else 0))

    def replace(self, memory: RowMemory) -> None:
        """The engine has the new memory."""
        if self.memory is not None:
            self.memory.close()
        self.memory = memory

    def told(self, place: Place, keys: Sequence["Keys"]) -> None:
        """Remembers how many keys the batch has."""
        self._told[place] = [len(each) for each in keys]
        self._told.move_to_end(place)
        while len(self._told) > _MOST_TOLD:
            self._told.popitem(last=False)

    def of(self, place: Place, distinct: Sequence[int]) -> Dict[str, Rows]:
        """Returns the rows of the batch that is out."""
        return self.views(self._told[place], distinct)

    def views(
        self, counts: Sequence[int], distinct: Sequence[int]
    ) -> Dict[str, Rows]:
        """Returns the rows of so many keys, by table."""
        assert self.memory is not None
        return self.memory.rows(self.tables, counts, distinct)

    def close(self) -> None:
        """Closes the file."""
        if self.memory is not None:
            self.memory.close()
            self.memory = None
