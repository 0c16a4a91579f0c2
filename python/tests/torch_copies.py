"""Copies of a script as processes, for tests that end them."""

import os
import subprocess
import sys
from pathlib import Path


def started(address, source, *arguments):
    """Returns a process that runs the source on the cluster with this address."""
    return subprocess.Popen(
        [sys.executable, "-c", source, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "EBB_SCHEDULER": address,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
        },
    )
