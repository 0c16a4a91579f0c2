#!/usr/bin/env python3
"""Checks that no function of Python has a body of more than 100 lines.

  check_functions.py              every Python file
  check_functions.py --self-test  checks the check, on planted functions

Cut a longer one by subject. clang-tidy checks the functions of C++ in the same
way (readability-function-size in /.clang-tidy).
"""

import ast
import pathlib
import sys
import tempfile

from project_files import ROOT, project_files

MOST = 100


def long_functions(text):
    """Returns line, name and length of each function that is too long."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        body = node.body
        if ast.get_docstring(node) is not None and len(body) > 1:
            body = body[1:]
        length = body[-1].end_lineno - body[0].lineno + 1
        if length > MOST:
            found.append((node.lineno, node.name, length))
    return found


def check(root):
    complaints = []
    for path in project_files(root, ".py"):
        text = pathlib.Path(root, path).read_text(encoding="utf-8")
        for line, name, length in long_functions(text):
            complaints.append(f"{path}:{line}: {name} has {length} lines; cut it "
                              f"by subject into functions of at most {MOST}")
    return complaints


def self_test():
    body = "".join(f"    x{i} = {i}\n" for i in range(MOST))
    planted = [
        ("def short():\n" + body, 0),
        ("def long():\n" + body + "    x = 1\n", 1),
        ("async def waits():\n" + body + "    x = 1\n", 1),
        ('def told():\n    """Says what\n\n    it does."""\n' + body, 0),
        ("def many(\n    a,\n    b,\n):\n" + body, 0),
        ("class One:\n    def first(self):\n        pass\n", 0),
    ]
    complaints = []
    with tempfile.TemporaryDirectory() as root:
        for text, expected in planted:
            pathlib.Path(root, "planted.py").write_text(text, encoding="utf-8")
            found = check(root)
            if len(found) != expected:
                complaints.append(f"{text.splitlines()[0]!r}: {found}")
    return complaints


if __name__ == "__main__":
    found = self_test() if sys.argv[1:] == ["--self-test"] else check(ROOT)
    for complaint in found:
        print(complaint)
    if found:
        sys.exit(1)
    print("functions: clean")
