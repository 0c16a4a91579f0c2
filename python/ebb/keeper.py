"""The process that keeps the daemons of a local cluster: ``ebb local``.

It starts them, starts again those that die, and gives up those that keep dying, as
``ebb run`` does it. tools/ebb/run/served_cluster.h has what it is asked and answers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from typing import Any, Dict, List, Sequence

from ebb import command, programs
from ebb.errors import Unavailable


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
        self, folder: str, servers: int, workers: int, flags: Sequence[str]
    ) -> None:
        """Blocks until the servers serve. Raises Unavailable if a daemon does not start.

        flags: "ROLE=FLAG": further flags of schedulers, of "ps" and of workers.
        """
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._number = 0  # The request under way. Guarded by _lock, as all below.
        self._heard = b""
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
            self._number += 1
            self._send({"number": self._number, "do": what, **arguments})
            return self._answer()

    def state(self) -> State:
        """Returns how the daemons are; after the end, how they were before it.

        A forked child learns of none.
        """
        if self._ended or os.getpid() != self._owner:
            return self._last
        answer = self.ask("state")
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
        try:
            before = self.state()
            self._last = State({}, before.given_up, before.finished, before.ends)
            with self._lock:
                self._ended = True
                if in_order:
                    self._send({"do": "end"})
                    self._process.wait()
        except Unavailable:
            pass  # It was killed, and the daemons with it.
        finally:
            self._ended = True
            self._finish()

    def _send(self, request: Dict[str, Any]) -> None:
        line = json.dumps(request, ensure_ascii=False)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._gone() from None

    def _answer(self) -> Dict[str, Any]:
        """Reads up to the answer to the last request; earlier ones were interrupted."""
        while True:
            answer: Dict[str, Any] = json.loads(self._line())
            if answer["number"] != self._number:
                continue
            if "error" in answer:
                raise Unavailable(answer["error"].replace("--run-dir", "folder"))
            return answer

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._heard:
            more = os.read(self._process.stdout.fileno(), 65536)
            if not more:
                raise self._gone()
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    def _gone(self) -> Unavailable:
        return Unavailable(
            "the process that keeps the local cluster has ended, and the daemons with it",
            f"{self._log} may say why",
        )

    def _finish(self) -> None:
        """Ends it at once if it runs, and the daemons with it."""
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                pass  # A request was on its way.


def end_text(code: int) -> str:
    """Returns how a process ended: its exit code or, negative, its signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
