#!/usr/bin/env python3
"""Checks that the links of the Markdown files lead somewhere: to a file or a
folder of the project, and to a heading that is there.

  check_links.py               checks the project
  check_links.py --self-test   checks the check, on planted violations
"""

import pathlib
import posixpath
import re
import sys
import tempfile

from project_files import ROOT, project_files, read_lines

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`[^`]*`")
ELSEWHERE = re.compile(r"[a-z]+:")


def prose(lines):
    """Yields (number, line) of what is not in a block of code."""
    block = False
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("```"):
            block = not block
        elif not block:
            yield number, line


def anchors(lines):
    """Returns the anchors of the headings, as GitHub makes them."""
    found, used = set(), {}
    for _, line in prose(lines):
        if not (heading := re.match(r"#+\s+(.*)", line)):
            continue
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
        name = re.sub(r"[^\w\- ]", "", words.strip()).replace(" ", "-")
        count = used[name] = used.get(name, -1) + 1
        found.add(f"{name}-{count}" if count else name)
    return found


def check(root):
    files = set(project_files(root))
    folders = {str(folder) for path in files
               for folder in pathlib.PurePosixPath(path).parents}
    lines = {path: read_lines(root, path)
             for path in files if path.endswith(".md")}
    known = {path: anchors(text) for path, text in lines.items()}
    complaints = []
    for path in sorted(lines):
        for number, line in prose(lines[path]):
            for link in LINK.findall(CODE.sub("``", line)):
                if ELSEWHERE.match(link):
                    continue
                name, _, anchor = link.partition("#")
                target = posixpath.normpath(
                    posixpath.join(posixpath.dirname(path), name)
                    if name else path)
                if target not in files | folders:
                    complaints.append(f"{path}:{number}: {link}: there is no "
                                      f"{target}")
                elif anchor and anchor not in known.get(target, ()):
                    complaints.append(f"{path}:{number}: {link}: {target} has "
                                      f"no heading #{anchor}")
    return complaints


def self_test():
    other = "# The `ebb run` of [it](other.md): 1 + 2\n## Twice\n## Twice\n"
    # A text of docs/page.md, and what a complaint must say (None: clean).
    cases = [
        ("[a](other.md) [b](../README.md) [c](formats/) [d](.)", None),
        ("[a](other.md#the-ebb-run-of-it-1--2) [b](other.md#twice-1)", None),
        ("# Here\n[a](#here) [b](https://example.com/x.md)", None),
        ("`[a](none.md)`\n```\n[a](none.md)\n# Code\n```", None),
        ("[a](none.md)", "docs/page.md:1: none.md: there is no docs/none.md"),
        ("\n![a](image.svg)", "page.md:2: image.svg: there is no"),
        ("[a](other.md#twice-2)", "docs/other.md has no heading #twice-2"),
        ("```\n# Code\n```\n[a](#code)", "page.md has no heading #code"),
        ("[a](formats/form.txt#b)", "form.txt has no heading #b"),
    ]
    failures = []
    for text, expected in cases:
        with tempfile.TemporaryDirectory() as root:
            for path, content in {"README.md": "", "docs/page.md": text,
                                  "docs/other.md": other,
                                  "docs/formats/form.txt": ""}.items():
                file = pathlib.Path(root) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
            got = check(root)
            if (expected is None and got) or (
                    expected and not any(expected in line for line in got)):
                failures.append(f"{text!r}: expected {expected}, got {got}")
    return failures


if __name__ == "__main__":
    found = self_test() if sys.argv[1:] == ["--self-test"] else check(ROOT)
    print("\n".join(found) or "links: clean")
    sys.exit(1 if found else 0)
