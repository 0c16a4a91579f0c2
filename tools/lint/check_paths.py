#!/usr/bin/env python3
"""Checks that a file that a comment or a page names is there: a path from the
root that begins with a folder of the project, such as server/partition.h.

  check_paths.py              checks the project
  check_paths.py --self-test  checks the check, on planted paths

CHANGELOG.md and decisions tell of their own time, and CONTRIBUTING.md of files
that a reader will write.
"""

import pathlib
import re
import sys
import tempfile

import english
from project_files import ROOT, project_files, read_lines

ENDINGS = "h|cc|cu|py|proto|sh|cmake|md|yaml|json"
# Not a part of an address, of a longer path, of a pattern or of an include.
PATH = re.compile(rf'(?<![\w./*"<-])((?:[a-z0-9_-]+/)+(?:README|[a-z0-9_-]+)\.(?:{ENDINGS}))(?![\w/.*{{-]\w)')
OF_THEIR_TIME = ("CHANGELOG.md", "CONTRIBUTING.md", "docs/decisions/", "tools/lint/")
COMMENT = {"//": re.compile(r"//(.*)"), "#": re.compile(r"(?:^|\s)#\s(.*)"),
           "markdown": re.compile(r"(.*)")}


def check(root):
    files = set(project_files(root))
    folders = {path.split("/")[0] for path in files if "/" in path}
    complaints = []
    for path in sorted(files):
        kind = english.language(path)
        if kind is None or path.startswith(OF_THEIR_TIME):
            continue
        for number, line in enumerate(read_lines(root, path), 1):
            comment = COMMENT[kind].search(line)
            for named in PATH.findall(comment[1]) if comment else []:
                beside = str(pathlib.PurePosixPath(path).parent / named)
                if (named.split("/")[0] in folders
                        and not {named, beside, f"proto/{named}"} & files):
                    complaints.append(f"{path}:{number}: there is no {named}")
    return complaints


def self_test():
    # A file, its text, and the path that is missed (None: clean).
    planted = [
        ("server/a.cc", "// See server/b.h and docs/c.md.", None),
        ("server/a.cc", "int a;  // See server/gone.h.", "server/gone.h"),
        ("server/a.cc", '#include "server/gone.h"', None),
        ("server/a.cc", "// https://x.org/docs/gone.md", None),
        ("server/a.cc", "// elsewhere/gone.h, server/NAME.cc, docs/*.md", None),
        ("server/a.py", "# Writes docs/gone.md.", "docs/gone.md"),
        ("README.md", "Start with `server/gone.cc`.", "server/gone.cc"),
        ("docs/c.md", "`server/b.h`, [b](../server/b.h)", None),
        ("docs/decisions/0001-a.md", "`server/gone.h` was there.", None),
    ]
    failures = []
    for path, text, expected in planted:
        with tempfile.TemporaryDirectory() as root:
            for name, content in {"server/b.h": "", "docs/c.md": "",
                                  path: text + "\n"}.items():
                file = pathlib.Path(root, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
            found = check(root)
        if found != ([] if expected is None
                     else [f"{path}:1: there is no {expected}"]):
            failures.append(f"{path}: {text}: {found}")
    return failures


if __name__ == "__main__":
    found = self_test() if sys.argv[1:] == ["--self-test"] else check(ROOT)
    print("\n".join(found) or "paths: clean")
    sys.exit(1 if found else 0)
