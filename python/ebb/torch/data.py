"""Finds what a job must know of a data set: its size, and what its examples are.

A map-style data set answers ``len()`` and ``[i]``; the example's index is its
number in the job. The fingerprint tells two data sets apart by examples that
the seed draws. Random generators are seeded for each example and each batch, so
that all programs see the same augmentation and the same dropout.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pickle
import random
import struct
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch

from ebb import frames
from ebb.arrays import Array
from ebb.errors import DataDiffers, ModelDiffers, Refused
from ebb.torch import contents
from ebb.torch.tokens import Tokens

#: Examples that the fingerprint looks at.
DRAWN = 64


def check_map_style(dataset: Any) -> int:
    """Returns the number of examples. Raises Refused for other data sets."""
    if isinstance(dataset, torch.utils.data.DataLoader):
        raise Refused(
            "the data set is a DataLoader: ebb makes the batches",
            "give the data set inside, and num_workers= and collate_fn= to job.loader()",
        )
    if _is_columns(dataset):
        raise Refused(
            f"the data set is a {type(dataset).__name__} of {len(dataset)} tensors, which would "
            "be its examples",
            "torch.utils.data.TensorDataset(X, Y) makes an example of each row",
        )
    if frames.is_frame(dataset) or frames.is_series(dataset):
        raise Refused(
            f"the data set is a {type(dataset).__name__} of pandas, whose [i] is a column, or "
            "what has this label",
            "torch.utils.data.TensorDataset(torch.tensor(frame[COLUMNS].to_numpy(numpy.float32)), "
            "torch.tensor(frame[LABEL].to_numpy()))",
        )
    if isinstance(dataset, Mapping) and 0 not in dataset:
        keys = ", ".join(map(repr, list(dataset)[:3]))
        raise Refused(
            f"the data set is a {type(dataset).__name__} of {keys}, and its examples have no "
            "numbers",
            "give one of its parts; torch.utils.data.TensorDataset(X, Y) makes examples of the "
            "rows of tensors",
        )
    if (
        isinstance(dataset, torch.utils.data.IterableDataset)
        or not hasattr(dataset, "__getitem__")
        or not hasattr(dataset, "__len__")
    ):
        raise Refused(
            "ebb names examples by their number, so the data set needs len() and [i]",
            f"{type(dataset).__name__} has no such numbers: write its examples to a file, or "
            "a list, once",
        )
    count = len(dataset)
    if count == 0:
        raise Refused("the data set is empty")
    return count


def _is_columns(dataset: Any) -> bool:
    """Returns whether it is tensors with a row for each example, such as (X, Y)."""
    if type(dataset) is tuple:
        return bool(dataset) and all(_is_array(part) for part in dataset)
    # A list may be of examples, which have the same number of dimensions.
    if type(dataset) is not list or len(dataset) > 4 or not all(map(_is_array, dataset)):
        return False
    dims = {part.ndim for part in dataset}
    return len(dims) > 1 and 0 not in dims and len({len(part) for part in dataset}) == 1


def _is_array(value: Any) -> bool:
    return isinstance(value, (torch.Tensor, np.ndarray))


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """The hashes of a job's data, of the constants of its model, and of itself."""

    data: str
    constants: str
    #: The numbers of the examples that were read.
    drawn: Tuple[int, ...] = ()
    #: True if reading the examples takes random numbers.
    random: bool = True
    #: The answer of ``described`` for the job.
    description: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    #: True if the description has all keys that the job may have.
    whole: bool = True

    def __str__(self) -> str:
        return f"{self.data}/{self.constants}/{_text_of(self.description)}"

    def compare(self, theirs: str, job: str, worker: str) -> None:
        """Compares with the job's fingerprint. Raises what differs first: Refused
        for the description, DataDiffers or ModelDiffers."""
        if not theirs or theirs == str(self):
            return
        data, constants, description = ["", *theirs.rsplit("/", 2), "", ""][1:4]
        self._compare_description(description, job)
        if data != self.data:
            raise DataDiffers(
                f"the data set is not that of job {job}: {self._difference(data)} (worker {worker})",
                "the same files and transforms? random beyond torch, numpy and random? "
                'else fingerprint="…"',
            )
        if constants != self.constants:
            raise ModelDiffers(
                "constants of the model (buffers, frozen parameters) "
                f"are not those of job {job} (worker {worker})",
                "seed the model before it is made, or load its frozen part from one file. "
                "Another job: rerun=True, or another name",
            )

    def _compare_description(self, text: str, job: str) -> None:
        try:
            theirs = json.loads(text)
        except ValueError:
            return  # No job of this package: the data differ, too.
        for key in sorted({*self.description, *theirs}):
            may_lack = (not self.whole and key not in _MUST_HAVE) or key in _MAY_LACK
            if key not in self.description and may_lack:
                continue
            here, there = self.description.get(key), theirs.get(key)
            if here != there:
                raise Refused(
                    f"{key} is {_word(here)} here, {_word(there)} in job {job}",
                    "for another job: rerun=True, or another name",
                )

    def _difference(self, theirs: str) -> str:
        _, _, ours = self.data.partition("-")
        _, _, others = theirs.partition("-")
        if len(ours) == len(others) == 2 * len(self.drawn):
            for place, number in enumerate(self.drawn):
                here, there = ours[2 * place :][:2], others[2 * place :][:2]
                if here != there:
                    return f"example {number} has the checksum {here} here, {there} at submission"
        return f"its fingerprint is {self.data[:40]} here, {theirs[:40]} at submission"


#: Keys by which each program computes, so that one that joins needs them, too.
_MUST_HAVE = ("train.clip_norm",)
#: Keys that a program may leave out.
_MAY_LACK = ("evaluate.every", "rerun")
#: Keys of a job that are compared in another way, or change no result.
_NOT_DESCRIBED = ("name", "data", "workers", "model.tables", "model.initial")
_MOST_VALUE = 40
_MOST_DESCRIPTION = 2000


def described(keys: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns what programs of a job must have alike of its keys, by dotted path.

    A long value is a checksum, for a fingerprint is short.
    """
    made: Dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if prefix in _NOT_DESCRIBED or prefix == "model.kind":
            return
        if isinstance(value, Mapping):
            for key, part in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), part)
            return
        text = json.dumps(value, sort_keys=True, default=str)
        made[prefix] = json.loads(text) if len(text) <= _MOST_VALUE else _checksum(text)

    walk("", keys)
    text = _text_of(made)
    return made if len(text) <= _MOST_DESCRIPTION else {"settings": _checksum(text)}


def _text_of(description: Mapping[str, Any]) -> str:
    """Returns a line of JSON without "/", which ends a part of a fingerprint."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return text.replace("/", "\\u002f")


def _checksum(text: str) -> str:
    return "#" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _word(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)


def fingerprint(dataset: Any, seed: int, constants: str, given: Optional[str]) -> Fingerprint:
    """Reads some examples, each twice under one seed. Raises DataDiffers.

    With a fingerprint of the caller's nothing is read, and packed tokens have their own.
    """
    if given is not None:
        return Fingerprint(given, constants)
    if isinstance(dataset, Tokens):
        return Fingerprint(dataset.fingerprint, constants, random=False)
    count = len(dataset)
    numbers = tuple(seed_of(seed, count, place) % count for place in range(min(DRAWN, count)))
    parts = []
    draws = False
    with unseen():
        for number in numbers:
            first, drew = _read(dataset, seed, number)
            second, _ = _read(dataset, seed, number)
            if first != second:
                raise DataDiffers(
                    f"example {number} of the data set is another one when it is read again with "
                    "the same seed",
                    "take random numbers from torch, numpy.random or random only; or say "
                    'what the data is: fingerprint="v1"',
                )
            draws = draws or drew
            parts.append(first)
    total = hashlib.blake2b(b"".join(parts) + struct.pack("<q", count), digest_size=8)
    marks = "".join(part[:1].hex() for part in parts)
    return Fingerprint(f"{total.hexdigest()}-{marks}", constants, numbers, draws)


def tokens_of(dataset: Any) -> Optional[int]:
    """Returns the tokens of an example of packed tokens; None for other data sets."""
    while isinstance(dataset, torch.utils.data.Subset):
        dataset = dataset.dataset
    return dataset.length if isinstance(dataset, Tokens) else None


def positions_of(dataset: Any) -> Dict[str, int]:
    """Returns what ``data.train.positions`` says of a data set but for its fingerprint."""
    keys = {"examples": len(dataset)}
    tokens = tokens_of(dataset)
    if tokens is not None:
        keys["tokens"] = tokens
    # The sequences of one window are in random order in any case.
    if isinstance(dataset, Tokens) and dataset.window < len(dataset):
        keys["window"] = dataset.window
    return keys


def seed_of(*numbers: int) -> int:
    """Returns a seed of 63 bits that follows from the numbers."""
    data = struct.pack(f"<{len(numbers)}Q", *[number % 2**64 for number in numbers])
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") >> 1


def set_seeds(seed: int) -> None:
    """Seeds the generators of random, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if _has_accelerator():
        torch.manual_seed(seed)
    else:
        # manual_seed() notes the whole stack for devices that there may be later,
        # which takes 50 to 170 us for each example.
        torch.default_generator.manual_seed(seed)


@functools.lru_cache(maxsize=None)
def _has_accelerator() -> bool:
    """Returns whether torch has random generators on devices."""
    newer = getattr(torch, "accelerator", None)
    return torch.cuda.is_available() or (newer is not None and newer.is_available())


class unseen:
    """Leaves the random generators as they were, whatever happens inside."""

    def __enter__(self) -> None:
        self._states = (random.getstate(), np.random.get_state(), torch.get_rng_state())

    def __exit__(self, *_: Any) -> None:
        random.setstate(self._states[0])
        np.random.set_state(self._states[1])
        torch.set_rng_state(self._states[2])


class Seeded:
    """A data set whose index is (epoch, number), and which seeds each example."""

    def __init__(self, dataset: Any, seed: int) -> None:
        self._dataset = dataset
        self._seed = seed

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, place: Tuple[int, int]) -> Any:
        epoch, number = place
        set_seeds(seed_of(self._seed, epoch, number))
        return example_of(self._dataset, number)


class Plain:
    """A data set whose index is (epoch, number), where nothing is random."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, place: Tuple[int, int]) -> Any:
        return example_of(self._dataset, place[1])


def example_of(dataset: Any, number: int) -> Any:
    """Returns an example. An error of the data set gets a note with its number.

    Before Python 3.11 errors have no notes.
    """
    try:
        return dataset[number]
    except Exception as error:
        if hasattr(error, "add_note"):
            error.add_note(f"  in example {number} of the data set")
        raise


def _read(dataset: Any, seed: int, number: int) -> Tuple[bytes, bool]:
    set_seeds(seed_of(seed, number))
    before = _state()
    total = hashlib.blake2b(digest_size=16)
    example = example_of(dataset, number)
    try:
        _feed(total.update, example)
    except _Unreadable as error:
        raise Refused(
            f"example {number} of the data set has {error.what}, which ebb cannot compare "
            f"between copies: {error.why}",
            "return tensors, arrays, numbers, texts, or tuples and dictionaries of them; or "
            'say what the data is: fingerprint="v1"',
        ) from error
    return total.digest(), _state() != before


def _state() -> Tuple[Any, ...]:
    _, words, position, *_ = np.random.get_state(legacy=True)
    return (
        hash(random.getstate()),
        position,
        np.asarray(words)[:4].tobytes(),
        torch.get_rng_state().numpy().tobytes(),
    )


class _Unreadable(Exception):
    """Something in an example that has no bytes."""

    def __init__(self, what: str, why: Exception) -> None:
        super().__init__(what)
        self.what, self.why = what, why


def _feed(update: Callable[[bytes], None], value: Any) -> None:
    if isinstance(value, torch.Tensor):
        _feed_tensor(update, value)
    elif isinstance(value, (np.ndarray, np.generic)):
        _feed_array(update, np.asarray(value))
    elif value is None or isinstance(value, (bool, int, float, complex, str)):
        update(f"{type(value).__name__} {value!r}\n".encode())
    elif isinstance(value, (bytes, bytearray, memoryview)):
        update(b"bytes %d\n" % len(value) + bytes(value))
    elif isinstance(value, dict):
        update(b"dict %d\n" % len(value))
        for part in _parts(value):
            _feed(update, part)
    elif isinstance(value, (list, tuple)):
        update(b"list %d\n" % len(value))
        for part in value:
            _feed(update, part)
    elif dataclasses.is_dataclass(value):
        _feed(update, [getattr(value, f.name) for f in dataclasses.fields(value)])
    elif hasattr(value, "tobytes") and hasattr(value, "size"):  # An image of PIL.
        update(f"{getattr(value, 'mode', '')} {value.size}\n".encode())
        update(value.tobytes())
    else:
        try:
            update(pickle.dumps(value, protocol=4))
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise _Unreadable(f"a {type(value).__name__}", error) from error


def _feed_tensor(update: Callable[[bytes], None], tensor: torch.Tensor) -> None:
    if not contents.is_plain(tensor):
        update(f"{contents.form_of(tensor)}\n".encode())
    try:
        for array in contents.arrays_of(tensor):
            _feed_array(update, array)
    except contents.NoContents as error:
        raise _Unreadable(f"a tensor of {contents.form_of(tensor)}", error) from error


def _parts(value: Any) -> Iterator[Any]:
    for key in value:
        yield key
        yield value[key]


def _feed_array(update: Callable[[bytes], None], array: Array) -> None:
    update(f"{array.dtype.str} {array.shape}\n".encode())
    if array.dtype.hasobject:
        _feed(update, array.tolist())
    else:
        update(np.ascontiguousarray(array).tobytes())


def collate(
    examples: Sequence[Any],
    collate_fn: Optional[Callable[[Any], Any]],
) -> Any:
    """Makes a batch of examples."""
    if collate_fn is not None:
        return collate_fn(list(examples))
    return torch.utils.data.default_collate(list(examples))
