"""Child processes that are kept running.

Daemons that die are started again, less and less eagerly, and given up in the
end, as ``ebb run`` does it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence

from ebb.errors import Refused

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 5.0
_STEADY_LIFE_S = 5.0
_MOST_SHORT_LIVES = 8
# With this exit code a daemon says that another start would not help.
_REFUSAL = 2
# With this one that it cannot begin for want of room, or on a disk that is
# read-only. A person may mend that.
_NO_ROOM = 5
_ROOM_PATIENCE_S = 60.0
_ROOM_PAUSE_S = 1.0

# A worker leaves within 20 s, a server too (their flags).
_GRACE_S = {"worker": 22.0, "ps": 25.0, "scheduler": 10.0}
_LOG_LINES = 12
_TAIL_BYTES = 65536

# Becomes the program of its arguments, which the kernel kills as soon as the
# process PID, the first argument, ends (prctl(2), PR_SET_PDEATHSIG).
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit("its parent has ended")
os.execv(sys.argv[2], sys.argv[2:])
"""


def dying_with(parent: int, argv: Sequence[str]) -> List[str]:
    """Returns the command of a program that is killed when its parent ends."""
    front = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(parent)]
    return [*front, *argv]


@dataclass(frozen=True)
class End:
    """The end of a process of a cluster: which, how, after how many seconds."""

    name: str
    pid: int
    code: int  # Negative: the signal that ended it.
    life_s: float

    def __str__(self) -> str:
        return f"{self.name} {end_text(self.code)}"


@dataclass
class _Daemon:
    argv: List[str]
    log: str
    folder: str
    environment: Mapping[str, str]
    may_end: bool  # Exit code 0 is the end of its task, and it stays away.
    process: Optional["subprocess.Popen[bytes]"] = None
    pidfd: int = -1
    started: float = 0.0
    due: Optional[float] = None  # When it is started (again).
    short_lives: int = 0
    no_room_since: Optional[float] = None  # A life that finds none has not begun.
    first_end: Optional[str] = None
    given_up: bool = False
    finished: bool = False
    stopped: bool = False


@dataclass
class _State:
    daemons: Dict[str, _Daemon] = field(default_factory=dict)
    ends: List[End] = field(default_factory=list)
    stopping: bool = False


class Children:
    """Starts daemons, and starts again those that die.

    One thread starts them all and stays until the last has ended: the kernel
    ends a child of ``--die-with-parent`` when the *thread* that started it ends.
    """

    def __init__(self, folder: str, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._lock = threading.Lock()
        self._state = _State()  # Guarded by _lock.
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._thread = threading.Thread(
            target=self._run, name="ebb-local-cluster", daemon=True
        )
        self._thread.start()

    def start(
        self,
        name: str,
        argv: List[str],
        *,
        folder: Optional[str] = None,
        environment: Optional[Mapping[str, str]] = None,
        may_end: bool = False,
    ) -> None:
        daemon = _Daemon(
            argv,
            os.path.join(self._folder, "logs", f"{name}.log"),
            folder or self._folder,
            environment or self._environment,
            may_end,
            due=time.monotonic(),
        )
        with self._lock:
            self._state.daemons[name] = daemon
        self._wake()

    def stop(self, name: str, number: int) -> None:
        with self._lock:
            daemon = self._state.daemons[name]
            daemon.stopped = True
            daemon.due = None
            if daemon.process is not None:
                daemon.process.send_signal(number)

    def finished(self, name: str) -> bool:
        with self._lock:
            return self._state.daemons[name].finished

    def ends(self) -> List[End]:
        with self._lock:
            return list(self._state.ends)

    def processes(self) -> Dict[str, int]:
        with self._lock:
            return {
                name: daemon.process.pid
                for name, daemon in self._state.daemons.items()
                if daemon.process is not None
            }

    def problems(self) -> List[str]:
        with self._lock:
            given_up = [
                (name, daemon)
                for name, daemon in self._state.daemons.items()
                if daemon.given_up
            ]
        return [
            f"{name} is given up: it {daemon.first_end}:\n{tail(daemon.log)}"
            for name, daemon in given_up
        ]

    def first_end(self, name: str) -> Optional[str]:
        with self._lock:
            return self._state.daemons[name].first_end

    def log_of(self, name: str) -> str:
        with self._lock:
            if name not in self._state.daemons:
                names = ", ".join(self._state.daemons)
                raise Refused(f"no daemon has the name {name}", f"there are {names}")
            return self._state.daemons[name].log

    def kill_all(self) -> None:
        """Kills all daemons, and returns when they have ended."""
        with self._lock:
            self._state.stopping = True
        self._signal("", signal.SIGKILL)
        self._thread_ends()

    def end_in_order(self) -> None:
        """Asks workers, then servers, then the scheduler to leave; waits."""
        with self._lock:
            self._state.stopping = True
        for kind, grace in _GRACE_S.items():
            self._signal(kind, signal.SIGTERM)
            deadline = time.monotonic() + grace
            while any(name.startswith(kind) for name in self.processes()):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.01)
        self.kill_all()

    def signal_one(self, name: str, number: int) -> bool:
        with self._lock:
            daemon = self._state.daemons.get(name)
            if daemon is None or daemon.process is None:
                return False
            daemon.process.send_signal(number)
            return True

    def _signal(self, kind: str, number: int) -> None:
        with self._lock:
            for name, daemon in self._state.daemons.items():
                if daemon.process is not None and name.startswith(kind):
                    daemon.process.send_signal(number)
        self._wake()

    def _thread_ends(self) -> None:
        self._thread.join()
        if self._wake_read < 0:
            return
        os.close(self._wake_read)
        os.close(self._wake_write)
        self._wake_read = self._wake_write = -1

    def _wake(self) -> None:
        if self._wake_write < 0:
            return  # All have ended.
        try:
            os.write(self._wake_write, b"x")
        except BlockingIOError:
            pass  # It is awake.

    def _run(self) -> None:
        while True:
            with self._lock:
                wait_s = self._turn()
                watched = [
                    daemon.pidfd
                    for daemon in self._state.daemons.values()
                    if daemon.process is not None
                ]
                if self._state.stopping and not watched:
                    return
            if any(pidfd < 0 for pidfd in watched):
                wait_s = 0.05 if wait_s is None else min(wait_s, 0.05)
            poll = select.poll()
            for fd in [self._wake_read] + [fd for fd in watched if fd >= 0]:
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll(None if wait_s is None else wait_s * 1000):
                if fd == self._wake_read:
                    os.read(fd, 4096)

    def _turn(self) -> Optional[float]:
        """Notices ends, starts what is due; returns seconds to the next start."""
        now = time.monotonic()
        next_due: Optional[float] = None
        for name, daemon in self._state.daemons.items():
            if daemon.process is not None and daemon.process.poll() is not None:
                self._note_end(name, daemon, now)
            if self._state.stopping:
                continue
            if daemon.due is not None and daemon.due <= now:
                self._start_now(daemon, now)
            if daemon.due is not None:
                wait_s = daemon.due - now
                next_due = wait_s if next_due is None else min(next_due, wait_s)
        return next_due

    def _start_now(self, daemon: _Daemon, now: float) -> None:
        daemon.due = None
        daemon.started = now
        try:
            with open(daemon.log, "ab") as log:
                daemon.process = subprocess.Popen(
                    daemon.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=daemon.folder,
                    env=daemon.environment,
                    # Ctrl-C goes to this process alone.
                    start_new_session=True,
                )
        except OSError as error:
            # No process or file is free just now, or the program is away.
            daemon.short_lives += 1
            self._start_again(daemon, f"cannot be started: {error}", now)
            return
        try:
            daemon.pidfd = os.pidfd_open(daemon.process.pid)
        except (AttributeError, OSError):
            daemon.pidfd = -1  # An old kernel: the thread looks now and then.

    def _note_end(self, name: str, daemon: _Daemon, now: float) -> None:
        assert daemon.process is not None
        code = daemon.process.returncode
        life_s = now - daemon.started
        self._state.ends.append(End(name, daemon.process.pid, code, life_s))
        daemon.process = None
        if daemon.pidfd >= 0:
            os.close(daemon.pidfd)
        if code == 0 and daemon.may_end:
            daemon.finished = True
            return
        if daemon.stopped:
            return
        if code == _NO_ROOM and not daemon.may_end:
            self._await_room(daemon, now)
            return
        daemon.no_room_since = None
        short = life_s < _STEADY_LIFE_S and code != -signal.SIGKILL
        daemon.short_lives = daemon.short_lives + 1 if short else 0
        if code == _REFUSAL:
            daemon.short_lives = _MOST_SHORT_LIVES
        self._start_again(daemon, end_text(code), now)

    def _await_room(self, daemon: _Daemon, now: float) -> None:
        """Starts it each second, or gives it up after a minute."""
        if daemon.no_room_since is None:
            daemon.no_room_since = now
        if now - daemon.no_room_since < _ROOM_PATIENCE_S:
            daemon.due = now + _ROOM_PAUSE_S
            return
        daemon.first_end = f"could not begin for {_ROOM_PATIENCE_S:.0f} s"
        daemon.given_up = True

    def _start_again(self, daemon: _Daemon, end: str, now: float) -> None:
        """Starts it later, or gives it up after many short lives."""
        if daemon.first_end is None:
            daemon.first_end = end
        if daemon.short_lives >= _MOST_SHORT_LIVES:
            daemon.first_end = end
            daemon.given_up = True
            return
        wait_s = _FIRST_WAIT_S * 2 ** max(0, daemon.short_lives - 1)
        daemon.due = now + min(wait_s, _LONGEST_WAIT_S)


def end_text(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def tail(path: str, lines: int = _LOG_LINES) -> str:
    """Returns the last lines of a log."""
    try:
        with open(path, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
            text = log.read().decode("utf-8", "replace")
    except OSError as error:
        return f"  its log cannot be read: {error}"
    return "\n".join("  " + line for line in text.splitlines()[-lines:])
