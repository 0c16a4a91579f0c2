"""Each name of the package that a text mentions is there."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import ebb

TREE = Path(__file__).resolve().parents[2]
PACKAGE = TREE / "python" / "ebb"
# A path of names; not a file (ebb.model), an address or a variable.
_NAME = re.compile(r"(?<![\w./@-])ebb((?:\.[A-Za-z_]\w*)+)(?![\w/])")
# Files that a command writes, and what has this form by chance.
_OTHERS = {"ebb.initial", "ebb.model", "ebb.tar", "ebb.sh"}
_NEEDS = {"ebb.torch": "torch", "ebb.sklearn": "sklearn"}


def texts():
    """Yields what a reader sees: pages, docstrings of what is public, and examples."""
    pages = [*TREE.glob("docs/*.md"), *TREE.glob("docs/internals/*.md"),
             *TREE.glob("docs/measured/*.md"), TREE / "README.md", *TREE.glob("python/*.md")]
    for path in [*pages, *TREE.glob("examples/python/*.py")]:
        yield path, path.read_text(encoding="utf-8")
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                yield path, ast.get_docstring(node) or ""
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value  # An error or hint names it.


def mentioned():
    names = {}
    for path, text in texts():
        for found in _NAME.finditer(text):
            name = "ebb" + found[1]
            if name not in _OTHERS:
                names.setdefault(name, path.relative_to(TREE))
    return names


def resolves(name: str) -> bool:
    """Returns whether the name is one of import ebb, or of a module of the package."""
    module, what = "ebb", ebb
    for part in name.split(".")[1:]:
        module = f"{module}.{part}"
        if hasattr(what, part):
            what = getattr(what, part)
            continue
        try:
            what = importlib.import_module(module)
        except ModuleNotFoundError:
            return False
    return True


def test_each_name_that_a_text_mentions_is_there():
    names = mentioned()
    assert {"ebb.join", "ebb.local.cluster", "ebb.run"} <= set(names)
    missing = set()
    for front, package in _NEEDS.items():
        try:
            importlib.import_module(package)
        except ImportError:
            missing.add(front)
    wrong = [
        f"{path}: {name}"
        for name, path in names.items()
        if not any(name.startswith(front) for front in missing) and not resolves(name)
    ]
    assert not wrong


@pytest.mark.parametrize("name", dir(ebb))
def test_each_public_name_is_there(name):
    if f"ebb.{name}" in _NEEDS:
        pytest.importorskip(_NEEDS[f"ebb.{name}"])
    assert getattr(ebb, name) is not None


def test_the_reference_has_all_public_names():
    page = (TREE / "docs" / "python-reference.md").read_text()
    for name in ebb._NAMES:
        assert f"\n## {name}\n" in page, name
    for name in ebb._MODULES:
        assert f"\n# ebb.{name}\n" in page, name
