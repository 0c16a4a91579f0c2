"""How a program joins a job: it starts an engine, and another where that dies."""

from __future__ import annotations

import atexit
import collections
import contextlib
import dataclasses
import mmap
import os
import struct
import time
import weakref
from typing import TYPE_CHECKING, Deque, List, Optional

import numpy as np

from ebb import programs, seam, termination
from ebb.batches import Table
from ebb.command import renamed
from ebb.engine_link import LOG, Left, Link, late
from ebb.engine_process import EngineProcess, Gone, shared_memory
from ebb.errors import EngineLost, Refused, Unavailable
from ebb.rows import RowMemory, RowRoom, RowTable
from ebb.table_names import decoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

# An engine that dies as often within this time is not started again.
_MOST_DEATHS = 3
_DEATHS_WITHIN_S = 60.0
# While the scheduler is away a new engine cannot join.
_JOIN_AGAIN_S = 0.5


@dataclasses.dataclass(frozen=True)
class Joined:
    """The job as the engine describes it."""

    name: str
    number: int
    seed: int
    epochs: int
    examples: int
    batch: int
    shard_size: int
    #: Of the examples, as the job has it; may be empty.
    fingerprint: str
    #: True if servers divide the sums of a short batch by the size of a whole one.
    divides_by_batch: bool
    program_steps: bool
    parameters: int
    tables: List[Table]
    row_tables: List[RowTable]

    @property
    def batches(self) -> int:
        """How many batches the job has, if they do not grow."""
        whole, rest = divmod(self.examples, self.shard_size)
        of_shards = whole * -(-self.shard_size // self.batch) + -(-rest // self.batch)
        return int(self.epochs * of_shards)


class Session:
    """The engines of one program at one job: one runs at a time.

    It owns the memory that they share with the program. The memory stays as it
    is when another engine takes the place of one that died.
    """

    def __init__(
        self,
        job: str,
        arguments: List[str],
        *,
        scheduler: str,
        number: int,
        evaluates: bool,
        grace: float,
    ) -> None:
        """Starts no engine yet.

        arguments: of ebb-worker.
        scheduler: its address.
        number: the job of this number; 0: the newest of its name.
        """
        self.link = Link(job)
        #: How long an engine may take to leave, in seconds.
        self.grace = grace
        #: The newest ticket that an engine gave out.
        self.last_ticket = 0
        self.rows = RowRoom()
        self._pid = os.getpid()
        self._arguments = arguments
        self._scheduler = scheduler
        self._number = number
        self._evaluates = evaluates
        self._job: Optional[Joined] = None
        self._memory_file = -1
        # The sequence of the HELLO that is not answered yet.
        self._hello: Optional[int] = None
        self._deaths: Deque[float] = collections.deque(maxlen=_MOST_DEATHS)

    memory: mmap.mmap
    #: By half of the memory.
    values: "List[Floats]"
    sums: "List[Floats]"

    @property
    def job(self) -> Joined:
        """The job, once it is joined."""
        assert self._job is not None
        return self._job

    @property
    def is_joined(self) -> bool:
        """Returns whether an engine runs that has joined the job."""
        return self.link.process is not None and self._hello is None

    # --- Joining --------------------------------------------------------------

    def begin(self, secure: bool) -> None:
        """Starts the first engine, which joins the job.

        secure: whether it speaks TLS.
        """
        try:
            while not self._start():
                pass
        except Unavailable as error:
            if error.message == "Connection refused":
                raise Unavailable(
                    f"no scheduler listens at {self._scheduler} ({error.message})",
                    'is it up? scheduler="HOST:PORT" or EBB_SCHEDULER names another',
                ) from None
            # Neither side can tell plain text from TLS.
            if "Socket closed" not in error.message:
                raise
            hint = (
                "if its daemons speak no TLS, leave tls= and EBB_TLS_CERT out"
                if secure
                else "if its daemons speak TLS, give tls="
            )
            raise Unavailable(
                f"the scheduler of job {self.link.job} does not answer: {error.message}",
                hint,
            ) from None
        except Left:
            raise Unavailable(
                f"the engine was asked to leave before it joined job {self.link.job}"
            ) from None
        _SESSIONS.add(self)
        termination.watch(self)

    def revive(self, deadline: Optional[float]) -> None:
        """Starts another engine where the last one died.

        Raises TimeoutError at the deadline; the next call goes on waiting.
        """
        joined = False
        while not joined:
            try:
                joined = self._start(deadline)
            except Unavailable as error:
                LOG.warning(
                    "job %s cannot be joined again yet: %s", self.link.job, error
                )
                pause = _JOIN_AGAIN_S
                if deadline is not None:
                    pause = min(pause, deadline - time.monotonic())
                if pause <= 0:
                    raise late(self.link.job) from error
                time.sleep(pause)

    def _start(self, deadline: Optional[float] = None) -> bool:
        """Starts an engine, which joins the job; returns False if it died."""
        link = self.link
        if link.process is None:
            self._refuse_deaths()
            self._hello = None
            link.process = EngineProcess(self._arguments)
        process = link.process
        try:
            self._greet(deadline)
            return True
        except Gone:
            complaint = process.close(self.grace + 1)
            code = process.child.returncode
            link.process = None
            if code == 0:
                raise Left from None  # By a signal: it says nothing yet.
            if code > 0:
                said = renamed(complaint, ()).rstrip() or f"exit code {code}"
                raise Refused(f"the engine did not start: {said}") from None
            self._note_death(code, complaint)
            return False
        except TimeoutError:
            raise
        except BaseException:
            link.process = None
            process.close(self.grace + 1)
            raise

    def _greet(self, deadline: Optional[float]) -> None:
        link = self.link
        if self._hello is None:
            hello = seam.HELLO_BODY.pack(
                self.last_ticket + 1, int(self._evaluates), self._number
            ) + seam.text(programs.VERSION)
            self._hello = link.send(seam.HELLO, hello, code=seam.FORMAT)
        job = self._described(self._hello, deadline)
        if self._job is None:
            self._job, self._number, link.job = job, job.number, job.name
            self.rows.tables = job.row_tables
            self._share(job.parameters)
        link.hand_over(seam.MEMORY, b"", self._memory_file)
        if self.rows.memory is not None:
            self.share_rows(self.rows.memory)
        self._hello = None

    def _described(self, hello: int, deadline: Optional[float]) -> Joined:
        """Returns the job as the engine describes it in answer to HELLO."""
        kind, code, body = self.link.answer(hello, deadline)
        assert kind == seam.JOB, kind
        job = seam.JOB_BODY.unpack_from(body)
        names = bytes(body[seam.JOB_BODY.size :]).decode("utf-8", "replace")
        name, _, fingerprint = names.partition("\0")
        number, seed, parameters, examples, batch, epochs, shard_size, *counts = job
        tables, row_tables = counts
        return Joined(
            name=name,
            number=number,
            seed=seed,
            epochs=epochs,
            examples=examples,
            batch=batch,
            shard_size=shard_size,
            fingerprint=fingerprint,
            divides_by_batch=bool(code & seam.DIVIDES_BY_BATCH),
            program_steps=bool(code & seam.PROGRAM_STEPS),
            parameters=parameters,
            tables=[self._table() for _ in range(tables)],
            row_tables=[self._row_table() for _ in range(row_tables)],
        )

    def _table(self) -> Table:
        kind, _, body = self.link.receive(0)
        assert kind == seam.TABLE, kind
        offset, dims = seam.TABLE_BODY.unpack_from(body)
        shape = struct.unpack_from(f"<{dims}q", body, seam.TABLE_BODY.size)
        name = bytes(body[seam.TABLE_BODY.size + 8 * dims :])
        return Table(decoded(name.decode("utf-8", "replace")), shape, offset)

    def _row_table(self) -> RowTable:
        kind, _, body = self.link.receive(0)
        assert kind == seam.ROW_TABLE, kind
        (width,) = seam.ROW_TABLE_BODY.unpack_from(body)
        name = bytes(body[seam.ROW_TABLE_BODY.size :])
        return RowTable(decoded(name.decode("utf-8", "replace")), width)

    # --- Memory ---------------------------------------------------------------

    def _share(self, parameters: int) -> None:
        # A file has at least a byte, also of a model of rows alone.
        bytes_ = seam.HALVES * 2 * 4 * parameters
        self._memory_file, self.memory = shared_memory(max(1, bytes_))
        floats = np.frombuffer(self.memory, np.float32, seam.HALVES * 2 * parameters)
        parts = floats.reshape(seam.HALVES, 2, parameters)
        self.values = [part[0] for part in parts]
        self.sums = [part[1] for part in parts]

    def share_rows(self, memory: RowMemory) -> None:
        """Hands the memory of rows to the engine."""
        body = seam.ROW_MEMORY_BODY.pack(memory.keys, memory.bytes)
        self.link.hand_over(seam.ROW_MEMORY, body, memory.file)

    # --- The end of an engine -------------------------------------------------

    def _refuse_deaths(self) -> None:
        """Raises EngineLost if the last engines died too soon after another."""
        if len(self._deaths) < _MOST_DEATHS:
            return
        if time.monotonic() - self._deaths[0] < _DEATHS_WITHIN_S:
            raise EngineLost(
                f"the engine of job {self.link.job} died {_MOST_DEATHS} times within "
                f"{_DEATHS_WITHIN_S:.0f} s",
                'the logger "ebb.engine" has its last lines',
            )

    def _note_death(self, code: int, complaint: str) -> None:
        self._deaths.append(time.monotonic())
        LOG.warning(
            "the engine of job %s died (%s)%s",
            self.link.job,
            code,
            f": {complaint}" if complaint else "",
        )

    def bury(self) -> bool:
        """Forgets an engine that is gone; returns whether it left in good order."""
        process, self.link.process = self.link.process, None
        if process is None:
            return False
        if self.link.left_at_last(process):
            process.close(1)
            return True
        complaint = process.close(1)
        self._note_death(process.child.returncode, complaint)
        return False

    def leave(self) -> None:
        """Lets the engine leave: else what is out counts as failed.

        The answer is awaited, for what a closed socket has not read may drop what it
        sent. Returns also if the engine is gone or does not answer.
        """
        with contextlib.suppress(Gone, Left, TimeoutError):
            deadline = time.monotonic() + self.grace + 1
            self.link.receive(self.link.send(seam.LEAVE), deadline)

    def end(self) -> None:
        """Waits until the engine has ended."""
        process, self.link.process = self.link.process, None
        if process is not None:
            process.close(self.grace + 1)
        termination.forget(self)

    def own_engine(self) -> Optional[int]:
        """Returns the process of the engine, if this process started it, and not a parent."""
        process = self.link.process
        return process.child.pid if process and self._pid == os.getpid() else None

    def _forget(self) -> None:
        """In a forked child: only the process that joined speaks to the engine."""
        if self.link.process is not None:
            self.link.process.forget()

    def _exit(self) -> None:
        if self._pid != os.getpid():
            return
        with contextlib.suppress(OSError):
            self.leave()
        self.end()

    def __del__(self) -> None:
        self._exit()
        if self._memory_file >= 0:
            os.close(self._memory_file)
            self._memory_file = -1
            self.rows.close()


_SESSIONS: "weakref.WeakSet[Session]" = weakref.WeakSet()


def _in_child() -> None:
    for session in list(_SESSIONS):
        session._forget()


def _at_exit() -> None:
    for session in list(_SESSIONS):
        session._exit()


os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)
