"""Runs on this machine: ``ebb run`` and ``ebb chaos`` from Python."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from typing import IO, Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ebb import command, copies, display, frames, history, programs
from ebb.command import Access
from ebb.errors import Error, JobFailed, NotFound, Refused, Unavailable
from ebb.history import History
from ebb.job import Job
from ebb.job_file import JobLike, as_file, flags_of_set
from ebb.progress import Progress
from ebb.run_folders import new_folder, newest_folder, remove_empty
from ebb.run_output import Printed, csv_rows, event_lines

_PAUSE_S = 0.1
# For a scheduler that is just coming back.
_PATIENCE_S = 10.0
# A run that was asked to end takes about as long as its daemons' grace.
_END_LIMIT_S = 70.0
_INTERRUPTED = 130
_USAGE = 2
_TAIL_BYTES = 4096
# In a job file, also one that is JSON.
_NAME = re.compile(r"""(?:^|\A\s*\{\s*)["']?name["']?:\s*["']?([\w.-]+)""", re.MULTILINE)
_EPOCHS = re.compile(r"^  epochs: (\d+)", re.MULTILINE)


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
) -> "Run":
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
) -> "Run":
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


class Run(Job):
    """A run on this machine; run() and chaos() return it.

    ``folder`` is the path of the folder with everything that it writes.
    While it goes on, everything that a Job can is asked of its own cluster.
    After its end the model, the audit and the versions come from its folder.
    """

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        folder: str,
        name: str,
        out: IO[bytes],
        told: IO[bytes],
        files: ExitStack,
        names: Sequence[Tuple[str, str]],
        tls: bool,
    ) -> None:
        super().__init__(Access(own=True), 0, name)
        self.folder = folder
        self._process = process
        self._printed = Printed(out, told)
        self._files = files
        self._replaced = names
        self._tls = tls
        self._events_read = 0
        self._data: Optional[str] = None  # Made for this run.
        _live_runs.append(self)

    # --- What it came to ------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of its job."""
        return self._in_job(_NAME) or self._name

    @property
    def running(self) -> bool:
        """True while its cluster is there."""
        if self._process.poll() is None:
            return True
        if self in _live_runs:
            _live_runs.remove(self)
            self._files.close()
            self._printed.close()
        return False

    @property
    def report(self) -> Dict[str, Any]:
        """Returns what report.json of the run says. Raises Unavailable before its end."""
        if self.running:
            raise Unavailable(
                f"{self.name} goes on, so it has no report yet", "run.wait() waits"
            )
        try:
            with open(self._path("report.json"), encoding="utf-8") as file:
                report: Dict[str, Any] = json.load(file)
        except FileNotFoundError:
            hint = "run.trials says what came of each fold" if self._has_trials() else ""
            raise Unavailable(f"the run in {self.folder} left no report", hint) from None
        return report

    @property
    def trials(self) -> List[Dict[str, Any]]:
        """Returns what trials.json says of a job with ``validate``: a trial for each
        setting, with its ``figures`` (mean and deviation) and its ``folds``. Raises
        Unavailable if there is none (yet)."""
        try:
            with open(self._path("trials.json"), encoding="utf-8") as file:
                trials: List[Dict[str, Any]] = json.load(file)["trials"]
        except FileNotFoundError:
            raise Unavailable(
                f"the run in {self.folder} has no trials",
                "a job with the key validate has some, once its first fold has begun",
            ) from None
        return trials

    @property
    def report_html(self) -> str:
        """The path of the page that the run writes at its end."""
        return self._path("report.html")

    @property
    def samples(self) -> List[Dict[str, Optional[float]]]:
        """The rows of metrics.csv: seconds, applied, training_loss, workers, ..."""
        return csv_rows(self._path("metrics.csv"))

    @property
    def events(self) -> List[str]:
        """Returns what happened to daemons so far, a line each."""
        return event_lines(self._printed.out())

    @property
    def number(self) -> int:
        """The number of its job. Waits for a scheduler that is just coming back.

        Raises Unavailable after the end, if it was not asked for before.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while self._number == 0:
            try:
                self._number = int(self.status()["id"])
            except (Unavailable, NotFound):
                if not self.running or time.monotonic() >= deadline:
                    raise
                time.sleep(_PAUSE_S)
        return self._number

    @property
    def state(self) -> str:
        """The state of a Job while it runs; then "complete", "cancelled" or "stopped"."""
        if self.running:
            job = self._status_or_none()
            return "waiting" if job is None else str(job["state"])
        if self._has_trials():
            whole = all(one["state"] == "complete" for one in self.trials)
            return "complete" if whole else "stopped"
        # A report of an older ebb does not say that the job was cancelled.
        if self.report.get("cancelled", False):
            return "cancelled"
        return "complete" if self.report["complete"] else "stopped"

    @property
    def progress(self) -> Progress:
        """How far it is, by the last row of metrics.csv."""
        # The last row may be half written.
        latest = csv_rows(self._path("metrics.csv"), _TAIL_BYTES)
        whole = [one for one in latest if one.get("servers") is not None]
        if not whole:
            return Progress(0, 0, 1, self._epochs(), 0.0, None, None, 0)
        sample = whole[-1]
        applied, examples = int(sample["applied"] or 0), int(sample["examples"] or 0)
        speed = sample.get("examples_per_second") or 0.0
        return Progress(
            applied=applied,
            examples=examples,
            epoch=int(sample["epoch"] or 1),
            epochs=self._epochs(),
            examples_per_second=speed,
            eta_seconds=(examples - applied) / speed if speed > 0 else None,
            loss=sample.get("training_loss"),
            workers=int(sample.get("workers") or 0),
        )

    @property
    def history(self) -> History:
        """Losses and test figures, a dict for each epoch that began."""
        if self.running:
            job = self._status_or_none()
            return History() if job is None else history.of_status(job, self.samples)
        return history.of_report(self.report, self.samples)

    def wait(
        self, timeout: Optional[float] = None, *, progress: Optional[bool] = None
    ) -> "Run":
        """Blocks until the run has ended, and returns it.

        timeout: seconds; None: without limit.
        progress: show a live line; None: in a terminal and in a notebook.

        Interrupting it ends the waiting, and not the run. Raises TimeoutError,
        Refused if the job was refused, and JobFailed, whose ``run`` is this, if
        the run is not complete and exact.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with display.live(progress) as shown:
            while True:
                running = self.running
                for event in self.events[self._events_read :]:
                    self._events_read += 1
                    shown.tell(event)
                if os.path.exists(self._path("metrics.csv")):
                    state = "running" if running else "over"
                    shown.show(self.name, self.progress, state)
                if not running:
                    break
                left = _PAUSE_S if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{self.name} goes on after {timeout:g} s")
                try:
                    self._process.wait(min(left, _PAUSE_S))
                except subprocess.TimeoutExpired:
                    pass
        error = self._error()
        if error is not None:
            raise error
        return self

    def stop(self) -> None:
        """Ends the run in good order, and returns when it has ended.

        Workers finish their batches and servers store what they have, so that
        ``ebb.run(..., resume=run.folder)`` goes on from there. Interrupting it
        ends everything at once.
        """
        if not self.running:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_END_LIMIT_S)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def status(self) -> Dict[str, Any]:
        """Returns the status of a Job while the run goes on. Raises Unavailable after its end."""
        self._check_running()
        return super().status()

    def explain(self) -> Dict[str, Any]:
        """Explains as a Job does while the run goes on. Raises Unavailable after its end."""
        self._check_running()
        return super().explain()

    def __repr__(self) -> str:
        state = "goes on" if self.running else "over"
        return f"<ebb.Run {self.name} in {self.folder}: {state}>"

    def _repr_html_(self) -> str:
        if self.running:
            return display.html(self.name, self.progress, "running")
        if not os.path.exists(self._path("report.json")):
            return display.html_note(self.name, str(self._error() or "over"))
        report = self.report
        verdict = "good" if report["passed"] else "; ".join(report["problems"])
        return display.html(self.name, self.progress, verdict)

    # --- What commands are told -----------------------------------------------

    def _status_or_none(self) -> Optional[Dict[str, Any]]:
        try:
            return super()._status_or_none()
        except NotFound:
            return None  # Its program has not submitted the job yet.

    def _target(self) -> str:
        return self.name if self.running else self.folder

    def _access_flags(self) -> Sequence[str]:
        return self._reach().flags() if self.running else []

    def _ask(
        self,
        words: Sequence[str],
        flags: Sequence[str] = (),
        names: Sequence[Tuple[str, str]] = (),
    ) -> str:
        if words != ["checkpoint", "export"]:
            self._check_running()
        return super()._ask(words, flags, names)

    def _ask_json(
        self,
        words: Sequence[str],
        flags: Sequence[str] = (),
        answers: Sequence[int] = (0,),
    ) -> Any:
        if words == ["checkpoint", "rollback"]:
            self._check_running()
        return super()._ask_json(words, flags, answers)

    def _reach(self) -> Access:
        """How to reach its own cluster, which may be just starting."""
        try:
            with open(self._path("scheduler.address"), encoding="utf-8") as file:
                address = file.read().strip()
        except FileNotFoundError:
            raise Unavailable(
                f"{self.name} is just starting",
                "ask again in a second. run.wait() waits for its end, and run.state says "
                '"waiting" until its cluster is there',
            ) from None
        tls = self._path("tls/client") if self._tls else None
        return Access(address, tls=tls, own=True)

    def _names(self) -> Sequence[Tuple[str, str]]:
        return ()

    def _way_on(self) -> str:
        return super()._way_on() if self.running else f"go on with {_resumed(self.folder)}"

    def _check_running(self) -> None:
        if self.running:
            return
        hint = f"{_resumed(self.folder)} goes on"
        if os.path.exists(self._path("report.json")) and self.report["complete"]:
            hint = "the job is complete: run.report, run.history and run.audit() say what it came to"
        raise Unavailable(f"the run of {self.name} is over, and its cluster with it", hint)

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _has_trials(self) -> bool:
        return os.path.exists(self._path("trials.json"))

    def _epochs(self) -> int:
        return int(self._in_job(_EPOCHS) or 0)

    def _in_job(self, pattern: "re.Pattern[str]") -> Optional[str]:
        """Returns what a pattern finds in the run's job; a program's is program.yaml."""
        for name in ("program.yaml", "job.yaml"):
            found = _found(pattern, self._path(name))
            if found is not None:
                return found
        return None

    def _error(self) -> Optional[Error]:
        """Returns what is wrong with a run that is over; None: nothing."""
        code = self._process.returncode
        if code == 0:
            return None
        told = command.renamed(self._printed.errors(), self._replaced)
        if code == _USAGE:
            remove_empty(self.folder)
            if self._data is not None:
                shutil.rmtree(self._data, ignore_errors=True)
            return command.error_of_text(told, code, "run")
        if code == _INTERRUPTED:
            error = JobFailed(
                f"the run of {self.name} was interrupted",
                f"{_resumed(self.folder)} goes on",
            )
        elif os.path.exists(self._path("report.json")):
            problems = self.report["problems"] or [told.strip()]
            error = JobFailed("\n".join(problems), f"see {self.report_html}")
        else:
            error = JobFailed(command.error_of_text(told, code, "run").message)
        error.run = self
        return error


# The runs that go on. They end before the interpreter does.
_live_runs: List[Run] = []


@atexit.register
def _end_all() -> None:
    for one in list(_live_runs):
        one.stop()


def _waited(started: Run, progress: Optional[bool]) -> Run:
    try:
        return started.wait(progress=progress)
    except KeyboardInterrupt:
        # The caller does not have the run, which would go on unseen.
        started.stop()
        raise KeyboardInterrupt(
            f"the run in {started.folder} has stopped; {_resumed(started.folder)} goes on"
        ) from None


def _resumed(folder: str) -> str:
    """The call that goes on with the run in a folder."""
    return f'ebb.run(job, resume="{folder}")'


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
    """The name of a job: by its content, else by the name of its file."""
    if isinstance(job, Mapping) and "name" in job:
        return str(job["name"])
    stem = os.path.splitext(os.path.basename(path))[0]
    if path.endswith(".py"):
        return stem
    return _found(_NAME, path) or stem


def _found(pattern: "re.Pattern[str]", path: str) -> Optional[str]:
    """Returns what a pattern finds in a file; None: nothing, or there is no file."""
    try:
        with open(path, encoding="utf-8") as file:
            found = pattern.search(file.read())
    except (OSError, UnicodeDecodeError):
        return None
    return found.group(1) if found else None
