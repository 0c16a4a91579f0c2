"""Starts jobs on clusters of their own on this machine: ``ebb.run`` and ``ebb.chaos``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import Any, List, Mapping, Optional, Sequence, Union

from ebb import command, copies, frames, programs
from ebb.errors import Refused
from ebb.job_file import JobLike, as_file, flags_of_set
from ebb.local_run import NAME, Run, found_in, resumed_by
from ebb.run_folders import new_folder, newest_folder


def run(
    job: JobLike,
    *,
    workers: Optional[int] = None,
    servers: Optional[int] = None,
    set: Optional[Mapping[str, Any]] = None,
    epochs: Optional[int] = None,
    seed: Optional[int] = None,
    kill_every: Optional[float] = None,
    resume: Union[None, bool, str] = None,
    wait: bool = True,
    folder: Optional[str] = None,
    tls: bool = False,
    memory: Optional[str] = None,
    plugins: Sequence[str] = (),
    arguments: Sequence[str] = (),
    progress: Optional[bool] = None,
) -> Run:
    """Trains a job on a cluster of its own on this machine, as ``ebb run``.

    job: the path of a job file, a dict with its content, or the path of a Python
        program (*.py) that joins a job: it is then started ``workers`` times. In a
        dict ``data.train`` and ``data.test`` may be frames of pandas, as
        {"csv": FRAME} or {"csv": {"path": FRAME, "label": "price"}}, or arrays, as
        {"npy": {"features": X, "labels": y}}. They are written to FOLDER.data.
    workers, servers: processes. None: 2 and 1, or what a resumed run had.
    set: overrides, for example {"optimizer.rate": 0.01}.
    epochs, seed: override train.epochs and the seeds.

    kill_every: seconds after which a daemon is killed, again and again.
    resume: True continues the newest run of the job, a text the run in that
        folder.
    wait: False returns at once; Run.wait() waits.
    folder: where the run writes everything. None: runs/NAME-N.

    tls: daemons speak mutual TLS, by certificates of this run.

    memory: the most memory of each server and worker, for example "512MiB".
    plugins: folders from which models may be loaded.
    arguments: further arguments of a Python program.
    progress: show a live line; None: in a terminal and in a notebook.

    The cluster ends with this process, in good order. Ctrl-C ends the run in
    good order, too, and a second one at once; ``resume=run.folder`` goes on.

    Raises Refused with all that is wrong with the job, and JobFailed, whose
    ``run`` is the Run, if it is not complete and exact at its end.
    """
    flags: List[str] = []
    if kill_every is not None:
        flags += ["--kill-every", f"{kill_every:g}s"]
    if tls:
        flags.append("--tls")
    started = _start(
        "run",
        job,
        flags + _job_flags(set, epochs, seed, memory, plugins),
        (2 if workers is None and not resume else workers),
        (1 if servers is None and not resume else servers),
        folder,
        resume=resume,
        tail=["--", *arguments] if arguments else [],
        tls=tls,
    )
    started._plugins = [os.path.abspath(folder) for folder in plugins]
    return _waited(started, progress) if wait else started


def chaos(
    job: JobLike,
    scenario: Union[None, str, Mapping[str, Any]] = None,
    *,
    trace: Optional[str] = None,
    speed: Optional[float] = None,
    batch_time: Optional[str] = None,
    chaos_seed: Optional[int] = None,
    workers: Optional[int] = None,
    servers: Optional[int] = None,
    set: Optional[Mapping[str, Any]] = None,
    epochs: Optional[int] = None,
    seed: Optional[int] = None,
    wait: bool = True,
    folder: Optional[str] = None,
    memory: Optional[str] = None,
    plugins: Sequence[str] = (),
    progress: Optional[bool] = None,
) -> Run:
    """Trains as run() does, and disturbs the cluster meanwhile: ``ebb chaos``.

    scenario: the path of a file that says which faults happen when, or its
        content as a dict (examples/chaos/).

    trace: the path of a record of a spot market, by which workers come and go.

    speed: plays the trace this many times faster.
    batch_time: the least time of a batch, for example "50ms".
    chaos_seed: seed of the choice of daemons.

    The rest is as for run(). ``Run.report`` also says which faults happened.
    """
    flags: List[str] = []
    for flag, value in (
        ("--trace", trace),
        ("--speed", speed),
        ("--batch-time", batch_time),
        ("--chaos-seed", chaos_seed),
    ):
        if value is not None:
            flags += [flag, str(value)]
    started = _start(
        "chaos",
        job,
        flags + _job_flags(set, epochs, seed, memory, plugins),
        workers,
        servers,
        folder,
        scenario=scenario,
    )
    started._plugins = [os.path.abspath(folder) for folder in plugins]
    return _waited(started, progress) if wait else started


def _waited(started: Run, progress: Optional[bool]) -> Run:
    try:
        return started.wait(progress=progress)
    except KeyboardInterrupt:
        # The caller does not have the run, which would go on unseen.
        started.stop()
        raise KeyboardInterrupt(
            f"the run in {started.folder} has stopped; {resumed_by(started.folder)} goes on"
        ) from None


def _job_flags(
    overrides: Optional[Mapping[str, Any]],
    epochs: Optional[int],
    seed: Optional[int],
    memory: Optional[str],
    plugins: Sequence[str],
) -> List[str]:
    flags = flags_of_set(overrides)
    for flag, value in (("--epochs", epochs), ("--seed", seed), ("--memory", memory)):
        if value is not None:
            flags += [flag, str(value)]
    return flags + command.flags_of_plugins(plugins)


def _start(
    word: str,
    job: JobLike,
    flags: List[str],
    workers: Optional[int],
    servers: Optional[int],
    folder: Optional[str],
    *,
    resume: Union[None, bool, str] = None,
    scenario: Union[None, str, Mapping[str, Any]] = None,
    tail: Sequence[str] = (),
    tls: bool = False,
) -> Run:
    if callable(job):
        raise Refused(
            "a function cannot be run yet",
            "write it to a file, and give the path: ebb.run('train.py')",
        )
    others = copies.launched()
    if others is not None:
        command.warn(others.told("that comes here trains the whole job"))
    files = ExitStack()
    data: Optional[str] = None
    if frames.in_job(job):
        assert isinstance(job, Mapping)
        name = _name_of(job, "job")
        if resume:
            folder = resume if isinstance(resume, str) else newest_folder(name)
        folder = folder or new_folder(name)
        # `ebb run` makes a folder anew, or takes an empty one.
        data = folder.rstrip("/") + ".data"
        job = frames.placed(job, data)
    try:
        path, names = files.enter_context(as_file(job, {}))
        if scenario is not None:
            scenario_path, more = files.enter_context(as_file(scenario, {}, "scenario"))
            names = [*names, *more]
            flags = [*flags, "--scenario", scenario_path]
        name = _name_of(job, path)
        if resume:
            flags = [*flags, "--resume"]
            folder = resume if isinstance(resume, str) else newest_folder(name)
        else:
            folder = folder or new_folder(name)
        for flag, count in (("--workers", workers), ("--servers", servers)):
            if count is not None:
                flags = [*flags, flag, str(count)]
        out, told = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        process = subprocess.Popen(
            [programs.path_of("ebb"), word, path, "--run-dir", folder]
            + ["--leave-with-parent", str(os.getpid()), *flags, *tail],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=told,
            # A Python program is run by the interpreter of this process.
            env={**command.own_environment(), "EBB_PYTHON": sys.executable},
            # Ctrl-C goes to this process alone, which passes it on.
            start_new_session=True,
        )
    except BaseException:
        files.close()
        raise
    started = Run(process, folder, name, out, told, files, names, tls)
    started._data = None if resume else data
    return started


def _name_of(job: JobLike, path: str) -> str:
    """Returns the name of a job: by its content, else by the name of its file."""
    if isinstance(job, Mapping) and "name" in job:
        return str(job["name"])
    stem = os.path.splitext(os.path.basename(path))[0]
    if path.endswith(".py"):
        return stem
    return found_in(NAME, path) or stem
