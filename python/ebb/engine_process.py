"""The engine as a process: how it starts, what it says, and how it ends."""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import re
import select
import socket
import struct
import subprocess
from typing import List, Optional, Tuple

from ebb import programs

# How long a blocking read lasts before it looks at the time.
_LOOK_EVERY = struct.pack("@ll", 1, 0)
# A line of the log on stderr.
_INFORMATION = re.compile(r"I\d{8} ")
# This process must not hand these on to its engine.
_OWN_ENVIRONMENT = (
    "EBB_DIE_WITH_PARENT",
    "EBB_HEALTH_SOCKET",
    "EBB_METRICS_PORT",
    "EBB_METRICS_HOST",
)


class Gone(Exception):
    """The engine's end of the socket is closed."""


def shared_memory(bytes_: int) -> Tuple[int, mmap.mmap]:
    """Returns a memory file that cannot become shorter, and all of it mapped."""
    fd = os.memfd_create("ebb", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, bytes_)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        return fd, mmap.mmap(fd, bytes_)
    except BaseException:
        os.close(fd)
        raise


class EngineProcess:
    """An engine that runs: its process, and this end of its socket."""

    def __init__(self, arguments: List[str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in _OWN_ENVIRONMENT
        }
        # It says here why it does not start. Its log comes over the socket.
        complaints = os.memfd_create("ebb-engine", os.MFD_CLOEXEC)
        try:
            with theirs:
                self.child = subprocess.Popen(
                    [
                        programs.path_of("ebb-worker"),
                        f"--serve={theirs.fileno()}",
                        *arguments,
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=complaints,
                    stderr=complaints,
                    pass_fds=(theirs.fileno(),),
                    env=environment,
                )
        except BaseException:
            ours.close()
            os.close(complaints)
            raise
        self.socket = ours
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _LOOK_EVERY)
        self._complaints = complaints
        self._poll = select.poll()
        self._poll.register(ours, select.POLLIN)

    def send(self, message: bytes) -> None:
        try:
            self.socket.send(message)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Gone from error

    def send_with_file(self, message: bytes, file: int) -> None:
        try:
            socket.send_fds(self.socket, [message], [file])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Gone from error

    def receive_into(self, buffer: bytearray, patience: Optional[float]) -> int:
        """Returns the length of a message; 0: none came in a while."""
        if patience is not None and patience < 1:
            if not self._poll.poll(max(0, math.ceil(patience * 1000))):
                return 0
        try:
            length = self.socket.recv_into(buffer)
        except BlockingIOError:
            return 0
        except ConnectionResetError as error:
            raise Gone from error
        if length == 0:
            raise Gone
        return length

    def look_into(self, buffer: bytearray) -> int:
        """Returns the length of a message that is there already; 0: there is none."""
        try:
            length = self.socket.recv_into(buffer, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except ConnectionResetError as error:
            raise Gone from error
        if length == 0:
            raise Gone
        return length

    def last_words_into(self, buffer: bytearray) -> int:
        """Returns the length of a message that came before the end; 0: none."""
        for _ in range(2):  # The first may say that the other end is closed.
            try:
                return self.socket.recv_into(buffer, 0, socket.MSG_DONTWAIT)
            except ConnectionResetError:
                pass
            except BlockingIOError:
                break
        return 0

    def close(self, patience: float) -> str:
        """Waits until the process has ended; at last kills it.

        Returns what it said on stderr, without what it only told.
        """
        self.socket.close()
        try:
            self.child.wait(patience)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        finally:
            said = self._said()
        return "\n".join(
            line for line in said.splitlines() if not _INFORMATION.match(line)
        )

    def _said(self) -> str:
        """Returns what it said on stderr, once."""
        if self._complaints < 0:
            return ""
        size = os.fstat(self._complaints).st_size
        said = os.pread(self._complaints, size, 0)
        os.close(self._complaints)
        self._complaints = -1
        return said.decode("utf-8", "replace")

    def forget(self) -> None:
        """In a forked child: the process is another's."""
        self.socket.close()
        os.close(self._complaints)
        self._complaints = -1
        self.child.returncode = 0
