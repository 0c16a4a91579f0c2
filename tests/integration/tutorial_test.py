#!/usr/bin/env python3
"""Follows docs/tutorial.md: gives every block in its order to a shell, in an
empty home folder, and compares what is said with what the page shows.

  tutorial_test.py BUILD_FOLDER

Words behind ```sh say how a block is given:
  second  in another terminal, while the block before it runs
  wait    again and again, until it succeeds and says what is shown
  fails   and it must end with an error
  torch, numpy  only if Python has that package
A block ```text is what the block before it says (```text first: what the
block in the first terminal says, once it has ended). A line of it must be
there, in its place, numbers apart; `…` stands for any text or any lines.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from daemons import wait_until
from reserved_port import ReservedPort

BUILD = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build"
ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "../.."))
PAGE = os.path.join(ROOT, "docs/tutorial.md")
LIMIT_S = 120
PAUSE_S = 0.2
# The page's runs last long enough for a person to disturb them. Here they have
# fewer batches, and each takes at least so long: a slow machine has less to do,
# and a fast one is disturbed, too.
LONG = re.compile(r"--epochs \d{2,4}\b")
SHORT = "--epochs 20"
BATCH_TIME = "EBB_BATCH_TIME=3ms"
OFTEN = "--kill-every 1"
LESS_OFTEN = "--kill-every 3"
FENCE = re.compile(r"^```(sh|text)((?: \w+)*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A number with its unit, or several; what holds one, such as a process id.
ONE = r"\d(?:[\w.,:/@%-]*[\w@%])?"
NUMBER = re.compile(f"{ONE}(?:, {ONE})*")


def shorter(block):
    """Returns the block with shorter runs."""
    block = block.replace(OFTEN, LESS_OFTEN).replace("epochs=10", "epochs=4")
    if not LONG.search(block) and "ebb-worker" not in block:
        return block
    block = LONG.sub(SHORT, block)
    return re.sub(r"^(?=ebb run|ebb-worker)", BATCH_TIME + " ", block,
                  flags=re.MULTILINE)


def blocks(text):
    """Returns (language, words, content) of each block of the page."""
    return [(language, words.split(), shorter(block) if language == "sh" else block)
            for language, words, block in FENCE.findall(text)]


def plain(line):
    """Returns the line without its numbers, and with single blanks."""
    return " ".join(NUMBER.sub("#", line).split())


def pattern(line):
    """Returns what matches such a line, once it is plain."""
    parts = [re.escape(plain(part)) for part in line.split("…")]
    return re.compile(r"\s*.*\s*".join(parts))


def missing(shown, said):
    """Returns the first line of `shown` that `said` lacks. None: it has all."""
    lines = [plain(line) for line in said.splitlines() if line.strip()]
    at, anywhere = 0, False
    for line in shown.splitlines():
        if line.strip() in ("", "…"):
            anywhere = anywhere or line.strip() == "…"
            continue
        wanted = pattern(line)
        found = next((number for number in range(at, len(lines))
                      if wanted.fullmatch(lines[number])), None)
        if found is None or (found > at and not anywhere):
            return line
        at, anywhere = found + 1, False
    return None


class Terminal:
    """A shell that keeps its folder and variables from block to block."""

    def __init__(self, test, folder, environment):
        self._test, self._folder, self._count = test, folder, 0
        self._shell = subprocess.Popen(
            ["bash"], cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        test.addCleanup(self._end)

    def _end(self):
        def gone():
            self._shell.poll()
            try:
                # The daemons that it started are of its group.
                os.killpg(self._shell.pid, signal.SIGKILL)
            except ProcessLookupError:
                return True
            return False
        self._shell.stdin.close()
        wait_until(gone, "processes of the page still run", LIMIT_S)

    def path(self, kind):
        return os.path.join(self._folder, f"{kind}.{self._count}")

    def begin(self, block):
        self._count += 1
        with open(self.path("block"), "w") as file:
            file.write(block)
        self._shell.stdin.write(
            f"set -e; . {self.path('block')} >{self.path('said')} 2>&1; set +e\n"
            f"echo done >{self.path('part')}\n"
            f"mv {self.path('part')} {self.path('done')}\n")
        self._shell.stdin.flush()

    def said(self):
        try:
            with open(self.path("said")) as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def done(self):
        return os.path.exists(self.path("done"))

    def end(self, block):
        """Waits until the block is done, and returns what it said."""
        def look():
            if self._shell.poll() is not None and not self.done():
                self._test.fail(f"the shell ended at\n{block}\n{self.said()}")
            return self.done()
        wait_until(look, lambda: f"still runs:\n{block}\n{self.said()}", LIMIT_S)
        return self.said()

    def give(self, block):
        self.begin(block)
        return self.end(block)

    def give_until_it_succeeds(self, block, shown=""):
        # A shell of its own, so that an error ends only the try.
        tried = f"( set -e\n{block}\n) && echo succeeded || true\n"

        def look():
            said = self.give(tried)
            rest = said.removesuffix("succeeded\n")
            return rest != said and missing(shown, rest) is None and said
        return wait_until(look, lambda: f"never succeeded:\n{block}\n{self.said()}",
                          LIMIT_S, PAUSE_S)


class TutorialTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.mkdtemp(prefix="ebb_tutorial_")
        self.addCleanup(shutil.rmtree, folder)
        self.home = os.path.join(folder, "home")
        os.mkdir(self.home)
        with open(PAGE) as file:
            text = file.read()
        # Another program may have the port of the page, or the folder.
        address = ReservedPort(self).address
        self.blocks = blocks(text.replace("127.0.0.1:7000", address)
                             .replace("$PWD/build", BUILD))
        # A new terminal's, with the Python for which packages.txt has NumPy.
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("EBB_", "PYTHON"))}
        environment.update(HOME=self.home, PATH="/usr/bin:/bin")
        self.lacks = {
            package for package in ("numpy", "torch")
            if subprocess.run(["python3", "-c", f"import {package}"],
                              env=environment,
                              stderr=subprocess.DEVNULL).returncode != 0}
        self.first = Terminal(self, folder, environment)
        os.mkdir(os.path.join(folder, "second"))
        self.second = Terminal(self, os.path.join(folder, "second"), environment)

    def test_every_block_does_what_the_page_shows(self):
        with open(PAGE) as file:
            fences = len(re.findall("^```", file.read(), re.MULTILINE))
        self.assertEqual(2 * len(self.blocks), fences,
                         "a block of the page is neither sh nor text")
        said, running, skipped = "", None, False
        for number, (language, words, block) in enumerate(self.blocks):
            if language == "text":
                if "first" in words:
                    said, running = self.first.end(running), None
                lacking = None if skipped else missing(block, said)
                self.assertIsNone(lacking, "not said, or not in its place:\n"
                                  f"{lacking}\nin\n{said}")
                continue
            skipped = not self.lacks.isdisjoint(words)
            if skipped:
                continue
            ahead = [each[1] for each in self.blocks[number + 1:] if each[0] == "sh"]
            if "second" in words:
                said = self.second.give_until_it_succeeds(block)
            elif "wait" in words:
                after = self.blocks[number + 1]
                shown = after[2] if after[0] == "text" else ""
                said = self.first.give_until_it_succeeds(block, shown)
            elif "fails" in words:
                said = self.first.give(
                    f"if ( {block} ); then echo it succeeded; false; fi\n")
            elif ahead and "second" in ahead[0]:
                self.first.begin(block)
                running = block
            else:
                said = self.first.give(block)


class ComparisonTest(unittest.TestCase):
    """The comparison can fail."""

    SAID = "a 1.5 s\nworker-12 is\tback\nrest 3, 4\n"

    def test_numbers_and_blanks_do_not_count(self):
        self.assertIsNone(missing("a 27m s\nworker-3 is back\n", self.SAID))

    def test_an_ellipsis_stands_for_text_and_lines(self):
        self.assertIsNone(missing("…\nrest 5\n", self.SAID))
        self.assertIsNone(missing("a …\n…\nre… 1\n", self.SAID))

    def test_names_the_line_that_lacks(self):
        self.assertEqual(missing("…\nworker-1 is lost\n", self.SAID),
                         "worker-1 is lost")

    def test_order_and_place_count(self):
        self.assertEqual(missing("…\nrest 5\na 1 s\n", self.SAID), "a 1 s")
        self.assertEqual(missing("worker-1 is back\n", self.SAID),
                         "worker-1 is back")


if __name__ == "__main__":
    unittest.main()
