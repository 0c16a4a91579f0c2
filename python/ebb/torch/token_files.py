"""The files of packed tokens: those of a folder, or fetched and kept in a cache.

``ebb data fetch`` brings a file from a bucket or a web server. Windows are kept by the
name of their set, which names its content, so all processes of a machine share them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from typing import Iterator, List, Tuple

from ebb import command
from ebb.errors import NotFound, Refused, Unavailable

_SCHEMES = ("s3://", "http://", "https://")
_CACHE = "EBB_DATA_CACHE"
_CACHE_BYTES = "EBB_DATA_CACHE_BYTES"
_UNITS = "kmgtpe"
_WINDOW = re.compile(r"window-\d+\.ebbt")
#: `ebb data fetch` itself tries for a minute.
_PATIENCE_S, _PAUSE_S = 600.0, 5.0


class Files:
    """The files of a set.

    Raises Refused, NotFound and Unavailable, and Error where the cache cannot be written.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        #: They are fetched.
        self.remote = place.startswith(_SCHEMES)
        if "://" in place and not self.remote:
            raise Refused(
                f"{place}: packed tokens are read from folders, buckets and web servers",
                "name a folder, or begin with s3://, http:// or https://",
            )
        if self.remote and "?" in place:
            front = place.partition("?")[0]
            raise Refused(
                f"{front}?...: a URL that is signed names one file, and a set has several",
                "take a bucket (s3://) with its keys, or a server that needs no signature",
            )
        self._cache = cache_folder() if self.remote else ""
        self._most_bytes = cache_bytes() if self.remote else 0

    def name_of(self, file: str) -> str:
        """Returns how messages call a file; in a folder that is its path."""
        return f"{self.place.rstrip('/')}/{file}" if self.remote else os.path.join(self.place, file)

    @contextlib.contextmanager
    def footer(self, file: str, most_bytes: int) -> Iterator[str]:
        """Gives the path of the footer. It is always fetched anew, so a set that was
        packed again is found."""
        if not self.remote:
            yield self.name_of(file)
            return
        with tempfile.TemporaryDirectory(prefix="ebb_tokens_") as folder:
            path = os.path.join(folder, file)
            self._fetch(file, path, most_bytes)
            yield path

    @contextlib.contextmanager
    def window(self, file: str, set_name: str, size: int, again: bool = False) -> Iterator[str]:
        """Gives the path of a window's file, which stays until the block ends.

        size: its bytes. again: what the cache has is not what it should be.
        """
        if not self.remote:
            yield self.name_of(file)
            return
        folder = os.path.join(self._cache, set_name)
        path = os.path.join(folder, file)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            with _locked(f"{path}.lock"):
                if again or not _has(path, size):
                    self._bring(file, path, size)
                with contextlib.suppress(OSError):
                    os.utime(path)  # What is used stays longest.
                yield path
        except OSError as error:
            raise Refused(
                f"{error.filename or folder}: the cache of packed tokens cannot be written: "
                f"{error.strerror}",
                f"name a folder for it by {_CACHE}",
            ) from error

    def _bring(self, file: str, path: str, size: int) -> None:
        # Under the lock no other process uses it. A process that was killed left its part there.
        folder = f"{path}.fetch"
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder, mode=0o700)
        try:
            self._fetch(file, os.path.join(folder, "part"), size)
            os.replace(os.path.join(folder, "part"), path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        _make_room(self._cache, self._most_bytes)

    def _fetch(self, file: str, path: str, most_bytes: int) -> None:
        """Waits for a place that is away, as ebb's workers do."""
        arguments = ["data", "fetch", self.name_of(file), path, "--most-bytes", str(most_bytes)]
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                command.call(arguments)
                return
            except Unavailable as error:
                if time.monotonic() >= deadline:
                    raise
                command.warn(f"{error.message}; it is tried again")
                time.sleep(_PAUSE_S)  # Nothing tells that it is back.
            except NotFound as error:
                raise NotFound(
                    f"{self.place} has no packed tokens: {error.message}",
                    "name the folder that has footer.ebbt, such as .../train",
                ) from None


def cache_folder() -> str:
    """Returns where windows are kept: below EBB_DATA_CACHE, else below the user's cache."""
    own = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    chosen = os.environ.get(_CACHE) or os.path.join(own, "ebb")
    return os.path.join(os.path.abspath(os.path.expanduser(chosen)), "tokens")


def cache_bytes() -> int:
    """Returns EBB_DATA_CACHE_BYTES, a size as the flags of ebb's programs take it."""
    text = os.environ.get(_CACHE_BYTES) or "10GiB"
    found = re.fullmatch(r"\s*(\d+)\s*(?:([kmgtpe])(?:i?b)?|b)?\s*", text, re.IGNORECASE)
    if found is None:
        raise Refused(f"{_CACHE_BYTES}: {text!r} is no size", "sizes are as 64MiB, or whole bytes")
    letter = (found[2] or "").lower()
    return int(found[1]) << (10 * (_UNITS.index(letter) + 1) if letter else 0)


def _has(path: str, size: int) -> bool:
    try:
        return os.stat(path).st_size == size
    except OSError:
        return False


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Holds the lock of a window: one process fetches it, and no other drops it meanwhile."""
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # A process that was forked meanwhile would hold it, too.
            fcntl.flock(file, fcntl.LOCK_UN)


def _make_room(cache: str, most_bytes: int) -> None:
    """Drops the windows that were used longest ago, but none that is being opened."""
    found: List[Tuple[float, int, str]] = []
    for folder, _, files in os.walk(cache):
        for file in filter(_WINDOW.fullmatch, files):
            path = os.path.join(folder, file)
            with contextlib.suppress(OSError):  # Another process dropped it.
                state = os.stat(path)
                found.append((state.st_mtime, state.st_size, path))
    held = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if held <= most_bytes:
            break
        with contextlib.suppress(OSError), open(f"{path}.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)  # Processes that have mapped it go on.
            held -= size
            fcntl.flock(lock, fcntl.LOCK_UN)
