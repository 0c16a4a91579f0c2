"""The memory that one batch frees is there for the next."""

import os
import platform
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone learns")

# Frees four blocks of 1 MiB at a time, as a batch does its activations and gradients.
_PROGRAM = """
import resource, sys
import numpy as np
from ebb.torch.heap import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def batches(count):
    begin = faults()
    for _ in range(count):
        blocks = [np.ones(1 << 20, np.uint8) for _ in range(4)]
        del blocks
    return (faults() - begin) / count

if sys.argv[1] == "kept":
    keep_freed_memory()
batches(3)
print(batches(50))
"""


def _faults(how, **environment):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, how],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def test_the_memory_of_a_batch_is_not_given_back():
    assert _faults("not kept") > 500  # Else this test shows nothing.
    assert _faults("kept") < 10


def test_the_limits_of_the_user_stay():
    assert _faults("kept", MALLOC_TRIM_THRESHOLD_="131072") > 500
