"""The process that keeps the daemons of a local cluster, the hidden ``local`` of ``ebb``.

It starts them, starts again those that die, and gives up those that keep dying, as
``ebb run`` does it. tools/ebb/run/served_cluster.h has what it is asked and answers.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

from ebb import command, programs
from ebb.errors import Refused, Unavailable

# A process that does not answer for so long is killed at the end.
_STANDS_STILL_S = 10.0
_TAIL_BYTES = 65536


@dataclass(frozen=True)
class End:
    """The end of a process of a cluster: which, how, after how many seconds."""

    name: str
    pid: int
    code: int  # Negative: the signal that ended it.
    life_s: float

    def __str__(self) -> str:
        return f"{self.name} {end_text(self.code)}"


@dataclass(frozen=True)
class State:
    """The daemons and programs of a cluster, by name."""

    processes: Dict[str, int] = field(default_factory=dict)
    #: Why each is not started any more.
    given_up: Dict[str, str] = field(default_factory=dict)
    finished: List[str] = field(default_factory=list)
    ends: List[End] = field(default_factory=list)


class Keeper:
    """A process that keeps daemons. Methods may be called from any thread."""

    def __init__(
        self,
        folder: str,
        servers: int,
        workers: int,
        flags: Sequence[str],
        held: Optional[int],
    ) -> None:
        """Blocks until the servers serve. Raises Unavailable if a daemon does not start.

        flags: "ROLE=FLAG": further flags of schedulers, of "ps" and of workers.
        held: the descriptor of a lock, which the process keeps as long as it runs.
        """
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._number = 0  # The request under way. Guarded by _lock, as all below.
        self._heard: List[bytes] = []
        self._patience_s: Optional[float] = None  # For an answer.
        self._last = State()  # Since end().
        self._ended = False
        self._log = os.path.join(folder, "logs", "local.log")
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [programs.path_of("ebb"), "local", "--folder", folder]
                + ["--servers", str(servers), "--workers", str(workers)]
                + ["--leave-with-parent", str(os.getpid()), "--", *flags],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,  # A forked child has nothing to write at its end.
                pass_fds=() if held is None else (held,),
                # The flags of daemons are all on their command lines.
                env=command.own_environment(),
                # Ctrl-C goes to this process alone.
                start_new_session=True,
            )
        try:
            #: HOST:PORT of the scheduler.
            self.address = str(self._answer()["address"])
        except BaseException:
            self._finish()
            raise

    def ask(self, what: str, **arguments: Any) -> Dict[str, Any]:
        """Makes a request, and returns its answer. Raises Unavailable if it failed."""
        if os.getpid() != self._owner:
            raise Unavailable("the local cluster is that of the process which forked this one")
        with self._lock:
            if self._ended:
                raise Unavailable("the local cluster is closed")
            return self._request(what, **arguments)

    def state(self) -> State:
        """Returns how the daemons are; after the end, how they were before it.

        A forked child learns of none.
        """
        if os.getpid() != self._owner:
            return self._last
        with self._lock:
            return self._last if self._ended else self._state()

    def _request(self, what: str, **arguments: Any) -> Dict[str, Any]:
        self._number += 1
        self._send({"number": self._number, "do": what, **arguments})
        return self._answer()

    def _state(self) -> State:
        answer = self._request("state")
        return State(
            {name: int(pid) for name, pid in answer["processes"].items()},
            answer["given_up"],
            answer["finished"],
            [End(**end) for end in answer["ends"]],
        )

    def end(self, in_order: bool) -> None:
        """Ends the daemons, and returns when they have ended. Call it once.

        in_order: workers, the scheduler and servers are asked to leave.
        """
        with self._lock:
            self._ended = True
            self._patience_s = _STANDS_STILL_S
            try:
                before = self._state()
                self._last = State({}, before.given_up, before.finished, before.ends)
                if in_order:
                    self._send({"do": "end"})
                    self._process.wait()
            except Unavailable:
                pass  # It was killed, and the daemons with it; or it stands still.
            finally:
                self._finish()

    def _send(self, request: Dict[str, Any]) -> None:
        # The line before it may have been cut off by an interrupt.
        text = f"\n{json.dumps(request, ensure_ascii=False)}\n"
        try:
            rest = memoryview(text.encode())
        except UnicodeEncodeError:
            raise Refused(f"{request.get('name')!r} is not UTF-8") from None
        assert self._process.stdin is not None
        try:
            while rest:
                rest = rest[os.write(self._process.stdin.fileno(), rest) :]
        except BrokenPipeError:
            raise self._gone() from None

    def _answer(self) -> Dict[str, Any]:
        """Reads up to the answer to the last request; earlier ones were interrupted."""
        while True:
            try:
                answer: Dict[str, Any] = json.loads(self._line())
            except ValueError:
                continue  # An interrupt took a part of an earlier one.
            if answer["number"] != self._number:
                continue
            if "error" in answer:
                raise Unavailable(answer["error"].replace("--run-dir", "folder"))
            return answer

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        pipe = self._process.stdout
        while not any(b"\n" in part for part in self._heard):
            if not select.select([pipe], [], [], self._patience_s)[0]:
                raise Unavailable("the process that keeps the local cluster stands still")
            part = os.read(pipe.fileno(), 65536)
            if not part:
                raise self._gone()
            self._heard.append(part)
        line, _, rest = b"".join(self._heard).partition(b"\n")
        self._heard = [rest]
        return line

    def _gone(self) -> Unavailable:
        return Unavailable(
            "the process that keeps the local cluster has ended, and the daemons with it"
            + (f":\n{said}" if (said := last_lines(self._log, 12)) else "")
        )

    def _finish(self) -> None:
        """Ends it at once if it runs, and the daemons with it."""
        self._process.terminate()
        try:
            self._process.wait(_STANDS_STILL_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


def last_lines(path: str, lines: int) -> str:
    """Returns the last lines of a log, indented."""
    try:
        with open(path, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
            text = log.read().decode("utf-8", "replace")
    except OSError as error:
        return f"  its log cannot be read: {error}"
    return "\n".join("  " + line for line in text.splitlines()[-lines:])


def end_text(code: int) -> str:
    """Returns how a process ended: its exit code or, negative, its signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
