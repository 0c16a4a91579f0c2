"""The folders of runs on this machine: ``runs/NAME-NUMBER``."""

from __future__ import annotations

import os
import re
from typing import List

from ebb.errors import NotFound, Refused

_RUNS = "runs"


def new_folder(name: str) -> str:
    """Makes the next folder for a run of this name, and returns its path."""
    number = max(_numbers(name), default=0) + 1
    while True:
        folder = os.path.join(_RUNS, f"{name}-{number}")
        try:
            # Making it is what takes the number.
            os.makedirs(folder)
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise _not_made(folder, error) from None


def make_folder(folder: str) -> None:
    """Makes a folder that may be there already."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise _not_made(folder, error) from None


def _not_made(folder: str, error: OSError) -> Refused:
    where = "" if os.path.isabs(folder) else f" in {os.getcwd()}"
    return Refused(f"cannot make the folder {folder}{where}: {error.strerror}")


def newest_folder(name: str) -> str:
    """Returns the newest folder of a run of this name, or raises NotFound."""
    numbers = _numbers(name)
    if not numbers:
        raise NotFound(f"no run of {name} is in {_RUNS}/", "name its folder: resume=")
    return os.path.join(_RUNS, f"{name}-{max(numbers)}")


def remove_empty(folder: str) -> None:
    """Removes a folder that nothing was written to."""
    try:
        os.rmdir(folder)
    except OSError:
        pass


def _numbers(name: str) -> List[int]:
    if not os.path.isdir(_RUNS):
        return []
    found = (re.fullmatch(re.escape(name) + r"-(\d+)", one) for one in os.listdir(_RUNS))
    return [int(one.group(1)) for one in found if one]
