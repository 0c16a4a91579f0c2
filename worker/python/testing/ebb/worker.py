"""A stand-in for the package, for tests: least squares, by Python alone.

The text of the module is one word, which says what goes wrong.
"""
import mmap
import os
import signal
import socket
import struct

HEADER = struct.Struct("<IIQ")


class Worker:
    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.sequence = 0
        self.batches = 0

    def send(self, kind, body=b"", code=0):
        self.sequence += 1
        self.socket.send(HEADER.pack(kind, code, self.sequence) + body)

    def receive(self):
        try:
            message, files, _, _ = socket.recv_fds(self.socket, 1 << 16, 1)
        except OSError:
            os._exit(0)
        if not message:
            os._exit(0)
        return HEADER.unpack_from(message)[0], message[16:], files

    def serve(self):
        version = os.environ["EBB_TEST_VERSION"].encode()
        self.send(1, struct.pack("<QQQ", 1, 1, 0) + version, code=int(os.environ["EBB_TEST_FORMAT"]))
        _, body, files = self.receive()
        self.features, self.classes, _, sets = struct.unpack_from("<qqQq", body)
        words = body[32:].decode().split("\0")
        self.options = dict(zip(words[2:-1:2], words[3:-1:2]))
        self.fault = os.read(files[0], 1000).decode().strip()
        self.sets = [self.receive()[1].decode().split("\0") for _ in range(sets)]
        if self.fault == "no data":
            self.send(5, struct.pack("<Q", 0) + b"test_set: lost", code=2)
            os._exit(0)
        if self.fault == "refuse":
            self.send(5, struct.pack("<Q", 0) + b"mine.py:3: refused")
            os._exit(0)
        self.send(14, struct.pack("<qq", 2, 1))
        name = b"../b" if self.fault == "name" else b"b"
        share = float(self.options.get("share", 0))
        self.send(15, struct.pack("<dqqq", share, 0, 1, 1) + name)
        self.send(15, struct.pack("<dqqqq", 0, 1, 2, 1, self.features) + b"w")
        for words in self.sets:  # An option says how many examples there are.
            self.send(16, struct.pack("<qQQ", int(words[4]), 5, 6))
        self.share()
        self.floats[0] = float(self.options.get("begin", 0))
        self.send(3)
        while True:
            kind, body, files = self.receive()
            if kind == 114:
                self.take(body, files)
            elif kind == 103:
                self.compute(*struct.unpack_from("<Qiiqq", body))
            elif kind == 104:
                self.evaluate(*struct.unpack("<Qqqq", body))

    def share(self):
        kind, body, files = self.receive()
        assert kind == 114, kind
        self.take(body, files)

    def take(self, body, files):
        parameters, self.rows, features, outputs = struct.unpack("<qqqq", body)
        row = 2 if self.sets else features + 1 + outputs
        size = 4 * (2 * parameters + self.rows * row)
        self.floats = memoryview(mmap.mmap(files[0], size)).cast("f")
        os.close(files[0])
        self.parameters = parameters

    def number(self, row):
        numbers = self.floats.cast("B").cast("q")
        return numbers[self.parameters + row]

    def example(self, row):
        begin = 2 * self.parameters + row * self.features
        x = self.floats[begin:begin + self.features]
        value = self.floats[0] + sum(
            self.floats[1 + i] * x[i] for i in range(self.features))
        label = 2 * self.parameters + self.rows * self.features + row
        return x, value, value - self.floats[label]

    def compute(self, ticket, epoch, shard, begin, end):
        self.batches += 1
        if self.fault == "die" or self.fault == "die once" and begin == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "start":  # A process that holds a pipe open.
            os.open(self.options["pipe"], os.O_WRONLY)
            if os.fork() == 0:
                self.socket.close()
                signal.pause()
        if self.fault == "hang":
            signal.pause()
        if self.fault == "fail":
            self.send(5, struct.pack("<Q", ticket) + b"mine.py:7: bad", code=2)
        else:
            loss = 0.0
            if self.sets:
                loss = float(sum(self.number(row) for row in range(end - begin)))
                begin = end
            for row in range(end - begin):
                x, _, error = self.example(row)
                loss += error * error / 2
                sums = self.parameters
                self.floats[sums] += error
                for i in range(self.features):
                    self.floats[sums + 1 + i] += error * x[i]
            if self.fault == "nan":
                self.floats[self.parameters + 2] = float("nan")
            self.send(4, struct.pack("<Qdd", ticket, loss, 1))
        self.receive()
        self.send(3)

    def evaluate(self, ticket, _, rows, labelled):
        loss = 0.0
        if self.sets:
            loss = float(sum(self.number(row) for row in range(rows)))
            rows, told = 0, rows
        for row in range(rows):
            _, value, error = self.example(row)
            out = 2 * self.parameters + self.rows * (self.features + 1) + row
            self.floats[out] = value
            loss += error * error / 2 if labelled else 0
        if self.sets:
            rows = told
        self.send(7, struct.pack("<QqdqQ", ticket, rows, loss, -1, 0))
        self.receive()
        self.send(3)


def main(fd):
    Worker(fd).serve()
