#!/usr/bin/env python3
"""Each flag and command that a message names exists, in the program that says it.

  named_flags_test.py BIN_FOLDER

It reads the texts in the sources of C++ and Python. A call in backticks, such
as `ebb data pack --split`, must be one of that command; a flag that stands by
itself must be one of the commands whose folder the text is in, or else of any
program.
"""
import os
import re
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "lint"))
from project_files import project_files  # noqa: E402

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
# The daemons, and where the flags are that their help does not show.
DAEMONS = {"ebb-scheduler": "scheduler/", "ebb-ps": "server/", "ebb-worker": "worker/"}
# The command whose flags texts in a folder name, with those below it. Texts elsewhere may name those of
# any program.
COMMANDS_OF = {
    "tools/ebb/advise/": "advise",
    "tools/ebb/generate/": "generate",
    "tools/ebb/predict/": "predict",
    "tools/ebb/sweep/": "sweep",
    "tools/ebb/sim/": "sim",
    "data/generate/": "generate",
    "data/pack/": "data pack",
}
# Flags of other programs: tar, protoc, zstd, jq, torchrun, apt-get, pip and the
# like, and of programs for developers.
FOREIGN = {
    "--dereference", "--descriptor_set_out", "--force-reinstall",
    "--hard-dereference", "--include_imports", "--long", "--reinstall", "--sort",
    "--sparse", "--ultra",
}
# Programs that are not installed have flags of their own.
OTHER_PROGRAMS = ("bench/", "sim/", "models/", "tests/", "cmake/", "tools/lint/",
                  "tools/chaos/", "python/make_reference.py",
                  "python/build_wheel.py", "tools/join_docs.py",
                  "tools/package", "examples/")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9_-]*[a-z0-9]")
ALONE = re.compile(r"(?:-[a-zA-Z],)?--[a-z][a-z0-9_-]*(?:,--[a-z0-9_-]+)*(?: [A-Z.]+)?")
CALL = re.compile(r"`(ebb(?:-[a-z]+)?(?: [^`]*)?)`")
CPP_TEXT = re.compile(r'R"([a-z]*)\((?P<raw>.*?)\)\1"|"(?P<plain>(?:[^"\\\n]|\\.)*)"', re.S)


def help_of(program, *words):
    ran = subprocess.run([os.path.join(BIN, program), *words, "--help"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=60)
    return ran.stdout


def flags_in_help(text):
    """The flags that a help text defines, which begin a line of it."""
    found = set()
    for line in text.splitlines():
        if re.match(r"\s+-", line):
            # "-o,--output,--to TEXT REQUIRED  What it does": up to two blanks.
            head = re.split(r"\s{2,}", line.strip(), maxsplit=1)[0]
            found.update(FLAG.findall(" " + head.replace(",", " ")))
    return found


def subcommands_in_help(text):
    if not re.search(r"(?m)^Usage: .*SUBCOMMAND", text):
        return []
    return re.findall(r"(?m)^  ([a-z][a-z-]*)(?:  |$)", text)


def commands():
    """Each command of `ebb` with its flags; "" has those of all."""
    found = {}
    todo = [()]
    while todo:
        words = todo.pop()
        text = help_of("ebb", *words)
        found[" ".join(words)] = flags_in_help(text)
        todo += [(*words, one) for one in subcommands_in_help(text)
                 if len(words) < 3 and (*words, one) != ("help",)]
    return found


def texts_of_cpp(source):
    """The string literals of a file, those that stand together joined."""
    source = re.sub(r"(?m)^\s*#include.*$", "", source)
    source = re.sub(r"(?m)(?<![:\"])//.*$", "", source)
    joined, last = [], None
    for found in CPP_TEXT.finditer(source):
        text = found["raw"] if found["raw"] is not None else found["plain"]
        line = source.count("\n", 0, found.start()) + 1
        gap = source[last:found.start()] if last is not None else "x"
        if gap.strip() == "":
            joined[-1] = (joined[-1][0], joined[-1][1] + text)
        else:
            joined.append((line, text))
        last = found.end()
    return joined


def texts_of_python(source):
    import ast
    return [(node.lineno, node.value) for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def calls_of_page(text):
    """Yields (line, call) of a Markdown file. A block continues a line by a
    backslash."""
    block = False
    for number, line in enumerate(text.replace("\\\n", "  ").splitlines(), 1):
        if line.lstrip().startswith("```"):
            block = not block
        elif block or line.startswith("    "):
            # A comment behind it, another command, or a file is not the call's.
            call = re.split(r"\s#|[|;&<>]|\$\(", line.strip().removeprefix("$ "))[0]
            if re.match(r"ebb(-[a-z]+)? ", call):
                yield number, call
        else:
            for call in CALL.findall(line.replace("\\|", "|")):
                if " " not in call:
                    continue  # A name, also of an object of Kubernetes.
                yield number, re.split(r"[|;&<>]", call)[0]


class NamedFlagsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.commands = commands()
        cls.daemons = {one: flags_in_help(help_of(one)) for one in DAEMONS}
        # Programs of their own, which a build may lack.
        cls.unbuilt = {name for name in ("advise", "bench", "sim", "sweep")
                       if not os.path.exists(os.path.join(BIN, f"ebb-{name}"))}
        cls.known = set().union(*cls.commands.values(), *cls.daemons.values())
        cls.texts = []
        cls.declared = {}
        for path in project_files(ROOT, ".cc", ".h", ".py"):
            if path.startswith(OTHER_PROGRAMS) or "_test" in path or "/tests/" in path:
                continue
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                source = file.read()
            read = texts_of_python if path.endswith(".py") else texts_of_cpp
            for line, text in read(source):
                cls.texts.append((f"{path}:{line}", text))
            # A text that is flags alone defines them, or hands them to a program.
            cls.declared[path] = {
                flag for _, text in read(source) if ALONE.fullmatch(text)
                for flag in FLAG.findall(" " + text.replace(",", " "))}

    def test_the_commands_were_found(self):
        for name in ("run", "predict", "data pack", "checkpoint export", "sweep tell"):
            self.assertIn(name, self.commands)
        self.assertIn("--split", self.commands["data pack"])
        self.assertIn("--to", self.commands["checkpoint export"])
        self.assertNotIn("--python", self.commands["predict"])
        self.assertGreater(len(self.texts), 3000)

    def test_flags_that_stand_alone(self):
        wrong = []
        for place, text in self.texts:
            folder = next((one for one in COMMANDS_OF if place.startswith(one)), None)
            of = self.declared_below("") | self.known
            if folder is not None:
                of = self.declared_below(folder).union(
                    *(flags for name, flags in self.commands.items()
                      if f"{name} ".startswith(f"{COMMANDS_OF[folder]} ")))
            if "var(--" in text or ":root" in text:
                continue  # A style sheet has names of the same form.
            for flag in FLAG.findall(CALL.sub("", text)):
                if flag not in of and flag not in FOREIGN | {"--help"}:
                    wrong.append(f"{place}: {flag}, in {text[:80]!r}")
        self.assertFalse(wrong, "\n" + "\n".join(wrong))

    def declared_below(self, folder):
        """Flags that sources define, also those that no help shows."""
        return set().union(*(flags for path, flags in self.declared.items()
                             if path.startswith(folder)))

    def test_calls_in_backticks(self):
        wrong = []
        for place, text in self.texts:
            for call in CALL.findall(text):
                told = self.mistake_in(call)
                if told:
                    wrong.append(f"{place}: `{call}`: {told}")
        self.assertFalse(wrong, "\n" + "\n".join(wrong))

    # Docs named flags that were renamed, and commands of other programs.
    def test_calls_in_the_guides(self):
        wrong, count = [], 0
        for path in project_files(ROOT, ".md"):
            if not path.startswith(("README.md", "docs/", "examples/")):
                continue
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                for line, call in calls_of_page(file.read()):
                    count += 1
                    if not self.unbuilt.isdisjoint(call.split()[1:2]):
                        continue
                    told = self.mistake_in(call)
                    if told:
                        wrong.append(f"{path}:{line}: `{call}`: {told}")
        self.assertFalse(wrong, "\n" + "\n".join(wrong))
        self.assertGreater(count, 600)

    def test_a_call_of_a_page_is_found_with_its_mistake(self):
        page = "a `ebb run --no-such` b\n```\nebb predict m \\\n  --none # --x\n```\n"
        calls = list(calls_of_page(page))
        self.assertEqual([line for line, _ in calls], [1, 3])
        self.assertEqual([self.mistake_in(call) for _, call in calls],
                         ["run has no --no-such", "predict has no --none"])

    def mistake_in(self, call):
        words = call.split()
        if words[0] != "ebb":
            flags = self.daemons.get(words[0])
            if flags is None:
                return "" if words[0].startswith("ebb-bench") or words[0] in ("ebb-advise", "ebb-sim", "ebb-sweep") else "no program"
            flags = flags | self.declared_below(DAEMONS[words[0]])
            name = words[0]
        else:
            name = ""
            for word in words[1:]:
                longer = f"{name} {word}".strip()
                if longer not in self.commands:
                    if not name and re.fullmatch(r"[a-z][a-z-]+", word):
                        return f"no command {word}"
                    break
                name = longer
            flags = self.commands[name] | self.commands[""]
        unknown = [flag for flag in FLAG.findall(call) if flag not in flags and flag != "--help"]
        return f"{name} has no {', '.join(unknown)}" if unknown else ""


if __name__ == "__main__":
    unittest.main()
