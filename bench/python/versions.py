"""Names what is compared: a text that differs when Python, a library or ebb does."""

import hashlib
import importlib.metadata
import platform
from pathlib import Path

from ebb import programs

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch")
_PROGRAMS = ("ebb", "ebb-scheduler", "ebb-ps", "ebb-worker")


def text() -> str:
    libraries = (f"{name} {_version(name)}" for name in _LIBRARIES)
    return f"Python {platform.python_version()}, {', '.join(libraries)}, ebb {_of_ebb()}"


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _of_ebb() -> str:
    """Two builds of one version differ, so the contents count."""
    package = Path(programs.__file__).parent
    files = [*map(Path, map(programs.path_of, _PROGRAMS)), *sorted(package.rglob("*.py"))]
    total = hashlib.blake2b(digest_size=8)
    for file in files:
        total.update(file.read_bytes())
    return f"{programs.VERSION} ({total.hexdigest()})"
