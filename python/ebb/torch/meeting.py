"""How a program finds its job: on a cluster, or on one it starts for itself."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

import ebb
from ebb import copies
from ebb.command import known_token
from ebb.errors import Error, NotFound, Refused
from ebb.torch.patience import patiently

#: The states of a job that computes nothing more.
_OVER = ("complete", "cancelled")
_PAUSE_S = 0.5
# An address may be wrong. Later a scheduler is away because it starts anew.
_FIRST_TRY_S = 1.5


@dataclasses.dataclass(frozen=True)
class Access:
    """How to reach the cluster; what is absent comes from EBB_* variables."""

    scheduler: Optional[str]
    tls: Any
    token_file: Optional[str]
    insecure: bool


@dataclasses.dataclass(frozen=True)
class Description:
    """A job as a job file says it, and the values that it begins with."""

    keys: Dict[str, Any]
    initial: Callable[[], Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Place:
    """A job of a cluster."""

    access: Access
    address: str
    remote: Any
    #: True if it was there already.
    found: bool
    #: True if the cluster began with this process, and ends with it.
    own: bool = False

    def join(
        self, *, evaluates: bool, prefetch: bool, look_ahead: bool, steps: bool = False
    ) -> Callable[..., Any]:
        """Returns a function that joins the job and returns its engine.

        It takes the number of batches that are to be known ahead.
        """

        def join(ahead: int = 0) -> Any:
            from ebb.engine import Engine

            return Engine.join(
                self.address,
                self.remote.name,
                number=self.remote.number,  # The name alone is that of the newest.
                tls=self.access.tls,
                token_file=self.access.token_file or known_token(self.remote.number),
                insecure=self.access.insecure,
                prefetch=prefetch,
                look_ahead=look_ahead,
                evaluates=evaluates,
                ahead=ahead,
                steps=steps,
            )

        return join


#: True, or a text that names the run.
Rerun = Union[bool, str]


def run_of(rerun: Rerun) -> Rerun:
    """Returns what tells runs apart: the caller's text, or that of ``ebb run``."""
    if rerun is True:
        return os.environ.get("EBB_RUN_NAME") or True
    return rerun


def find_or_submit(access: Access, description: Description, rerun: Rerun) -> Place:
    """Returns the job of this name, submitted now if there is none.

    Several programs may call this at the same time: one of them submits, and
    all have the same job. With ``rerun=True`` jobs of this name that are over do
    not count; with a text, those that are over count if they began with it.
    """
    given = access.scheduler or os.environ.get("EBB_SCHEDULER")
    address = given or _own_cluster(description.keys["name"])
    _reached(access, address)
    remote, found = patiently(
        lambda: _found_or_submitted(access, address, description, rerun)
    )
    return Place(access, address, remote, found, own=not given)


def _found_or_submitted(
    access: Access, address: str, description: Description, rerun: Rerun
) -> Tuple[Any, bool]:
    """Returns the job, and whether it was there already."""
    cluster = _connected(access, address)
    there = _of_this_name(cluster, description)
    found = _chosen(there, bool(rerun))
    if found is not None:
        return cluster.job(found["id"]), True
    # The number, or the text, tells the runs of a name apart, so that several
    # programs that begin the same one have one job.
    run = f"run/{rerun}" if isinstance(rerun, str) else len(there)
    with tempfile.TemporaryDirectory(prefix="ebb-") as folder:
        keys = _with_initial(description, folder)
        try:
            request = f"ebb.torch/{keys['name']}/{run}"
            return cluster.submit(keys, request_id=request), False
        except Error as error:
            # Another program was first, with initial values of its own. A run that
            # has a text may be over.
            again = _of_this_name(cluster, description)
            found = _chosen(again, rerun is True)
            if found is None:
                initial = keys["model"]["initial"]
                error.message = error.message.replace(initial, "the initial values")
                raise
            return cluster.job(found["id"]), True


def _reached(access: Access, address: Optional[str]) -> None:
    """Blocks until the scheduler answers, and warns soon if it does not."""
    patiently(lambda: _connected(access, address, _FIRST_TRY_S), _FIRST_TRY_S)


def _connected(access: Access, address: Optional[str], timeout: float = 10.0) -> Any:
    return ebb.connect(
        address,
        tls=access.tls,
        token_file=access.token_file,
        insecure=access.insecure,
        timeout=timeout,
    )


def find(access: Access, description: Description, timeout: Optional[float]) -> Place:
    """Returns the job of this name, and waits until it is submitted.

    Raises NotFound after so many seconds.
    """
    address = access.scheduler or os.environ.get("EBB_SCHEDULER")
    _reached(access, address)
    cluster = patiently(lambda: _connected(access, address))
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        there = patiently(lambda: _of_this_name(cluster, description))
        found = _chosen(there, rerun=False)
        if found is not None:
            return Place(access, cluster.address, cluster.job(found["id"]), True)
        if deadline is not None and time.monotonic() > deadline:
            name = description.keys["name"]
            raise NotFound(f"nobody submitted job {name} within {timeout:g} s")
        time.sleep(_PAUSE_S)


def _of_this_name(cluster: Any, description: Description) -> List[Dict[str, Any]]:
    jobs = cluster.status()["jobs"]
    return [job for job in jobs if job["name"] == description.keys["name"]]


def _chosen(there: List[Dict[str, Any]], rerun: bool) -> Optional[Dict[str, Any]]:
    """Returns the job to join: one that goes on before one that is over."""
    going = [job for job in there if job["state"] not in _OVER]
    fitting = going or ([] if rerun else there)
    return max(fitting, key=lambda job: int(job["id"]), default=None)


def _with_initial(description: Description, folder: str) -> Dict[str, Any]:
    """Writes the initial values to a file that the job names."""
    path = os.path.join(folder, "initial.safetensors")
    ebb.save(description.initial(), path)
    keys = dict(description.keys)
    keys["model"] = {**keys["model"], "initial": path}
    return keys


_own: Any = None


def _own_cluster(job: str) -> str:
    """Starts a cluster of this process, once, and returns its address.

    Raises Refused if a launcher started several copies, which would share nothing.
    """
    global _own
    others = copies.launched()
    if others is not None:
        does = f"would train the whole job {job} on a cluster of its own"
        raise Refused(others.told(does), others.way_out)
    if _own is None:
        import ebb.local

        _own = ebb.local.cluster(servers=1)
    _own.check()
    return str(_own.address)
