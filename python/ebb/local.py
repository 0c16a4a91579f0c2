"""A cluster on this machine, as child processes of this one.

    with ebb.local.cluster(servers=2, workers=3) as cluster:
        job = ebb.connect(cluster.address).submit("job.yaml")
        job.wait()

The daemons listen on loopback only, and end with this process however it ends.
A daemon that dies is started again.
"""

from __future__ import annotations

import atexit
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Type

from ebb import command, programs
from ebb.errors import Refused, Unavailable

# How eagerly a daemon that died is started again, as `ebb run` does it.
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 5.0
_STEADY_LIFE_S = 5.0
_MOST_SHORT_LIVES = 8
# With this exit code a daemon says that another start would not help.
_REFUSAL = 2

_START_LIMIT_S = 20.0
# A worker leaves within 20 s, a server too (their flags).
_GRACE_S = {"worker": 22.0, "ps": 25.0, "scheduler": 10.0}
_LOG_LINES = 12

# Becomes the program of its arguments, which the kernel kills as soon as the
# process PID, the first argument, ends (prctl(2), PR_SET_PDEATHSIG).
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit("its parent has ended")
os.execv(sys.argv[2], sys.argv[2:])
"""


def cluster(
    *,
    servers: int = 1,
    workers: int = 0,
    folder: Optional[str] = None,
    scheduler_flags: Sequence[str] = (),
    server_flags: Sequence[str] = (),
    worker_flags: Sequence[str] = (),
) -> "LocalCluster":
    """Starts a cluster on this machine; blocks until its servers serve.

    servers: parameter servers, at least 1.
    workers: ``ebb-worker`` processes. A program that computes itself needs none.
    folder: where logs, checkpoints and data sets go. It stays, and a cluster
        that starts with it again goes on from there. None: a temporary folder,
        which is removed at the end.
    *_flags: further flags of the daemons, for example
        ``worker_flags=["--allow-plugins", "models"]``.

    Raises Unavailable, with the last lines of its log, if a daemon does not
    start, and NotFound if ebb's programs are not installed.
    """
    return LocalCluster(
        servers=servers,
        workers=workers,
        folder=folder,
        scheduler_flags=scheduler_flags,
        server_flags=server_flags,
        worker_flags=worker_flags,
    )


class LocalCluster:
    """A scheduler, servers and workers that this process started.

    Methods may be called from any thread. In a forked child it does nothing.
    """

    def __init__(
        self,
        *,
        servers: int = 1,
        workers: int = 0,
        folder: Optional[str] = None,
        scheduler_flags: Sequence[str] = (),
        server_flags: Sequence[str] = (),
        worker_flags: Sequence[str] = (),
    ) -> None:
        if servers < 1:
            raise Refused(f"servers={servers}: a cluster needs one server at least")
        if workers < 0:
            raise Refused(f"workers={workers}: it must be 0 or more")
        self._temporary = folder is None
        self.folder: str = os.path.abspath(folder or tempfile.mkdtemp(prefix="ebb-"))
        self._owner = os.getpid()
        self._closed = False
        for part in ("logs", "state", "shared", "data", "cache", "tmp"):
            os.makedirs(os.path.join(self.folder, part), exist_ok=True)
        # Bound and never listening, so that the port stays the scheduler's
        # while it is away.
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind(("127.0.0.1", 0))
        self.address: str = "127.0.0.1:{}".format(self._port.getsockname()[1])
        self.servers: List[str] = [f"ps-{i}" for i in range(servers)]
        self.workers: List[str] = [f"worker-{i}" for i in range(workers)]
        self._keeper = _Keeper(self.folder)
        self._worker_flags = list(worker_flags)
        _open_clusters.append(self)
        try:
            self._start(list(scheduler_flags), list(server_flags))
        except BaseException:
            self._keeper.kill_all()
            self.close()
            raise

    # --- What there is --------------------------------------------------------

    @property
    def processes(self) -> Dict[str, int]:
        """The process ids of the daemons that run now, by name."""
        return self._keeper.processes()

    @property
    def problems(self) -> List[str]:
        """The daemons that are given up, each with its last words."""
        return self._keeper.problems()

    def log(self, daemon: str, lines: int = _LOG_LINES) -> str:
        """Returns the last lines of a daemon's log, for example of "ps-0"."""
        return _tail(self._keeper.log_of(daemon), lines)

    def check(self) -> None:
        """Raises Unavailable if the cluster is closed or a daemon is given up."""
        if self._closed:
            raise Unavailable("the local cluster is closed")
        problems = self.problems
        if problems:
            raise Unavailable("\n".join(problems))

    # --- What may be done to it -----------------------------------------------

    def kill(self, daemon: str) -> bool:
        """Kills a daemon with SIGKILL; it is started again.

        Returns False if it does not run now.
        """
        return self.signal(daemon, signal.SIGKILL)

    def run_program(
        self,
        name: str,
        argv: Sequence[str],
        *,
        environment: Optional[Mapping[str, str]] = None,
    ) -> None:
        """Starts a program that joins the cluster, and starts it again if it dies.

        name: of its log, and of the worker that it is: EBB_NAME.
        argv: an absolute path, then its arguments. It runs in this process's
            working folder, with EBB_SCHEDULER set.
        environment: instead of this process's.

        Exit code 0 is its end. It is killed if this process dies.
        """
        self.check()
        base = command.own_environment() if environment is None else environment
        self._keeper.start(
            name,
            [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(self._owner)]
            + list(argv),
            folder=os.getcwd(),
            environment={**base, "EBB_SCHEDULER": self.address, "EBB_NAME": name},
            may_end=True,
        )

    def stop_program(self, name: str) -> None:
        """Asks a program to end, as Ctrl-C does; it is not started again."""
        self._keeper.stop(name, signal.SIGINT)

    def finished(self, name: str) -> bool:
        """Whether a program of run_program() has ended with exit code 0."""
        return self._keeper.finished(name)

    @property
    def ends(self) -> List["End"]:
        """The ends of processes so far, in order."""
        return self._keeper.ends()

    def signal(self, name: str, number: int) -> bool:
        """Sends a signal to a process; returns False if it does not run now."""
        return self._keeper.signal_one(name, number)

    def add_worker(self) -> str:
        """Starts one more ``ebb-worker``, and returns its name."""
        self.check()
        name = f"worker-{len(self.workers)}"
        self.workers.append(name)
        self._start_worker(name)
        return name

    def close(self) -> None:
        """Ends all daemons, and removes a temporary folder. May be repeated.

        With a folder of the caller's the daemons leave in good order, and the
        servers store what is not durable yet. That may take seconds.
        """
        if self._closed or os.getpid() != self._owner:
            return
        self._closed = True
        _open_clusters.remove(self)
        if self._temporary:
            self._keeper.kill_all()
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self._keeper.end_in_order()
        self._port.close()

    def __enter__(self) -> "LocalCluster":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"at {self.address}"
        return (
            f"<ebb.local.LocalCluster {state}: {len(self.servers)} servers, "
            f"{len(self.workers)} workers>"
        )

    # --- Starting -------------------------------------------------------------

    def _start(self, scheduler_flags: List[str], server_flags: List[str]) -> None:
        waits = [
            self._start_one(
                "scheduler",
                "ebb-scheduler",
                ["--listen", self.address]
                + ["--min-servers", str(len(self.servers))]
                + ["--data-folder", self._path("data")]
                + ["--state-dir", self._path("state", "scheduler")],
                scheduler_flags,
            )
        ]
        self._await(waits)
        waits = [
            self._start_one(
                name,
                "ebb-ps",
                ["--id", str(number), "--listen", "127.0.0.1:0"]
                + ["--scheduler", self.address]
                + ["--shared-checkpoints", self._path("shared")]
                + ["--state-dir", self._path("state", name)],
                server_flags,
            )
            for number, name in enumerate(self.servers)
        ]
        for name in self.workers:
            self._start_worker(name)
        self._await(waits)

    def _start_worker(self, name: str) -> None:
        self._keeper.start(
            name,
            [programs.path_of("ebb-worker"), "--die-with-parent", str(self._owner)]
            + ["--scheduler", self.address, "--name", name]
            + ["--data-cache", self._path("cache")]
            + self._worker_flags,
        )

    def _start_one(
        self, name: str, program: str, own: List[str], more: List[str]
    ) -> Tuple[str, str]:
        address_file = self._path("tmp", f"{name}.address")
        if os.path.exists(address_file):
            os.remove(address_file)
        self._keeper.start(
            name,
            [programs.path_of(program), "--die-with-parent", str(self._owner)]
            + ["--address-file", address_file]
            + own
            + more,
        )
        return name, address_file

    def _await(self, waits: List[Tuple[str, str]]) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        for name, address_file in waits:
            while not os.path.exists(address_file):
                end = self._keeper.first_end(name)
                if end is not None:
                    raise Unavailable(f"{name} {end}:\n{self.log(name)}")
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"{name} did not serve within {_START_LIMIT_S:.0f} s:\n"
                        f"{self.log(name)}"
                    )
                time.sleep(0.002)

    def _path(self, *parts: str) -> str:
        return os.path.join(self.folder, *parts)


# --- The thread that starts the daemons ---------------------------------------


@dataclass(frozen=True)
class End:
    """The end of a process of a cluster: which, how, after how many seconds."""

    name: str
    pid: int
    code: int  # Negative: the signal that ended it.
    life_s: float

    def __str__(self) -> str:
        return f"{self.name} {_end_text(self.code)}"


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
    first_end: Optional[str] = None
    given_up: bool = False
    finished: bool = False
    stopped: bool = False


@dataclass
class _State:
    daemons: Dict[str, _Daemon] = field(default_factory=dict)
    ends: List[End] = field(default_factory=list)
    stopping: bool = False


class _Keeper:
    """Starts daemons, and starts again those that die.

    One thread starts them all and stays until the last has ended: the kernel
    ends a child of ``--die-with-parent`` when the *thread* that started it ends.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
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
            environment or _environment(os.path.join(self._folder, "tmp")),
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
            f"{name} is given up: it {daemon.first_end}:\n{_tail(daemon.log)}"
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
            if self._state.stopping or daemon.due is None:
                continue
            if daemon.due <= now:
                self._start_now(daemon, now)
            else:
                wait_s = daemon.due - now
                next_due = wait_s if next_due is None else min(next_due, wait_s)
        return next_due

    def _start_now(self, daemon: _Daemon, now: float) -> None:
        daemon.due = None
        daemon.started = now
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
        if daemon.first_end is None:
            daemon.first_end = _end_text(code)
        if code == 0 and daemon.may_end:
            daemon.finished = True
            return
        if daemon.stopped:
            return
        short = life_s < _STEADY_LIFE_S and code != -signal.SIGKILL
        daemon.short_lives = daemon.short_lives + 1 if short else 0
        if code == _REFUSAL or daemon.short_lives >= _MOST_SHORT_LIVES:
            daemon.first_end = _end_text(code)
            daemon.given_up = True
            return
        wait_s = _FIRST_WAIT_S * 2 ** max(0, daemon.short_lives - 1)
        daemon.due = now + min(wait_s, _LONGEST_WAIT_S)


# Those that are open, to be closed before the interpreter ends.
_open_clusters: List[LocalCluster] = []


@atexit.register
def _close_all() -> None:
    for one in list(_open_clusters):
        one.close()


def _environment(temporary: str) -> Mapping[str, str]:
    """The environment of a daemon, whose flags are all on its command line."""
    return {**command.own_environment(), "TMPDIR": temporary}


def _end_text(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _tail(path: str, lines: int = _LOG_LINES) -> str:
    try:
        with open(path, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 65536))
            text = log.read().decode("utf-8", "replace")
    except OSError as error:
        return f"  its log cannot be read: {error}"
    return "\n".join("  " + line for line in text.splitlines()[-lines:])
