#!/usr/bin/env python3
"""Tests what `./try` says, and what it says can be done next: every command of
that runs, as it is printed, in an empty folder.

  try_test.py BUILD_FOLDER
"""
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build"
ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "../.."))
LIMIT_S = 300
# A new terminal's, with the Python for which packages.txt has NumPy.
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if not name.startswith(("EBB_", "PYTHON"))}
ENVIRONMENT["PATH"] = "/usr/bin:/bin"


class FolderTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_try_test_")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def run_in_folder(self, *command, **environment):
        return subprocess.run(
            command, cwd=self.folder, env={**ENVIRONMENT, **environment},
            text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class NextTest(FolderTest):
    """The block that `./try` ends with."""

    def setUp(self):
        super().setUp()
        self.block = self.next()
        self.commands = self.commands_of(self.block)
        (self.export,) = [line for line in self.commands
                          if line.startswith("export ")]

    def next(self, **environment):
        return self.run_in_folder(os.path.join(ROOT, "tools/next.sh"), BUILD,
                                  **environment).stdout

    def commands_of(self, block):
        # A command is indented by two blanks, and what it does by more.
        return [line[2:] for line in block.splitlines()
                if re.match(r"  [\w/]", line)]

    def shell(self, command, rc=0):
        done = self.run_in_folder("bash", "-euc", f"{self.export}\n{command}")
        self.assertEqual(done.returncode, rc, f"{command}\n{done.stdout}")
        return done.stdout

    def test_every_command_runs_in_an_empty_folder(self):
        shutil.copy(os.path.join(ROOT, "examples/python/numpy_line.py"),
                    self.path("mine.py"))
        said = {}
        for command in self.commands:
            mine = command.replace("TABLE.csv", "houses.train.csv").replace(
                "SCRIPT.py", "mine.py")
            offer = command == "ebb run TABLE.csv"
            said[command] = self.shell(mine, rc=2 if offer else 0)
        self.assertRegex(said["ebb run houses.yaml --kill-every 1"],
                         r"audit +exact")
        # The two lines that are offered for the table train, too.
        lines = [line for line in said["ebb run TABLE.csv"].splitlines()
                 if line.startswith("  ")]
        self.assertEqual([line.split()[0] for line in lines],
                         ["model:", "data:"])
        self.write("offered.yaml", "\n".join(lines) + "\n")
        self.assertRegex(self.shell("ebb run offered.yaml --epochs 1"),
                         r"audit +exact")
        python = [text for command, text in said.items()
                  if command.startswith("python3 ")]
        self.assertEqual(len(python), 1)
        self.assertIn("test_rmse", python[0])

    # Its commands failed: the python3 that was first on PATH had no NumPy.
    def test_it_names_a_python_that_has_numpy(self):
        self.write("python3", "#!/bin/sh\nexec /usr/bin/python3 -S \"$@\"\n",
                   0o755)
        commands = self.commands_of(
            self.next(PATH=f"{self.folder}:{ENVIRONMENT['PATH']}"))
        self.assertTrue(commands[0].endswith(" EBB_PYTHON=/usr/bin/python3"))
        self.assertEqual([line.split()[0] for line in commands
                          if "python3 -c" in line], ["/usr/bin/python3"])
        self.assertNotIn("EBB_PYTHON", self.export)

    def test_the_pages_that_it_names_are_there(self):
        pages = re.findall(r"/\S+\.md", self.block)
        self.assertGreaterEqual(len(pages), 3)
        for page in pages:
            self.assertTrue(os.path.isfile(page), page)

    # It needed a second build, or a package.
    def test_python_finds_the_programs_of_the_build(self):
        said = self.shell(
            "env -u PATH /usr/bin/python3 -c 'import ebb; "
            "from ebb import programs; print(ebb.version(), ebb.__version__, "
            "programs.path_of(\"ebb-worker\"))'").split()
        self.assertEqual(said[0], said[1])
        self.assertEqual(said[2], os.path.join(BUILD, "bin/ebb-worker"))

    # PYTHONPATH was needed for `ebb run SCRIPT.py`.
    def test_a_script_imports_the_package_of_the_build(self):
        self.write("idle.py", "import ebb\nprint(ebb.__file__)\n")
        done = self.run_in_folder(os.path.join(BUILD, "bin/ebb"), "run",
                                  "idle.py", "--workers", "1")
        self.assertIn("idle.py ended without a job", done.stdout)
        with open(self.path("runs/idle-1/logs/worker-0.log")) as file:
            self.assertEqual(
                file.read().strip(),
                os.path.join(BUILD, "lib/ebb/python/ebb/__init__.py"))

    def test_a_command_that_is_not_built_says_how_it_is(self):
        os.mkdir(self.path("bin"))
        ebb = shutil.copy(os.path.join(BUILD, "bin/ebb"), self.path("bin"))
        for build, command, said in (
                (False, "sim", "install the package ebb, which has it"),
                (True, "sim", f"build it by `ninja -C {self.folder} ebb-sim`, "
                 "which takes about a minute on two cores"),
                (True, "bench", f"`ninja -C {self.folder} ebb-bench`, which "
                 "takes ")):
            if build:
                self.write("build.ninja", "")
            done = self.run_in_folder(ebb, command)
            self.assertEqual(done.returncode, 2)
            self.assertIn(said, done.stdout)


class BuildTest(FolderTest):
    """tools/build.sh and what it tells, with a program in place of ninja."""

    def build(self, script):
        self.write("ninja", f"#!/bin/sh\n{script}\n", 0o755)
        return self.run_in_folder(
            os.path.join(ROOT, "tools/build.sh"), "build", "ebb",
            PATH=f"{self.folder}:{os.environ['PATH']}")

    def test_says_how_long_the_rest_takes_by_the_steps_so_far(self):
        done = self.build(
            'echo "$NINJA_STATUS $*" >arguments\n'
            "echo ninja: Entering directory build\n"
            "echo @1@400@2.5@ Building one\n"
            "echo @4@400@6.1@ Building two\n"
            "echo @9@400@20.0@ Building three\n"
            "echo @100@400@180.9@ Building four\n"
            "echo @300@400@240.0@ Building five\n")
        self.assertEqual(done.returncode, 0)
        with open(self.path("arguments")) as file:
            self.assertEqual(file.read(), "@%f@%t@%e@ -C build ebb\n")
        self.assertEqual(done.stdout.splitlines(), [
            "compiled 4 of 400, 6 seconds so far, about 10 minutes left",
            "compiled 100 of 400, 3 minutes so far, about 9 minutes left",
            "compiled 300 of 400, 4 minutes so far, about 80 seconds left"])

    # It was silent until the step ended, for minutes.
    def test_a_terminal_shows_that_a_long_step_goes_on(self):
        self.write("ninja", "#!/bin/sh\necho @1@9@6.0@ Building one\n"
                   "read line <gate\n", 0o755)
        os.mkfifo(self.path("gate"))
        terminal, other_end = pty.openpty()
        self.addCleanup(os.close, terminal)
        build = subprocess.Popen(
            [os.path.join(ROOT, "tools/build.sh"), "build", "ebb"],
            cwd=self.folder, stderr=other_end, env={
                **ENVIRONMENT, "PATH": f"{self.folder}:{os.environ['PATH']}"})
        os.close(other_end)
        said = b""
        while len(set(re.findall(rb"compiled 1 of 9, \d+ seconds so far",
                                 said))) < 3:
            said += os.read(terminal, 4096)
        with open(self.path("gate"), "w") as gate:
            gate.write("end\n")
        self.assertEqual(build.wait(LIMIT_S), 0)

    def test_a_long_command_is_told_meanwhile(self):
        command = [os.path.join(ROOT, "tools/tell_meanwhile.sh"), "0.05",
                   "installing", "cat"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as telling:
            for _ in range(2):
                self.assertRegex(telling.stderr.readline(),
                                 r"^installing, \d+ seconds so far$")
            telling.stdin.write("its words\n")
            telling.stdin.close()
            self.assertEqual(telling.stdout.read(), "its words\n")
            self.assertEqual(telling.wait(LIMIT_S), 0)
        failed = self.run_in_folder(*command[:3], "sh", "-c", "exit 3")
        self.assertEqual((failed.returncode, failed.stdout), (3, ""))

    def test_nothing_to_do_prints_nothing(self):
        done = self.build("echo ninja: no work to do.")
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_errors_are_shown_and_end_it(self):
        done = self.build("echo @1@9@1.0@ Building one\necho FAILED: one.o\n"
                          "echo 'one.cc:1: error: no'\nexit 1")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "FAILED: one.o\none.cc:1: error: no\n")


if __name__ == "__main__":
    unittest.main()
