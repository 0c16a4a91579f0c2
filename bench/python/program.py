"""The parts that programs that measure contests have in common."""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any, Callable, Iterable

import processes
from figures import Contest


def parser(name: str, about: str, pairs: int, folder: str) -> argparse.ArgumentParser:
    """The flags that they share, with these defaults."""
    made = argparse.ArgumentParser(prog=name, description=about)
    made.add_argument("--pairs", type=int, default=pairs)
    made.add_argument("--quick", action="store_true")
    made.add_argument("--only", nargs="+", default=[])
    made.add_argument("--folder", type=Path, default=Path(folder))
    made.add_argument("--page", type=Path)
    return made


def check_names(
    made: argparse.ArgumentParser, wanted: Iterable[str], contests: Iterable[Contest]
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
    signal.signal(signal.SIGTERM, _end)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("EBB_TRACEBACK"):
            raise
        sys.exit(f"ebb: {error}")
    finally:
        processes.end_all()


def _end(number: int, _: Any) -> None:
    """Ends as an exception does, so that all is cleared up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + number)
