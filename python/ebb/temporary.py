"""Temporary folders that are taken away although their owner was killed.

The owner holds a lock, which ends with it. The next process that makes a folder
removes those whose lock is free.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from typing import Optional, Tuple

_PREFIX = "ebb-"
_LOCK = "owner.lock"


def make() -> Tuple[str, int]:
    """Makes a folder, and returns its path and the lock that holds it.

    The folder is others' to remove as soon as the lock is closed.
    """
    sweep()
    folder = tempfile.mkdtemp(prefix=_PREFIX)
    path = os.path.join(folder, _LOCK)
    lock = os.open(path + ".new", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # It is never seen without being held.
    os.rename(path + ".new", path)
    return folder, lock


def sweep() -> None:
    """Removes the folders of this user whose lock is free."""
    with os.scandir(tempfile.gettempdir()) as entries:
        folders = [entry for entry in entries if entry.name.startswith(_PREFIX)]
    for entry in folders:
        try:
            mine = entry.stat(follow_symlinks=False).st_uid == os.geteuid()
        except OSError:
            continue  # Another process was first.
        if not mine or not entry.is_dir(follow_symlinks=False):
            continue
        lock = _taken(os.path.join(entry.path, _LOCK))
        if lock is not None:
            shutil.rmtree(entry.path, ignore_errors=True)
            os.close(lock)


def _taken(path: str) -> Optional[int]:
    """Returns the lock of an owner that has ended; None: there is none."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    except OSError:
        os.close(lock)
        return None
