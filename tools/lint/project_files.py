#!/usr/bin/env python3
"""Finds the files that belong to the project: what git tracks.

Called as a command, it prints those with the given endings, NUL-separated.
"""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def project_files(root, *endings):
    """Returns paths below `root`, relative to it, sorted."""
    git = subprocess.run(["git", "-C", root, "ls-files", "-z"],
                         capture_output=True)
    if git.returncode == 0:
        files = git.stdout.decode().split("\0")
    else:  # An unpacked archive, or a clone that another user owns.
        files = []
        for folder, subfolders, names in os.walk(root):
            subfolders[:] = [s for s in subfolders
                             if not s.startswith(("build", ".git"))]
            below = os.path.relpath(folder, root)
            files += [os.path.normpath(os.path.join(below, n)) for n in names]
    return sorted(f for f in files
                  if f.endswith(endings or ("",))
                  and os.path.isfile(os.path.join(root, f)))


def read_lines(root, path):
    """Returns the lines of a text file; none of a binary one."""
    with open(os.path.join(root, path), "rb") as file:
        content = file.read()
    if b"\0" in content:
        return []
    return content.decode(errors="replace").splitlines()


if __name__ == "__main__":
    for path in project_files(ROOT, *sys.argv[1:]):
        print(path, end="\0")
