#!/usr/bin/env python3
"""Checks the bugs that can be planted (common/plant.h).

  check_plants.py              every hook in the sources is in the list of
                               common/plant.cc and the other way round, and
                               sim_planted compiles the sources with hooks
  check_plants.py --programs CONTROL PROGRAM...
                               no program (or folder of them) has the hook;
                               CONTROL has it, so that this can fail
  check_plants.py --self-test  checks the check, on planted violations
"""

import pathlib
import re
import sys
import tempfile

from project_files import ROOT, project_files

LIST = "common/plant.cc"
HEADER = "common/plant.h"
BUILD = "sim/CMakeLists.txt"
PLANTED = re.compile(r"ebb_planted\(\s*\w+([^)]*)\)")
LIBRARY = re.compile(r"ebb_library\(\s*(\w+)([^)]*)\)")
HOOK = re.compile(r"EBB_PLANTED\(\s*(\w+)\s*\)")
# Every hook calls a function that has this in its name, also in a symbol table.
SYMBOL = b"PlantedBug"


def read(root, path):
    return (pathlib.Path(root) / path).read_text(errors="replace")


def arguments(text, keyword):
    """Returns what follows a keyword of a CMake call, up to the next keyword."""
    match = re.search(rf"\b{keyword}\b((?:\s+(?![A-Z]+\b)[^\s]+)*)", text)
    return match.group(1).split() if match else []


def planted_sources(root):
    """Returns the sources that sim_planted compiles with their hooks."""
    libraries = {}
    for path in project_files(root, "CMakeLists.txt"):
        folder = pathlib.PurePosixPath(path).parent
        for name, text in LIBRARY.findall(read(root, path)):
            libraries[name] = {str(folder / source)
                               for source in arguments(text, "SRCS")
                               + arguments(text, "ALONE")}
    sources = set()
    for text in PLANTED.findall(read(root, BUILD)):
        for core in arguments(text, "CORES"):
            sources |= libraries.get(core, set())
        sources |= {source.removeprefix("${PROJECT_SOURCE_DIR}/")
                    for source in arguments(text, "SRCS")}
    return sources


def check(root):
    hooks, files = {}, set()
    for path in project_files(root, ".cc", ".h"):
        if path in (LIST, HEADER):
            continue
        for name in HOOK.findall(read(root, path)):
            hooks.setdefault(name, path)
            files.add(path)
    names = re.findall(r'^ *\{"(\w+)",', read(root, LIST), re.M)
    built = planted_sources(root)

    complaints = [f"{path}: EBB_PLANTED({name}): describe it in {LIST}"
                  for name, path in sorted(hooks.items()) if name not in names]
    complaints += [f"{LIST}: {name}: no source has a hook for it"
                   for name in names if name not in hooks]
    if names != sorted(set(names)):
        complaints.append(f"{LIST}: put the bugs in the order of their names")
    complaints += [f"{path}: it has a hook, and no ebb_planted of {BUILD} "
                   "compiles it" for path in sorted(files - built)]
    return complaints


def check_programs(control, programs):
    files = []
    for path in map(pathlib.Path, programs):
        files += sorted(path.iterdir()) if path.is_dir() else [path]
    complaints = [f"{file}: has the hook of {HEADER}" for file in files
                  if file.is_file() and SYMBOL in file.read_bytes()]
    if SYMBOL not in pathlib.Path(control).read_bytes():
        complaints.append(f"{control}: lacks the hook that it must have")
    if not any(file.is_file() for file in files):
        complaints.append(f"no program in {' '.join(programs)}: build them")
    return complaints


def self_test():
    good = {LIST: '    {"a",\n     "A."},\n    {"b", "B."},\n',
            "a/x.cc": "if (EBB_PLANTED(a)) f(EBB_PLANTED(b));",
            "a/CMakeLists.txt": "ebb_library(core\n SRCS x.cc HDRS x.h)",
            BUILD: "ebb_planted(p CORES core\n SRCS common/plant.cc)"}
    # Each has what differs from `good`, and its complaint (None: clean).
    cases = [({}, None),
             ({"a/x.cc": "if (EBB_PLANTED(a))"}, "no source has a hook"),
             ({"y.h": "EBB_PLANTED(\n    c)"}, "describe it"),
             ({"y.h": "EBB_PLANTED(a)"}, "no ebb_planted"),
             ({BUILD: "ebb_planted(p SRCS common/plant.cc)"},
              "no ebb_planted"),
             ({LIST: '{"b", "B."},\n{"a", "A."},\n'}, "order of their names")]
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
            planted, clean = pathlib.Path(root) / "p", pathlib.Path(root) / "c"
            planted.write_bytes(b"\0_ZN3ebb10PlantedBugEv\0")
            clean.write_bytes(b"\0_ZN3ebb10PlainEv\0")
            if check_programs(str(planted), [str(clean)]):
                failures.append("a clean program is called planted")
            for control, program in ((planted, planted), (clean, clean),
                                     (planted, pathlib.Path(root) / "none")):
                if not check_programs(str(control), [str(program)]):
                    failures.append(f"{control} {program}: expected complaint")
    return failures


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        found = self_test()
    elif sys.argv[1:2] == ["--programs"]:
        found = check_programs(sys.argv[2], sys.argv[3:])
    else:
        found = check(ROOT)
    print("\n".join(found) or "plants: clean")
    sys.exit(1 if found else 0)
