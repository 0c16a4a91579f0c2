#!/usr/bin/env python3
"""Checks that no folder grows unseen: its lines against the recorded ones.

  check_size.py                       compares; a rise of a tenth of 2,000 lines
                                      or more fails
  check_size.py --record [FOLDER]...  writes size.json, in the commit that says
                                      why: the lines of the folders and of their
                                      tests; without any, of all
  check_size.py --self-test           checks the check

Counted are the lines of C++, protos, Python and scripts by top-level folder, those
of tests apart, and the words of docs/.
"""

import collections
import json
import pathlib
import re
import sys

from project_files import ROOT, project_files, read_lines

RECORDED = pathlib.Path(__file__).with_name("size.json")
CODE = (".cc", ".h", ".cu", ".cuh", ".proto", ".py", ".sh", ".cmake", ".txt", ".js")
TEST = re.compile(r"(^|/)(tests?|testing|fuzz)/|_test\.(cc|py|js)$|^test_")
#: Smaller folders may grow by a tenth of this.
LEAST = 2000


def kind_of(path):
    """Returns what the lines of the file count for, or None."""
    folder = path.split("/")[0]
    if path.endswith(".md"):
        return "words of docs" if folder == "docs" else None
    if not path.endswith(CODE):
        return None
    folder = folder if "/" in path else "."
    return f"tests of {folder}" if TEST.search(path) else folder


def folder_of(kind):
    """Returns the folder of which a kind has the lines, those of tests or words."""
    return kind.split(" of ")[-1]


def sizes(root):
    counted = collections.Counter()
    for path in project_files(root):
        kind = kind_of(path)
        if kind:
            lines = read_lines(root, path)
            counted[kind] += (sum(len(line.split()) for line in lines)
                              if kind.startswith("words") else len(lines))
    return dict(sorted(counted.items()))


def complaints(now, recorded):
    """Returns a sentence for each size that rose by a tenth."""
    found = []
    for kind, size in now.items():
        before = recorded.get(kind, 0)
        if size - before > max(before, LEAST) / 10:
            found.append(f"{kind}: {size}, recorded {before}; if it must be so, run "
                         f"tools/lint/check_size.py --record {folder_of(kind)}, "
                         "and say why")
    return found


def record(now, recorded, folders):
    """Returns what to record: of these folders as it is now, of others as before.

    Without folders, it is all as it is now. A folder without files is an error.
    """
    if not folders:
        return now
    if none := set(folders) - set(map(folder_of, now)) - set(map(folder_of, recorded)):
        raise ValueError(f"nothing is counted of {', '.join(sorted(none))}")
    chosen = {kind: size for kind, size in now.items() if folder_of(kind) in folders}
    kept = {kind: size for kind, size in recorded.items()
            if folder_of(kind) not in folders}
    return dict(sorted((kept | chosen).items()))


def self_test():
    expected = {"server/core.cc": "server", "server/core_test.cc": "tests of server",
                "server/testing/one.h": "tests of server", "docs/cli.md":
                "words of docs", "README.md": None, "CMakeLists.txt": ".",
                "tests/integration/run_test.cc": "tests of tests",
                "python/tests/test_names.py": "tests of python"}
    wrong = {path: kind_of(path) for path, kind in expected.items()
             if kind_of(path) != kind}
    assert not wrong, wrong
    assert not complaints({"server": 11000, "new": 200}, {"server": 10000})
    assert len(complaints({"server": 11001, "new": 201}, {"server": 10000})) == 2
    now = {"rpc": 5, "server": 3, "tests of server": 4}
    before = {"gone": 7, "rpc": 1, "server": 1}
    assert record(now, before, []) == now
    assert list(record(now, before, ["server", "gone"]).items()) == [
        ("rpc", 1), ("server", 3), ("tests of server", 4)]
    try:
        record(now, before, ["serve"])
    except ValueError as error:
        assert str(error) == "nothing is counted of serve"
    else:
        raise AssertionError("a folder that is not there was recorded")


def main():
    match sys.argv[1:]:
        case ["--self-test"]:
            self_test()
        case ["--record", *folders]:
            folders = [folder.rstrip("/") for folder in folders]
            try:
                found = record(sizes(ROOT), json.loads(RECORDED.read_text()), folders)
            except ValueError as error:
                return str(error)
            RECORDED.write_text(json.dumps(found, indent=2) + "\n")
        case []:
            found = complaints(sizes(ROOT), json.loads(RECORDED.read_text()))
            if found:
                return "\n".join(found)
        case _:
            return __doc__
    print("size: clean")
    return 0


if __name__ == "__main__":
    sys.exit(main())
