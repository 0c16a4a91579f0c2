"""The engine: a child process that does all of a worker's work but the computing.

    engine = Engine.join("host:7000", "digits")
    while (batch := engine.next()) is not None:
        engine.sums[:] = gradient_of(engine.values, batch.examples)
        engine.push(batch, loss_sum)

The engine is ``ebb-worker --serve``. It leases items, pulls values into
``values``, pushes ``sums``, and leaves in good order when this process exits. If
the process is killed or crashes, the batch that it has counts as failed. An engine
that dies is started again by the next call.
"""

from __future__ import annotations

import math
import mmap
import os
import re
import threading
import time
from typing import (
    TYPE_CHECKING,
    Dict,
    List,
    Mapping,
    Optional,
    Tuple,
    Union,
)

import numpy as np

from ebb import seam
from ebb.batches import Batch as Batch
from ebb.batches import Evaluation as Evaluation
from ebb.batches import Place as Place
from ebb.batches import Table as Table
from ebb.batches import Wanted as Wanted
from ebb.batches import name_of
from ebb.command import Access, Tls
from ebb.engine_link import Ahead, Left, error_of
from ebb.engine_process import Gone
from ebb.engine_session import Session
from ebb.errors import EvaluationLost, ForkedError, Refused
from ebb.orders import Orders
from ebb.row_exchange import RowExchange, distinct_in
from ebb.rows import Rows, RowTable

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float32]
    _Placed = Tuple[int, int, int, int, NDArray[np.int64]]

_MOST_AHEAD = 1024
# The scheduler takes such names (protocol/evaluation_check.h).
_FIGURE_NAME = re.compile("[a-z0-9_]{1,32}")


class Engine:
    """A job that this process computes for. One thread uses it.

    ``values`` and ``sums`` are those of the batch that ``next`` returned last.
    They are this process's until it is handed in. Then the engine may write to
    them, and the next batch mostly has others.
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
        look_ahead: bool = False,
        evaluates: bool = False,
        ahead: int = 0,
        steps: bool = False,
    ) -> "Engine":
        """Joins a job. Blocks for at most 10 s.

        Raises NotFound if there is no such job, Unavailable if there is no
        scheduler at the address, and Refused if the job cannot be joined. A job
        that is over can be joined; ``next`` returns None then.

        scheduler, tls: as of ebb.connect.
        number: the job of this number; 0: the newest of its name.
        look_ahead: values that were pulled while a batch was computed, and so lack it,
            are moved on by the momentum of the job's rule times their last step.
        name: of this worker; None: EBB_NAME, or python-PID.
        ahead: batches to be known before they are computed.
        steps: whether the program steps by itself (``stepped``). The job must say so, too
            (``algorithm.program_steps``); else this raises Refused.
        """
        access = Access(scheduler, tls, token_file, insecure, role="worker")
        arguments = [
            *access.flags(of_job=True),
            f"--job={job}",
            f"--name={name or os.environ.get('EBB_NAME') or f'python-{os.getpid()}'}",
            f"--grace={max(1, round(grace * 1000))}ms",
        ]
        if not prefetch:
            arguments.append("--no-prefetch")
        if look_ahead:
            arguments.append("--look-ahead")
        if ahead:
            arguments.append(f"--held-batches={ahead}")
        session = Session(
            job,
            arguments,
            scheduler=access.address,
            number=number,
            evaluates=evaluates,
            grace=grace,
        )
        session.begin(secure=tls is not None or "EBB_TLS_CERT" in os.environ)
        engine = object.__new__(cls)
        engine._begin(session)
        if engine.steps != steps:
            engine.leave()
            raise _other_steps(engine.name, steps)
        return engine

    # The facts of the job; constant.
    name: str
    number: int
    seed: int
    epochs: int
    examples: int
    batch: int
    #: How many batches the job has, if they do not grow.
    batches: int
    #: Examples of a shard, except for the last.
    shard_size: int
    #: True if servers divide the sums of a short batch by ``batch``, and not by its own
    #: examples.
    divides_by_batch: bool
    #: True if this program makes runs of steps by itself.
    steps: bool
    #: Of the examples, as the job has it; may be empty.
    fingerprint: str
    tables: List[Table]
    #: The sparse tables of the model.
    row_tables: List[RowTable]
    values: "Floats"
    sums: "Floats"
    #: Has ``halves`` times values and then sums. What is out is in ``half``.
    memory: mmap.mmap
    halves: int
    half: int
    #: Why next() returned None: "complete", "cancelled" or "left".
    ended: Optional[str]

    def _begin(self, session: Session) -> None:
        job = session.job
        self.name, self.number, self.seed = job.name, job.number, job.seed
        self.examples, self.batch, self.epochs = job.examples, job.batch, job.epochs
        self.batches, self.fingerprint = job.batches, job.fingerprint
        self.divides_by_batch, self.shard_size = job.divides_by_batch, job.shard_size
        self.steps = job.program_steps
        self.tables, self.row_tables = job.tables, job.row_tables
        self.memory, self.halves = session.memory, seam.HALVES
        self.ended = None
        self._pid = os.getpid()
        self._thread = threading.get_ident()
        self._session = session
        self._use(0)
        self._link = session.link
        self._orders = Orders(session)
        self._rows = RowExchange(session)
        # The sequence of the NEXT that is not answered yet.
        self._asked: Optional[int] = None
        # It was asked within a PUSH, and no NEXT was sent.
        self._asked_early = False
        # The next batch, which came before it was asked for.
        self._ahead: Optional[Ahead] = None
        self._out: Union[None, Batch, Evaluation] = None

    # --- Whether there is an engine -------------------------------------------

    @property
    def pid(self) -> Optional[int]:
        """The process of the engine; None while there is none.

        SIGTERM makes it leave in good order, whatever this process does then. An
        engine that ended is followed by another one, at the next call.
        """
        process = self._link.process
        return None if process is None else process.child.pid

    def _died(self) -> None:
        """The engine is gone, and what was out comes again, here or elsewhere."""
        self._asked = self._out = self._ahead = self._link.ahead = None
        self._asked_early = False
        if self._session.bury():
            self.ended = "left"

    def _finished(self, why: str) -> None:
        """There will be no more batches."""
        self.ended = why
        self._out = None
        self._session.end()

    def _check(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedError(
                f"this is a child (pid {os.getpid()}) of the process that joined "
                f"({self._pid}): join here, or keep ebb out of DataLoader workers"
            )
        if threading.get_ident() != self._thread:
            raise Refused(
                f"job {self.name} was joined by another thread",
                "use it in the thread that joined it",
            )

    # --- What there is to compute ---------------------------------------------

    def next(
        self, timeout: Optional[float] = None
    ) -> Union[Batch, Evaluation, Wanted, None]:
        """Returns what to compute next; None when the job is over or left.

        Returns a Wanted where the keys of a batch to come must be told first.
        Blocks while there is nothing. Raises TimeoutError after ``timeout``
        seconds; the next call goes on waiting. If the batch before was neither
        pushed nor failed, it counts as failed, and this raises Refused.
        """
        self._check()
        deadline = None if timeout is None else time.monotonic() + timeout
        self._refuse_forgotten()
        while self.ended is None:
            with _Survived(self):
                if not self._session.is_joined:
                    self._session.revive(deadline)
                if self._asked is None and self._is_ahead():
                    return self._take_ahead()
                # After an interrupt the answer may have come and be lost: the
                # same request has the same answer again.
                if not self._asked_early:
                    self._asked = self._link.send(seam.NEXT, sequence=self._asked)
                self._asked_early = False
                assert self._asked is not None
                kind, code, body = self._link.receive(self._asked, deadline, tell=True)
                if kind == seam.DONE:
                    continue  # It is not ready yet.
                if kind == seam.BATCH:
                    self._use(code & 1)
                    self._out = self._batch(body, code)
                elif kind == seam.WANTED:
                    self._asked = None
                    return Wanted(*self._placed(*seam.PLACE.unpack_from(body)))
                elif kind == seam.EVALUATE:
                    self._use(code)
                    ticket, snapshot, _, _ = seam.EVALUATE_BODY.unpack_from(body)
                    self._out = Evaluation(ticket, snapshot)
                elif kind == seam.ERROR:
                    self._asked = self._out = None
                    raise error_of(code, body)
                else:
                    self._over(code)
                    break
                self._asked = None
                self._session.last_ticket = self._out.ticket
                return self._out
        return None

    def _refuse_forgotten(self) -> None:
        """Refuses to go on from a batch that was neither pushed nor failed.

        If the engine died meanwhile, the batch comes again.
        """
        out = self._out
        if not isinstance(out, Batch):
            return  # An engine knows that of an evaluation.
        why = f"{name_of(out)} was neither handed in nor failed: push it, or call fail"
        self.fail(out, why)
        if self.ended is None and self._session.is_joined:
            raise Refused(why)

    def _is_ahead(self) -> bool:
        """Returns whether the next batch came before it was asked for."""
        if self._ahead is None:
            ahead = self._link.ahead
            if ahead is not None and ahead.ticket > self._session.last_ticket:
                self._ahead = ahead  # Else it came as an answer, too.
            self._link.ahead = None
        return self._ahead is not None

    def _take_ahead(self) -> Batch:
        assert self._ahead is not None
        batch = self._batch(memoryview(self._ahead.body), self._ahead.half)
        self._use(self._ahead.half)
        self._out, self._session.last_ticket = batch, batch.ticket
        self._ahead = None
        return batch

    def _use(self, half: int) -> None:
        self.half = half
        self.values, self.sums = self._session.values[half], self._session.sums[half]

    def _batch(self, body: memoryview, code: int) -> Batch:
        ticket, *place, rate_factor, epochs = seam.BATCH_BODY.unpack_from(body)
        # The next message takes the place of this one.
        distinct = distinct_in(body, seam.BATCH_BODY.size) if self.row_tables else []
        batch = Batch(ticket, *self._placed(*place))
        batch.examples = batch.examples.copy()  # The program may write to them.
        batch.rate_factor, batch.epochs = rate_factor, epochs
        batch.goes_on = bool(code & seam.GOES_ON)
        batch.ends_run = bool(code & seam.ENDS_RUN)
        if distinct:
            batch.rows = self._rows.of(batch, distinct)
        return batch

    def _placed(self, epoch: int, shard: int, begin: int, end: int) -> _Placed:
        """Returns a place with its examples."""
        examples = self._orders.examples(epoch, shard)[begin:end]
        return epoch, shard, begin, end, examples

    def _over(self, code: int) -> None:
        if code == seam.LEFT:
            self._finished("left")
            return
        self.leave()
        self.ended = "complete" if code == seam.COMPLETE else "cancelled"

    def ahead(self, most: int = _MOST_AHEAD) -> List[Place]:
        """Returns places that are likely to come next, in their order.

        The batch that is out is not among them. Other workers may get some of
        them, and others may come first.
        """
        self._check()
        if not self._session.is_joined:
            return []
        with _Survived(self):
            _, _, body = self._link.ask(seam.AHEAD, seam.AHEAD_BODY.pack(most))
            places = list(seam.PLACE.iter_unpack(bytes(body)))
            return [Place(*self._placed(*place)) for place in places]
        return []

    # --- Rows of sparse tables ------------------------------------------------

    def tell(self, place: Place, keys: Mapping[str, "ArrayLike"]) -> None:
        """Says which keys the batch at a place has, by sparse table.

        The engine pulls their rows with the batch's values. A batch that has no
        keys must be told, too. Raises Refused for a wrong key.
        """
        self._check()
        arranged = self._rows.arranged(keys)
        with _Survived(self):  # The next engine asks again.
            self._rows.tell(place, arranged)

    def unreadable(self, place: Place, why: str) -> None:
        """Says that the keys of a batch to come cannot be found, and why.

        It counts as ``fail`` does.
        """
        self._check()
        with _Survived(self):
            self._rows.unreadable(place, why)

    def look_up(
        self, evaluation: Evaluation, keys: Mapping[str, "ArrayLike"]
    ) -> Dict[str, Rows]:
        """Returns the rows under keys in the snapshot that is evaluated.

        A key without a row has the values with which its row would begin. The
        rows are valid until the next call. Raises EvaluationLost.
        """
        self._check()
        self._refuse_answered(evaluation)
        arranged = self._rows.arranged(keys)
        if evaluation is self._out:
            with _Survived(self):
                rows = self._rows.look_up(evaluation, arranged)
                if rows is not None:
                    return rows
            self._out = None
        raise EvaluationLost(f"{evaluation!r} is another worker's by now")

    # --- What was computed ----------------------------------------------------

    def push(
        self,
        batch: Batch,
        loss_sum: Optional[float] = None,
        *,
        wait: bool = True,
        factor: float = 1.0,
    ) -> None:
        """Hands in ``sums`` for the batch, and the sum of its losses.

        loss_sum: None: it is not known, which the job shows.

        Returns before the servers answer. If the batch is another worker's by
        now, nothing happens: that one's counts. Raises NonFinite if a sum or the
        loss is not finite; the batch counts as failed then, and the job's
        ``on_nonfinite`` says what happens.

        wait: until the engine has taken the sums, and looked at them. A caller
            that has seen that all are finite need not.
        factor: the engine multiplies ``sums`` by it while it takes them, for example
            by the number of examples where they are means. Rows' sums stay.
        """
        if not self._begin_answer(batch):
            return
        # A loss of -0.0 is one of 0.
        loss = seam.UNKNOWN_LOSS if loss_sum is None else loss_sum + 0.0
        body = seam.PUSH_BODY.pack(batch.ticket, loss, factor)
        if wait:
            self._end_answer(seam.PUSH, body)
            return
        with _Survived(self):
            if not self._is_ahead():
                self._link.look()
            if self._is_ahead():
                self._link.send(seam.PUSH, body, code=seam.HAS_NEXT)
                return
            self._link.send(seam.PUSH, body, code=seam.ASKS)
            self._asked, self._asked_early = self._link.follow(), True

    def stepped(
        self, batch: Batch, loss_sum: Optional[float] = None, *, not_finite: str = ""
    ) -> None:
        """Says that a batch is computed, and that its run goes on.

        For a program that makes runs of steps by itself. A run begins with ``values`` at
        a batch that does not go on, and goes on from what the program came to at each
        that does. With the batch that ends it the program pushes
        ``n * (start - end)`` as its sums, for the n examples of its batches. If a batch
        comes that does not go on, the run before counts for nothing. Raises NonFinite
        if the loss is not finite; the batch counts as failed then.

        not_finite: what of the batch's gradient is not finite, also of the run's last
            batch. It counts as failed, and this raises NonFinite.
        """
        if batch.ends_run and not not_finite and not batch.answered:
            raise Refused(
                f"{batch!r} ends its run: sums are handed in with it", "push(batch, loss)"
            )
        if not self._begin_answer(batch):
            return
        loss = seam.UNKNOWN_LOSS if loss_sum is None else loss_sum + 0.0
        body = seam.STEPPED_BODY.pack(batch.ticket, loss) + seam.text(not_finite)
        if not_finite or not math.isfinite(loss_sum or 0.0):
            self._end_answer(seam.STEPPED, body, seam.NOT_FINITE if not_finite else 0)
            return
        with _Survived(self):
            self._link.send(seam.STEPPED, body)  # Its answer comes before the next batch.

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
        for rows in batch.rows.values():
            rows.sums[:] = 0

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
        figures: up to 20 more, by name. A name has up to 32 lower-case letters,
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
        """Returns whether the engine may still wait for it."""
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

    def _end_answer(self, kind: int, body: bytes, code: int = 0) -> None:
        with _Survived(self):
            self._link.ask(kind, body, code)

    # --- Leaving --------------------------------------------------------------

    def leave(self) -> None:
        """Leaves in good order: delivers pushes, and gives items back.

        Blocks for at most ``grace`` seconds, and a little more where the engine
        does not answer. No example is lost in any case.
        """
        self._check()
        if self._session.is_joined:
            self._session.leave()
        self._finished(self.ended or "left")

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


class _Survived:
    """A context that goes on after an engine that ends meanwhile.

    A class takes less time than a generator, and each batch enters it twice.
    """

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        if isinstance(error, Gone):
            self._engine._died()
        elif isinstance(error, Left):
            self._engine._finished("left")
        else:
            return False
        return True


def _other_steps(job: str, steps: bool) -> Refused:
    if steps:
        return Refused(
            f"the servers of job {job} step for each batch, and this program would make runs "
            "of steps by itself",
            "algorithm: {kind: diloco, program_steps: true} in the job",
        )
    return Refused(
        f"job {job} has algorithm.program_steps: its programs make runs of steps by themselves, "
        "and this one does not",
    )


def _check_counts(examples: int, correct: int) -> None:
    if examples < 0:
        raise Refused(f"examples is {examples}; it must not be negative")
    if not -1 <= correct <= examples:
        raise Refused(
            f"correct is {correct}; it must be from 0 to examples, which is {examples}",
            "leave it out if labels are numbers",
        )
