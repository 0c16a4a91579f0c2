"""A run on this machine, while its process goes on and afterwards."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack
from typing import IO, Any, Dict, List, Optional, Sequence, Tuple

from ebb import command, display, history
from ebb.command import Access
from ebb.errors import Error, JobFailed, NotFound, Unavailable
from ebb.history import History
from ebb.job import Job
from ebb.progress import Progress
from ebb.run_folders import remove_empty
from ebb.run_output import Printed, csv_rows, event_lines

_PAUSE_S = 0.1
# For a scheduler that is just coming back.
_PATIENCE_S = 10.0
# A run that was asked to end takes about as long as its daemons' grace.
_END_LIMIT_S = 70.0
_INTERRUPTED = 130
_USAGE = 2
_TAIL_BYTES = 4096
#: The name of a job in a job file, also one that is JSON.
NAME = re.compile(r"""(?:^|\A\s*\{\s*)["']?name["']?:\s*["']?([\w.-]+)""", re.MULTILINE)
_EPOCHS = re.compile(r"^  epochs: (\d+)", re.MULTILINE)


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
        return self._in_job(NAME) or self._name

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
        return super()._way_on() if self.running else f"go on with {resumed_by(self.folder)}"

    def _check_running(self) -> None:
        if self.running:
            return
        hint = f"{resumed_by(self.folder)} goes on"
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
            found = found_in(pattern, self._path(name))
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
                f"{resumed_by(self.folder)} goes on",
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


def resumed_by(folder: str) -> str:
    """Returns the call that goes on with the run in a folder."""
    return f'ebb.run(job, resume="{folder}")'


def found_in(pattern: "re.Pattern[str]", path: str) -> Optional[str]:
    """Returns what a pattern finds in a file; None: nothing, or there is no file."""
    try:
        with open(path, encoding="utf-8") as file:
            found = pattern.search(file.read())
    except (OSError, UnicodeDecodeError):
        return None
    return found.group(1) if found else None
