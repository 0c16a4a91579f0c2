"""The messages between a program and its engine (docs/formats/computer.md).

The C++ twin is worker/engine/messages.h. Both ends run on one machine and are
of one version, so the structs are sent as they lie in memory.
"""

from __future__ import annotations

import struct
from typing import Iterable, Tuple, Union

#: Engine and program must have the same.
FORMAT = 7

# From the program.
HELLO = 1
MEMORY = 2
NEXT = 3
PUSH = 4
FAIL = 5
STEPPED = 6
EVALUATED = 7
ORDER = 8
AHEAD = 9
LEAVE = 10
ROWS = 11
LOOK_UP = 12
ROW_MEMORY = 13
MODEL = 14
MODEL_TABLE = 15
FOUND = 16
# From the engine.
JOB = 101
TABLE = 102
BATCH = 103
EVALUATE = 104
END = 105
DONE = 106
ERROR = 107
NUMBERS = 108
PLACES = 109
LOG = 110
ROW_TABLE = 111
WANTED = 112
MODULE = 113
SHARED = 114
DATA_SET = 115

#: Begins each message: kind, code, sequence.
HEADER = struct.Struct("<IIQ")

# The bodies that follow the header, by kind.
HELLO_BODY = struct.Struct("<QQQ")  # First ticket, evaluates, number of the job.
PUSH_BODY = struct.Struct("<Qdd")  # Ticket, sum of the losses, factor of the sums.
STEPPED_BODY = struct.Struct("<Qd")  # Ticket, sum of the losses; then a text if not finite.
TICKET = struct.Struct("<Q")
EVALUATED_BODY = struct.Struct("<QqdqQ")  # Ticket, examples, loss, correct, figures.
FIGURE = struct.Struct("<56sd")
ORDER_BODY = struct.Struct("<iiqq")  # Epoch, shard, begin, end.
AHEAD_BODY = struct.Struct("<Q")  # Most places.
ROWS_BODY = struct.Struct("<iiqqQ")  # Place, tables.
LOOK_UP_BODY = struct.Struct("<QQ")  # Ticket, tables.
ROW_MEMORY_BODY = struct.Struct("<QQ")  # Room for keys, bytes.
#: Code of JOB: servers divide the sums of each batch by the examples of a whole one.
DIVIDES_BY_BATCH = 1
#: And this besides: the program makes runs of steps by itself.
PROGRAM_STEPS = 2
# Number, seed, parameters, examples, batch, epochs, shard size, tables, sparse tables.
JOB_BODY = struct.Struct("<qQqqqqqqq")
TABLE_BODY = struct.Struct("<qq")  # Offset, dimensions.
MODEL_TABLE_BODY = struct.Struct("<dqq")  # Share in an average, or 0; then as TABLE_BODY.
ROW_TABLE_BODY = struct.Struct("<q")  # Width.
PLACE = struct.Struct("<iiqq")
BATCH_BODY = struct.Struct("<Qiiqqdq")  # Ticket, place, factor of the rate, epochs.
EVALUATE_BODY = struct.Struct("<Qqqq")  # Ticket, snapshot, rows, labelled.
MODEL_BODY = struct.Struct("<qq")  # Tables, outputs.
MODULE_BODY = struct.Struct("<qqQq")  # Features, classes, seed, data sets.
FOUND_BODY = struct.Struct("<q16s")  # Examples, checksum.
SHARED_BODY = struct.Struct("<qqqq")  # Parameters, rows, features, outputs.

# Codes of END.
COMPLETE = 1
CANCELLED = 2
LEFT = 3
# Code of ROWS: the batch cannot be read.
UNREADABLE = 1
#: Code of STEPPED: the gradient is not finite.
NOT_FINITE = 1
# Codes of PUSH: the next batch is asked for, with the sequence that follows; or
# it is here already, and no answer is waited for.
ASKS = 1
HAS_NEXT = 2
# Codes of DONE.
TAKEN = 0
STALE = 1
NOT_READY = 2

# Codes of BATCH besides the half, where the program steps: the run goes on from what
# the program has; and it ends with the batch.
GOES_ON = 2
ENDS_RUN = 4

#: In the place of the sum of the losses: it is not known (protocol/known_loss.h).
UNKNOWN_LOSS = -0.0

#: Of the memory: each has values, then sums. BATCH and EVALUATE name one.
HALVES = 2

#: No message is longer.
MOST_BYTES = 64 << 10
MOST_TEXT = 4 << 10
MOST_FIGURES = 20

Body = Union[bytes, bytearray, memoryview]


def message(kind: int, sequence: int, body: Body = b"", code: int = 0) -> bytes:
    """Returns a whole message."""
    return HEADER.pack(kind, code, sequence) + body


def text(words: str) -> bytes:
    """Returns a text as it ends a message: cut where it is too long."""
    return words.encode("utf-8", "replace")[:MOST_TEXT]


def figures(named: Iterable[Tuple[str, float]]) -> bytes:
    """Returns the figures of an evaluation as they stand in EVALUATED."""
    return b"".join(FIGURE.pack(name.encode("utf-8"), value) for name, value in named)


def counts(numbers: Iterable[int]) -> bytes:
    """Returns the numbers of keys as they stand in ROWS and LOOK_UP."""
    each = list(numbers)
    return struct.pack(f"<{len(each)}Q", *each)
