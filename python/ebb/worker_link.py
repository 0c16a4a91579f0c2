"""The messages of an ebb-worker and the process that computes its model of Python."""

from __future__ import annotations

import mmap
import os
import socket
from typing import Dict, List, NamedTuple, Optional, Tuple

from ebb import programs, seam


class Factory(NamedTuple):
    """A function that returns a data set."""

    #: Its file; empty: the module.
    path: str
    text: bytes
    function: str
    #: Stands for the examples. Empty: some are looked at.
    fingerprint: str
    options: Dict[str, str]


class Module(NamedTuple):
    """A module of Python, and what its class is to be made for."""

    path: str
    text: bytes
    class_name: str
    options: Dict[str, str]
    features: int
    #: 0: labels are values.
    classes: int
    seed: int
    #: The data sets to train and to test on, if the module reads them.
    factories: Tuple[Factory, ...] = ()


class Described(NamedTuple):
    """A table of the model."""

    name: str
    dims: Tuple[int, ...]
    #: Of a batch in the average, if the servers average what batches come to.
    share: float = 0.0


class Found(NamedTuple):
    """A data set of the module."""

    examples: int
    #: Of 16 bytes.
    checksum: bytes


class DataError(Exception):
    """Says what is wrong with the first or second data set."""

    def __init__(self, place: int, why: str) -> None:
        super().__init__(why)
        self.place = place


class Shared(NamedTuple):
    """The memory: values, sums, examples, labels and outputs, as float32.

    With data sets of the module's own: values, sums, and the numbers of examples
    as int64.
    """

    memory: mmap.mmap
    parameters: int
    #: For which there is room.
    rows: int
    features: int
    outputs: int


class Ended(Exception):
    """The worker closed the socket."""


class Link:
    """This end of the socket to the worker."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._sequence = 0

    def send(self, kind: int, body: bytes = b"", code: int = 0) -> int:
        """Sends a message, and returns its sequence."""
        self._sequence += 1
        try:
            self._socket.send(seam.message(kind, self._sequence, body, code))
        except OSError as error:
            raise Ended from error
        return self._sequence

    def receive(self) -> Tuple[int, memoryview, int]:
        """Returns the kind of the next message, its body, and its file or -1."""
        try:
            message, files, _, _ = socket.recv_fds(self._socket, seam.MOST_BYTES, 1)
        except OSError as error:
            raise Ended from error
        if not message:
            raise Ended
        kind, _, _ = seam.HEADER.unpack_from(message)
        return kind, memoryview(message)[seam.HEADER.size :], files[0] if files else -1

    def module(self) -> Module:
        """Says hello, and returns the module."""
        hello = seam.HELLO_BODY.pack(1, 1, 0) + seam.text(programs.VERSION)
        self.send(seam.HELLO, hello, code=seam.FORMAT)
        kind, body, file = self.receive()
        assert kind == seam.MODULE, kind
        features, classes, seed, count = seam.MODULE_BODY.unpack_from(body)
        words = _words(body[seam.MODULE_BODY.size :])
        text = _content(file)
        factories = tuple(self._factory() for _ in range(count))
        return Module(
            words[0], text, words[1], _options(words[2:]), features, classes, seed, factories
        )

    def _factory(self) -> Factory:
        kind, body, file = self.receive()
        assert kind == seam.DATA_SET, kind
        words = _words(body)
        text = b"" if file < 0 else _content(file)
        return Factory(words[0], text, words[1], words[2], _options(words[3:]))

    def describe(self, tables: List[Described], outputs: int, found: List[Found]) -> None:
        """Says what the model is, and its data sets."""
        self.send(seam.MODEL, seam.MODEL_BODY.pack(len(tables), outputs))
        offset = 0
        for name, dims, share in tables:
            size = 1
            for dim in dims:
                size *= dim
            shape = b"".join(seam.TICKET.pack(dim) for dim in dims)
            body = seam.MODEL_TABLE_BODY.pack(share, offset, len(dims)) + shape
            self.send(seam.MODEL_TABLE, body + seam.text(name))
            offset += size
        for examples, checksum in found:
            self.send(seam.FOUND, seam.FOUND_BODY.pack(examples, checksum))

    def fail(self, ticket: int, why: str, row: Optional[int] = None) -> None:
        """Says that a batch cannot be computed; ticket 0: that no batch can.

        row: of the example in the batch that is to blame; with ticket 0 the place
        of the data set.
        """
        code = 0 if row is None else row + 1
        self.send(seam.FAIL, seam.TICKET.pack(ticket) + seam.text(why), code)


def _words(text: memoryview) -> List[str]:
    """Each ends with a zero."""
    return bytes(text).decode("utf-8", "replace").split("\0")[:-1]


def _options(words: List[str]) -> Dict[str, str]:
    """Names and values, by turns."""
    return dict(zip(words[::2], words[1::2]))


def _content(file: int) -> bytes:
    with os.fdopen(file, "rb") as text:
        return text.read()


def shared_memory(body: memoryview, file: int) -> Shared:
    """Maps the memory of a message, and closes its file."""
    parameters, rows, features, outputs = seam.SHARED_BODY.unpack_from(body)
    try:
        memory = mmap.mmap(file, 0)  # All of it.
        return Shared(memory, parameters, rows, features, outputs)
    finally:
        os.close(file)
