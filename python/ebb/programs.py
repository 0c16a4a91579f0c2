"""Finds ebb's programs: the command ``ebb`` and the daemons.

The places are, in this order: the folder that the environment variable EBB_BIN
names, ``ebb/bin`` of this package (a wheel brings the programs there), ``bin``
beside ``lib/ebb/python`` (the build tree, and the image), and PATH.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from typing import List

from ebb.errors import NotFound

#: The version of this package, which is that of ebb.
VERSION = "0.2.0"


def path_of(program: str) -> str:
    """Returns the absolute path of a program, for example "ebb-worker".

    Raises NotFound if no place has it. If EBB_BIN is set, only that folder
    counts.
    """
    chosen = os.environ.get("EBB_BIN")
    if chosen:
        path = os.path.join(os.path.abspath(chosen), program)
        if _is_program(path):
            return path
        raise NotFound(
            f"{program} is not in {chosen} (EBB_BIN)",
            "name the folder with ebb's programs, or unset EBB_BIN",
        )
    for folder in _folders_beside():
        path = os.path.join(folder, program)
        if _is_program(path):
            return path
    for folder in os.get_exec_path():
        path = os.path.join(os.path.abspath(folder), program)
        # A wheel's command of the same name is not the program.
        if _is_program(path) and not _is_script(path):
            return path
    raise NotFound(
        f"{program} is not installed",
        "install ebb's package, or set EBB_BIN to the folder with its programs",
    )


@lru_cache(maxsize=None)
def _version_of(path: str) -> str:
    import subprocess

    answer = subprocess.run(
        [path, "--version"], stdout=subprocess.PIPE, check=True, text=True
    )
    return answer.stdout.strip()


def main() -> None:
    """Becomes the program that this process is called as: for a wheel."""
    name = os.path.basename(sys.argv[0])
    # The command starts Python programs by this interpreter.
    os.environ.setdefault("EBB_PYTHON", sys.executable)
    path = path_of(name)
    os.execv(path, [path, *sys.argv[1:]])


def version() -> str:
    """Returns the version of the ``ebb`` program, for example "0.2.0".

    Raises NotFound if the program is not installed.
    """
    return _version_of(path_of("ebb"))


def _folders_beside() -> List[str]:
    """The folders in which the programs of this very package may be."""
    package = os.path.dirname(os.path.abspath(__file__))
    folders = [os.path.join(package, "bin")]
    installed = os.path.join(os.sep, "lib", "ebb", "python", "ebb")
    if package.endswith(installed):
        folders.append(os.path.join(package[: -len(installed)], "bin"))
    return folders


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _is_script(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"#!"
