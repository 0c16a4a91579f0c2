"""Runs of ebb's program for a benchmark, followed from their start to their end."""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

Status = Dict[str, Any]
_LOOK_S = 0.03
_TICK_S = 0.5
_GRACE_S = 60.0


class Failed(Exception):
    """A run did not come to an end, or to a wrong one."""


def path() -> str:
    """The program beside the one that started this benchmark."""
    return os.path.join(os.environ["EBB_BIN"], "ebb")


def call(*words: str) -> str:
    """Returns what `ebb` prints."""
    done = subprocess.run(
        [path(), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Failed(done.stderr.strip() or f"ebb {words[0]} ended with {done.returncode}")
    return done.stdout


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    text = log.read_text(errors="replace") if log.exists() else ""
    said = [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
    return said[-1] if said else ""


def end_of(code: int) -> str:
    """"exited with 1", "was ended by signal 9"."""
    return f"exited with {code}" if code >= 0 else f"was ended by signal {-code}"


class Child:
    """`ebb` with these words, in a session of its own; its output goes to ``log``.

    It ends in good order if the block that it heads is left, and is killed if it does not.
    """

    def __init__(
        self,
        words: Sequence[str],
        log: Path,
        more: Optional[Mapping[str, str]] = None,
        commands: bool = False,
    ) -> None:
        """commands: its standard input is a pipe."""
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [path(), *words],
                env={**os.environ, **(more or {})},
                stdin=subprocess.PIPE if commands else subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            self.process.send_signal(signal.SIGTERM if ignored else signal.SIGINT)
            try:
                self.process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def wait(self, look: Callable[[], None], tick: Optional[Callable[[], None]] = None) -> int:
        """Returns its exit code; calls ``look`` all the time, and ``tick`` now and then."""
        ticked = time.monotonic()
        while True:
            code = self.process.poll()
            look()
            if code is not None:
                return code
            if tick and time.monotonic() - ticked > _TICK_S:
                ticked = time.monotonic()
                tick()
            time.sleep(_LOOK_S)  # Nothing tells that a line was written.


class Statuses:
    """Follows the file of `--statuses`: what the scheduler answered, as it comes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._begun = b""
        self._read = 0
        file.write_bytes(b"")

    def news(self) -> List[Status]:
        """The statuses since the last call."""
        with self._file.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        self._read += len(data)
        *lines, self._begun = (self._begun + data).split(b"\n")
        return [json.loads(line) for line in lines]


class Run:
    """A cluster of its own that trains a job, as `ebb run` or `ebb chaos` starts it.

    last: the last status. report: what `--report` wrote, once the run has ended.
    """

    def __init__(
        self, words: Sequence[str], folder: Path, more: Optional[Mapping[str, str]] = None
    ) -> None:
        """words: "run" or "chaos", and all of its flags but those of files.

        folder: that of the run, which is not there yet; files lie beside it meanwhile.
        """
        self.folder = folder
        self.last: Status = {}
        self.report: Dict[str, Any] = {}
        self._words, self._more = words, more
        self._child: Optional[Child] = None

    def follow(self, look: Callable[[Status], None], live: bool = False) -> None:
        """Blocks until the run has ended; ``look`` sees each status.

        live: for `ebb chaos --live`: ``do`` and ``end`` may be called meanwhile.

        Raises Failed if there is no report, and KeyboardInterrupt if it was interrupted.
        """
        beside = {end: self.folder.with_suffix(end) for end in (".statuses", ".report", ".log")}
        statuses = Statuses(beside[".statuses"])

        def see() -> None:
            for status in statuses.news():
                self.last = status
                look(status)

        words = [*self._words, "--quiet", "--run-dir", str(self.folder)]
        words += ["--leave-with-parent", str(os.getpid())]
        words += ["--statuses", str(beside[".statuses"]), "--report", str(beside[".report"])]
        try:
            with Child(words, beside[".log"], self._more, live) as self._child:
                code = self._child.wait(see)
            if code == 130:
                raise KeyboardInterrupt
            if not beside[".report"].exists():
                said = beside[".log"].read_text(errors="replace").strip()
                raise Failed(said or f"ebb {end_of(code)}")
            self.report = json.loads(beside[".report"].read_text())
        finally:
            for file in beside.values():
                file.unlink(missing_ok=True)

    def do(self, **event: str) -> None:
        """Carries out an event of a scenario now, such as kill="worker-0"."""
        self._send(json.dumps({"at": "0s", **event}) + "\n")

    def end(self) -> None:
        """Ends the run in good order, complete or not."""
        assert self._child is not None and self._child.process.stdin is not None
        self._child.process.stdin.close()

    def _send(self, line: str) -> None:
        assert self._child is not None and self._child.process.stdin is not None
        try:
            self._child.process.stdin.write(line.encode())
            self._child.process.stdin.flush()
        except BrokenPipeError:
            pass  # Its end says why.


def cpu_seconds(pids: Sequence[int]) -> float:
    """The CPU time so far of those of these processes that are there."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
