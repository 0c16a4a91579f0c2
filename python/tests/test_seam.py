"""The messages of Python have the bytes that the engine's tests have, too."""

import numpy as np

from ebb import seam

# worker/engine/messages_test.cc has the same bytes.
PUSH = bytes.fromhex(
    "0400000000000000"  # Kind 4, code 0.
    "0700000000000000"  # Sequence 7.
    "2a00000000000000"  # Ticket 42.
    "000000000000f83f"  # Loss 1.5.
    "0000000000000040"  # Factor 2.
)


def test_requests_have_the_bytes_of_the_format():
    assert seam.message(seam.PUSH, 7, seam.PUSH_BODY.pack(42, 1.5, 2)) == PUSH
    assert seam.HAS_NEXT == 2  # The code, as there.
    hello = seam.HELLO_BODY.pack(5, 1, 9) + seam.text("0.2.0")
    assert seam.message(seam.HELLO, 1, hello, seam.FORMAT) == bytes.fromhex(
        "0100000007000000"
        "0100000000000000"
        "0500000000000000"
        "0100000000000000"
        "0900000000000000"
        "302e322e30"
    )
    order = seam.ORDER_BODY.pack(1, 3, 128, 256)
    assert seam.message(seam.ORDER, 2, order) == bytes.fromhex(
        "0800000000000000"
        "0200000000000000"
        "0100000003000000"
        "8000000000000000"
        "0001000000000000"
    )


def test_answers_have_the_bytes_of_the_format():
    batch = bytes.fromhex(
        "6700000000000000"
        "0300000000000000"
        "2a00000000000000"
        "0100000003000000"
        "8000000000000000"
        "0001000000000000"
        "000000000000e03f"
        "0a00000000000000"
    )
    assert seam.HEADER.unpack_from(batch) == (seam.BATCH, 0, 3)
    body = batch[seam.HEADER.size :]
    assert seam.BATCH_BODY.unpack(body) == (42, 1, 3, 128, 256, 0.5, 10)
    job = bytes.fromhex(
        "6500000000000000"
        "0100000000000000"
        "0900000000000000"
        "0100000000000000"
        "aa1e000000000000"
        "60ea000000000000"
        "8000000000000000"
        "0a00000000000000"
        "0005000000000000"
        "0200000000000000"
        "0100000000000000"
        "646967697473"
    )
    fields = seam.JOB_BODY.unpack_from(job, seam.HEADER.size)
    assert fields == (9, 1, 7850, 60000, 128, 10, 1280, 2, 1)
    assert job[seam.HEADER.size + seam.JOB_BODY.size :] == b"digits"


PLACE = bytes.fromhex("0100000003000000" "8000000000000000" "0001000000000000")


def test_rows_have_the_bytes_of_the_format():
    rows = seam.ROWS_BODY.pack(1, 3, 128, 256, 2) + seam.counts([7, 0])
    assert seam.message(seam.ROWS, 2, rows) == (
        bytes.fromhex("0b00000000000000" "0200000000000000")
        + PLACE
        + bytes.fromhex("0200000000000000" "0700000000000000" "0000000000000000")
    )
    failed = seam.ROWS_BODY.pack(1, 3, 128, 256, 0) + seam.text("no")
    assert seam.message(seam.ROWS, 2, failed, seam.UNREADABLE) == (
        bytes.fromhex("0b00000001000000" "0200000000000000")
        + PLACE
        + bytes.fromhex("0000000000000000" "6e6f")
    )
    look_up = seam.LOOK_UP_BODY.pack(42, 1) + seam.counts([5])
    assert seam.message(seam.LOOK_UP, 2, look_up) == bytes.fromhex(
        "0c00000000000000"
        "0200000000000000"
        "2a00000000000000"
        "0100000000000000"
        "0500000000000000"
    )
    assert seam.ROW_MEMORY_BODY.pack(3, 4096) == bytes.fromhex(
        "0300000000000000" "0010000000000000"
    )
    assert seam.PLACE.unpack(PLACE) == (1, 3, 128, 256)


def test_figures_have_names_of_a_fixed_length():
    figures = seam.figures([("f1", 0.5), ("recall", 1.0)])
    assert len(figures) == 128
    assert figures[:3] == b"f1\0"
    assert np.frombuffer(figures[56:64], "<f8") == 0.5


def test_texts_are_cut():
    assert len(seam.text("x" * 10_000)) == seam.MOST_TEXT
