"""Packages of others that ebb needs, and what to do where one of them is missing.

Debian's packages are for Debian's interpreter only, and another one may be first on
PATH. So an error names the interpreter that runs, and one that fits.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Dict, NamedTuple

from ebb.errors import NotFound

# Debian's interpreter, and the folder of its packages.
_DEBIANS = "/usr/bin/python3"
_PACKAGES_OF_DEBIAN = "/usr/lib/python3/dist-packages"


class _Package(NamedTuple):
    name: str  # For people.
    debian: str
    pip: str


_KNOWN: Dict[str, _Package] = {
    "numpy": _Package("NumPy", "python3-numpy", "numpy"),
    "scipy": _Package("SciPy", "python3-scipy", "scipy"),
    "sklearn": _Package("scikit-learn", "python3-sklearn", "scikit-learn"),
    "torch": _Package("PyTorch", "python3-torch", "torch"),
}


def find(module: str, user: str) -> None:
    """Raises NotFound if there is no such module, without importing it.

    ``user`` needs it, and is named in the error.
    """
    if importlib.util.find_spec(module) is None:
        raise _missing(module, user)


def need(module: str, user: str) -> None:
    """Imports the module for ``user``. Raises NotFound if that fails."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            raise _missing(module, user) from None
        raise _broken(module, user, error) from None
    except ImportError as error:
        raise _broken(module, user, error) from None


def _missing(module: str, user: str) -> NotFound:
    package = _KNOWN[module]
    if _is_debians():
        what_to_do = (
            f"apt-get install {package.debian}, or pip install {package.pip} in a virtual "
            "environment"
        )
    else:
        what_to_do = f"{_python()} -m pip install {package.pip}"
        if os.path.isdir(os.path.join(_PACKAGES_OF_DEBIAN, module)):
            what_to_do = f"{_other_interpreter()}, or {what_to_do}"
        else:
            what_to_do += f"; {_chosen()} another interpreter"
    return NotFound(f"{user} needs {package.name}, and {_python()} has none", what_to_do)


def _broken(module: str, user: str, error: ImportError) -> NotFound:
    package = _KNOWN[module]
    spec = importlib.util.find_spec(module)
    place = os.path.dirname(spec.origin) if spec and spec.origin else package.name
    if place.startswith(_PACKAGES_OF_DEBIAN + os.sep) and not _is_debians():
        what_to_do = f"{_other_interpreter()}, or take that folder out of PYTHONPATH"
    elif _is_debians():
        what_to_do = f"apt-get install --reinstall {package.debian}"
    else:
        what_to_do = f"{_python()} -m pip install --force-reinstall {package.pip}"
    return NotFound(
        f"{user} needs {package.name}, and {_python()} cannot import {place}: {_first(error)}",
        what_to_do,
    )


def _first(error: BaseException) -> str:
    """The text of the error that the others followed from."""
    before = error.__cause__ or error.__context__
    if isinstance(before, ImportError):
        return _first(before)
    return " ".join(str(error).split())


def _python() -> str:
    return sys.executable or "this Python"


def _is_debians() -> bool:
    # A virtual environment of it has another prefix, and packages of its own.
    same = os.path.realpath(sys.executable) == os.path.realpath(_DEBIANS)
    return same and sys.prefix == sys.base_prefix


def _chosen() -> str:
    return "EBB_PYTHON names `ebb run`"


def _other_interpreter() -> str:
    return f"use {_DEBIANS}, which has it (for `ebb run`: EBB_PYTHON={_DEBIANS})"
