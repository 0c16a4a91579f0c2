#!/usr/bin/env python3
"""Checks the pages of decisions: each has at most 900 words, and a row in the
index of its folder.

  check_decisions.py              checks docs/decisions
  check_decisions.py --self-test  checks the check, on planted pages

A page says what was decided, why, and what else was considered. How something
works belongs to docs/internals, to a guide or to a header, and what was
measured to docs/measured.
"""

import pathlib
import re
import sys
import tempfile

from project_files import ROOT, project_files, read_lines

FOLDER = "docs/decisions/"
INDEX = FOLDER + "README.md"
MOST = 900
# A link of the index, which stands at the beginning of a row.
ROW = re.compile(r"^\| \[\d+\]\(([^)]+)\)")


def check(root):
    pages = [path for path in project_files(root, ".md")
             if path.startswith(FOLDER) and path != INDEX]
    index = read_lines(root, INDEX) if pathlib.Path(root, INDEX).is_file() else []
    rows = [FOLDER + row[1] for row in map(ROW.match, index) if row]
    complaints = []
    for path in pages:
        words = sum(len(line.split()) for line in read_lines(root, path))
        if words > MOST:
            complaints.append(
                f"{path}: {words} words, {MOST} at most: keep the decision, its "
                "reasons and the alternatives; the rest belongs to "
                "docs/internals, a guide, a header or docs/measured")
        if rows.count(path) != 1:
            complaints.append(f"{path}: {INDEX} has {rows.count(path)} rows of "
                              "it, not one")
    return complaints


def self_test():
    row = "| [0001](0001-a.md) | A | It is so. |\n"
    # Words of a page, the index, and what the complaints must say.
    planted = [
        (MOST, row, []),
        (MOST + 1, row, ["901 words, 900 at most"]),
        (10, "# Decisions\n[0001](0001-a.md) is one.\n", ["has 0 rows"]),
        (10, row + row, ["has 2 rows"]),
        (2 * MOST, "", ["1800 words", "has 0 rows"]),
    ]
    failures = []
    for words, index, expected in planted:
        with tempfile.TemporaryDirectory() as root:
            folder = pathlib.Path(root, FOLDER)
            folder.mkdir(parents=True)
            (folder / "README.md").write_text(index + "word " * 2 * MOST)
            (folder / "0001-a.md").write_text("word\n" * words)
            pathlib.Path(root, "docs", "long.md").write_text("word " * 2 * MOST)
            found = check(root)
        if len(found) != len(expected) or not all(
                part in one for part, one in zip(expected, found)):
            failures.append(f"{words} words, {index!r}: {found}")
    return failures


if __name__ == "__main__":
    found = self_test() if sys.argv[1:] == ["--self-test"] else check(ROOT)
    print("\n".join(found) or "decisions: clean")
    sys.exit(1 if found else 0)
