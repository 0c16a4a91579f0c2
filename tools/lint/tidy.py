#!/usr/bin/env python3
"""Runs clang-tidy (/.clang-tidy) over the project's sources.

  tidy.py                  every source
  tidy.py --since COMMIT   those that changed since the commit; a changed header
                           is read through the source that bears its name, or
                           else through one that includes it
  tidy.py --seconds N      starts no source after N seconds; says how many were
                           not reached
  tidy.py --self-test      checks what the cache depends on

tidy.py does not read a source that passed again until it, a header of the
project that it includes, however indirectly, its flags, /.clang-tidy or
clang-tidy itself changes. $XDG_CACHE_HOME/ebb-tidy has an empty file for each
that passed.
"""

import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from project_files import ROOT, project_files

INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
GENERATED = re.compile(r"(\.grpc)?\.pb\.h$")
CACHE_DAYS = 60


class Tree:
    """The sources below `root`, and what they include there."""

    def __init__(self, root, commands):
        self.root = pathlib.Path(root)
        self.commands = commands  # By path: the lines that compile it.

    @functools.lru_cache(maxsize=None)
    def content(self, path):
        return (self.root / path).read_bytes()

    @functools.lru_cache(maxsize=None)
    def includes(self, path):
        found = []
        for name in INCLUDE.findall(self.content(path)):
            name = name.decode(errors="replace")
            beside = os.path.normpath(os.path.join(os.path.dirname(path),
                                                   name))
            proto = "proto/" + GENERATED.sub(".proto", name)
            for candidate in (name, beside, proto):
                if (self.root / candidate).is_file():
                    found.append(candidate)
                    break
        return found

    def closure(self, path):
        seen, todo = {path}, [path]
        while todo:
            for name in self.includes(todo.pop()):
                if name not in seen:
                    seen.add(name)
                    todo.append(name)
        return sorted(seen)

    def key(self, path, version):
        """Changes with whatever could change the verdict on the source."""
        digest = hashlib.sha256(version.encode())
        for command in self.commands[path]:
            digest.update(command.replace(str(self.root), "").encode())
        for name in [".clang-tidy", *self.closure(path)]:
            digest.update(name.encode() + b"\0")
            digest.update(hashlib.sha256(self.content(name)).digest())
        return digest.hexdigest()


def compile_commands(build):
    """Returns the command lines of the project's sources, by path."""
    commands = {}
    with open(build / "compile_commands.json", encoding="utf-8") as file:
        for entry in json.load(file):
            path = os.path.relpath(entry["file"], ROOT)
            commands.setdefault(path, []).append(entry["command"])
    tracked = set(project_files(ROOT, ".cc"))
    return {path: lines for path, lines in commands.items() if path in tracked}


def changed_sources(tree, commit):
    """Returns the sources through which the changes since `commit` are read."""
    diff = subprocess.run(
        ["git", "-C", ROOT, "diff", "--name-only", "--diff-filter=d", "-z",
         commit, "--", "*.cc", "*.h"], capture_output=True, check=True)
    sources = set()
    for path in diff.stdout.decode().split("\0"):
        if path in tree.commands:
            sources.add(path)
        elif path.endswith(".h"):
            stem = path[:-len(".h")]
            through = [source for source in (stem + ".cc", stem + "_test.cc")
                       if source in tree.commands]
            through += [source for source in sorted(tree.commands)
                        if path in tree.includes(source)]
            sources.update(through[:1])
    return sorted(sources)


def passed_before(cache, now):
    """Returns the keys in the cache, without those long unused."""
    cache.mkdir(parents=True, exist_ok=True)
    keys = set()
    for entry in os.scandir(cache):
        if now - entry.stat().st_mtime > CACHE_DAYS * 86400:
            os.unlink(entry.path)
        else:
            keys.add(entry.name)
    return keys


def tidy(build, path):
    """Returns what clang-tidy says against the source; empty: nothing."""
    done = subprocess.run(["clang-tidy", "-p", build, "--quiet", path],
                          cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    return done.stdout or done.stderr or f"{path}: clang-tidy failed"


def run(build, since, seconds):
    begin = time.monotonic()
    tree = Tree(ROOT, compile_commands(build))
    sources = changed_sources(tree, since) if since else sorted(tree.commands)
    version = subprocess.run(["clang-tidy", "--version"], check=True,
                             capture_output=True, text=True).stdout
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    cache = pathlib.Path(home) / "ebb-tidy"
    passed = passed_before(cache, time.time())

    def check(path):
        key = tree.key(path, version)
        if key in passed:
            (cache / key).touch()
            return "known"
        if time.monotonic() - begin > seconds:
            return "not reached"
        findings = tidy(build, path)
        if findings:
            print(findings, flush=True)
            return "failed"
        (cache / key).touch()
        return "passed"

    with concurrent.futures.ThreadPoolExecutor(
            len(os.sched_getaffinity(0))) as pool:
        verdicts = list(pool.map(check, sources))
    of = {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))}
    print(f"clang-tidy: {len(sources)} sources"
          + (f" changed since {since}" if since else "") + "".join(
              f", {count} {verdict}" for verdict, count in of.items())
          + f", {time.monotonic() - begin:.0f} s")
    return 1 if "failed" in of else 0


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)

        def write(path, text):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")

        def key(flags="-O1", version="14"):
            command = f"c++ -I{root} {flags} -c {root}/a/a.cc"
            return Tree(root, {"a/a.cc": [command]}).key("a/a.cc", version)

        write(".clang-tidy", "Checks: x")
        write("a/a.cc", '#include "a/a.h"\n#include "ebb/m.grpc.pb.h"\n')
        write("a/a.h", '#include <vector>\n#  include "b.h"\n')
        write("a/b.h", "")
        write("b.h", "")  # Root-relative goes first.
        write("proto/ebb/m.proto", "")
        before = key()
        assert key() == before
        assert key(flags="-O2") != before
        assert key(version="15") != before
        for path in (".clang-tidy", "a/a.cc", "a/a.h", "b.h",
                     "proto/ebb/m.proto"):
            was = (root / path).read_text(encoding="utf-8")
            write(path, was + "// More.\n")
            assert key() != before, path
            write(path, was)
        write("a/other.h", "// Included by nobody.\n")
        assert key() == before
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--since")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    subprocess.run(["cmake", "--preset", "tidy", "--log-level=WARNING"],
                   cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", "tidy", "--target",
                    "generated_sources"],
                   cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return run(ROOT / "build-tidy", options.since, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
