#!/usr/bin/env python3
"""Checks that need no parser: each rule of RULES below, and include guards.

  check_text.py              checks the project
  check_text.py --self-test  checks the check, on planted violations
"""

import fnmatch
import pathlib
import re
import sys
import tempfile

from project_files import ROOT, project_files, read_lines

SOURCES = ["*.h", "*.cc", "*.cu"]
MAX_LINES = 600  # Longer sources are named, and pass.

# Pattern, the files it is looked for in, and what to do instead.
RULES = [
    (r"(?<![\w.}/-])/(work|root)/|/tmp/b-", ["*"],
     "a path of one machine: use a relative path, a flag or a temporary "
     "folder"),
    (r"TODO(?!\(\w[\w.-]*\): \S)|\bFIXME\b", ["*"],
     "write TODO(name): what makes it done"),
    (r"\busing\s+namespace\b", SOURCES, "name what is used"),
    (r"\bDISABLED_|\bGTEST_SKIP\b", SOURCES,
     "a test runs or is removed; a flaky test is a bug"),
    (r'[<"]absl/synchronization/', SOURCES,
     "use common/mutex.h: ThreadSanitizer cannot see through the packaged "
     "Abseil"),
]
# The rules stand in this file and would find themselves.
EXEMPT = ["tools/lint/check_text.py"]
# What may include the packaged Abseil's mutex: it configures that of gRPC.
PACKAGED_MUTEX = ["common/program/daemon.cc", "common/program/daemon_test.cc"]


def check_guard(path, lines):
    """The complaint about a header's guard, or None."""
    guard = "EBB_" + re.sub(r"[^A-Z0-9]", "_", path.upper()) + "_"
    expected = [f"#ifndef {guard}", f"#define {guard}"]
    directives = [line for line in lines if line.startswith("#")]
    if directives[:2] == expected:
        return None
    return f"{path}:1: the include guard must be {guard}"


def check(root):
    """The complaints about the files below `root`, and the long files."""
    complaints, long_files = [], []
    for path in project_files(root):
        if path in EXEMPT:
            continue
        lines = read_lines(root, path)
        rules = [(re.compile(pattern), advice)
                 for pattern, files, advice in RULES
                 if any(fnmatch.fnmatch(path, f) for f in files)
                 and not ("synchronization" in pattern
                          and path in PACKAGED_MUTEX)]
        for number, line in enumerate(lines, 1):
            complaints += [f"{path}:{number}: {line.strip()}: {advice}"
                           for pattern, advice in rules
                           if pattern.search(line)]
        if path.endswith(".h"):
            if complaint := check_guard(path, lines):
                complaints.append(complaint)
        if path.endswith((".h", ".cc", ".cu", ".py")) and (
                len(lines) > MAX_LINES):
            long_files.append(f"{path}: {len(lines)} lines")
    return complaints, long_files


# Path, content, and what the complaint must say (None: no complaint).
PLANTED = [
    ("a.md", "see /work/main/a", "a path of one machine"),
    ("a.sh", "cp x /root/.config", "a path of one machine"),
    ("a.sh", "B=/tmp/b-me", "a path of one machine"),
    ("a.cc", "// /home/ann/work and https://x.org/work/ and /rooted/", None),
    ("a.cc", "// TODO: later", "TODO(name)"),
    ("a.cc", "// TODO(ann): remove once no store of version 1 is read", None),
    ("a.cc", "using namespace std;", "name what is used"),
    ("a.cc", "TEST(A, DISABLED_B) {}", "a test runs or is removed"),
    ("a.cc", '#include "absl/synchronization/mutex.h"', "common/mutex.h"),
    ("common/program/daemon.cc", '#include "absl/synchronization/mutex.h"', None),
    ("b/a-c.h", "// C.\n#ifndef EBB_B_A_C_H_\n#define EBB_B_A_C_H_\n#endif",
     None),
    ("b/a.h", "#ifndef B_A_H_\n#define B_A_H_\n#endif", "EBB_B_A_H_"),
    ("b/a.h", "#pragma once", "EBB_B_A_H_"),
]


def self_test():
    failures = []
    for path, content, expected in PLANTED:
        with tempfile.TemporaryDirectory() as root:
            file = pathlib.Path(root) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content + "\n")
            got, _ = check(root)
        good = (not got if expected is None
                else len(got) == 1 and expected in got[0])
        if not good:
            failures.append(f"{path}: expected {expected}, got {got}")
    return failures


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        found = self_test()
    else:
        found, too_long = check(ROOT)
        for entry in too_long:
            print(f"{entry}: has it more than one idea?")
    print("\n".join(found) or "text: clean")
    sys.exit(1 if found else 0)
