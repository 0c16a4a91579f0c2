"""``ebb run SCRIPT.py``: starts a program several times on a local cluster.

The program submits a job, or joins the one that is there, by itself: see
``ebb.torch.job`` and ``ebb.join``. It finds the cluster by EBB_SCHEDULER.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn, Optional, Sequence

from ebb.errors import Error
from ebb.nearest import nearest_name


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs what the command line says; returns the exit code.

    0: good; 1: a job is incomplete or not exact, or a program fails; 2: a wrong
    flag, and nothing was started; 130: interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    own = words[: words.index("--")] if "--" in words else words
    parser = _flags()
    parser.refuse_unknown(own)
    flags = parser.parse_args(own)
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


class _Parser(argparse.ArgumentParser):
    """Tells of mistakes as the ``ebb`` program does (common/program/flag_mistake.h)."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n{self.prog} --help has all flags\n")

    def refuse_unknown(self, words: Sequence[str]) -> None:
        """Ends the program if a word is a long flag that it does not have."""
        there = [
            name
            for action in self._actions
            for name in action.option_strings
            if name.startswith("--")
        ]
        for word in words:
            flag = word.split("=", 1)[0]
            if flag.startswith("--") and flag not in there:
                near = nearest_name(flag[2:], [name[2:] for name in there])
                self.error(f"there is no flag {flag}" + (f"; is it --{near}?" if near else ""))


def _flags() -> _Parser:
    parser = _Parser(
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
    add("--details", action="store_true", help="also print how late updates are, what "
        "each worker computes, and the like; report.json has it in any case")
    add("--leave-with-parent", type=int, help=argparse.SUPPRESS)
    return parser


def _is_it(path: str) -> str:
    """Names the file beside it of which ``path`` is probably a misspelling."""
    folder, name = os.path.split(path)
    try:
        there = os.listdir(folder or ".")
    except OSError:
        there = []
    near = nearest_name(name, sorted(there))
    return f"; is it {os.path.join(folder, near)}?" if near else ""


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
