#!/usr/bin/env python3
"""Checks the subjects of new commits: "area: do what", in 72 characters.

  check_commits.py             checks the commits after BASE
  check_commits.py --self-test checks the check, on planted subjects

Older commits stay as they are. Without a history that has BASE (an unpacked
archive, a shallow clone) there is nothing to check.
"""

import re
import subprocess
import sys
import tempfile

from project_files import ROOT

BASE = "e613e223ff520253bb02bec3100616820a7bd8f4"
LONGEST = 72
FORM = re.compile(r"(?P<areas>[\w./+-]+(?:, [\w./+-]+)*): (?P<what>\S.*)")
NO_AREAS = {"merge", "wip", "misc", "fix", "fixup", "squash", "update", "change"}
# A subject that has no other words says nothing.
EMPTY = set(
    "a again all an and as bug bugs change changed changes clean cleanup code "
    "comment comments commit commits correct correction corrections edit edits "
    "feedback few files find findings fix fixes fixed for found from improve "
    "improvement improvements in is it last latest mend mends minor misc more "
    "note of on polish refactor refactoring review rework small some something "
    "stuff that the things this to tweak tweaks typo typos up update updates "
    "various was were what wip work".split())


def complaint(subject):
    """Returns what is wrong with a subject, or None."""
    if subject.startswith("Merge "):
        return "rebase instead of merging, or say what the merge changes"
    form = FORM.fullmatch(subject)
    if form is None:
        return 'say "area: do what", such as "server: refuse old pushes"'
    if form["areas"].lower() in NO_AREAS:
        return f'"{form["areas"]}" is no part of the tree'
    words = re.findall(r"[\w'-]+", form["what"].lower())
    if len(words) < 2 or EMPTY.issuperset(words):
        return "say what changes"
    if len(subject) > LONGEST:
        return f"{len(subject)} characters instead of {LONGEST} at most"
    return None


def git(root, *arguments):
    """Returns what git prints, or None if it fails."""
    try:
        done = subprocess.run(["git", "-C", root, *arguments],
                              capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def check(root, base):
    """Returns complaints, and how many commits were looked at."""
    log = git(root, "log", "--format=%h %s", f"{base}..HEAD")
    if log is None:
        return [], 0
    complaints = []
    for line in log.splitlines():
        commit, _, subject = line.partition(" ")
        if wrong := complaint(subject):
            complaints.append(f"{commit}: {subject}: {wrong}")
    return complaints, len(log.splitlines())


# A subject, and what the complaint must say (None: no complaint).
PLANTED = [
    ("server: refuse pushes of an older term", None),
    ("python/sklearn, tests: fix the sign of a loss", None),
    (".ci: run the lints first", None),
    ("a: " + "b " * 34 + "c", None),
    ("a: " + "b " * 34 + "cd", "73 characters"),
    ("Merge branch 'main' of /home/ann/ebb", "rebase"),
    ("Merge pull request #1 from ann/x", "rebase"),
    ("merge: sweeps and advise", "no part of the tree"),
    ("refuse pushes of an older term", "area"),
    ("fixup! server: refuse old pushes", "area"),
    ("server: ", "area"),
    ("server: fixes", "say what changes"),
    ("server: mend what the last review found", "say what changes"),
    ("server: some small improvements", "say what changes"),
]


def self_test():
    failures = []
    for subject, expected in PLANTED:
        got = complaint(subject)
        if (got is None) != (expected is None) or (
                expected and expected not in got):
            failures.append(f"{subject}: expected {expected}, got {got}")
    with tempfile.TemporaryDirectory() as root:
        if check(root, "HEAD~1") != ([], 0):
            failures.append("a folder without a history: expected nothing")
        git(root, "init", "-q")
        for subject in ("wip", "a: add the first one", "wip"):
            git(root, "-c", "user.name=a", "-c", "user.email=a@b.org",
                "commit", "-q", "--allow-empty", "-m", subject)
        got, count = check(root, "HEAD~2")
        if len(got) != 1 or count != 2:
            failures.append(f"two new commits: got {count}, {got}")
        if check(root, BASE) != ([], 0):
            failures.append("an unknown base: expected nothing")
    return failures


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        found = self_test()
        print("\n".join(found) or "commits: the check is sound")
    else:
        found, looked_at = check(ROOT, BASE)
        print("\n".join(found) or f"commits: {looked_at} are clean")
    sys.exit(1 if found else 0)
