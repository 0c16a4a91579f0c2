"""A run of ``ebb run SCRIPT.py``, from its first process to its report."""

from __future__ import annotations

import argparse
import csv
import errno
import functools
import hashlib
import io
import json
import os
import random
import shlex
import signal
import sys
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ebb import display, history, script_page
from ebb.children import End, tail
from ebb.cluster import Cluster
from ebb.command import Access
from ebb.errors import Error, Refused, Unavailable
from ebb.job import Audit, Job
from ebb.local import LocalCluster
from ebb.progress import Progress, Reached
from ebb.run_folders import Facts, new_folder, newest_folder, read_facts, write_facts
from ebb.tracebacks import ended_by_itself

_TURN_S = 0.05
# Each asks the scheduler by a process, which costs about 25 ms of CPU.
_SAMPLE_S = 1.0
_LOG_LINE_S = 5.0
# A program that was asked to leave has this long.
_GRACE_S = 20.0
# A program that fails so often in a row ends the run.
_MOST_FAILURES = 3
# A program that lived so long did not fail at its start.
_STEADY_S = 20.0
# A job is paused before the program that is to blame has said why, and has ended.
_LAST_WORDS_S = 3.0
_LAST_LINES = 24
# Signals that others send.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_AUDIT_LIMIT_S = 60.0
# Files wait so long for room on a full disk, as training does.
_ROOM_PATIENCE_S = 60.0
_ROOM_PAUSE_S = 0.5
_COLUMNS = (
    "seconds",
    "epoch",
    "applied",
    "examples",
    "examples_per_second",
    "training_loss",
    "workers",
    "servers",
)


class ScriptRun:
    """A run, which happens once: see run()."""

    def __init__(self, flags: argparse.Namespace) -> None:
        self._flags = flags
        self._name = os.path.splitext(os.path.basename(flags.script))[0]
        if flags.resume:
            self._folder = flags.run_dir or newest_folder(self._name)
        else:
            self._folder = flags.run_dir or new_folder(self._name)
        self._size = _size_of(flags, self._folder)
        self._programs = [f"worker-{i}" for i in range(self._size.workers)]
        self._started = time.monotonic()
        self._screen = _Screen(flags.quiet)
        self._kills = _Kills(flags, self._size)
        self._ends_seen = 0
        self._failures: Dict[str, int] = {}
        self._restarts = {"worker": 0, "ps": 0, "scheduler": 0}
        self._problems: List[str] = []
        self._last_words = ""  # The program that failed last wrote them.
        self._paused_at: Optional[float] = None
        self._told_before: Set[int] = set()
        self._jobs: List[Dict[str, Any]] = []  # From the scheduler's last answer.
        self._samples: List[Dict[str, Any]] = []
        self._written = 0  # So many of them are in metrics.csv.
        self._job_written = False
        self._waits = False  # For room for them.
        self._waits_until: Optional[float] = None
        self._reached = Reached()
        self._evaluated: Dict[int, int] = {}  # How many of each job were told.
        self._applied_before: Optional[int] = None
        self._interrupts = 0

    def run(self) -> int:
        """Blocks until all has ended; returns the exit code. Raises Error."""
        if self._flags.resume and self._is_done():
            return self._point_to_report()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupt)
        with LocalCluster(servers=self._size.servers, folder=self._folder) as cluster:
            write_facts(self._folder, self._size)
            _replace(self._path("program.json"), json.dumps(self._program()) + "\n")
            self._begin(cluster)
            self._watch(cluster)
            self._screen.close()
            interrupted = self._interrupts > 0
            audits = [] if interrupted else self._audit(cluster)
            if interrupted:
                self._screen.tell("stopping: the programs leave, servers write checkpoints")
            self._leave(cluster)
            if interrupted:
                # The report says how far the programs came.
                self._ask()
                self._sample(cluster)
                self._screen.close()
        return self._finish(audits, interrupted)

    def _is_done(self) -> bool:
        """Returns whether the run is complete and good."""
        path = self._path("report.json")
        try:
            with open(path, encoding="utf-8") as file:
                passed: bool = json.load(file)["passed"]
                return passed
        except FileNotFoundError:
            return False
        except (ValueError, KeyError):
            raise Error(f"{path} is no report", "remove it, and the run goes on") from None

    def _point_to_report(self) -> int:
        """Names the report of a run that is done; refuses a program that is another now."""
        path = self._path("report.json")
        changed = self._changed()
        if changed:
            sys.stderr.write(
                f"ebb: the run in {self._folder} is complete, and {changed} since: --resume does "
                f"not start it again. Its report is {path}\n"
                "  hint: more epochs are a new run, without --resume. It can begin with this "
                f"model: `ebb checkpoint export {self._folder} -o before.safetensors`, and in the "
                'script init=ebb.load("before.safetensors")\n'
            )
            return 2
        self._copy_report()
        self._screen.tell(f"the run is complete: its report is {path} (and report.html)")
        return 0

    def _program(self) -> Dict[str, Any]:
        """Describes what the run starts, by which another program is told from it."""
        with open(self._flags.script, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        return {"sha256": digest, "arguments": list(self._flags.rest)}

    def _changed(self) -> str:
        """Says what has changed about the program; empty: nothing, or it is not known."""
        try:
            with open(self._path("program.json"), encoding="utf-8") as file:
                before = json.load(file)
        except FileNotFoundError:
            return ""  # An older ebb wrote none.
        now = self._program()
        if before.get("sha256") != now["sha256"]:
            return f"{self._flags.script} has changed"
        if before.get("arguments") != now["arguments"]:
            return "its arguments have changed"
        return ""

    def _copy_report(self) -> None:
        """Copies the page or the JSON, as the name of ``--report`` says."""
        if self._flags.report:
            name = "report.html" if self._wants_page() else "report.json"
            with open(self._path(name), encoding="utf-8") as file:
                _replace(self._flags.report, file.read())

    def _wants_page(self) -> bool:
        return str(self._flags.report).lower().endswith((".html", ".htm"))

    def _interrupt(self, number: int, frame: Any) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            # Everything that was started ends with this process.
            os._exit(130)

    def _begin(self, cluster: LocalCluster) -> None:
        with open(self._path("scheduler.address"), "w") as file:
            file.write(cluster.address + "\n")
        self._cluster = Cluster(Access(cluster.address, own=True))
        if self._flags.resume:
            self._resume_jobs()
        script = os.path.abspath(self._flags.script)
        for name in self._programs:
            cluster.run_program(
                name, [sys.executable, "-u", script, *self._flags.rest]
            )
        times, servers = self._size.workers, self._size.servers
        self._screen.tell(
            f"{self._flags.script}: {times} time{'s' * (times > 1)}, "
            f"on {servers} server{'s' * (servers > 1)}"
        )

    def _resume_jobs(self) -> None:
        """Lets jobs go on that are paused because of failing examples."""
        opened = False
        for job in self._cluster.jobs():
            if _is_held(job.status()):
                job.resume(skip=self._flags.skip)
                opened = True
        if self._flags.skip and not opened:
            self._screen.tell("no job is paused for a batch: --skip leaves none out")

    # --- While it goes on -----------------------------------------------------

    def _watch(self, cluster: LocalCluster) -> None:
        sampled = 0.0
        while not self._interrupts and not self._problems:
            for end in cluster.ends[self._ends_seen :]:
                self._ends_seen += 1
                self._note_end(cluster, end)
                if self._problems:
                    break  # A program that ended meanwhile would not be started again.
            self._problems += cluster.problems
            if all(cluster.finished(name) for name in self._programs):
                self._ask()
                self._sample(cluster)
                self._problems += self._pauses()
                return
            now = time.monotonic()
            if now - sampled >= _SAMPLE_S:
                sampled = now
                self._ask()
                self._sample(cluster)
            if self._is_held_for_good(now):
                self._problems += self._pauses()
            if any(job["state"] == "running" for job in self._jobs):
                killed = self._kills.act(cluster, now)
                if killed is not None:
                    self._told_before.add(killed)
            if self._left_alone():
                self._interrupts += 1
            time.sleep(_TURN_S)

    def _left_alone(self) -> bool:
        parent = self._flags.leave_with_parent
        return parent is not None and os.getppid() != parent

    def _note_end(self, cluster: LocalCluster, end: End) -> None:
        if end.name in self._programs and end.code == 0:
            self._screen.event(f"{end.name} has finished")
            return
        self._restarts[end.name.split("-")[0]] += 1
        planned = end.pid in self._told_before
        self._screen.event(f"{end}{', as planned' if planned else ''}")
        if end.name not in self._programs or planned:
            return
        self._last_words = _last_words(cluster, end, _LAST_LINES)
        steady = end.life_s > _STEADY_S
        failures = 1 if steady else self._failures.get(end.name, 0) + 1
        self._failures[end.name] = failures
        if not self._jobs:
            self._ask()  # It may have submitted one just now.
        # Without a job the program has not begun: it would fail again. Only a
        # signal from outside may not come again.
        fails_again = not self._jobs and -end.code not in _FROM_OUTSIDE
        if end.code > 0 and ended_by_itself(cluster.note_of(end.name), end.pid):
            fails_again = True
        if failures >= _MOST_FAILURES or fails_again:
            self._problems.append(self._last_words)

    def _is_held_for_good(self, now: float) -> bool:
        """Returns whether a job waits for a decision, and the program has said why."""
        if not any(_is_held(job) for job in self._jobs):
            self._paused_at = None
            return False
        if self._paused_at is None:
            self._paused_at = now
        return bool(self._last_words) or now - self._paused_at > _LAST_WORDS_S

    def _pauses(self) -> List[str]:
        """Why jobs wait for a decision, which a run cannot make, and what helps."""
        again = f"`{self._again()}` goes on"
        return [
            f"{job['name']} is paused: {_why_held(job)}\n"
            + (f"{self._last_words}\n" if self._last_words else "")
            + f"  hint: mend the cause, then {again}"
            + (", and with --skip without the batch" if job["quarantined"] else "")
            for job in self._jobs
            if _is_held(job)
        ]

    def _again(self) -> str:
        """The command that goes on with this run."""
        words = ["ebb", "run", self._flags.script, "--resume", "--run-dir", self._folder]
        rest = ["--", *self._flags.rest] if self._flags.rest else []
        return " ".join(shlex.quote(word) for word in words + rest)

    def _ask(self) -> None:
        try:
            self._jobs = self._cluster.status()["jobs"]
        except Unavailable:
            pass  # The scheduler is just coming back.
        except Error:
            # Ctrl-C in a terminal ends the command that asks, too.
            if not self._interrupts:
                raise

    def _sample(self, cluster: LocalCluster) -> None:
        if not self._jobs:
            return
        job = self._jobs[-1]
        progress = self._reached.by(job)
        if not self._samples:
            self._applied_before = progress.applied
        self._samples.append(
            {
                "seconds": round(time.monotonic() - self._started, 3),
                "epoch": progress.epoch,
                "applied": progress.applied,
                "examples": progress.examples,
                "examples_per_second": progress.examples_per_second,
                "training_loss": progress.loss,
                "workers": progress.workers,
                "servers": sum(one in cluster.processes for one in cluster.servers),
            }
        )
        self._tell_room(self._write_rest(job))
        for one in self._jobs:
            self._tell_evaluations(one)
        self._screen.show(job["name"], progress, job["state"])

    def _tell_evaluations(self, job: Mapping[str, Any]) -> None:
        evaluations = job["evaluations"]
        # An earlier part of the run has told of what is there at the start.
        old = len(evaluations) if self._flags.resume and not self._samples[1:] else 0
        for one in evaluations[self._evaluated.get(job["id"], old) :]:
            self._screen.tell(_evaluation_line(job, one))
        self._evaluated[job["id"]] = len(evaluations)

    # --- Files that wait for room on a full disk --------------------------------

    def _write_rest(self, job: Mapping[str, Any]) -> Optional[OSError]:
        """Writes what is to be written beside the daemons' files; else says why not."""
        try:
            if not self._job_written:
                self._write_job(job)
                self._job_written = True
            self._write_samples()
        except OSError as error:
            return error
        return None

    def _write_job(self, job: Mapping[str, Any]) -> None:
        _replace(
            self._path("program.yaml"),
            "# The newest job of the program, which submits it: ebb run takes the program.\n"
            f"name: {job['name']}\ntrain:\n  epochs: {job['epochs']}\n",
        )

    def _write_samples(self) -> None:
        _append_rows(self._path("metrics.csv"), self._samples[self._written :])
        self._written = len(self._samples)

    def _tell_room(self, error: Optional[OSError]) -> None:
        """Says once that samples wait, and once that they are written."""
        if (error is not None) == self._waits:
            return
        self._waits = error is not None
        self._screen.event(
            f"cannot write {error.filename or 'metrics.csv'}: {error.strerror}; what it lacks "
            "is kept, and written as soon as that is possible"
            if error is not None
            else "metrics.csv has all samples again"
        )

    def _await_room(self, write: Callable[[], None]) -> None:
        """Writes once there is room on the disk. Raises OSError after a minute."""
        told = False
        while True:
            try:
                return write()
            except OSError as error:
                if not _is_full(error) or time.monotonic() >= self._room_deadline():
                    raise
                if not told:
                    self._screen.event(f"{error}; waiting for room")
                    told = True
            time.sleep(_ROOM_PAUSE_S)

    def _room_deadline(self) -> float:
        """All files of the end together have a minute. An interrupted run does not wait."""
        if self._interrupts:
            return 0.0
        if self._waits_until is None:
            self._waits_until = time.monotonic() + _ROOM_PATIENCE_S
        return self._waits_until

    # --- Its end --------------------------------------------------------------

    def _audit(self, cluster: LocalCluster) -> List[Tuple[Dict[str, Any], Audit]]:
        if not self._jobs and not self._problems:
            self._problems.append(
                f"{self._flags.script} ended without a job\n"
                "  hint: ebb.torch.job(...) submits one, ebb.join(...) works for it"
            )
        audits: List[Tuple[Dict[str, Any], Audit]] = []
        deadline = time.monotonic() + _AUDIT_LIMIT_S
        for job in self._jobs:
            one = Job(Access(cluster.address, own=True), job["id"], job["name"])
            while True:
                try:
                    audit, status = one.audit(), one.status()
                except Unavailable:
                    if time.monotonic() > deadline:
                        raise
                else:
                    # A server that was just killed may have to come back first.
                    silent = audit.all.get("no_answer")
                    if not silent or time.monotonic() > deadline:
                        break
                time.sleep(0.2)
            audits.append((status, audit))
            if not audit and not self._problems:
                self._problems.append(
                    f"{job['name']} is {status['state']}, and its audit is not exact: "
                    f"{audit.missing} missing, {audit.doubled} doubled, in all partitions together"
                )
        return audits

    def _leave(self, cluster: LocalCluster) -> None:
        """Asks the programs to leave, as Ctrl-C in a terminal would."""
        left = [name for name in self._programs if name in cluster.processes]
        for name in left:
            cluster.stop_program(name)
        deadline = time.monotonic() + _GRACE_S
        while any(name in cluster.processes for name in left):
            if time.monotonic() > deadline:
                return  # They are killed.
            time.sleep(_TURN_S)

    def _finish(
        self, audits: List[Tuple[Dict[str, Any], Audit]], interrupted: bool
    ) -> int:
        warnings = []
        if self._written < len(self._samples):
            try:
                self._await_room(self._write_samples)
            except OSError as error:
                warnings.append(f"metrics.csv lacks its last samples: {error}")
        report = self._report(audits, interrupted)
        report["warnings"] = warnings
        text = json.dumps(report, indent=2) + "\n"
        page = script_page.page(report, self._samples)
        files = [(self._path("report.html"), page), (self._path("report.json"), text)]
        if self._flags.report:
            files.append((self._flags.report, page if self._wants_page() else text))
        for path, content in files:
            try:
                self._await_room(functools.partial(_replace, path, content))
            except OSError as error:
                hint = "\n  hint: make room: --resume writes it" if _is_full(error) else ""
                self._problems.append(f"{error}{hint}")
                break  # Without its report.json, --resume writes them anew.
        for line in _report_lines(report):
            self._screen.tell(line)
        for problem in self._problems:
            sys.stderr.write(f"ebb: {problem}\n")
        if interrupted:
            self._screen.tell(f"go on with: {self._again()}")
            return 130
        return 1 if self._problems else 0

    def _report(
        self, audits: List[Tuple[Dict[str, Any], Audit]], interrupted: bool
    ) -> Dict[str, Any]:
        job, audit = audits[-1] if audits else (None, None)
        if job is None and self._jobs:
            job = self._jobs[-1]
        job = job or {}
        restarts = self._restarts
        seconds = self._samples[-1]["seconds"] if self._samples else 0.0
        applied = self._samples[-1]["applied"] if self._samples else 0
        done = applied - (self._applied_before or 0)
        return {
            "name": job.get("name", self._name),
            "script": self._flags.script,
            "passed": not self._problems and not interrupted,
            "complete": job.get("state") == "complete",
            "interrupted": interrupted,
            "cancelled": job.get("state") == "cancelled",
            "seconds": seconds,
            "examples_before": self._applied_before or 0,
            "total_seconds": round(time.monotonic() - self._started, 3),
            "examples_per_second": done / seconds if seconds else 0.0,
            "epochs": job.get("epochs", 0),
            "updates": job.get("updates", 0),
            "audit": None if audit is None else dict(audit.all),
            "restarts": {
                "total": sum(restarts.values()),
                "scheduler": restarts["scheduler"],
                "servers": restarts["ps"],
                "workers": restarts["worker"],
            },
            "kills": self._kills.done,
            "evaluations": job.get("evaluations", []),
            "best": job.get("best"),
            "ended": job.get("ended", ""),
            "training_loss": [one["mean"] for one in job.get("losses", [])],
            "jobs": [
                {"name": one["name"], "state": one["state"], "exact": proof.exact}
                for one, proof in audits
            ],
            "servers": self._size.servers,
            "workers": self._size.workers,
            "folder": self._folder,
            "problems": self._problems,
            "warnings": [],
        }

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)


def _is_full(error: OSError) -> bool:
    """Returns whether a disk has no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _append_rows(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds rows to a CSV file: all of them or, if that fails, none."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _COLUMNS)
    with open(path, "ab", buffering=0) as file:
        before = file.tell()
        if before == 0:
            writer.writeheader()
        writer.writerows(rows)
        content = text.getvalue().encode()
        try:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        except OSError as error:
            # A part of a row would be taken for a row.
            if os.path.isfile(path):
                os.ftruncate(file.fileno(), before)
            error.filename = path
            raise


def _replace(path: str, content: str) -> None:
    """Writes a file at once: readers see the old content or the new one.

    A device, a pipe or a link is written to instead.
    """
    as_it_is = os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path))
    fresh = path if as_it_is else f"{path}.new"
    try:
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(content)
        if not as_it_is:
            os.replace(fresh, path)
    except OSError as error:
        if not as_it_is and os.path.exists(fresh):
            os.remove(fresh)
        error.filename = path
        raise


def _size_of(flags: argparse.Namespace, folder: str) -> Facts:
    """The processes of the run: as flags say, else as before. Raises Refused."""
    known = read_facts(folder) if flags.resume else None
    before = known or Facts()
    if known is not None and flags.servers not in (None, known.servers):
        raise Refused(
            f"--servers {flags.servers}: the run in {folder} has {before.servers} servers, "
            "which hold its model",
            "leave --servers out",
        )
    return Facts(flags.servers or before.servers, flags.workers or before.workers)


class _Kills:
    """Kills processes in turn: a program, a server, the scheduler."""

    def __init__(self, flags: argparse.Namespace, size: Facts) -> None:
        self._every: Optional[float] = flags.kill_every
        self._random = random.Random(flags.kill_seed)
        self._roles = [
            [f"worker-{i}" for i in range(size.workers)],
            [f"ps-{i}" for i in range(size.servers)],
            ["scheduler"],
        ]
        self._begun: Optional[float] = None
        self._turn = 0
        self._next_s = 0.0
        self._draw()
        self.done: List[str] = []

    def _draw(self) -> None:
        if self._every is not None:
            self._next_s = self._every * (self._turn + self._random.random())
            self._daemon = self._random.choice(self._roles[self._turn % 3])
            self._turn += 1

    def act(self, cluster: LocalCluster, now: float) -> Optional[int]:
        """Kills the next process if it is time; returns its process id."""
        if self._every is None:
            return None
        if self._begun is None:
            self._begun = now
        if now - self._begun < self._next_s:
            return None
        name = self._daemon
        pid = cluster.processes.get(name)
        if pid is None:
            # A program that has finished is not there. A daemon that is just
            # coming back is killed as soon as it is.
            if name.startswith("worker") and cluster.finished(name):
                self._draw()
            return None
        if not cluster.kill(name):
            return None
        self.done.append(name)
        late = now - self._begun - self._next_s
        if late > self._every:
            # A machine that stood still would kill all that it missed at once, and
            # again nothing would go on. The rest of the plan is later instead.
            self._begun += late
        self._draw()
        return pid


class _Screen:
    """A live line in a terminal; else a line now and then."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stdout.isatty()
        self._live = display.live(False if quiet else None)
        self._logged = 0.0

    def show(self, name: str, progress: Progress, state: str) -> None:
        if self._quiet:
            return
        if self._terminal:
            self._live.show(name, progress, state)
        elif time.monotonic() - self._logged >= _LOG_LINE_S:
            self._logged = time.monotonic()
            self.tell(display.line(name, progress, state))

    def event(self, text: str) -> None:
        self.tell(f"! {time.strftime('%H:%M:%S')} {text}")

    def tell(self, line: str) -> None:
        if self._quiet:
            return
        if self._terminal:
            self._live.tell(line)
        else:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def close(self) -> None:
        self._live.close()


def _is_held(job: Mapping[str, Any]) -> bool:
    """Returns whether a job is paused until a person decides about failing examples."""
    if job["quarantined"]:
        return any(not one["skip_wanted"] for one in job["quarantined"])
    return job["state"] == "paused" and not job["paused_by_operator"]


def _why_held(job: Mapping[str, Any]) -> str:
    for one in job["quarantined"]:
        if not one["skip_wanted"]:
            item = f"item (epoch {one['epoch'] + 1}, shard {one['shard'] + 1})"
            times = one["failures"]
            return f"{item} failed {times} time{'s' * (times != 1)}: {one['error']}"
    texts = [one["text"] for one in job["waiting"]]
    return "; ".join(texts) or "`ebb explain` says why"


def _evaluation_line(job: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    front = f"epoch {one['epoch']}: "
    if "error" in one:
        return f"{front}not evaluated: {one['error']}"
    figures = ", ".join(f"{key} {value}" for key, value in _figures(one))
    size = job["examples"] / max(1, job["epochs"])
    further = one.get("position", 0) / size - one["epoch"] if size else 0.0
    more = f" (model {further:.1f} epochs further)" if further > 0.1 else ""
    return f"{front}test {figures}{more}"


def _figures(evaluation: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """The figures of an evaluation for people."""
    figures = history.figures_of(evaluation)
    if "log_loss" in figures or "rmse" in figures:
        figures.pop("loss", None)
    return [
        (key.replace("_", " "), "not a number" if value is None else f"{value:.4g}")
        for key, value in figures.items()
        if (value is None or isinstance(value, (int, float)))
        and key not in ("precision", "recall")
    ]


def _last_words(cluster: LocalCluster, end: End, lines: int) -> str:
    """How a program ended, and the last lines that it wrote since its last start."""
    log = os.path.join(cluster.folder, "logs", f"{end.name}.log")
    words = tail(log, lines, end.said)
    text = f"{end}; its log, {os.path.relpath(log)}, ends:\n{words}"
    if "ModuleNotFoundError: " in words.rstrip().rsplit("\n", 1)[-1]:
        text += (
            f"\n  hint: {sys.executable} ran it; "
            "EBB_PYTHON names another interpreter"
        )
    return text


def _applied_text(audit: Mapping[str, Any], complete: bool) -> str:
    """The figures of the partition that is worst off; then those of all together."""
    if audit["applied"] is None:
        return "not known: " + "; ".join(audit["problems"])

    def wrong(result: Mapping[str, Any]) -> str:
        # Before the end, what is missing is yet to come.
        missing = f"{result['missing']} missing, " if complete else ""
        return f"{missing}{result['doubled']} doubled"

    times = audit["partitions"]
    least = "" if complete and audit["exact"] else "at least "
    worst, together = wrong(audit["worst"]), wrong(audit)
    text = (
        f"{audit['applied']} of {audit['expected']} applied {least}in each of {times} "
        f"partition{'s' * (times != 1)}: {worst}, {audit['skipped']} skipped"
    )
    return text if worst == together else f"{text}; in all partitions together {together}"


def _report_lines(report: Mapping[str, Any]) -> List[str]:
    lines = [f"{'done' if report['passed'] else 'ended'} in {report['seconds']:.1f} s"]
    audit = report["audit"]
    if audit is not None:
        lines.append(f"  examples        {_applied_text(audit, report['complete'])}")
        lines.append(f"  audit           {'exact' if audit['exact'] else 'NOT EXACT'}")
    lines.append(f"  speed           {report['examples_per_second']:.0f} examples/s")
    if report["training_loss"]:
        loss = report["training_loss"][-1]
        said = "not known" if loss is None else f"{loss:.4g}"
        lines.append(f"  training loss   {said}")
    if report["evaluations"]:
        for key, value in _figures(report["evaluations"][-1]):
            lines.append(f"  {'test ' + key:<15} {value}")
    if report["best"]:
        best = report["best"]
        lines.append(
            f"  best            epoch {best['epoch']}, {best['figure']} {best['value']:.4g}"
        )
    if report["ended"]:
        lines.append(f"  ended           {report['ended']}")
    restarts = report["restarts"]
    lines.append(
        f"  restarts        {restarts['workers']} programs, {restarts['servers']} "
        f"servers, {restarts['scheduler']} schedulers"
    )
    if report["complete"] and len(report["jobs"]) == 1:
        folder = report["folder"]
        lines.append(
            f"  model           in {folder}/state, a copy in {folder}/shared; "
            f"`ebb checkpoint export {folder} -o FILE` takes it home"
        )
    lines.append(f"  run             {report['folder']}/ (report.html, report.json, logs)")
    return lines
