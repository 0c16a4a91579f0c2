"""An interpreter that lacks what ebb needs is named, and so is one that fits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ebb import NotFound, packages

TREE = Path(__file__).resolve().parents[2]
#: Without the packages of its site.
_BARE = [sys.executable, "-S", "-B", "-c"]


def run(program: str, *folders: object) -> str:
    """Returns what the program says on standard error, where there are no packages."""
    path = ":".join(str(one) for one in (TREE / "python", *folders))
    done = subprocess.run(
        [*_BARE, program],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    return done.stderr


def package(folder: Path, name: str, text: str) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(text)
    return folder


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Debian's packages, while another interpreter than Debian's runs."""
    folder = tmp_path / "dist-packages"
    known = packages._Package("Rare", "python3-rare", "rare")
    monkeypatch.setitem(packages._KNOWN, "rare_module", known)
    monkeypatch.setattr(packages, "_PACKAGES_OF_DEBIAN", str(folder))
    monkeypatch.setattr(packages, "_DEBIANS", "/usr/bin/debians-python3")
    return folder


# Bug: it was a ModuleNotFoundError from the middle of the package.
@pytest.mark.parametrize("program", [
    "import ebb", "from ebb import run", "import ebb.torch", "import ebb.sklearn",
    "import ebb.local",
])  # fmt: skip
def test_an_interpreter_without_numpy_is_named(program: str) -> None:
    lines = run(program).splitlines()
    assert lines[-2] == (
        f"ebb.errors.NotFound: the package ebb needs NumPy, and {sys.executable} has none"
    )
    assert lines[-1].startswith("  hint: ")
    assert "pip install numpy" in lines[-1]
    # It ends with the user's own line.
    assert lines[:-2] == ["Traceback (most recent call last):", '  File "<string>", line 1, in <module>']


# Bug: NumPy's page of advice, and for scikit-learn "needs scikit-learn".
@pytest.mark.parametrize("program", [
    "import ebb; ebb.run", "from ebb import run", "import ebb.torch", "import ebb.sklearn",
])  # fmt: skip
def test_a_numpy_of_another_interpreter_is_named(tmp_path: Path, program: str) -> None:
    folder = package(tmp_path, "numpy", (
        "try:\n    import numpy.no_such_extension\n"
        "except ImportError:\n    raise ImportError('a page of advice')\n"
    ))  # fmt: skip
    said = run(program, folder)
    assert f"needs NumPy, and {sys.executable} cannot import {folder}/numpy: No module named" in said
    assert "no_such_extension" in said
    assert "advice" not in said
    assert "ebb/packages.py" not in said


def test_debians_interpreter_is_offered_if_it_has_the_package(debian: Path) -> None:
    pip = f"{sys.executable} -m pip install rare"
    with pytest.raises(NotFound) as without:
        packages.find("rare_module", "a test")
    assert without.value.message == f"a test needs Rare, and {sys.executable} has none"
    assert without.value.hint == f"{pip}; EBB_PYTHON names `ebb run` another interpreter"
    package(debian, "rare_module", "")
    with pytest.raises(NotFound) as beside:
        packages.need("rare_module", "a test")
    assert beside.value.hint == (
        "use /usr/bin/debians-python3, which has it (for `ebb run`: "
        f"EBB_PYTHON=/usr/bin/debians-python3), or {pip}"
    )


def test_debians_package_on_the_path_of_another_interpreter(
    debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(debian, "rare_module", "import rare_module.extension_of_another_python")
    monkeypatch.syspath_prepend(str(debian))
    with pytest.raises(NotFound, match="cannot import .*/dist-packages/rare_module: ") as wrong:
        packages.need("rare_module", "a test")
    assert wrong.value.hint == (
        "use /usr/bin/debians-python3, which has it (for `ebb run`: "
        "EBB_PYTHON=/usr/bin/debians-python3), or take that folder out of PYTHONPATH"
    )


# An installed package was called missing.
def test_a_package_that_fails_is_not_called_missing(
    tmp_path: Path, debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, "rare_module", "raise ImportError('libcudart.so: no such file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(NotFound, match="rare_module: libcudart.so: no such file") as broken:
        packages.need("rare_module", "a test")
    assert broken.value.hint == f"{sys.executable} -m pip install --force-reinstall rare"


def test_a_python_that_is_too_old_is_named() -> None:
    said = run("import sys; sys.version_info = (3, 8, 1)\nimport ebb").splitlines()[-2:]
    assert said[0] == f"ImportError: ebb needs Python 3.9 or newer, and {sys.executable} is 3.8"
    assert "EBB_PYTHON" in said[1]
    # An older Python knows no such import, and says only this.
    assert "from __future__" not in (TREE / "python/ebb/__init__.py").read_text()
