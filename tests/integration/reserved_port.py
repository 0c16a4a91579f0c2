"""A port that stays a test's while a daemon listens on it, and does not."""

import socket


class ReservedPort:
    """Binds as tools/process/reserved_port.h, and never listens."""

    def __init__(self, test, host="127.0.0.1"):
        self._socket = socket.socket()
        test.addCleanup(self._socket.close)
        self._socket.bind((host, 0))
        # Only now: from the start, it might be a port that is reserved so.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.address = "%s:%d" % self._socket.getsockname()
