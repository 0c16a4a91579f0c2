#!/usr/bin/env python3
"""Compares two commits: lines by folder, files that name a workload, and long
functions. Prints tables of Markdown.

  compare_trees.py BEFORE [AFTER]   AFTER is HEAD if it is not named
  compare_trees.py --self-test      checks how functions of C++ are found

Lines are those of C++, protos, Python and scripts, as check_size.py counts them.
A file names a workload if it has one of its WORDS and lies outside of its folder;
tests, benchmarks, examples, lints and generated documents do not count. Functions
of C++ are found by their braces, which is near to what clang-tidy counts.
"""

import collections
import fnmatch
import pathlib
import re
import subprocess
import sys
import tempfile

import check_functions
import check_size
from project_files import ROOT, project_files, read_lines

WORDS = {
    "kmeans": r"k_?means|lloyd|centroid",
    "forest": r"forest",
    "topics": r"gibbs|topic|(?<![a-z])lda(?![a-z])",
    "words": r"word_?(vector|pair|entr)|skip_?gram",
    "boosted": r"boosted|boosting",
    "ratings": r"matrix_?factori[sz]ation",
}
SOURCES = (".cc", ".h", ".cu", ".proto", ".py")
NOT_PRODUCTION = ["bench/*", "examples/*", "tools/lint/*", "tools/ebb/generate/*",
                  "*_fuzz.cc", "*_benchmark.cc"]


def naming(root):
    """Returns by workload the top-level folders of the files that name it."""
    found = {workload: collections.Counter() for workload in WORDS}
    for path in project_files(root, *SOURCES):
        if check_size.TEST.search(path) or any(
                fnmatch.fnmatch(path, pattern) for pattern in NOT_PRODUCTION):
            continue
        text = "\n".join(read_lines(root, path))
        for workload, words in WORDS.items():
            if (not path.startswith(f"workloads/{workload}/")
                    and re.search(words, text, re.IGNORECASE)):
                found[workload][path.split("/")[0]] += 1
    return found


# Comments, strings and characters of C++.
PASSED = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
                    r"|'(?:\\.|[^'\\\n])'", re.DOTALL)
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")


def blank(match):
    return re.sub(r"[^\n]", " ", match[0])


def lengths(text):
    """Yields the lines between the braces of each function of C++."""
    text = PASSED.sub(blank, text)
    text = re.sub(r"^\s*#(.*\\\n)*.*", blank, text, flags=re.MULTILINE)
    open_braces, line, start, depth = [], 1, 0, 0
    for place, letter in enumerate(text):
        if letter == "\n":
            line += 1
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "{":
            head = text[start:place]
            inside = any(kind == "function" for kind, _ in open_braces)
            is_scope = SCOPE.search(head.split("(")[0])
            kind = ("function" if not inside and "(" in head and not is_scope
                    and depth == 0 and "=" not in head.split("(")[0] else "other")
            open_braces.append((kind, line))
        elif letter == "}" and open_braces:
            kind, begin = open_braces.pop()
            if kind == "function":
                yield line - begin
        if letter in ";{}" and depth == 0:
            start = place + 1


def long_functions(root):
    """Returns how many functions of C++ and of Python are too long, by kind."""
    found = collections.Counter()
    for path in project_files(root, ".cc", ".h", ".cu", ".py"):
        text = "\n".join(read_lines(root, path))
        kind = "tests" if check_size.TEST.search(path) else "production"
        if path.endswith(".py"):
            found[f"Python, {kind}"] += len(check_functions.long_functions(text))
        else:
            found[f"C++, {kind}"] += sum(length > check_functions.MOST
                                         for length in lengths(text))
    return found


def measures(commit):
    """Returns sizes, naming and long functions of a commit."""
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder, "tree")
        git = ["git", "-C", ROOT, "worktree"]
        subprocess.run([*git, "add", "-q", "--detach", tree, commit], check=True)
        try:
            return check_size.sizes(tree), naming(tree), long_functions(tree)
        finally:
            subprocess.run([*git, "remove", "--force", tree], check=True)


def table(title, rows):
    print(f"| {title} |\n|---|" + "--:|" * (title.count("|")))
    for row in rows:
        print("| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else cell
                                for cell in row) + " |")
    print()


def compare(before, after):
    (old, old_names, old_long), (new, new_names, new_long) = (
        measures(before), measures(after))
    kinds = sorted({kind.removeprefix("tests of ") for kind in old | new})
    folders = [kind for kind in kinds if not kind.startswith("words")]
    rows = [(f"`{folder}/`" if folder != "." else "the root",
             *[tree.get(prefix + folder, 0) for prefix in ("", "tests of ")
               for tree in (old, new)]) for folder in folders]
    rows.append(("**all**", *[sum(row[i] for row in rows) for i in range(1, 5)]))
    table("folder | lines before | now | of tests before | now", rows)
    for kind in [kind for kind in kinds if kind.startswith("words")]:
        print(f"{kind}: {old.get(kind, 0):,} before, {new.get(kind, 0):,} now\n")
    table("workload | files before | folders | files now | folders | where now", [
        (f"`{workload}`", sum(old_names[workload].values()), len(old_names[workload]),
         sum(new_names[workload].values()), len(new_names[workload]),
         ", ".join(f"`{folder}` {count}" for folder, count
                   in new_names[workload].most_common())) for workload in WORDS])
    table(f"functions of more than {check_functions.MOST} lines | before | now",
          [(kind, old_long[kind], new_long[kind]) for kind in sorted(old_long)])


def self_test():
    body = "  Go();\n" * check_functions.MOST
    # A text, and how many lines are between the braces of its functions.
    planted = [
        ("namespace a {\nint F() {\n  return 1;\n}\n}  // namespace a\n", [2]),
        ("class A {\n public:\n  A() : b_{1} {}\n  int b_;\n};\n", [0]),
        ("int F() {\n  if (a) {\n    b();\n  }\n  auto c = [] {\n  };\n}\n", [6]),
        ('void F() {\n  // {\n  f("{");\n}\n', [3]),
        ("const std::map<int, int> kA = {\n  {1, F()},\n};\n", []),
        ("TEST(A, B) {\n" + body + "}\n", [check_functions.MOST + 1]),
        ("void F(\n    int a) ABSL_LOCKS(mu_) {\n}\n\nint G() {\n}\n", [1, 1]),
    ]
    return [f"{text!r}: {list(lengths(text))}" for text, expected in planted
            if list(lengths(text)) != expected]


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        found = self_test()
        print("\n".join(found) or "compare_trees: clean")
        sys.exit(1 if found else 0)
    if {"-h", "--help"} & {*sys.argv}:
        print(__doc__)
        sys.exit()
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    compare(sys.argv[1], (sys.argv[2:] or ["HEAD"])[0])
