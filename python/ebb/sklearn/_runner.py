"""Runs one job after the other: on the cluster of this process, or on another.

The local cluster is kept warm: a small fit is some ten times as fast as
starting daemons for it.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

import numpy as np

from ebb import command, local, programs
from ebb.command import Access
from ebb.errors import Error, JobFailed, Unavailable

# The cluster of this process ends when it had nothing to do for so long.
_IDLE_S = 60.0
# So long a scheduler may be away.
_PATIENCE_S = 10.0
# Between two looks at a job that trains: a share of how long it did so far.
_SHARE_OF_LOOK = 0.05
_FIRST_LOOK_S = 0.002
_LONGEST_LOOK_S = 0.02
_REMOTE_LOOK_S = 0.2
# Between two closer looks, which find out whether the job is paused.
_CLOSER_LOOK_S = 2.0


@dataclass
class Result:
    """The result of a job."""

    name: str
    model: Dict[str, Any]  # model.json of the export.
    tensors: Dict[str, Any]  # numpy arrays by name.
    losses: List[float]  # The mean loss of each epoch, as far as it is known.
    epochs: int  # How many were made.
    seconds: Dict[str, float] = field(default_factory=dict)


def run(
    job: Dict[str, Any],
    write: Callable[[str], Dict[str, Any]],
    *,
    n_workers: int,
    n_servers: int,
    scheduler: Optional[str],
    verbose: int,
    words: Mapping[str, str],
) -> Result:
    """Trains a job, and returns what it came to. Blocks.

    job: the job file, without name and ``data``.
    write: writes the data into a folder, and returns the format of
        ``data.train`` with paths relative to this folder.
    scheduler: HOST:PORT of a cluster that runs; None: the cluster of this
        process, which has the workers and servers that are asked for.
    words: what messages call keys and, after a "/", files.

    Raises ebb's errors. A KeyboardInterrupt cancels the job.
    """
    if scheduler is not None:
        with tempfile.TemporaryDirectory(prefix="ebb-fit-") as folder:
            return _Remote(scheduler, folder, words).run(job, write, verbose)
    with _warm.cluster(n_workers, n_servers) as cluster:
        folder = tempfile.mkdtemp(prefix="fit-", dir=cluster.folder)
        try:
            return _Local(cluster, folder, words).run(job, write, verbose)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class _Runner:
    """Runs one job at a scheduler. `folder` is for its files."""

    def __init__(self, access: Access, folder: str, words: Mapping[str, str]) -> None:
        self.access = access
        self.folder = folder
        self.name = "sklearn-" + uuid.uuid4().hex[:12]
        self.names = _names_in_messages(folder, self.name, words)

    def run(
        self,
        job: Dict[str, Any],
        write: Callable[[str], Dict[str, Any]],
        verbose: int,
    ) -> Result:
        clock = _Clock()
        data = os.path.join(self.folder, "data")
        os.mkdir(data)
        train = self.reachable(data, write(data))
        clock.lap("write")
        whole = {"name": self.name, **job}
        whole["data"] = {"train": train, **job.get("data", {})}
        file = os.path.join(self.folder, "job.yaml")
        with open(file, "w", encoding="utf-8") as out:
            json.dump(whole, out)  # JSON is YAML.
        try:
            # Repeated, it is the same job.
            self.call("submit", file, "--request-id", self.name)
            clock.lap("submit")
            self.wait(verbose)
            clock.lap("train")
            return self.take(clock)
        except (KeyboardInterrupt, SystemExit):
            self.cancel()
            raise
        finally:
            self.clean()

    def take(self, clock: "_Clock") -> Result:
        """Fetches the model and the losses, both at once."""
        out = os.path.join(self.folder, "model")
        with ThreadPoolExecutor(1) as pool:
            export = pool.submit(
                self.call, "checkpoint", "export", self.name, "-o", out
            )
            about = self.status()
            if about["state"] != "complete":
                export.exception()  # Without a model there is none to export.
                raise JobFailed(f"the job {self.name} is {about['state']}")
            export.result()
        with open(os.path.join(out, "model.json"), encoding="utf-8") as file:
            model = json.load(file)
        tensors = {
            name: np.load(os.path.join(out, file))
            for name, file in model["files"].items()
        }
        clock.lap("export")
        means = [one["mean"] for one in about.get("losses", [])]
        losses = [float(mean) for mean in means if mean is not None]
        epochs = int(about["epochs"])
        return Result(self.name, model, tensors, losses, epochs, clock.seconds)

    # --- What differs between local clusters and others -----------------------

    def reachable(self, folder: str, train: Dict[str, Any]) -> Dict[str, Any]:
        """Makes paths that workers can read."""
        raise NotImplementedError

    def wait(self, verbose: int) -> None:
        """Returns when the job is over, however."""
        raise NotImplementedError

    def clean(self) -> None:
        """Takes away what is not needed after the job."""

    # --- The program ebb ------------------------------------------------------

    def call(self, *words: str) -> str:
        """Runs ``ebb WORDS``. Waits a while for a scheduler that is away."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return command.call(
                    [*words, *self.access.flags()],
                    environment=self.access.environment(),
                    names=self.names,
                )
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_REMOTE_LOOK_S)

    def status(self) -> Dict[str, Any]:
        status = self.call("status", self.name, "--json")
        job: Dict[str, Any] = json.loads(status)["jobs"][0]
        return job

    def judge(self, verbose: int) -> bool:
        """Looks closely. Returns whether the job is over.

        Cancels a job that is paused, and raises JobFailed: the caller could not
        resume it.
        """
        about = self.status()
        if verbose and about.get("losses"):
            last = about["losses"][-1]
            print(f"[ebb] epoch {last['epoch']}: loss {last['mean']:.6g}", flush=True)
        if about["state"] == "paused":
            why = command.renamed(self.call("explain", self.name), self.names)
            self.cancel()
            raise JobFailed(f"the job {self.name} paused:\n{why.strip()}")
        return about["state"] in ("complete", "cancelled")

    def cancel(self) -> None:
        try:
            self.call("cancel", self.name)
        except Error:
            pass  # It is over already, or its cluster is.


class _Local(_Runner):
    """On the cluster of this process."""

    def __init__(
        self, cluster: local.LocalCluster, folder: str, words: Mapping[str, str]
    ) -> None:
        super().__init__(Access(cluster.address, own=True), folder, words)
        self._cluster = cluster
        self._metrics = _Metrics(cluster)
        self._series = f'name="{self.name}"'

    def reachable(self, folder: str, train: Dict[str, Any]) -> Dict[str, Any]:
        return _with_front(train, folder + "/")

    def wait(self, verbose: int) -> None:
        # The scheduler's metrics have series of the job while it goes on. To
        # read them takes a millisecond; `ebb status` is a process.
        begin = time.monotonic()
        closer = begin + _CLOSER_LOOK_S
        while self._goes_on():
            if time.monotonic() > closer:
                self._cluster.check()
                if self.judge(verbose):
                    return
                closer = time.monotonic() + _CLOSER_LOOK_S
            share = _SHARE_OF_LOOK * (time.monotonic() - begin)
            time.sleep(min(max(share, _FIRST_LOOK_S), _LONGEST_LOOK_S))

    def clean(self) -> None:
        # Servers look through all jobs that they know when they are asked for a
        # model. The caller need not wait until this one is forgotten.
        _forgetting[:] = [one for one in _forgetting if one.poll() is None]
        if len(_forgetting) >= _MOST_FORGETTING:
            _forgetting.pop(0).wait()
        _forgetting.append(
            subprocess.Popen(
                [programs.path_of("ebb"), "forget", self.name, "--versions"]
                + self.access.flags(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self.access.environment(),
            )
        )

    def _goes_on(self) -> bool:
        try:
            return self._series in self._metrics.read()
        except (OSError, http.client.HTTPException):
            return True  # The scheduler starts again, perhaps at another port.


class _Remote(_Runner):
    """On a cluster that runs, whose workers fetch the data from its scheduler."""

    def __init__(self, scheduler: str, folder: str, words: Mapping[str, str]) -> None:
        super().__init__(Access(scheduler), folder, words)

    def reachable(self, folder: str, train: Dict[str, Any]) -> Dict[str, Any]:
        self.call("status", "--json")  # It is there; or the error is Unavailable.
        command.call(
            ["data", "push", folder, self.access.address, "--name", self.name]
            + ["--quiet", *self.access.security_flags()]
        )
        return _with_front(train, f"ebb://{self.name}/")

    def wait(self, verbose: int) -> None:
        while not self.judge(verbose):
            time.sleep(_REMOTE_LOOK_S)

    def clean(self) -> None:
        try:
            command.call(
                ["data", "remove", self.name, self.access.address]
                + self.access.security_flags()
            )
        except Error:
            pass  # It may not be there.


# Processes that make the cluster of this process forget jobs.
_forgetting: List["subprocess.Popen[bytes]"] = []
_MOST_FORGETTING = 4


# --- The cluster of this process ----------------------------------------------


class _Warm:
    """The local cluster that fits of this process share. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        # All guarded by _lock.
        self._pid = os.getpid()
        self._cluster: Optional[local.LocalCluster] = None
        self._users = 0
        self._timer: Optional[threading.Timer] = None

    @contextmanager
    def cluster(self, workers: int, servers: int) -> Iterator[local.LocalCluster]:
        """The cluster, with so many workers at least and so many servers."""
        with self._lock:
            if self._pid != os.getpid():
                self._forget()  # A forked child does not own its parent's.
            cluster = self._take(workers, servers)
            self._users += 1
        try:
            yield cluster
        finally:
            with self._lock:
                if self._cluster is cluster:
                    self._users -= 1
                    if self._users == 0:
                        self._timer = threading.Timer(_IDLE_S, self._end_idle)
                        self._timer.daemon = True
                        self._timer.start()

    def _take(self, workers: int, servers: int) -> local.LocalCluster:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        fits = self._cluster is not None and len(self._cluster.servers) == servers
        if self._users == 0 and not fits:
            self._close()
        if self._cluster is not None:
            try:
                self._cluster.check()
            except Unavailable:
                self._close()
        if self._cluster is None:
            self._cluster = local.cluster(
                servers=servers,
                workers=workers,
                scheduler_flags=["--metrics-port", "0"],
            )
        while len(self._cluster.workers) < workers:
            self._cluster.add_worker()
        return self._cluster

    def _end_idle(self) -> None:
        with self._lock:
            if self._users == 0:
                self._close()

    def _close(self) -> None:
        if self._cluster is not None:
            self._cluster.close()
        self._cluster = None
        self._users = 0


_warm = _Warm()


class _Metrics:
    """Reads the metrics of a local cluster's scheduler."""

    def __init__(self, cluster: local.LocalCluster) -> None:
        self._log = os.path.join(cluster.folder, "logs", "scheduler.log")
        self._port: Optional[int] = None

    def read(self) -> str:
        """Returns them as they are now. Raises OSError, HTTPException."""
        if self._port is None:
            self._port = self._find_port()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        except OSError:
            self._port = None  # A scheduler that starts again has another one.
            raise
        finally:
            connection.close()

    def _find_port(self) -> int:
        with open(self._log, encoding="utf-8", errors="replace") as log:
            ports = re.findall(r"metrics at http://127\.0\.0\.1:(\d+)", log.read())
        if not ports:
            raise ConnectionError("the scheduler does not serve metrics yet")
        return int(ports[-1])


# --- Small helpers ------------------------------------------------------------


class _Clock:
    """Seconds of each part of a fit."""

    def __init__(self) -> None:
        self.seconds: Dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, what: str) -> None:
        now = time.monotonic()
        self.seconds[what] = now - self._last
        self._last = now


def _names_in_messages(
    folder: str, job: str, words: Mapping[str, str]
) -> List[Tuple[str, str]]:
    """Returns what messages are to have instead of files and keys of the job."""
    file = re.escape(os.path.join(folder, "job.yaml"))
    data = re.escape(os.path.join(folder, "data"))
    # A hint such as "epochs: 10" shows a line of a job file, which callers do not have.
    names = [(r"\n  hint: \w+: [^\n]*", ""), (file + r":\d+(:\d+)?: ", ""), (file, "the job")]
    for key, word in words.items():
        if "/" in key:
            names.append((f"(?:{data}/|ebb://{job}/){re.escape(key[1:])}", word))
        else:
            # The place in a list of the job may be another one in the argument.
            names.append((rf"(?<![\w.]){re.escape(key)}(?:\[\d+\])?(?![\w.])", word))
    return names


def _with_front(train: Dict[str, Any], front: str) -> Dict[str, Any]:
    """Puts `front` before the paths in ``data.train``."""
    return {
        kind: {
            key: front + value if isinstance(value, str) else value
            for key, value in about.items()
        }
        for kind, about in train.items()
    }
