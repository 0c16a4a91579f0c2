"""Tests of temporary folders whose owner is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ebb import temporary

OWNER = """
import time
from ebb import temporary
print(*temporary.make(), flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_folder_whose_owner_was_killed_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    strangers = tmp_path / "ebb-strangers"
    strangers.mkdir()
    mine, lock = temporary.make()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    folder = owner.stdout.readline().split()[0]
    Path(folder, "logs").mkdir()
    temporary.sweep()
    assert os.path.exists(folder)
    owner.send_signal(number)
    owner.wait()
    owner.stdout.close()
    assert os.path.exists(folder)
    temporary.sweep()
    assert not os.path.exists(folder)
    assert os.path.exists(mine) and strangers.exists()
    os.close(lock)
