"""The engine: a child process that does all of a worker's work but the computing.

    engine = Engine.join("host:7000", "digits")
    while (batch := engine.next()) is not None:
        engine.sums[:] = gradient_of(engine.values, batch.examples)
        engine.push(batch, loss_sum)

The engine is ``ebb-worker --serve``. It leases items, pulls values into
``values``, pushes ``sums``, and leaves in good order when this process ends,
however it ends. An engine that dies is started again by the next call.
"""

from __future__ import annotations

import atexit
import collections
import logging
import mmap
import os
import re
import socket
import struct
import threading
import time
import weakref
from typing import (
    TYPE_CHECKING,
    Deque,
    Dict,
    List,
    Mapping,
    NoReturn,
    Optional,
    Tuple,
    Type,
    Union,
)

import numpy as np

from ebb import programs, seam
from ebb.batches import Batch as Batch
from ebb.batches import Evaluation as Evaluation
from ebb.batches import Place as Place
from ebb.batches import Table as Table
from ebb.command import Access, Tls
from ebb.engine_process import EngineProcess, Gone, shared_memory
from ebb.errors import (
    EngineLost,
    Error,
    ForkedError,
    NonFinite,
    NotFound,
    Refused,
    Unavailable,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Numbers = NDArray[np.int64]

_LOG = logging.getLogger("ebb.engine")
# Severities as the engine numbers them.
_LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)

# An engine that dies as often within this time is not started again.
_MOST_DEATHS = 3
_DEATHS_WITHIN_S = 60.0
# While the scheduler is away a new engine cannot join.
_JOIN_AGAIN_S = 0.5
# A wait without a batch is told of after this time, once.
_TELL_AFTER_S = 10.0
# Orders of items that are kept, so that each is asked for once.
_MOST_ORDERS = 64
# Those beside the newest take at most this.
_MOST_ORDER_BYTES = 64 << 20
_MOST_AHEAD = 1024
# What the scheduler takes (protocol/evaluation_check.h).
_FIGURE_NAME = re.compile("[a-z0-9_]{1,32}")

# By absl::StatusCode.
_ERRORS: Dict[int, Type[Error]] = {
    4: Unavailable,
    5: NotFound,
    11: NonFinite,
    14: Unavailable,
}


class _Left(Exception):
    """The engine left in good order, without being asked."""


def _check_counts(examples: int, correct: int) -> None:
    if examples < 0:
        raise Refused(f"examples is {examples}; it must not be negative")
    if not -1 <= correct <= examples:
        raise Refused(
            f"correct is {correct}; it must be from 0 to examples, which is {examples}",
            "leave it out if labels are numbers",
        )


def _error_of(code: int, body: memoryview) -> Error:
    message, _, hint = bytes(body).partition(b"\0")
    kind = _ERRORS.get(code, Refused)
    return kind(message.decode("utf-8", "replace"), hint.decode() or None)


class Engine:
    """A job that this process computes for. One thread uses it.

    ``values`` and ``sums`` are this process's from when ``next`` returned a
    batch until it is handed in; at all other times the engine may write to them.
    """

    def __init__(self) -> None:
        raise TypeError("Engine.join makes engines")

    @classmethod
    def join(
        cls,
        scheduler: Optional[str],
        job: str,
        *,
        number: int = 0,
        name: Optional[str] = None,
        tls: Optional[Tls] = None,
        token_file: Optional[str] = None,
        insecure: bool = False,
        grace: float = 5.0,
        prefetch: bool = True,
        evaluates: bool = False,
    ) -> "Engine":
        """Joins a job. Blocks for at most 10 s.

        Raises NotFound if there is no such job, Unavailable if there is no
        scheduler at the address, and Refused if the job cannot be joined. A job
        that is over can be joined; ``next`` returns None then.

        scheduler, tls: as of ebb.connect.
        number: the job of this number; 0: the newest of its name.
        name: of this worker; None: EBB_NAME, or python-PID.
        """
        engine = object.__new__(cls)
        engine._wanted = number
        engine._begin(
            scheduler, job, name, tls, token_file, insecure, grace, prefetch, evaluates
        )
        return engine

    _wanted: int  # The number of the job to join; 0: the newest of its name.

    # What the job is; constant.
    name: str
    number: int
    seed: int
    epochs: int
    examples: int
    batch: int
    #: Of the examples, as the job has it; may be empty.
    fingerprint: str
    tables: List[Table]
    values: "Floats"
    sums: "Floats"
    memory: mmap.mmap
    #: Why next() returned None: "complete", "cancelled" or "left".
    ended: Optional[str]

    def _begin(
        self,
        scheduler: Optional[str],
        job: str,
        name: Optional[str],
        tls: Optional[Tls],
        token_file: Optional[str],
        insecure: bool,
        grace: float,
        prefetch: bool,
        evaluates: bool,
    ) -> None:
        self._process: Optional[EngineProcess] = None
        self._pid = os.getpid()
        self._thread = threading.get_ident()
        self._grace = grace
        self._evaluates = evaluates
        self._arguments = [
            *Access(scheduler, tls, token_file, insecure).flags(),
            f"--job={job}",
            f"--name={name or os.environ.get('EBB_NAME') or f'python-{self._pid}'}",
            f"--grace={max(1, round(grace * 1000))}ms",
        ]
        if not prefetch:
            self._arguments.append("--no-prefetch")
        self.name, self.number = job, 0
        self.ended = None
        self._memory_file = -1
        self._buffer = bytearray(seam.MOST_BYTES)
        self._view = memoryview(self._buffer)
        self._sequence = 0
        # Sequences of what was asked and is not answered yet.
        self._hello: Optional[int] = None
        self._asked: Optional[int] = None
        self._out: Union[None, Batch, Evaluation] = None
        self._last_ticket = 0
        self._deaths: Deque[float] = collections.deque(maxlen=_MOST_DEATHS)
        self._orders: "collections.OrderedDict[Tuple[int, int], Numbers]" = (
            collections.OrderedDict()
        )
        try:
            while not self._start():
                pass
        except _Left:
            raise Unavailable(
                f"the engine was asked to leave before it joined job {job}"
            ) from None
        _ENGINES.add(self)

    # --- The process ----------------------------------------------------------

    def _joined(self) -> bool:
        return self._process is not None and self._hello is None

    def _start(self, deadline: Optional[float] = None) -> bool:
        """Starts an engine, which joins the job; returns False if it died.

        Raises TimeoutError at the deadline; the next call goes on waiting.
        """
        if self._process is None:
            self._refuse_deaths()
            self._asked = self._hello = None
            self._process = EngineProcess(self._arguments)
        process = self._process
        try:
            self._greet(deadline)
            return True
        except Gone:
            complaint = process.close(self._grace + 1)
            code = process.child.returncode
            self._process = None
            if code == 0:
                raise _Left from None  # By a signal: it says nothing yet.
            if code > 0:
                raise Refused(
                    f"the engine did not start: {complaint or f'exit code {code}'}"
                ) from None
            self._note_death(code, complaint)
            return False
        except TimeoutError:
            raise
        except BaseException:
            self._process = None
            process.close(self._grace + 1)
            raise

    def _greet(self, deadline: Optional[float]) -> None:
        if self._hello is None:
            hello = seam.HELLO_BODY.pack(
                self._last_ticket + 1, int(self._evaluates), self.number or self._wanted
            ) + seam.text(programs.VERSION)
            self._hello = self._send(seam.HELLO, hello, code=seam.FORMAT)
        kind, _, body = self._answer(self._hello, deadline)
        assert kind == seam.JOB, kind
        job = seam.JOB_BODY.unpack_from(body)
        names = bytes(body[seam.JOB_BODY.size :]).decode("utf-8", "replace")
        name, _, self.fingerprint = names.partition("\0")
        number, seed, parameters, examples, batch, epochs, shard_size, tables = job
        described = [self._table() for _ in range(tables)]
        if self.number == 0:
            self.name, self.number, self.seed = name, number, seed
            self.examples, self.batch, self.epochs = examples, batch, epochs
            self._shard_size = shard_size
            self.tables = described
            self._share(parameters)
        sequence = self._sequence = self._sequence + 1
        assert self._process is not None
        try:
            socket.send_fds(
                self._process.socket,
                [seam.message(seam.MEMORY, sequence)],
                [self._memory_file],
            )
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Gone from error
        self._answer(sequence)
        self._hello = None

    def _table(self) -> Table:
        kind, _, body = self._receive(0)
        assert kind == seam.TABLE, kind
        offset, dims = seam.TABLE_BODY.unpack_from(body)
        shape = struct.unpack_from(f"<{dims}q", body, seam.TABLE_BODY.size)
        name = bytes(body[seam.TABLE_BODY.size + 8 * dims :])
        return Table(name.decode("utf-8", "replace"), shape, offset)

    def _share(self, parameters: int) -> None:
        self._memory_file, self.memory = shared_memory(8 * parameters)
        floats = np.frombuffer(self.memory, np.float32)
        self.values = floats[:parameters]
        self.sums = floats[parameters:]

    def _revive(self, deadline: Optional[float]) -> None:
        """Starts another engine where the last one died."""
        joined = False
        while not joined:
            try:
                joined = self._start(deadline)
            except Unavailable as error:
                _LOG.warning("job %s cannot be joined again yet: %s", self.name, error)
                pause = _JOIN_AGAIN_S
                if deadline is not None:
                    pause = min(pause, deadline - time.monotonic())
                if pause <= 0:
                    raise self._late() from error
                time.sleep(pause)

    def _refuse_deaths(self) -> None:
        """Raises EngineLost if the last engines died too soon after another."""
        if len(self._deaths) < _MOST_DEATHS:
            return
        if time.monotonic() - self._deaths[0] < _DEATHS_WITHIN_S:
            raise EngineLost(
                f"the engine of job {self.name} died {_MOST_DEATHS} times within "
                f"{_DEATHS_WITHIN_S:.0f} s",
                'the logger "ebb.engine" has its last lines',
            )

    def _note_death(self, code: int, complaint: str) -> None:
        self._deaths.append(time.monotonic())
        _LOG.warning(
            "the engine of job %s died (%s)%s",
            self.name,
            code,
            f": {complaint}" if complaint else "",
        )

    def _died(self) -> None:
        """The engine is gone, and what was out comes again, here or elsewhere."""
        process, self._process = self._process, None
        self._asked = None
        self._out = None
        if process is None:
            return
        if self._left_at_last(process):
            self.ended = "left"
            process.close(1)
            return
        complaint = process.close(1)
        self._note_death(process.child.returncode, complaint)

    def _left_at_last(self, process: EngineProcess) -> bool:
        """Whether the last words of a closed socket say that it left."""
        left = False
        while (length := process.last_words_into(self._buffer)) > 0:
            kind, code, of = seam.HEADER.unpack_from(self._buffer)
            if kind == seam.LOG:
                self._log(code, self._view[seam.HEADER.size : length])
            left = left or (kind == seam.END and of == 0)
        return left

    def _finished(self, why: str) -> None:
        """There will be no more batches."""
        self.ended = why
        process, self._process = self._process, None
        self._out = None
        if process is not None:
            process.close(self._grace + 1)

    # --- Messages -------------------------------------------------------------

    def _send(
        self,
        kind: int,
        body: bytes = b"",
        code: int = 0,
        sequence: Optional[int] = None,
    ) -> int:
        """Sends a request, and returns its sequence: a new one, or the given."""
        process = self._process
        if process is None:
            raise Gone
        if sequence is None:
            sequence = self._sequence = self._sequence + 1
        process.send(seam.message(kind, sequence, body, code))
        return sequence

    def _receive(
        self, sequence: int, deadline: Optional[float] = None, tell: bool = False
    ) -> Tuple[int, int, memoryview]:
        """Returns kind, code and body of the answer to this request.

        The body is valid until the next call. Answers to earlier
        requests are passed over.
        """
        process = self._process
        if process is None:
            raise Gone
        since = time.monotonic() if tell else 0.0
        while True:
            patience = None
            if deadline is not None:
                patience = deadline - time.monotonic()
            length = process.receive_into(self._buffer, patience)
            if length == 0:
                now = time.monotonic()
                if deadline is not None and now >= deadline:
                    raise self._late()
                if tell and now - since >= _TELL_AFTER_S:
                    tell = False
                    _LOG.warning(
                        'waiting for a batch of job %s; "ebb explain %s" says why',
                        self.name,
                        self.name,
                    )
                continue
            kind, code, of = seam.HEADER.unpack_from(self._buffer)
            body = self._view[seam.HEADER.size : length]
            if kind == seam.LOG:
                self._log(code, body)
            elif kind == seam.END and of == 0:
                raise _Left
            elif of == sequence:
                return kind, code, body

    def _late(self) -> TimeoutError:
        return TimeoutError(f"no batch of job {self.name} in time")

    @staticmethod
    def _log(severity: int, line: memoryview) -> None:
        level = _LEVELS[min(severity, len(_LEVELS) - 1)]
        _LOG.log(level, "%s", bytes(line).decode("utf-8", "replace"))

    def _answer(
        self, sequence: int, deadline: Optional[float] = None, tell: bool = False
    ) -> Tuple[int, int, memoryview]:
        """The same; raises what the engine answers as an error."""
        kind, code, body = self._receive(sequence, deadline, tell)
        if kind == seam.ERROR:
            raise _error_of(code, body)
        return kind, code, body

    def _ask(self, kind: int, body: bytes = b"") -> Tuple[int, int, memoryview]:
        return self._answer(self._send(kind, body))

    def _check(self) -> None:
        if os.getpid() != self._pid:
            self._refuse_child()
        if threading.get_ident() != self._thread:
            raise Refused(
                f"job {self.name} was joined by another thread",
                "use it in the thread that joined it",
            )

    def _refuse_child(self) -> NoReturn:
        raise ForkedError(
            f"this is a child (pid {os.getpid()}) of the process that joined "
            f"({self._pid}): join here, or keep ebb out of DataLoader workers"
        )

    # --- What there is to compute ---------------------------------------------

    def next(self, timeout: Optional[float] = None) -> Union[Batch, Evaluation, None]:
        """Returns what to compute next; None when the job is over or left.

        Blocks while there is nothing. Raises TimeoutError after ``timeout``
        seconds; the next call goes on waiting. If the batch before was neither
        pushed nor failed, it counts as failed, and this raises Refused.
        """
        self._check()
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.ended is None:
            try:
                if not self._joined():
                    self._revive(deadline)
                # After an interrupt the answer may have come and be lost: the
                # same request has the same answer again.
                self._asked = self._send(seam.NEXT, sequence=self._asked)
                kind, code, body = self._receive(self._asked, deadline, tell=True)
                if kind == seam.BATCH:
                    self._out = self._batch(body)
                elif kind == seam.EVALUATE:
                    ticket, snapshot = seam.EVALUATE_BODY.unpack_from(body)
                    self._out = Evaluation(ticket, snapshot)
                elif kind == seam.ERROR:
                    self._asked = self._out = None
                    raise _error_of(code, body)
                else:
                    self._over(code)
                    break
                self._asked = None
                self._last_ticket = self._out.ticket
                return self._out
            except Gone:
                self._died()
            except _Left:
                self._finished("left")
        return None

    def _batch(self, body: memoryview) -> Batch:
        ticket, epoch, shard, begin, end = seam.BATCH_BODY.unpack_from(body)
        examples = self._order(epoch, shard)[begin:end]
        return Batch(ticket, epoch, shard, begin, end, examples)

    def _over(self, code: int) -> None:
        if code == seam.LEFT:
            self._finished("left")
            return
        self.leave()
        self.ended = "complete" if code == seam.COMPLETE else "cancelled"

    def _order(self, epoch: int, shard: int) -> "Numbers":
        """Returns the examples of an item by position."""
        order = self._orders.get((epoch, shard))
        if order is not None:
            self._orders.move_to_end((epoch, shard))
            return order
        size = min(self._shard_size, self.examples - shard * self._shard_size)
        order = np.empty(size, np.int64)
        have = 0
        while have < size:
            _, _, body = self._ask(
                seam.ORDER, seam.ORDER_BODY.pack(epoch, shard, have, size)
            )
            numbers = np.frombuffer(body, np.int64)
            order[have : have + len(numbers)] = numbers
            have += len(numbers)
        order.flags.writeable = False
        self._orders[(epoch, shard)] = order
        others = sum(one.nbytes for one in self._orders.values()) - order.nbytes
        while len(self._orders) > _MOST_ORDERS or others > _MOST_ORDER_BYTES:
            _, oldest = self._orders.popitem(last=False)
            others -= oldest.nbytes
        return order

    def ahead(self) -> List[Place]:
        """Returns places that are likely to come next, in their order.

        The batch that is out is not among them. Other workers may get some of
        them, and others may come first.
        """
        self._check()
        if not self._joined():
            return []
        try:
            _, _, body = self._ask(seam.AHEAD, seam.AHEAD_BODY.pack(_MOST_AHEAD))
            places = list(seam.PLACE.iter_unpack(bytes(body)))
            return [
                Place(epoch, shard, begin, end, self._order(epoch, shard)[begin:end])
                for epoch, shard, begin, end in places
            ]
        except Gone:
            self._died()
        except _Left:
            self._finished("left")
        return []

    # --- What was computed ----------------------------------------------------

    def push(self, batch: Batch, loss_sum: float = 0.0) -> None:
        """Hands in ``sums`` for the batch, and the sum of its losses.

        Returns before the servers answer; ``sums`` is zero then. If the batch
        is another worker's by now, nothing happens: that one's counts. Raises
        NonFinite if a sum or the loss is not finite; the batch counts as failed
        then, and the job's ``on_nonfinite`` says what happens.
        """
        if self._begin_answer(batch):
            body = seam.PUSH_BODY.pack(batch.ticket, loss_sum)
            self._end_answer(seam.PUSH, body)

    def fail(self, batch: Batch, why: str) -> None:
        """Says that the batch cannot be computed, and why.

        Another worker tries. If it fails again and again, the job stops with
        ``why`` (``quarantine_after``).
        """
        if self._begin_answer(batch):
            body = seam.TICKET.pack(batch.ticket) + seam.text(why)
            self._end_answer(seam.FAIL, body)

    def again(self, batch: Batch) -> None:
        """Clears ``sums``: the batch is computed once more from the same values.

        The batch stays out until it is handed in. Nothing is sent.
        """
        self._check()
        self._refuse_answered(batch)
        self.sums[:] = 0

    def evaluated(
        self,
        evaluation: Evaluation,
        *,
        examples: int,
        loss_sum: float,
        correct: int = -1,
        figures: Optional[Mapping[str, float]] = None,
        error: str = "",
    ) -> None:
        """Hands in an evaluation, or says why there is none.

        correct: how many predictions were right; -1 if labels are numbers.
        figures: up to 16 more, by name. A name has up to 32 lower-case letters,
        digits and underscores. Raises Refused for others; the evaluation is
        still to be handed in then.
        """
        named = list((figures or {}).items())
        if len(named) > seam.MOST_FIGURES:
            raise Refused(
                f"{len(named)} figures; an evaluation has at most {seam.MOST_FIGURES}"
            )
        for name, _ in named:
            if not _FIGURE_NAME.fullmatch(name):
                raise Refused(
                    f"figure {name!r}: a name has from 1 to 32 lower-case letters, "
                    "digits and underscores"
                )
        if not error:
            _check_counts(examples, correct)
        if self._begin_answer(evaluation):
            body = seam.EVALUATED_BODY.pack(
                evaluation.ticket, examples, loss_sum, correct, len(named)
            )
            body += seam.figures(named) + seam.text(error)
            self._end_answer(seam.EVALUATED, body)

    def _begin_answer(self, what: Union[Batch, Evaluation]) -> bool:
        """Whether the engine may still wait for it."""
        self._check()
        self._refuse_answered(what)
        what.answered = True
        waits = what is self._out
        if waits:
            self._out = None
        return waits

    def _refuse_answered(self, what: Union[Batch, Evaluation]) -> None:
        if what.answered:
            raise Refused(f"{what!r} was handed in or failed before")

    def _end_answer(self, kind: int, body: bytes) -> None:
        try:
            self._ask(kind, body)
        except Gone:
            self._died()
        except _Left:
            self._finished("left")

    # --- Leaving --------------------------------------------------------------

    def leave(self) -> None:
        """Leaves in good order: delivers pushes, and gives items back.

        Blocks for at most ``grace`` seconds, and a little more where the engine
        does not answer. No example is lost in any case.
        """
        self._check()
        try:
            if self._joined():
                deadline = time.monotonic() + self._grace + 1
                self._receive(self._send(seam.LEAVE), deadline)
        except (Gone, _Left, TimeoutError):
            pass
        self._finished(self.ended or "left")

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def __del__(self) -> None:
        process = getattr(self, "_process", None)
        if process is not None and os.getpid() == self._pid:
            process.close(self._grace + 1)
        if getattr(self, "_memory_file", -1) >= 0:
            os.close(self._memory_file)
            self._memory_file = -1


_ENGINES: "weakref.WeakSet[Engine]" = weakref.WeakSet()


def _in_child() -> None:
    """Only the process that joined speaks to the engine."""
    for engine in list(_ENGINES):
        if engine._process is not None:
            engine._process.forget()


def _at_exit() -> None:
    for engine in list(_ENGINES):
        if engine._process is not None and engine._pid == os.getpid():
            engine._process.close(engine._grace + 1)
            engine._process = None


os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)
