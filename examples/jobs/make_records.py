#!/usr/bin/env python3
"""Makes data for the example jobs on records, without other packages.

  make_records.py tf_record FILE [--rows N] [--seed S]
  make_records.py json_lines FILE [--rows N] [--seed S]

tf_record: images of 8 x 8 bytes, with a label of three classes, and a price.
json_lines: a click log with a user, tags and a price.
"""
import argparse
import json
import random
import struct

SIDE = 8


def crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = crc_table()


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(record):
    """A record of a TFRecord file."""
    length = struct.pack("<Q", len(record))
    return (length + struct.pack("<I", masked_crc(length)) + record +
            struct.pack("<I", masked_crc(record)))


def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def part(field, data):
    """A field of a protobuf message that holds bytes."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def example(features):
    """A tf.train.Example of byte strings, whole numbers and floats."""
    entries = b""
    for name, value in sorted(features.items()):
        if isinstance(value, bytes):
            feature = part(1, part(1, value))
        elif isinstance(value, float):
            feature = part(2, part(1, struct.pack("<f", value)))
        else:
            feature = part(3, part(1, varint(value)))
        entries += part(1, part(1, name.encode()) + part(2, feature))
    return part(1, entries)


def images(rows, draw):
    for _ in range(rows):
        label = draw.randrange(3)
        pixels = bytearray(draw.randrange(100) for _ in range(SIDE * SIDE))
        for k in range(SIDE):  # A bright row, which says the class.
            pixels[(2 * label + 1) * SIDE + k] = 150 + draw.randrange(100)
        yield framed(example({"image": bytes(pixels), "label": label,
                              "price": draw.uniform(1, 9)}))


def clicks(rows, draw):
    for _ in range(rows):
        user = draw.randrange(50)
        tags = draw.sample(["red", "blue", "new", "old", "big"],
                           draw.randrange(4))
        price = draw.uniform(0, 20)
        likely = 0.1 + 0.4 * (user % 2) + 0.4 * ("new" in tags)
        yield (json.dumps({
            "user": {"id": user, "name": f"user {user}"},
            "tags": tags, "price": round(price, 2),
            "clicked": draw.random() < likely}) + "\n").encode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("format", choices=["tf_record", "json_lines"])
    parser.add_argument("file")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    make = images if flags.format == "tf_record" else clicks
    with open(flags.file, "wb") as file:
        file.writelines(make(flags.rows, random.Random(flags.seed)))


if __name__ == "__main__":
    main()
