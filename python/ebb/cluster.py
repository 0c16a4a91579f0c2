"""A cluster that runs: its jobs, its daemons, and what can be submitted."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from ebb import command, frames
from ebb.command import Access, Tls
from ebb.errors import NotFound
from ebb.job import Job
from ebb.job_file import JobLike, as_file, flags_of_set


def connect(
    scheduler: Optional[str] = None,
    *,
    tls: Optional[Tls] = None,
    token_file: Optional[str] = None,
    insecure: bool = False,
    timeout: float = 10.0,
) -> "Cluster":
    """Returns the cluster whose scheduler listens at HOST:PORT.

    scheduler: HOST:PORT; None: EBB_SCHEDULER, or 127.0.0.1:7000.
    tls: "folder/name" for folder/name.pem, folder/name.key and folder/ca.pem, as
        ``ebb certs`` writes them; the folder alone, for its certificate of the
        role that is needed; or the three paths. None: EBB_TLS_CERT, EBB_TLS_KEY
        and EBB_TLS_CA.
    token_file: the token of a job that another user submitted.
    insecure: allow plain text to other machines.
    timeout: seconds to wait for daemons that are away, now and later.

    Raises Unavailable if it does not answer, and Refused for wrong certificates.
    """
    cluster = Cluster(
        Access(scheduler, tls, token_file, insecure, patience_s=timeout)
    )
    cluster.status()
    return cluster


def submit(
    job: Optional[JobLike] = None,
    *,
    scheduler: Optional[str] = None,
    tls: Optional[Tls] = None,
    token_file: Optional[str] = None,
    insecure: bool = False,
    set: Optional[Mapping[str, Any]] = None,
    request_id: Optional[str] = None,
    plugins: Sequence[str] = (),
    **keys: Any,
) -> Job:
    """Gives a job to a cluster that runs: connect(), then Cluster.submit()."""
    cluster = connect(scheduler, tls=tls, token_file=token_file, insecure=insecure)
    return cluster.submit(
        job, set=set, request_id=request_id, plugins=plugins, **keys
    )


class Cluster:
    """A cluster that runs; see connect(). It holds no connection open."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @property
    def address(self) -> str:
        """HOST:PORT of its scheduler."""
        return self._access.address

    def status(self) -> Dict[str, Any]:
        """Returns what ``ebb status --json`` prints: roles, jobs and events."""
        answer: Dict[str, Any] = self._ask(["status", "--all"])
        return answer

    def events(self) -> List[Dict[str, Any]]:
        """Returns the latest events, oldest first."""
        answer: List[Dict[str, Any]] = self._ask(["events"])
        return answer

    def jobs(self) -> List[Job]:
        """Returns the jobs of the cluster, also those that are over."""
        return [
            Job(self._access, job["id"], job["name"]) for job in self.status()["jobs"]
        ]

    def job(self, name_or_number: Union[str, int]) -> Job:
        """Returns a job by its name or number; of several the newest.

        Raises NotFound if there is none.
        """
        answer = self._ask(["status", str(name_or_number)])
        if not answer["jobs"]:
            raise NotFound(f"there is no job {name_or_number} at {self.address}")
        job = answer["jobs"][0]
        return Job(self._access, job["id"], job["name"])

    def submit(
        self,
        job: Optional[JobLike] = None,
        *,
        set: Optional[Mapping[str, Any]] = None,
        request_id: Optional[str] = None,
        plugins: Sequence[str] = (),
        **keys: Any,
    ) -> Job:
        """Gives a job to the cluster, and returns it.

        job: the path of a job file, or a dict with its content.
        keys: keys of a job, which go before those of a dict, for example
            ``submit(name="a", model="softmax", data=..., train={"epochs": 3})``.
        set: overrides, for example {"optimizer.rate": 0.01}.
        request_id: names this submission: with the same id and content it is the
            same job again, and no second one.
        plugins: folders from which models may be loaded.

        Frames and arrays as data, as ``ebb.run`` takes them, become the data set
        frames-CHECKSUM of the cluster.

        Raises Refused with all that is wrong with the job.
        """
        with ExitStack() as stack:
            if job is None or isinstance(job, Mapping):
                content = {**(job or {}), **keys}
                if frames.in_job(content):
                    job, keys = self._pushed(content, stack), {}
            path, names = stack.enter_context(as_file(job, keys))
            flags = flags_of_set(set)
            if request_id is not None:
                flags += ["--request-id", request_id]
            flags += command.flags_of_plugins(plugins)
            answer = self._ask(["submit", path, *flags], names)
        job_there = Job(self._access, answer["job"], answer["name"])
        job_there._plugins = [os.path.abspath(folder) for folder in plugins]
        return job_there

    def push_data(self, folder: str, name: Optional[str] = None) -> Dict[str, Any]:
        """Sends a folder to the scheduler as a data set, as ``ebb data push``.

        name: of the data set; None: that of the folder. Jobs call a file of it
            ebb://NAME/FILE. The same call goes on where an interrupted one was.
        """
        flags = ["--quiet"] if name is None else ["--quiet", "--name", name]
        answer: Dict[str, Any] = command.call_json(
            ["data", "push", folder, self.address, *flags]
            + self._access.security_flags(),
            environment=self._access.environment(),
            patience_s=self._access.patience_s,
        )
        return answer

    def _pushed(self, content: Any, stack: ExitStack) -> Dict[str, Any]:
        """Returns the content with its frames and arrays in a data set of the cluster."""
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ebb-"))
        placed = frames.placed(content, folder)
        name = f"frames-{frames.digest(folder)}"
        self.push_data(folder, name)
        return frames.moved(placed, folder, f"ebb://{name}")

    def close(self) -> None:
        """Does nothing, for no connection is open."""

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ebb.Cluster at {self.address}>"

    def _ask(self, arguments: Sequence[str], names: Sequence[Any] = ()) -> Any:
        return command.call_json(
            [*arguments, *self._access.flags(submits=arguments[0] == "submit")],
            names=names,
            environment=self._access.environment(),
            patience_s=self._access.patience_s,
        )
