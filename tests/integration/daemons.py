"""The daemons of a test: they run in its folder, and end with it."""

import os
import subprocess
import time


class Daemons(dict):
    """The processes by name: "ps-0" is an ebb-ps that writes ps-0.log.

    A daemon that is started again writes on. It gets the environment as that
    is when it starts.
    """

    def __init__(self, programs, folder, environment=None):
        super().__init__()
        self._programs = programs
        self._folder = folder
        self._environment = environment

    def start(self, name, *arguments):
        program = "ebb-" + name.partition("-")[0]
        with open(os.path.join(self._folder, name + ".log"), "a") as log:
            self[name] = subprocess.Popen(
                [os.path.join(self._programs, program), *arguments,
                 "--die-with-parent", str(os.getpid())],
                cwd=self._folder, env=self._environment, stderr=log)
        return self[name]

    def end(self):
        for daemon in self.values():
            daemon.kill()
        for daemon in self.values():
            daemon.wait()


def wait_until(so, what, limit_s, pause_s=0.02):
    """Returns the first value of so() that is true.

    `what` says what is missing after limit_s; it may be a function.
    """
    limit = time.monotonic() + limit_s
    while True:
        value = so()
        if value:
            return value
        if time.monotonic() > limit:
            raise AssertionError(what() if callable(what) else what)
        time.sleep(pause_s)
