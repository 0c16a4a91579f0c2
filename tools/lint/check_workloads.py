#!/usr/bin/env python3
"""Checks that the cores name no workload: what is special of one is in its own
folder of workloads/.

  check_workloads.py              no source of the FOLDERS has one of the WORDS
  check_workloads.py --self-test  checks the check, on planted sources

The files of workloads_allowance.txt may have so many lines with one. The list only
shrinks: a file in it that has fewer is a mistake, too.
"""

import fnmatch
import pathlib
import re
import sys
import tempfile

from project_files import ROOT, project_files, read_lines

FOLDERS = ["algorithms", "client", "common", "data", "datasets", "include", "job",
           "models", "protocol", "rpc", "scheduler", "server", "sim", "sweep",
           "tools", "worker"]
# Tests may name workloads, generated documents have known topics, and products of
# matrices on devices have an lda.
EXEMPT = ["tools/lint/*", "tools/ebb/generate/*", "data/generate/*",
          "models/gpu/*", "models/testing/*", "*_test.cc", "*_fuzz.cc",
          "*_benchmark.cc"]
WORDS = re.compile(
    r"kmeans|lloyd|centroid|forest|boosted|boosting|gibbs|topic|word_vectors"
    r"|matrix_factorisation|(?<![a-z])lda(?![a-z]|-c\b)",  # LDA-C is a format.
    re.IGNORECASE)
ALLOWANCE = "tools/lint/workloads_allowance.txt"


def is_checked(path):
    return (path.split("/")[0] in FOLDERS
            and not any(fnmatch.fnmatch(path, one) for one in EXEMPT))


def found_in(root, path):
    """Yields (line, word) for each line that has one."""
    for number, line in enumerate(read_lines(root, path), 1):
        word = WORDS.search(line)
        if word:
            yield number, word.group()


def check(root):
    allowed = {}
    if (pathlib.Path(root) / ALLOWANCE).is_file():
        entries = [line.split(" ", 1)
                   for line in filter(None, read_lines(root, ALLOWANCE))]
        allowed = {path: int(count) for count, path in entries}
    complaints, counts = [], {}
    for path in filter(is_checked, project_files(root, ".cc", ".h")):
        found = list(found_in(root, path))
        counts[path] = len(found)
        if len(found) > allowed.get(path, 0):
            complaints += [
                f'{path}:{line}: "{word}" is of one workload; ask its side '
                "(workloads/seam), or move this into its folder"
                for line, word in found]
    complaints += [
        f"{ALLOWANCE}: {path} has {counts.get(path, 0)} such lines, and not "
        f"{count} any more; " + ("write that" if counts.get(path) else "delete it")
        for path, count in sorted(allowed.items()) if counts.get(path, 0) < count]
    return complaints


PLANTED = {
    "job/kinds.cc": ("if (kind == KIND_LLOYD) return;\n", 1),
    "worker/loaded.h": ("// Draws topics.\nclass BoostedTrees;\n", 2),
    "tools/ebb/sums.cc": ('Add("lda"); Add("ldap");\nLdap();\n', 1),
    "server/clean.cc": ("Folder(cld, default); // A forecast of a rest.\n", 0),
    "job/kinds_test.cc": ('Check("kmeans");\n', 0),
    "protocol/change.cc": ('Refuse("lbfgs, lloyd");\n', 1),
    "common/shape.h": ("struct BoostedShape;\n", 1),
    "models/forest.cc": ("class Forest;\n", 1),
    "models/gpu/gemm.h": ("int64_t lda;\n", 0),
    "data/bags.cc": ("// LDA-C: lda-c\nLda(topics);\n", 1),
    "data/generate/documents.cc": ("// Documents of known topics.\n", 0),
    "python/forest.cc": ("class Forest;\n", 0),
    "sweep/old.cc": ("// The trees of a forest.\n", 0),
    "sweep/more.cc": ("// A forest.\n// And topics.\n", 2),
    "sweep/fewer.cc": ("// A forest.\n", 0),
}
PLANTED_ALLOWANCE = ("1 sweep/old.cc\n1 sweep/more.cc\n2 sweep/fewer.cc\n"
                     "1 sweep/gone.cc\n1 server/clean.cc\n")


def self_test():
    complaints = []
    with tempfile.TemporaryDirectory() as root:
        files = {path: text for path, (text, _) in PLANTED.items()}
        files[ALLOWANCE] = PLANTED_ALLOWANCE
        for path, text in files.items():
            (pathlib.Path(root) / path).parent.mkdir(parents=True, exist_ok=True)
            (pathlib.Path(root) / path).write_text(text, encoding="utf-8")
        found = check(root)
        for path, (_, expected) in PLANTED.items():
            count = sum(one.startswith(path + ":") for one in found)
            if count != expected:
                complaints.append(f"{path}: {count} complaints, not {expected}")
        stale = [one for one in found if one.startswith(ALLOWANCE)]
        if len(stale) != 3:
            complaints.append(f"{ALLOWANCE}: {stale}")
    return complaints


if __name__ == "__main__":
    found = self_test() if sys.argv[1:] == ["--self-test"] else check(ROOT)
    for complaint in found:
        print(complaint)
    if found:
        sys.exit(1)
    print("workloads: clean")
