"""A run of ``ebb run SCRIPT.py``, from its first process to its report."""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import shlex
import signal
import sys
import time
from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

from ebb import script_page
from ebb.children import End
from ebb.cluster import Cluster
from ebb.command import Access
from ebb.errors import Error, Refused, Unavailable
from ebb.job import Audit, Job
from ebb.local import LocalCluster
from ebb.progress import Reached
from ebb.run_folders import Facts, new_folder, newest_folder, read_facts, write_facts
from ebb.script_files import Files, is_full, replace
from ebb.script_kills import Kills
from ebb.script_screen import Screen
from ebb.script_texts import evaluation_line, is_held, last_words, report_lines, why_held
from ebb.tracebacks import ended_by_itself

_TURN_S = 0.05
# Each asks the scheduler by a process, which costs about 25 ms of CPU.
_SAMPLE_S = 1.0
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
        self._screen = Screen(flags.quiet)
        self._files = Files(self._folder, self._screen, lambda: self._interrupts > 0)
        self._kills = Kills(flags, self._size)
        self._ends_seen = 0
        self._failures: Dict[str, int] = {}
        self._restarts = {"worker": 0, "ps": 0, "scheduler": 0}
        self._problems: List[str] = []
        self._last_words = ""  # The program that failed last wrote them.
        self._paused_at: Optional[float] = None
        self._told_before: Set[int] = set()
        self._jobs: List[Dict[str, Any]] = []  # From the scheduler's last answer.
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
            replace(self._files.path("program.json"), json.dumps(self._program()) + "\n")
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
        path = self._files.path("report.json")
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
        path = self._files.path("report.json")
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
            with open(self._files.path("program.json"), encoding="utf-8") as file:
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
            try:
                with open(self._files.path(name), encoding="utf-8") as file:
                    content = file.read()
                replace(self._flags.report, content)
            except OSError as error:
                raise Error(
                    f"--report {self._flags.report}: the report cannot be copied: "
                    f"{error.filename}: {error.strerror}",
                    f"the run is complete, and {self._files.path('report.json')} is its report",
                ) from None

    def _wants_page(self) -> bool:
        return str(self._flags.report).lower().endswith((".html", ".htm"))

    def _interrupt(self, number: int, frame: Any) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            # Everything that was started ends with this process.
            os._exit(130)

    def _begin(self, cluster: LocalCluster) -> None:
        with open(self._files.path("scheduler.address"), "w") as file:
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
            if is_held(job.status()):
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
        self._last_words = last_words(cluster, end, _LAST_LINES)
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
        if not any(is_held(job) for job in self._jobs):
            self._paused_at = None
            return False
        if self._paused_at is None:
            self._paused_at = now
        return bool(self._last_words) or now - self._paused_at > _LAST_WORDS_S

    def _pauses(self) -> List[str]:
        """Why jobs wait for a decision, which a run cannot make, and what helps."""
        again = f"`{self._again()}` goes on"
        return [
            f"{job['name']} is paused: {why_held(job)}\n"
            + (f"{self._last_words}\n" if self._last_words else "")
            + f"  hint: mend the cause, then {again}"
            + (", and with --skip without the batch" if job["quarantined"] else "")
            for job in self._jobs
            if is_held(job)
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
        if not self._files.samples:
            self._applied_before = progress.applied
        self._files.samples.append(
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
        self._files.write_rest(job)
        for one in self._jobs:
            self._tell_evaluations(one)
        self._screen.show(job["name"], progress, job["state"])

    def _tell_evaluations(self, job: Mapping[str, Any]) -> None:
        evaluations = job["evaluations"]
        # An earlier part of the run has told of what is there at the start.
        old = len(evaluations) if self._flags.resume and not self._files.samples[1:] else 0
        for one in evaluations[self._evaluated.get(job["id"], old) :]:
            self._screen.tell(evaluation_line(job, one))
        self._evaluated[job["id"]] = len(evaluations)

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
        if self._files.lacks_samples:
            try:
                self._files.await_room(self._files.write_samples)
            except OSError as error:
                warnings.append(f"metrics.csv lacks its last samples: {error}")
        report = self._report(audits, interrupted)
        report["warnings"] = warnings
        text = json.dumps(report, indent=2) + "\n"
        page = script_page.page(report, self._files.samples)
        files = [(self._files.path("report.html"), page), (self._files.path("report.json"), text)]
        if self._flags.report:
            files.append((self._flags.report, page if self._wants_page() else text))
        for path, content in files:
            try:
                self._files.await_room(functools.partial(replace, path, content))
            except OSError as error:
                hint = "\n  hint: make room: --resume writes it" if is_full(error) else ""
                self._problems.append(f"{error}{hint}")
                break  # Without its report.json, --resume writes them anew.
        for line in report_lines(report, self._flags.details):
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
        seconds = self._files.samples[-1]["seconds"] if self._files.samples else 0.0
        applied = self._files.samples[-1]["applied"] if self._files.samples else 0
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
            "late_updates": job.get("late_updates", 0),
            "bound_wait_seconds": job.get("bound_wait_seconds"),
            "worker_seconds": job.get("worker_seconds"),
            "computed": job.get("computed", []),
            "traffic": job.get("traffic"),
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
