"""A cluster on this machine, as child processes of this one.

    with ebb.local.cluster(servers=2, workers=3) as cluster:
        job = cluster.connect().submit("job.yaml")
        job.wait()

The daemons listen on loopback only, and end with this process however it ends.
A daemon that dies is started again, as by ``ebb run``.
"""

from __future__ import annotations

import atexit
import base64
import os
import shutil
import signal
import threading
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set

from ebb import command, copies, temporary
from ebb.cluster import Cluster
from ebb.command import Access
from ebb.errors import Refused, Unavailable
from ebb.keeper import End, Keeper, last_lines
from ebb.run_folders import make_folder

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
        self._adding = threading.Lock()
        self._programs: Set[str] = set()
        self._closed = False
        for part in ("logs", "state", "shared", "data", "cache", "tmp"):
            make_folder(os.path.join(self.folder, part))
        self.servers: List[str] = [f"ps-{i}" for i in range(servers)]
        self.workers: List[str] = [f"worker-{i}" for i in range(workers)]
        cache = f"--data-cache={os.path.join(self.folder, 'cache')}"
        flags = [
            *(f"scheduler={flag}" for flag in scheduler_flags),
            *(f"ps={flag}" for flag in server_flags),
            *(f"worker={flag}" for flag in (cache, *worker_flags)),
        ]
        try:
            self._keeper = Keeper(self.folder, servers, workers, flags, self._lock)
        except BaseException:
            self._remove_temporary()
            raise
        self.address: str = self._keeper.address
        _open_clusters.append(self)

    # --- What there is --------------------------------------------------------

    @property
    def processes(self) -> Dict[str, int]:
        """The process ids of the daemons that run now, by name."""
        return self._keeper.state().processes

    @property
    def problems(self) -> List[str]:
        """The daemons that are given up, each with its last words."""
        return [
            f"{name} is given up: {why}:\n{last_lines(self._log_of(name), 12)}"
            for name, why in self._keeper.state().given_up.items()
        ]

    def connect(self) -> Cluster:
        """Returns the cluster, to submit and watch jobs.

        Raises Unavailable if it was closed.
        """
        if self._closed:
            raise Unavailable("the local cluster is closed")
        return Cluster(Access(self.address, own=True, patience_s=_PATIENCE_S))

    def log(self, daemon: str, lines: int = 12) -> str:
        """Returns the last lines of a daemon's log, for example of "ps-0"."""
        path = self._log_of(daemon)
        if not self._closed and not os.path.exists(path):
            there = ", ".join(["scheduler", *self.servers, *self.workers])
            raise Refused(f"no daemon has the name {daemon}", f"there are {there}")
        return last_lines(path, lines)

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

        Returns False if it does not run now. Raises Unavailable if there is none of
        this name.
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

        name: of its log, and of the worker that it is: EBB_NAME. Not a daemon's.
        argv: an absolute path, then its arguments. It runs in this process's
            working folder, with EBB_SCHEDULER set.
        environment: instead of this process's.

        Exit code 0 is its end. It is killed if this process dies.
        """
        self.check()
        if not name or "/" in name or not name.isprintable():
            raise Refused(f"name={name!r}: it is that of a file, too")
        base = command.own_environment() if environment is None else environment
        self._programs.add(name)
        self._keeper.ask(
            "run_program",
            name=name,
            argv=_encoded(argv),
            folder=_encoded([os.getcwd()]),
            environment=_encoded(f"{key}={value}" for key, value in base.items()),
        )

    def note_of(self, name: str) -> str:
        """Returns the file in which a program notes that its own error ended it."""
        return os.path.join(self.folder, "logs", f"{name}.error")

    def stop_program(self, name: str) -> None:
        """Asks a program to end, as Ctrl-C does; it is not started again.

        Raises Unavailable if there is none of this name.
        """
        self._keeper.ask("stop_program", name=name)

    def finished(self, name: str) -> bool:
        """Returns whether a program of run_program() has ended with exit code 0.

        Raises Refused if there was none of this name.
        """
        if name not in self._programs:
            raise Refused(f"no program has the name {name}")
        return name in self._keeper.state().finished

    @property
    def ends(self) -> List[End]:
        """The last ends of processes, 256 at most, in order; without those of close()."""
        return self._keeper.state().ends

    def signal(self, name: str, number: int) -> bool:
        """Sends a signal to a process; returns False if it does not run now."""
        if self._closed:
            return False
        if not 0 <= number <= signal.SIGRTMAX:
            raise Refused(f"number={number}: no signal has this number")
        return bool(self._keeper.ask("signal", name=name, signal=int(number))["sent"])

    def add_worker(self) -> str:
        """Starts one more ``ebb-worker``, and returns its name."""
        self.check()
        with self._adding:
            name = f"worker-{len(self.workers)}"
            self._keeper.ask("add_worker", name=name)
            self.workers.append(name)
        return name

    def close(self) -> None:
        """Ends all daemons, and removes a temporary folder. May be repeated.

        With a folder of the caller's, programs and daemons leave in good order, and
        the servers store what is not durable yet, which may take seconds; a program
        that ignores Ctrl-C is killed after 20 seconds.
        """
        if self._closed or os.getpid() != self._owner:
            return
        self._closed = True
        _open_clusters.remove(self)
        self._keeper.end(in_order=self._lock is None)
        self._remove_temporary()

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

    def _log_of(self, name: str) -> str:
        return os.path.join(self.folder, "logs", f"{name}.log")

    def _remove_temporary(self) -> None:
        if self._lock is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._lock)


# The open ones, to be closed before the interpreter ends.
_open_clusters: List[LocalCluster] = []


@atexit.register
def _close_all() -> None:
    for one in list(_open_clusters):
        one.close()


def _encoded(words: Iterable[str]) -> List[str]:
    """Returns words of any bytes, which need not be UTF-8, in base64."""
    words = list(words)
    for word in words:
        if "\0" in word:
            raise Refused(f"{word!r}: a word of a command line has no zero byte")
    return [base64.b64encode(os.fsencode(word)).decode() for word in words]
