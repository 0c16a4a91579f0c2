"""Flags of a benchmark, told and refused as those of ebb's programs."""

import argparse
import json
import os
import re
import sys
import time
from typing import Any, Callable, Dict, NoReturn

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Parser(argparse.ArgumentParser):
    """It says first what is wrong, and ends with 2."""

    def __init__(self, name: str, about: str, more: str = "") -> None:
        """more: what the help says after the flags."""
        super().__init__(
            prog=name,
            description=about,
            epilog=more,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Reads the words of the program, of which the first is the name of the command."""
        return super().parse_args(sys.argv[2:] if args is None else args, namespace)

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"ebb: {message}\n  hint: {self.prog} --help\n")
        sys.exit(2)


def seconds(text: str) -> float:
    """"40ms", "1h30m" and "2" in seconds; more than nothing."""
    parts = re.findall(r"([0-9.]+)(ns|us|ms|s|m|h)", text)
    try:
        if "".join(number + unit for number, unit in parts) == text and parts:
            value = sum(float(number) * _UNITS[unit] for number, unit in parts)
        else:
            value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no duration; write 10, 500ms, 2h or 1h30m')
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f'"{text}": it must be more than nothing')
    return value


def within(low: float, high: float, kind: Callable[[str], Any] = int) -> Callable[[str], Any]:
    """Returns the type of a number from ``low`` to ``high``."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f'"{text}" is no number from {low:g} to {high:g}')
        return value

    return parse


def where_it_ran() -> Dict[str, str]:
    """The machine, the build, its commit and the like, as `ebb bench` knows them."""
    known: Dict[str, str] = json.loads(os.environ["EBB_WHERE"])
    return known


def where_line() -> str:
    where = where_it_ran()
    return f"machine {where['machine']}; build {where['build']}; commit {where['commit']}"


def tell(line: str) -> None:
    """Shows how far it is; on a terminal over the line before."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def now() -> str:
    """The present time, as pages have it."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
