#!/usr/bin/env python3
"""Makes the checks that need no parser: RULES below, include guards, the magics of
stored forms, English.

  check_text.py                    checks the project
  check_text.py --self-test        checks the check, on planted violations
  check_text.py --english [PATH]   prints the sentences to mend, of a file or
                                   below a folder
  check_text.py --write-allowance  lowers the allowances of files in which
                                   sentences were mended; with --moved, those
                                   of moved files go along
"""

import collections
import fnmatch
import pathlib
import re
import sys
import tempfile

import english
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
    (r"^\s*// -{3,}$", SOURCES, "a banner broken over lines: write one line"),
]
# The rules stand in this file and would find themselves.
EXEMPT = ["tools/lint/check_text.py"]
# These may include the packaged Abseil's mutex: it configures that of gRPC.
PACKAGED_MUTEX = ["common/program/daemon.cc", "common/program/daemon_test.cc",
                  "rpc/internal/grpc_time.cc"]


def check_guard(path, lines):
    """Returns the complaint about a header's guard, or None."""
    guard = "EBB_" + re.sub(r"[^A-Z0-9]", "_", path.upper()) + "_"
    expected = [f"#ifndef {guard}", f"#define {guard}"]
    directives = [line for line in lines if line.startswith("#")]
    if directives[:2] == expected:
        return None
    return f"{path}:1: the include guard must be {guard}"


# Four letters that tell one stored form from others. The scheduler's state of a job
# has those of a job's record.
MAGIC = re.compile(r'agic(?:\[\])?\s*=\s*"(EBB[A-Z0-9])"')
MAGICS = "docs/formats/sealed.md"
SHARED = "EBBJ"


def check_magics(root, paths):
    """Returns complaints about magics that two sources have, or that the page lacks."""
    page = "\n".join(read_lines(root, MAGICS)) if MAGICS in paths else ""
    users = collections.defaultdict(list)
    for path in paths:
        if path.endswith((".h", ".cc")):
            for magic in MAGIC.findall("\n".join(read_lines(root, path))):
                users[magic].append(path)
    complaints = []
    for magic, sources in users.items():
        if (times := page.count(f"`{magic}`")) != 1:
            complaints.append(f"{sources[0]}: {magic} stands {times} times in {MAGICS}, "
                              "not once")
        if len(sources) > 1 and magic != SHARED:
            complaints.append(f"{sources[1]}: {magic} is that of {sources[0]}")
    return complaints


# How many sentences of each file may break a rule of english.py. The list only
# shrinks.
ALLOWANCE = "tools/lint/english_allowance.txt"
WRITE = "tools/lint/check_text.py --write-allowance"


def read_allowance(root):
    """Returns the allowance of each file in the list, by path."""
    if not (pathlib.Path(root) / ALLOWANCE).is_file():
        return {}
    entries = [line.split(" ", 1) for line in read_lines(root, ALLOWANCE)
               if line and not line.startswith("#")]
    return {path: int(count) for count, path in entries}


def find_english(root):
    """Returns by path the (line, rule, complaint, is help) of what to mend."""
    found = {}
    for path in project_files(root):
        if english.language(path) is None:
            continue
        text = "\n".join(read_lines(root, path))
        if mistakes := english.mistakes(path, text):
            found[path] = mistakes
    return found


def check_english(root):
    complaints = []
    found, allowance = find_english(root), read_allowance(root)
    for path in sorted(found.keys() | allowance.keys()):
        mistakes, allowed = found.get(path, []), allowance.get(path, 0)
        excused = [m for m in mistakes if english.is_excused(path, m[3])]
        texts = [f"{path}:{line}: {complaint}"
                 for line, _, complaint, _ in mistakes]
        if len(excused) > allowed:
            complaints += texts
            if allowed:
                complaints.append(f"{path}: {len(excused)} sentences to mend; "
                                  f"{allowed} were there before")
        else:
            complaints += [text for text, mistake in zip(texts, mistakes)
                           if mistake not in excused]
        if len(excused) < allowed:
            there = (pathlib.Path(root) / path).is_file()
            complaints.append(
                f"{path}: {len(excused)} sentences to mend, its allowance is "
                f"{allowed}: run {WRITE}" if there else
                f"{path}: has an allowance and is gone: run {WRITE}; if it "
                f"was moved, {WRITE} --moved")
    return complaints


def lowered(allowance, counts, moved):
    """The allowance of the files with `counts` sentences to mend.

    None is raised. With `moved`, a file that has none takes that of a file
    that is gone and had the same name: the one nearest in its path, else in
    its count.
    """
    new = {path: min(count, allowance[path])
           for path, count in counts.items() if path in allowance}
    gone = [path for path in allowance if path not in counts]
    for path in counts if moved else []:
        if path in allowance:
            continue
        parts = path.split("/")
        candidates = [old for old in gone
                      if old.split("/")[-1] == parts[-1]]
        if candidates:
            old = max(candidates, key=lambda old: (
                len(set(old.split("/")) & set(parts)),
                -abs(allowance[old] - counts[path])))
            gone.remove(old)
            new[path] = min(counts[path], allowance[old])
    return {path: count for path, count in new.items() if count}


def write_allowance(root, moved):
    """Writes the list anew: as it is found if there is none."""
    found = find_english(root)
    counts = {path: sum(english.is_excused(path, mistake[3])
                        for mistake in found.get(path, []))
              for path in project_files(root)
              if english.language(path) is not None}
    first = not (pathlib.Path(root) / ALLOWANCE).is_file()
    new = lowered(counts if first else read_allowance(root), counts, moved)
    (pathlib.Path(root) / ALLOWANCE).write_text(
        "".join(f"{new[path]} {path}\n" for path in sorted(new)))
    return new


def print_english(root, places):
    """Prints the sentences to mend below `places`, and counts by rule."""
    rules = collections.Counter()
    for path, mistakes in find_english(root).items():
        if places and not any(path == place or
                              path.startswith(place.rstrip("/") + "/")
                              for place in places):
            continue
        for line, rule, complaint, _ in mistakes:
            rules[rule] += 1
            print(f"{path}:{line}: {complaint}")
    print(", ".join(f"rule {rule}: {count}"
                    for rule, count in sorted(rules.items())) or "none")


def check(root):
    """Returns complaints about the files below `root`, and the long files."""
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
    complaints += check_magics(root, project_files(root))
    return complaints + check_english(root), long_files


# Path, content, and what the complaint must say (None: no complaint).
PLANTED = [
    ("a.md", "see /work/main/a", "a path of one machine"),
    ("a.sh", "cp x /root/.config", "a path of one machine"),
    ("a.sh", "B=/tmp/b-me", "a path of one machine"),
    ("a.cc", "// /home/ann/work and https://x.org/work/ and /rooted/", None),
    ("a.cc", "// TODO: later", "TODO(name)"),
    ("a.cc", "// TODO(ann): remove once no store of version 1 is read", None),
    ("a.cc", "// --- Leases\n// ------------", "a banner broken"),
    ("a.cc", "// --- Leases ------------", None),
    ("a.cc", "using namespace std;", "name what is used"),
    ("a.cc", "TEST(A, DISABLED_B) {}", "a test runs or is removed"),
    ("a.cc", '#include "absl/synchronization/mutex.h"', "common/mutex.h"),
    ("common/program/daemon.cc", '#include "absl/synchronization/mutex.h"', None),
    ("b/a-c.h", "// C.\n#ifndef EBB_B_A_C_H_\n#define EBB_B_A_C_H_\n#endif",
     None),
    ("b/a.h", "#ifndef B_A_H_\n#define B_A_H_\n#endif", "EBB_B_A_H_"),
    ("b/a.h", "#pragma once", "EBB_B_A_H_"),
    ("a.cc", 'string_view kMagic = "EBBX";', "EBBX stands 0 times"),
    # Sentences without a subject.
    ("a.cc", "int a;  // Of the last batch.", '"Of" begins without'),
    ("a.cc", "// It waits. Whose turn it is says `b`.", '"Whose" begins'),
    ("a.cc", "// That it waits\n// is told.", '"That" begins'),
    ("a.cc", "// The first is good.\n//\n//  * Of two, the first.",
     '"Of" begins'),
    ("a.cc", 'f("// Of it", \'"\');  // Often\n'
     + " " * 21 + "// Of use, too.", None),
    ("a.cc", "// It is so:\n//\n//   // It waits\n//   Of();\n"
     "//   int b;  // Of it.", None),
    ("a.cc", "// That's it. That-way. Who is it? Offers end.", None),
    ("a.cc", 'auto a = R"(\n// Of it.\n)";', None),
    ("a.proto", "int32 a = 1;  // Of the job.", '"Of" begins'),
    ("a.cu", "int a;\n/* It is.\n *\n * Of it. */", '"Of" begins'),
    ("a.cc", 'a(/*of=*/1); a("/* Of it. */");', None),
    ("a.py", "a = 1  # Of the job.", '"Of" begins'),
    ("a.py", "a = '# Of the job'  # \"Of\" is one word.", None),
    ("a.py", 'def a():\n    """Of the job."""', '"Of" begins'),
    ("a.py", 'A = """Of the job."""', None),
    ("a.sh", "a # It is.\n# Of it.", '"Of" begins'),
    ("a.sh", "echo a#Of; b=${#Of}", None),
    ("CMakeLists.txt", "# Of the targets.", '"Of" begins'),
    ("a.md", "# Title\n\nIt is good. Of many,\none is.", '"Of" begins'),
    ("a.md", "It is good:\n\n- Of many", '"Of" begins'),
    ("a.md", "| a | Of them |", '"Of" begins'),
    ("a.md", "`Of` is\n```\nOf it\n```\n\n    Of it\n\nNo. `Of it`", None),
    ("a_command.cc", 'CLI::App a; a.add_flag("--of", b,\n "Of" " it");',
     '"Of" begins'),
    ("a_command.cc", '// CLI\na->footer("It is good.\\n" "Of it.");',
     '"Of" begins'),
    ("a_command.cc", '// CLI\na->add_flag("--of", b, "Offer it")\n'
     '->check([] { return "Of it"; });', None),
    # Processes as people.
    ("a.cc", "// The worker who pushes.", '"who": a process'),
    ("a.cc", "// Nobody\n// waits.", '"Nobody": a process'),
    ("a.cc", "// Users who look. Who? A job whose end is near.", None),
    ("a_command.cc", '// CLI\na->add_flag("--of", b, "Somebody is it");',
     '"Somebody": a process'),
    ("a.md", "People come, and somebody who pushes.", None),
    # Double turns.
    ("a.cc", "// This is no error.", '"is no": a double'),
    ("a.cc", "// It takes nothing that is used.", '"nothing that": a double'),
    ("a.cc", "// None but the last counts.", '"None but": a double'),
    ("a.md", "No lease is taken\nunless it is free.", "a double turn"),
    ("a.cc", "// It is not done unless neither waits.", "a double turn"),
    ("a.cc", "// There is no room. It is no longer there. Are no more here? "
     "No. Unless it waits, it is good. There is none.", None),
    # Long ones.
    ("a.cc", "// One" + "\n// two three" * 20 + ".", "41 words"),
    ("a.cc", "// One" + "\n// two three" * 19 + " four. Five.", None),
    ("a.md", "One" + " `two three` four." * 30, None),
]
# Path, content, its allowance, and what the complaint must say.
PLANTED_ALLOWANCE = [
    ("a.cc", "// Of it.\n\n// Of it.", 2, None),
    ("a.cc", "// Of it.\n\n// Of it.", 1, "2 sentences to mend; 1 were"),
    ("a.cc", "// Of it.\n", 2, "1 sentences to mend, its allowance is 2"),
    ("a.cc", "// It is.\n", 1, "0 sentences to mend, its allowance is 1"),
]
# Allowance, counts, and the allowance with --moved.
PLANTED_MOVES = [
    ({"a/b.h": 2}, {"c/b.h": 3}, {"c/b.h": 2}),
    ({"a/b.h": 2}, {"a/b.h": 1, "c/b.h": 1}, {"a/b.h": 1}),
    ({"a/b.h": 2, "d/b.h": 3}, {"x/d/b.h": 3, "a.h": 0}, {"x/d/b.h": 3}),
    ({"a/b.h": 2}, {"a/b.h": 5, "c/d.h": 1}, {"a/b.h": 2}),
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
    with tempfile.TemporaryDirectory() as root:
        for path, content in {MAGICS: "| `EBBX` | 1 |\n| `EBBJ` | 1 |\n",
                              "a.cc": 'kMagic = "EBBX";\nkMagic = "EBBJ";\n',
                              "b.cc": 'kBMagic = "EBBX";\nkMagic = "EBBJ";\n'}.items():
            file = pathlib.Path(root, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        got, _ = check(root)
        if got != ["b.cc: EBBX is that of a.cc"]:
            failures.append(f"magics: got {got}")
    for path, content, allowed, expected in PLANTED_ALLOWANCE:
        with tempfile.TemporaryDirectory() as root:
            (pathlib.Path(root) / path).write_text(content)
            file = pathlib.Path(root) / ALLOWANCE
            file.parent.mkdir(parents=True)
            file.write_text(f"{allowed} {path}\n")
            got = check_english(root)
            if not (got == [] if expected is None else expected in got[-1]):
                failures.append(f"{path}: expected {expected}, got {got}")
            write_allowance(root, moved=False)
            new = sum(read_allowance(root).values())
            if new > allowed or check_english(root) and new < allowed:
                failures.append(f"{path}: allowance {new} after {allowed}")
    for allowance, counts, expected in PLANTED_MOVES:
        got = lowered(allowance, counts, moved=True)
        if got != expected:
            failures.append(f"{allowance}: expected {expected}, got {got}")
    return failures


if __name__ == "__main__":
    if sys.argv[1:2] == ["--english"]:
        print_english(ROOT, sys.argv[2:])
        sys.exit(0)
    if sys.argv[1:2] == ["--write-allowance"]:
        left = write_allowance(ROOT, moved=sys.argv[2:] == ["--moved"])
        print(f"{sum(left.values())} sentences to mend in {len(left)} files")
        sys.exit(0)
    if sys.argv[1:] == ["--self-test"]:
        found = self_test()
    else:
        found, too_long = check(ROOT)
        for entry in too_long:
            print(f"{entry}: has it more than one idea?")
    print("\n".join(found) or "text: clean")
    sys.exit(1 if found else 0)
