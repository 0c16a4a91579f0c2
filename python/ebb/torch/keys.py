"""The keys of a batch: which rows of a sparse table its examples use."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, Iterator, List, Mapping, Sequence

import numpy as np
import torch

from ebb.arrays import Array
from ebb.errors import Refused
from ebb.rows import as_keys
from ebb.torch.contents import as_array


class Keys:
    """The keys of some examples in a table, for ``ebb.torch.EmbeddingBag``.

    keys: all keys of all examples, one after the other: whole numbers of 64
        bits, not negative.
    offsets: where the keys of each example begin, as of ``nn.EmbeddingBag``.
    table: the name of the table.

    Return it from ``collate_fn``. Raises Refused for a wrong key.
    """

    __slots__ = ("table", "offsets", "_keys")

    def __init__(self, keys: Any, offsets: Any, table: str) -> None:
        self.table = table
        array = as_keys(_array(keys, f"keys of {table}"), table)
        #: The begin of each example's keys, int64.
        begins = np.asarray(_array(offsets, f"offsets of {table}"), np.int64)
        self.offsets = torch.as_tensor(begins.reshape(-1))
        # Torch has no unsigned numbers of 64 bits; and a tensor goes from a
        # DataLoader worker to the program without a copy.
        self._keys = torch.from_numpy(array.view(np.int64))
        _check_offsets(self.offsets.numpy(), len(array), table)

    @classmethod
    def of(cls, lists: Sequence[Any], table: str) -> "Keys":
        """Returns the keys of a list, array or tensor of keys per example."""
        parts = [_array(one, f"keys of {table}") for one in lists]
        sizes = np.fromiter(map(len, parts), np.int64, len(parts))
        offsets = np.zeros(len(parts), np.int64)
        np.cumsum(sizes[:-1], out=offsets[1:])
        if parts and all(isinstance(part, np.ndarray) for part in parts):
            filled = [part for part in parts if len(part)]
            if len({part.dtype for part in filled}) > 1:
                # NumPy would make floating point of signed and unsigned numbers.
                filled = [as_keys(part, table) for part in filled]
            keys: Any = np.concatenate(filled) if filled else ()
        else:
            keys = list(itertools.chain.from_iterable(parts))
        return cls(keys, offsets, table)

    @property
    def keys(self) -> Array:
        """All keys, uint64."""
        keys: Array = self._keys.numpy().view(np.uint64)
        return keys

    def __len__(self) -> int:
        """How many examples there are."""
        return len(self.offsets)

    def __repr__(self) -> str:
        return f"<Keys of {self.table}: {len(self._keys)} of {len(self)} examples>"

    def __getstate__(self) -> Any:
        return (self.table, self.offsets, self._keys)

    def __setstate__(self, state: Any) -> None:
        self.table, self.offsets, self._keys = state


def _array(values: Any, what: str) -> Any:
    return as_array(what, values) if isinstance(values, torch.Tensor) else values


def _check_offsets(offsets: Array, count: int, table: str) -> None:
    if len(offsets) == 0:
        if count:
            raise Refused(f"offsets of {table}: there are none, and {count} keys")
        return
    if offsets[0] != 0 or offsets[-1] > count or (np.diff(offsets) < 0).any():
        raise Refused(
            f"offsets of {table} must begin with 0, never fall, and end at {count}, the "
            "number of keys, at most"
        )


def keys_in(value: Any) -> Iterator[Keys]:
    """Yields the Keys in what ``collate_fn`` returned, in a fixed order."""
    if isinstance(value, Keys):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from keys_in(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from keys_in(part)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from keys_in(getattr(value, field.name))


def joined(pieces: Sequence[Any], tables: Sequence[str]) -> Mapping[str, Array]:
    """Returns the keys of all pieces of a batch by table. Raises Refused."""
    found: Mapping[str, List[Array]] = {table: [] for table in tables}
    for _, _, value in pieces:
        for keys in keys_in(value):
            if keys.table not in found:
                raise Refused(
                    f"there are keys of table {keys.table}, and the model has no EmbeddingBag "
                    f"or Embedding of this name; it has {', '.join(tables)}"
                )
            found[keys.table].append(keys.keys)
    return {
        table: np.concatenate(parts) if parts else np.zeros(0, np.uint64)
        for table, parts in found.items()
    }
