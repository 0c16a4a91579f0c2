"""``ebb run SCRIPT.py``: starts a program several times on a local cluster.

The program submits a job, or joins the one that is there, by itself: see
``ebb.torch.job`` and ``ebb.join``. It finds the cluster by EBB_SCHEDULER.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from typing import Optional, Sequence

from ebb.errors import Error


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs what the command line says; returns the exit code.

    0: good; 1: a job is incomplete or not exact, or a program fails; 2: a wrong
    flag, and nothing was started; 130: interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    own = words[: words.index("--")] if "--" in words else words
    flags = _flags().parse_args(own)
    if flags.skip and not flags.resume:
        sys.stderr.write("ebb: --skip goes with --resume\n")
        return 2
    flags.rest = words[len(own) + 1 :]
    if not os.path.isfile(flags.script):
        sys.stderr.write(f"ebb: {flags.script}: there is no such file{_is_it(flags.script)}\n")
        return 2
    try:
        from ebb.script_run import ScriptRun
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        sys.stderr.write(
            f"ebb: {sys.executable} ran this, and has no package numpy\n"
            "  hint: apt-get install python3-numpy, or pip install numpy; "
            "EBB_PYTHON names another interpreter\n"
        )
        return 1
    try:
        run = ScriptRun(flags)
    except Error as error:
        sys.stderr.write(f"ebb: {error}\n")
        return 2
    try:
        return run.run()
    except Error as error:
        sys.stderr.write(f"ebb: {error}\n")
        return 1


def _flags() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ebb run",
        usage="ebb run [OPTIONS] SCRIPT.py [-- ARGUMENTS]",
        description="Starts a Python program several times, on a cluster of its "
        "own. The program joins a job: see docs/python-reference.md.",
        epilog="Example: ebb run digits.py --workers 3 --servers 2 --kill-every 1",
    )
    add = parser.add_argument
    add("script", metavar="SCRIPT.py", help="the program")
    add("--workers", type=_count, help="how often it is started (3, or as before "
        "with --resume)")
    add("--servers", type=_count, help="parameter servers (2, or as before with "
        "--resume)")
    add("--kill-every", type=_seconds, help="kill a process every S seconds")
    add("--kill-seed", type=int, default=1, help="seed of the kills (1)")
    add("--run-dir", help="folder of the run (runs/NAME-N)")
    add("--resume", action="store_true", help="go on in --run-dir, or the newest run")
    add("--skip", action="store_true", help="with --resume: leave out the batches "
        "for which the job is paused")
    add(
        "--report",
        help="also write the report to this file: the page if it ends in .html, else JSON",
    )
    add("--quiet", action="store_true", help="print errors only")
    add("--leave-with-parent", type=int, help=argparse.SUPPRESS)
    return parser


def _is_it(path: str) -> str:
    """Names the file beside it of which ``path`` is probably a misspelling."""
    folder, name = os.path.split(path)
    try:
        there = os.listdir(folder or ".")
    except OSError:
        there = []
    near = difflib.get_close_matches(name, there, 1, cutoff=0.8)
    return f"; is it {os.path.join(folder, near[0])}?" if near else ""


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 to 256")
    return int(text)


def _seconds(text: str) -> float:
    number = text[:-1] if text.endswith("s") else text
    try:
        seconds = float(number)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text} is no duration; write 10 or 0.5")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
