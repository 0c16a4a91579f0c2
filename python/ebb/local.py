"""A cluster on this machine, as child processes of this one.

    with ebb.local.cluster(servers=2, workers=3) as cluster:
        job = cluster.connect().submit("job.yaml")
        job.wait()

The daemons listen on loopback only, and end with this process however it ends.
A daemon that dies is started again.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import time
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ebb import command, copies, programs, temporary, tracebacks
from ebb.children import Children, End, dying_with, tail
from ebb.cluster import Cluster
from ebb.command import Access
from ebb.errors import Refused, Unavailable
from ebb.run_folders import make_folder

_START_LIMIT_S = 20.0
# For a daemon that is just coming back.
_PATIENCE_S = 10.0


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
        which is removed at the end. If this process is killed, the next local
        cluster removes it.
    *_flags: further flags of the daemons, for example
        ``worker_flags=["--allow-plugins", "models"]``.

    Raises Unavailable, with the last lines of its log, if a daemon does not
    start, and NotFound if ebb's programs are not installed. Warns if this program
    is one of several copies, of which each has a cluster of its own.
    """
    others = copies.launched()
    if others is not None:
        command.warn(others.told("that comes here starts a cluster of its own"))
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
        #: Holds a temporary folder; None: the folder is the caller's.
        self._lock: Optional[int] = None
        if folder is None:
            folder, self._lock = temporary.make()
        self.folder: str = os.path.abspath(folder)
        self._owner = os.getpid()
        self._closed = False
        for part in ("logs", "state", "shared", "data", "cache", "tmp"):
            make_folder(os.path.join(self.folder, part))
        # Bound and never listening, so that the port stays the scheduler's
        # while it is away.
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind(("127.0.0.1", 0))
        self.address: str = "127.0.0.1:{}".format(self._port.getsockname()[1])
        self.servers: List[str] = [f"ps-{i}" for i in range(servers)]
        self.workers: List[str] = [f"worker-{i}" for i in range(workers)]
        self._children = Children(self.folder, _environment(self._path("tmp")))
        self._worker_flags = list(worker_flags)
        _open_clusters.append(self)
        try:
            self._start(list(scheduler_flags), list(server_flags))
        except BaseException:
            self._children.kill_all()
            self.close()
            raise

    # --- What there is --------------------------------------------------------

    @property
    def processes(self) -> Dict[str, int]:
        """The process ids of the daemons that run now, by name."""
        return self._children.processes()

    @property
    def problems(self) -> List[str]:
        """The daemons that are given up, each with its last words."""
        return self._children.problems()

    def connect(self) -> Cluster:
        """Returns the cluster, to submit and watch jobs.

        Raises Unavailable if it was closed.
        """
        if self._closed:
            raise Unavailable("the local cluster is closed")
        return Cluster(Access(self.address, own=True, patience_s=_PATIENCE_S))

    def log(self, daemon: str, lines: int = 12) -> str:
        """Returns the last lines of a daemon's log, for example of "ps-0"."""
        return tail(self._children.log_of(daemon), lines)

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
        self._children.start(
            name,
            dying_with(self._owner, argv),
            folder=os.getcwd(),
            environment={
                **base,
                "EBB_SCHEDULER": self.address,
                "EBB_NAME": name,
                "EBB_RUN_NAME": self.folder,
                tracebacks.NOTE: self.note_of(name),
            },
            may_end=True,
        )

    def note_of(self, name: str) -> str:
        """Returns the file in which a program notes that its own error ended it."""
        return os.path.join(self.folder, "logs", f"{name}.error")

    def stop_program(self, name: str) -> None:
        """Asks a program to end, as Ctrl-C does; it is not started again."""
        self._children.stop(name, signal.SIGINT)

    def finished(self, name: str) -> bool:
        """Returns whether a program of run_program() has ended with exit code 0."""
        return self._children.finished(name)

    @property
    def ends(self) -> List["End"]:
        """The ends of processes so far, in order."""
        return self._children.ends()

    def signal(self, name: str, number: int) -> bool:
        """Sends a signal to a process; returns False if it does not run now."""
        return self._children.signal_one(name, number)

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
        servers store what is not durable yet, which may take seconds.
        """
        if self._closed or os.getpid() != self._owner:
            return
        self._closed = True
        _open_clusters.remove(self)
        if self._lock is not None:
            self._children.kill_all()
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._lock)
        else:
            self._children.end_in_order()
        self._port.close()

    def __enter__(self) -> "LocalCluster":
        return self

    def __exit__(self, *_: object) -> None:
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
        self._children.start(
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
        self._children.start(
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
                end = self._children.first_end(name)
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


# The open ones, to be closed before the interpreter ends.
_open_clusters: List[LocalCluster] = []


@atexit.register
def _close_all() -> None:
    for one in list(_open_clusters):
        one.close()


def _environment(temporary: str) -> Mapping[str, str]:
    """The environment of a daemon, whose flags are all on its command line."""
    return {**command.own_environment(), "TMPDIR": temporary}
