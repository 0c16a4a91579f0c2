#!/usr/bin/env python3
"""`ebb bench link` leaves nothing behind, however it ends: no process, no
network namespace, no device and no folder.

It needs root and TUN devices, and is skipped elsewhere.

  link_test.py BIN_FOLDER
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 100
INTERRUPTED = 130
SKIPPED = 77  # CMake's SKIP_RETURN_CODE.

NEVER_ENDS = ["--gbit", "1", "--delay", "1", "--loss", "0", "--mib", "1",
              "--pairs", "1000"]


def stat(pid):
    """Parent and start time; None: there is no such process, or it has ended
    and only its parent has not asked."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else (int(fields[1]), fields[19])


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def family(root):
    """The process and all below it, each with its start time."""
    parents = {pid: stat(pid) for pid in processes()}
    assert parents.get(root)
    found = {root}
    while True:
        more = {pid for pid, one in parents.items()
                if one and one[0] in found} - found
        if not more:
            return {pid: parents[pid][1] for pid in found}
        found |= more


def link_to(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def networks(pid):
    """The namespaces that a process, or a file of it, keeps."""
    kept = set()
    for folder in (f"/proc/{pid}/fd", f"/proc/{pid}/task"):
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            kept.add(link_to(f"{folder}/{name}"))
            kept.add(link_to(f"{folder}/{name}/ns/net"))
    return {name for name in kept if name.startswith("net:[")}


def devices():
    with open("/proc/self/net/dev") as file:
        return sorted(re.findall(r"^\s*(\S+):", file.read(), re.MULTILINE))


class LinkTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_link_test_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.output = os.path.join(self.folder, "output")
        self.scratch = os.path.join(self.folder, "scratch")
        os.mkdir(self.scratch)

    def said(self):
        with open(self.output) as file:
            return file.read()

    def wait(self, so, what):
        limit = time.monotonic() + LIMIT_S
        while not so():
            self.assertLess(time.monotonic(), limit, f"{what}\n{self.said()}")
            time.sleep(0.02)

    def start(self):
        """In a session of its own, as one that a terminal started."""
        with open(self.output, "w") as output:
            bench = subprocess.Popen(
                [os.path.join(BIN, "ebb"), "bench", "link", *NEVER_ENDS],
                env={**os.environ, "TMPDIR": self.scratch}, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True)
        self.addCleanup(bench.wait)
        self.addCleanup(bench.kill)
        return bench

    def run_until(self, words, number, code):
        """Ends it by a signal once it has said so."""
        devices_before = devices()
        own = networks(os.getpid())
        bench = self.start()
        self.wait(lambda: words in self.said() or bench.poll() is not None,
                  f'it does not say "{words}"')
        self.assertIsNone(bench.poll(), self.said())
        all_of_it = family(bench.pid)
        kept = set().union(*(networks(pid) for pid in all_of_it)) - own
        # It is what is meant: two namespaces, and processes in them.
        self.assertGreaterEqual(len(kept), 2, kept)
        self.assertGreaterEqual(len(all_of_it), 3, all_of_it)

        if number == signal.SIGINT:
            os.killpg(bench.pid, number)  # A terminal does so.
        else:
            bench.send_signal(number)
        self.assertEqual(bench.wait(timeout=LIMIT_S), code, self.said())

        self.wait(lambda: not [pid for pid, began in all_of_it.items()
                               if (stat(pid) or (0, ""))[1] == began],
                  "processes are left")
        # A namespace without a process and without a file is gone, and with it
        # its devices.
        self.wait(lambda: not kept & set().union(
            *(networks(pid) for pid in processes())), "namespaces are left")
        with open("/proc/self/mountinfo") as file:
            mounts = file.read()
        self.assertFalse([name for name in kept if name in mounts])
        self.assertEqual(devices(), devices_before)

    def test_ctrl_c_while_it_measures(self):
        self.run_until("acknowledged", signal.SIGINT, INTERRUPTED)
        self.assertEqual(os.listdir(self.scratch), [])

    def test_ctrl_c_while_the_server_starts(self):
        self.run_until("starting the server", signal.SIGINT, INTERRUPTED)
        self.assertEqual(os.listdir(self.scratch), [])

    def test_it_is_told_to_end(self):
        self.run_until("acknowledged", signal.SIGTERM, INTERRUPTED)
        self.assertEqual(os.listdir(self.scratch), [])

    # Its folder stays then: no process is left that would remove it.
    def test_it_is_killed(self):
        self.run_until("acknowledged", signal.SIGKILL, -signal.SIGKILL)


def why_not():
    """Why there can be no link here; None: there can."""
    with tempfile.TemporaryDirectory(prefix="ebb_link_test_") as folder:
        bench = subprocess.Popen(
            [os.path.join(BIN, "ebb"), "bench", "link", *NEVER_ENDS],
            env={**os.environ, "TMPDIR": folder}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        refused = None
        with bench:
            for line in bench.stdout:
                if "starting the server" in line:
                    break
                if re.search("needs root|/dev/net/tun|namespace", line):
                    refused = line.strip()
            bench.terminate()
            bench.stdout.read()
    return refused


if __name__ == "__main__":
    why = why_not()
    if why:
        print(f"skipped: there can be no emulated link here: {why}")
        sys.exit(SKIPPED)
    unittest.main()
