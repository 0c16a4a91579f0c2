"""The program that an ebb-worker starts to compute a model of Python (docs/python-models.md).

The worker hands over the bytes of the module, and then batch after batch in a
memory file (docs/formats/computer.md). This process reads no file of the
module. It ends when the worker closes the socket, however the worker ends.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import sys
import threading
import traceback
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

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


def _shared(body: memoryview, file: int) -> Shared:
    parameters, rows, features, outputs = seam.SHARED_BODY.unpack_from(body)
    try:
        memory = mmap.mmap(file, 0)  # All of it.
        return Shared(memory, parameters, rows, features, outputs)
    finally:
        os.close(file)


def _serve(link: Link, model: Any) -> None:
    """Computes what the worker offers. ``model`` is an ebb.torch.hosted.Hosted."""
    kind, body, file = link.receive()
    assert kind == seam.SHARED, kind
    model.begin(_shared(body, file))
    link.send(seam.NEXT)
    while True:
        kind, body, file = link.receive()
        if kind == seam.SHARED:
            model.move(_shared(body, file))
        elif kind == seam.BATCH:
            _compute(link, model, body)
            link.send(seam.NEXT)
        elif kind == seam.EVALUATE:
            _evaluate(link, model, body)
            link.send(seam.NEXT)
        elif kind == seam.END:
            raise Ended


def _compute(link: Link, model: Any, body: memoryview) -> None:
    ticket, epoch, shard, begin, end = seam.BATCH_BODY.unpack_from(body)
    try:
        loss_sum = model.compute(epoch, shard, begin, end)
    except (Exception, SystemExit) as error:
        link.fail(ticket, model.explain(error), model.blame(end - begin))
    else:
        link.send(seam.PUSH, seam.PUSH_BODY.pack(ticket, loss_sum, 1.0))
    link.receive()  # Says whether it was taken: the worker knows what follows.


def _evaluate(link: Link, model: Any, body: memoryview) -> None:
    ticket, _, rows, labelled = seam.EVALUATE_BODY.unpack_from(body)
    loss_sum, correct, why = 0.0, -1, ""
    try:
        loss_sum, correct = model.evaluate(rows, bool(labelled))
    except (Exception, SystemExit) as error:
        why = model.explain(error)
    answer = seam.EVALUATED_BODY.pack(ticket, rows, loss_sum, correct, 0)
    link.send(seam.EVALUATED, answer + seam.text(why))
    link.receive()


def _work(link: Link) -> None:
    module = link.module()
    try:
        import torch  # noqa: F401

        from ebb.torch import hosted
    except ImportError as error:
        link.fail(
            0,
            f"models of Python need PyTorch ({error}): apt-get install python3-torch, or "
            "pip install torch",
        )
        return
    try:
        model = hosted.Hosted(module)
    except (Exception, SystemExit) as error:
        place = error.place if isinstance(error, DataError) else None
        link.fail(0, hosted.explained(error, module), place)
        return
    link.describe(model.tables(), model.outputs, model.found())
    _serve(link, model)


def _end_with_the_worker(fd: int) -> None:
    """Ends this process when the other end closes, whatever the module does then."""
    poll = select.poll()
    poll.register(fd, select.POLLRDHUP)  # POLLHUP always counts, too.
    poll.poll()
    os._exit(0)


def main(fd: int) -> None:
    """Serves the worker at the other end of this socket, and ends this process."""
    threading.Thread(target=_end_with_the_worker, args=(fd,), daemon=True).start()
    code = 0
    try:
        _work(Link(fd))
    except Ended:
        pass
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    # Nothing is cleaned up by libraries: it ends with the process.
    os._exit(code)
