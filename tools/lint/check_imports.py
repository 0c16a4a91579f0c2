#!/usr/bin/env python3
"""Checks that no modules of Python import each other in a circle.

  check_imports.py              the imports between the project's files have
                                no circle
  check_imports.py --self-test  checks the check, on planted circles

An import inside a function, or for type checkers only, counts as well: it would
hide the circle from Python, and not from readers. A package that gathers names
of its modules in its __init__.py does not make them import each other.
"""

import ast
import os
import pathlib
import sys
import tempfile

from project_files import ROOT, project_files

# The folder of the package that programs of other folders import.
PACKAGES = "python"


def imported(tree, package):
    """Yields (name, names): the module of each import, and what it takes of it.

    package: the dotted name of the package that relative imports begin at.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, []
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                front = parts[:len(parts) - node.level + 1]
                base = ".".join([*front, *filter(None, [base])])
            yield base, [alias.name for alias in node.names]


def home_of(path, files):
    """Returns the folder from which the module is imported, and its package."""
    folder, package = os.path.dirname(path), []
    while os.path.join(folder, "__init__.py") in files:
        package.insert(0, os.path.basename(folder))
        folder = os.path.dirname(folder)
    return folder, ".".join(package)


def file_of(name, homes, files):
    """Returns the file of a module; None: it is not one of the project's."""
    for home in homes:
        front = os.path.join(home, *name.split("."))
        for path in (front + ".py", os.path.join(front, "__init__.py")):
            if path in files:
                return path
    return None


def imports_of(root, path, files):
    """Returns the files of the project that one imports."""
    with open(os.path.join(root, path), encoding="utf-8") as file:
        tree = ast.parse(file.read(), path)
    home, package = home_of(path, files)
    homes = [home, os.path.dirname(home), PACKAGES]
    found = set()
    for base, names in imported(tree, package):
        modules = [file_of(f"{base}.{name}", homes, files) for name in names]
        # The package itself has the names that are not modules.
        if not names or None in modules:
            modules.append(file_of(base, homes, files))
        found.update(modules)
    return sorted(found - {None, path})


def way(begin, end, graph):
    """Returns the shortest way from a file to another; empty: there is none."""
    ways, known = [[begin]], {begin}
    for one in ways:
        if one[-1] == end:
            return one
        for path in graph[one[-1]]:
            if path not in known:
                known.add(path)
                ways.append([*one, path])
    return []


def circles(graph):
    """Yields the shortest circle of each file in one, each circle once."""
    told = set()
    for path in sorted(graph):
        ways = [way(other, path, graph) for other in graph[path]]
        shortest = min(filter(None, ways), key=len, default=None)
        if shortest is not None and frozenset(shortest) not in told:
            told.add(frozenset(shortest))
            yield [path, *shortest]


def check(root):
    files = set(project_files(root, ".py"))
    graph = {path: imports_of(root, path, files) for path in files}
    return [f"{' -> '.join(one)}: these import each other; move what they "
            "share into a module that imports none of them"
            for one in circles(graph)]


def self_test():
    good = {"python/ebb/__init__.py": "from ebb.a import A",
            "python/ebb/a.py": "import torch\nfrom ebb import b",
            "python/ebb/b.py": "import json\nimport ebb.torch.c",
            "python/ebb/torch/__init__.py": "from ebb.torch import c",
            "python/ebb/torch/c.py": "import torch\nfrom . import d",
            "python/ebb/torch/d.py": "",
            "tests/x/x.py": "from ebb import a\nimport y",
            "tests/x/y.py": "import torch", "tests/x/torch.txt": ""}
    # Each has what differs from `good`, and its complaint (None: clean).
    cases = [({}, None),
             ({"python/ebb/b.py": "from ebb.a import A"},
              "python/ebb/a.py -> python/ebb/b.py -> python/ebb/a.py: "),
             ({"python/ebb/b.py": "def f():\n  import ebb.a"}, "b.py -> "),
             ({"python/ebb/b.py": "if TYPE_CHECKING:\n  from ebb.a import A"},
              "b.py -> "),
             ({"python/ebb/torch/d.py": "from .. import a"}, "d.py -> "),
             ({"python/ebb/torch/d.py": "from ..a import A"}, "d.py -> "),
             ({"tests/x/y.py": "def f():\n  from x import z"},
              "tests/x/x.py -> tests/x/y.py -> ")]
    failures = []
    for changes, expected in cases:
        with tempfile.TemporaryDirectory() as root:
            for path, content in {**good, **changes}.items():
                file = pathlib.Path(root) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
            got = check(root)
            if (expected is None and got) or (
                    expected and not any(expected in line for line in got)):
                failures.append(f"{changes}: expected {expected}, got {got}")
    return failures


if __name__ == "__main__":
    result = self_test() if sys.argv[1:] == ["--self-test"] else check(ROOT)
    print("\n".join(result) or "imports: clean")
    sys.exit(1 if result else 0)
