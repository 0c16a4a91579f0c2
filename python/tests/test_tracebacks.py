"""Which errors end a run at once, and which let a program start again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ebb
from ebb import tracebacks


@pytest.mark.parametrize("error, own", [
    (NameError("lss"), True),
    (ValueError("no batches"), True),
    (ImportError("no module"), True),
    (ebb.Refused("no gradient"), True),
    (ebb.Unavailable("away"), False),
    (ebb.NonFinite("nan"), False),
    (OSError("disk full"), False),
    (ConnectionResetError(), False),
    (MemoryError(), False),
    (KeyboardInterrupt(), False),
    (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), False),
    (RuntimeError("CUDA error: unspecified launch failure"), False),
    (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), True),
])  # fmt: skip
def test_is_of_the_program(error: BaseException, own: bool) -> None:
    assert tracebacks.is_of_the_program(error) == own


def test_an_example_that_cannot_be_read_is_the_jobs_to_count() -> None:
    error = ValueError("picture 7 is torn")
    tracebacks.of_an_example(error)
    assert not tracebacks.is_of_the_program(error)


@pytest.mark.parametrize(
    "text, own",
    [("lss.backward()", True), ("raise OSError('gone')", False), ("raise SystemExit(1)", False),
     ("import os; os.kill(os.getpid(), 9)", False)],
)  # fmt: skip
def test_a_program_notes_what_ended_it(tmp_path: Path, text: str, own: bool) -> None:
    note = tmp_path / "worker-0.error"
    environment = {**os.environ, tracebacks.NOTE: str(note)}
    program = subprocess.Popen(
        [sys.executable, "-c", f"import ebb\n{text}"],
        env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _, said = program.communicate(timeout=60)
    assert program.returncode != 0
    assert ("NameError" in said) == own
    assert note.exists() == own
    assert not own or note.read_text() == str(program.pid)
