"""Requests to an engine, and its answers (docs/formats/computer.md)."""

from __future__ import annotations

import logging
import time
from typing import Dict, NamedTuple, Optional, Tuple, Type

from ebb import seam
from ebb.engine_process import EngineProcess, Gone
from ebb.errors import Error, NonFinite, NotFound, Refused, Unavailable

LOG = logging.getLogger("ebb.engine")
# Severities as the engine numbers them.
_LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)

# A wait without a batch is told of after this time, once.
_TELL_AFTER_S = 10.0

# By absl::StatusCode.
_ERRORS: Dict[int, Type[Error]] = {
    4: Unavailable,
    5: NotFound,
    11: NonFinite,
    14: Unavailable,
}


class Left(Exception):
    """The engine left in good order, without being asked."""


def error_of(code: int, body: memoryview) -> Error:
    """Returns what the engine answers as an error."""
    message, _, hint = bytes(body).partition(b"\0")
    kind = _ERRORS.get(code, Refused)
    return kind(message.decode("utf-8", "replace"), hint.decode() or None)


def late(job: str) -> TimeoutError:
    """Returns the error of a wait that reached its deadline."""
    return TimeoutError(f"no batch of job {job} in time")


def _log(severity: int, line: memoryview) -> None:
    level = _LEVELS[min(severity, len(_LEVELS) - 1)]
    LOG.log(level, "%s", bytes(line).decode("utf-8", "replace"))


class Ahead(NamedTuple):
    """A BATCH that came before it was asked for."""

    ticket: int
    half: int
    body: bytes


class Link:
    """Carries what a program says to its engine, and hears from it.

    It outlives engines: ``process`` is the one that runs, or None. All methods
    raise Gone while there is none, or if it ends, and Left if it left.

    job: the name that its messages use.
    """

    def __init__(self, job: str) -> None:
        self.job = job
        self.process: Optional[EngineProcess] = None
        #: The newest batch that came before it was asked for.
        self.ahead: Optional[Ahead] = None
        self._buffer = bytearray(seam.MOST_BYTES)
        self._view = memoryview(self._buffer)
        self._sequence = 0

    def send(
        self,
        kind: int,
        body: bytes = b"",
        code: int = 0,
        sequence: Optional[int] = None,
    ) -> int:
        """Sends a request, and returns its sequence: a new one, or the given."""
        process = self._running()
        if sequence is None:
            sequence = self._sequence = self._sequence + 1
        process.send(seam.message(kind, sequence, body, code))
        return sequence

    def follow(self) -> int:
        """Returns the sequence after the last: that of a request within it."""
        self._sequence += 1
        return self._sequence

    def hand_over(self, kind: int, body: bytes, file: int) -> None:
        """Sends a request with a memory file, and waits for its answer."""
        process = self._running()
        sequence = self._sequence = self._sequence + 1
        process.send_with_file(seam.message(kind, sequence, body), file)
        self.answer(sequence)

    def receive(
        self, sequence: int, deadline: Optional[float] = None, tell: bool = False
    ) -> Tuple[int, int, memoryview]:
        """Returns kind, code and body of the answer to this request.

        The body is valid until the next call. Answers to earlier requests are
        passed over. Raises TimeoutError at the deadline.
        """
        process = self._running()
        since = time.monotonic() if tell else 0.0
        while True:
            patience = None
            if deadline is not None:
                patience = deadline - time.monotonic()
            length = process.receive_into(self._buffer, patience)
            if length == 0:
                now = time.monotonic()
                if deadline is not None and now >= deadline:
                    raise late(self.job)
                if tell and now - since >= _TELL_AFTER_S:
                    tell = False
                    LOG.warning(
                        'waiting for a batch of job %s; "ebb explain %s" says why',
                        self.job,
                        self.job,
                    )
                continue
            kind, code, of = seam.HEADER.unpack_from(self._buffer)
            body = self._view[seam.HEADER.size : length]
            if self._is_unasked(kind, code, of, body):
                continue
            if of == sequence:
                return kind, code, body

    def look(self) -> None:
        """Takes what came unasked, until a batch is among it. It does not block.

        Answers to earlier requests are passed over.
        """
        process = self._running()
        while self.ahead is None:
            length = process.look_into(self._buffer)
            if length == 0:
                return
            kind, code, of = seam.HEADER.unpack_from(self._buffer)
            self._is_unasked(kind, code, of, self._view[seam.HEADER.size : length])

    def _is_unasked(self, kind: int, code: int, of: int, body: memoryview) -> bool:
        """Takes a message that came unasked; returns False for an answer."""
        if kind == seam.LOG:
            _log(code, body)
        elif kind == seam.END and of == 0:
            raise Left
        elif kind == seam.BATCH and of == 0:
            (ticket,) = seam.TICKET.unpack_from(body)
            self.ahead = Ahead(ticket, code, bytes(body))
        else:
            return False
        return True

    def answer(
        self, sequence: int, deadline: Optional[float] = None
    ) -> Tuple[int, int, memoryview]:
        """Does the same; raises what the engine answers as an error."""
        kind, code, body = self.receive(sequence, deadline)
        if kind == seam.ERROR:
            raise error_of(code, body)
        return kind, code, body

    def ask(
        self, kind: int, body: bytes = b"", code: int = 0
    ) -> Tuple[int, int, memoryview]:
        """Sends a request, and returns the answer to it."""
        return self.answer(self.send(kind, body, code))

    def left_at_last(self, process: EngineProcess) -> bool:
        """Returns whether the last words of a closed socket say that the engine left."""
        left = False
        while (length := process.last_words_into(self._buffer)) > 0:
            kind, code, of = seam.HEADER.unpack_from(self._buffer)
            if kind == seam.LOG:
                _log(code, self._view[seam.HEADER.size : length])
            left = left or (kind == seam.END and of == 0)
        return left

    def _running(self) -> EngineProcess:
        if self.process is None:
            raise Gone
        return self.process
