"""Packed tokens as a data set, whose windows are mapped.

``ebb data pack --tokens`` writes them; docs/formats/tokens.md describes the files. They
are read by NumPy and the standard library alone.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import operator
import os
import struct
from typing import Any, Dict, Optional, Tuple

import numpy as np
import torch

from ebb.arrays import Array
from ebb.errors import Damaged, NotFound, Refused
from ebb.torch import token_files

_FOOTER = "footer.ebbt"
_MAGIC = b"EBBQ"
_VERSION = 1
_HASH_BYTES = 32
#: Length, width, window, sequences, vocabulary, end, documents, left out, seed.
_PAYLOAD = struct.Struct("<8qQ")
_HEAD = struct.Struct("<4sQQ")
#: A footer of 2^24 windows, which are a thousand terabytes.
_MOST_FOOTER = 1 << 29
_MOST_WINDOW = 1 << 30
_AGAIN = "copy the file again, or pack again; ebb data verify looks at the whole set"


@dataclasses.dataclass(frozen=True)
class _Footer:
    length: int
    width: int
    window: int
    sequences: int
    vocabulary: int
    document_end: Optional[int]
    documents: int
    hashes: Tuple[bytes, ...]
    #: Names the content of the set.
    id: str

    def sequences_of(self, window: int) -> int:
        return min(self.window, self.sequences - window * self.window)

    def bytes_of(self, window: int) -> int:
        return self.sequences_of(window) * (self.length + 1) * self.width


class Tokens:
    """Sequences of tokens that ``ebb data pack --tokens`` packed.

    ``[i]`` is (inputs, targets), two int64 tensors of ``length`` tokens; the targets are the
    inputs and one more, without the first. With ``documents=True`` there is a third tensor:
    the number of the document, counted from 0 within the sequence, that each input belongs to.

    ``path`` is a folder, or its place in a bucket or on a web server
    (``s3://BUCKET/FOLDER``, ``https://HOST/FOLDER``). From there windows are fetched when they
    are first used, and kept below ``EBB_DATA_CACHE`` (``~/.cache/ebb``), at most
    ``EBB_DATA_CACHE_BYTES`` (10 GiB) of them. Credentials are those of training data in buckets.

    Windows of sequences are mapped, a few at a time, and each is compared with its checksum
    when this process first uses it. A job goes from window to window
    (``data.train.positions.window``), so a copy reads one file after another. Through a
    Subset, batches come from everywhere, and the set should fit into the page cache.

    Raises NotFound, Refused or Damaged, with the name of the file and the window.
    """

    #: Windows that stay mapped.
    most_windows = 4

    def __init__(self, path: Any, documents: bool = False) -> None:
        self.path = os.fspath(path)
        self._files = token_files.Files(self.path)
        with self._files.footer(_FOOTER, _MOST_FOOTER) as file:
            self._footer = _read_footer(file, self._files)
        if not self._files.remote:
            _check_sizes(self._files, self._footer)
        if documents and self._footer.document_end is None:
            raise Refused(
                f"{self.path}: nothing tells its documents apart",
                "pack it with --document-end TOKEN, or leave documents=True out",
            )
        self.documents = bool(documents)
        self._begin()

    def _begin(self) -> None:
        self._mapped: "collections.OrderedDict[int, Array]" = collections.OrderedDict()
        self._checked: Dict[int, Tuple[int, ...]] = {}

    def __getstate__(self) -> Dict[str, Any]:
        # A process that reads the set maps its windows itself, and checks them.
        state = dict(self.__dict__)
        del state["_mapped"], state["_checked"]
        return state

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    @property
    def length(self) -> int:
        """The inputs of a sequence."""
        return self._footer.length

    @property
    def vocabulary(self) -> int:
        """All tokens are below it."""
        return self._footer.vocabulary

    @property
    def window(self) -> int:
        """The sequences of a window; the last window may have fewer."""
        return self._footer.window

    @property
    def fingerprint(self) -> str:
        """Names the content: other sequences, or another order, have another one."""
        return f"tokens-{self._footer.id}" + ("-documents" if self.documents else "")

    def __len__(self) -> int:
        return self._footer.sequences

    def __repr__(self) -> str:
        return (
            f"<Tokens {self.path}: {len(self):,} sequences of {self.length:,} tokens, "
            f"{self.vocabulary:,} different ones at most>"
        )

    def __getitem__(self, number: Any) -> Tuple[torch.Tensor, ...]:
        index = operator.index(number)
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.path} has {len(self)} sequences, and no number {index}")
        window, place = divmod(index % len(self), self._footer.window)
        tokens = self._window(window)[place].astype(np.int64)
        whole = torch.from_numpy(tokens)
        if not self.documents:
            return whole[:-1], whole[1:]
        # An end belongs to the document before it.
        ends = np.cumsum(tokens[:-1] == self._footer.document_end)
        numbers = np.concatenate([[0], ends[:-1]])
        return whole[:-1], whole[1:], torch.from_numpy(numbers)

    def _window(self, window: int) -> Array:
        mapped = self._mapped.get(window)
        if mapped is None:
            mapped = self._map(window)
            self._mapped[window] = mapped
            while len(self._mapped) > self.most_windows:
                self._mapped.popitem(last=False)
        else:
            self._mapped.move_to_end(window)
        return mapped

    def _map(self, window: int) -> Array:
        try:
            return self._map_file(window)
        except Damaged:
            # The cache may have lost or damaged what its source has.
            if not self._files.remote:
                raise
            return self._map_file(window, again=True)

    def _map_file(self, window: int, again: bool = False) -> Array:
        file = _file_of(window)
        name = self._files.name_of(file)
        shape = (self._footer.sequences_of(window), self._footer.length + 1)
        size = self._footer.bytes_of(window)
        with self._files.window(file, self._footer.id, size, again) as path:
            try:
                mapped = np.memmap(path, f"<u{self._footer.width}", "r", shape=shape)
                # Its use changes when a file of the cache was written.
                state = _state_of(path)[: 3 if self._files.remote else None]
            except (OSError, ValueError) as error:
                raise Damaged(
                    f"{name}: window {window} cannot be read: {error}", _AGAIN
                ) from error
        if self._checked.get(window) != state:
            if hashlib.sha256(mapped.data).digest() != self._footer.hashes[window]:
                raise Damaged(
                    f"{name}: window {window} is damaged: its checksum is wrong", _AGAIN
                )
            self._checked[window] = state
        return mapped


def _file_of(window: int) -> str:
    return f"window-{window:05d}.ebbt"


def _state_of(path: str) -> Tuple[int, ...]:
    """Returns what changes when the file is written to or replaced."""
    found = os.stat(path)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _read_footer(file_path: str, files: token_files.Files) -> _Footer:
    path = files.name_of(_FOOTER)
    try:
        with open(file_path, "rb") as file:
            data = file.read(_MOST_FOOTER + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            f"{files.place} has no packed tokens: there is no {_FOOTER}", _other(files.place)
        ) from None
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error
    magic, version, size = _HEAD.unpack_from(data.ljust(_HEAD.size, b"\0"))
    if magic != _MAGIC:
        raise Damaged(f"{path} is not the footer of packed tokens", "pack again")
    if version != _VERSION:
        raise Refused(
            f"{path} has version {version} of the format, and this ebb reads version {_VERSION}",
            "use the release that packed it, or pack again",
        )
    if len(data) != _HEAD.size + size + _HASH_BYTES:
        raise Damaged(f"{path} is cut or too long at {len(data)} bytes", "pack again")
    if hashlib.sha256(data[:-_HASH_BYTES]).digest() != data[-_HASH_BYTES:]:
        raise Damaged(f"{path} is damaged: its checksum is wrong", "pack again")
    footer = _decode(data[_HEAD.size : -_HASH_BYTES], hashlib.sha256(data).hexdigest()[:32])
    if footer is None:
        raise Damaged(f"{path} says what cannot be", "pack again")
    return footer


def _decode(payload: bytes, name: str) -> Optional[_Footer]:
    if len(payload) < _PAYLOAD.size:
        return None
    length, width, window, sequences, vocabulary, end, documents, _, _ = _PAYLOAD.unpack_from(
        payload
    )
    rest = payload[_PAYLOAD.size :]
    if length < 1 or width not in (2, 4) or window < 1 or sequences < 1:
        return None
    if window * (length + 1) * width > _MOST_WINDOW or not 0 <= end <= vocabulary:
        return None
    if len(rest) != _HASH_BYTES * -(-sequences // window):
        return None
    hashes = tuple(rest[at : at + _HASH_BYTES] for at in range(0, len(rest), _HASH_BYTES))
    return _Footer(
        length=length,
        width=width,
        window=window,
        sequences=sequences,
        vocabulary=vocabulary,
        document_end=end - 1 if end else None,
        documents=documents,
        hashes=hashes,
        id=name,
    )


def _check_sizes(files: token_files.Files, footer: _Footer) -> None:
    for window in range(len(footer.hashes)):
        path = files.name_of(_file_of(window))
        expected = footer.bytes_of(window)
        try:
            size = os.stat(path).st_size
        except OSError as error:
            raise Damaged(
                f"{path} cannot be read: {error.strerror}; the set is not whole", _AGAIN
            ) from error
        if size != expected:
            raise Damaged(
                f"{path} has {size} bytes instead of {expected}; the set is not whole", _AGAIN
            )


def _other(folder: str) -> str:
    if os.path.exists(os.path.join(folder, "train", _FOOTER)):
        return f"name {os.path.join(folder, 'train')} or {os.path.join(folder, 'test')}"
    above, part = os.path.split(os.path.normpath(folder))
    if part in ("train", "test") and os.path.exists(os.path.join(above, _FOOTER)):
        return f"{above} itself is a set, packed without --split: name it, or pack again"
    if not os.path.exists(folder):
        return "there is no such folder"
    if os.path.exists(os.path.join(folder, "footer.ebbp")):
        return "it has packed examples, which job files name as packed: FOLDER"
    return "ebb data pack --tokens LENGTH TEXT FOLDER makes such a folder"
