"""The parts that programs that measure contests have in common."""

import signal
import sys
from pathlib import Path
from typing import Any, Callable, Iterable

import main_program
import options
import processes
from figures import Contest

_MORE = """\
Each process has one thread to compute with. Figures stay in --folder, so an
interrupted benchmark goes on; remove a file to measure it again. Exits 1 if some
row misses its requirement. EBB_PYTHON names the interpreter (/usr/bin/python3).
Examples:
  """


def parser(
    name: str, about: str, pairs: int, folder: str, quick: str, page: str, examples: str
) -> options.Parser:
    """The flags that they share, with these defaults.

    quick, page: say what two of the flags do.
    """
    made = options.Parser(name, about, _MORE + examples)
    made.add_argument("--pairs", type=options.within(1, 1000), default=pairs,
                      help="rounds in which all sides take turns (%(default)s)")
    made.add_argument("--quick", action="store_true", help=quick)
    made.add_argument("--only", nargs="+", default=[], metavar="NAME", help="measure only these")
    made.add_argument("--folder", type=Path, default=Path(folder),
                      help="folder that keeps the figures (%(default)s)")
    made.add_argument("--page", type=Path, help=page)
    return made


def check_names(
    made: options.Parser, wanted: Iterable[str], contests: Iterable[Contest]
) -> None:
    """Ends the program if a wanted name belongs to no contest."""
    names = [contest.name for contest in contests]
    unknown = set(wanted) - set(names)
    if unknown:
        made.error(f"--only {' '.join(sorted(unknown))}: there are {', '.join(names)}")


def tell(line: str) -> None:
    """Shows how far it is, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def run(main: Callable[[], int]) -> None:
    """Runs the program, and ends with its exit code.

    If it ends otherwise, by SIGTERM too, no process that it started stays.
    """
    try:
        main_program.run(main, _end)
    finally:
        processes.end_all()


def _end(number: int, _: Any) -> None:
    """Ends as an exception does, so that all is cleared up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + number)
