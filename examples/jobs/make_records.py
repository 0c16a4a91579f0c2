#!/usr/bin/env python3
"""Makes data for the example jobs on records, without other packages.

  make_records.py tf_record FILE [--rows N] [--seed S]
  make_records.py json_lines FILE [--rows N] [--seed S]
  make_records.py protobuf FILE.pb [--rows N] [--seed S]
  make_records.py npz FILE.npz [--rows N] [--seed S]

tf_record: images of 8 x 8 bytes, with a label of three classes, and a price.
json_lines: a click log with a user, tags and a price.
protobuf: the same log, as messages shop.Click. FILE.desc has their descriptors,
as `protoc --include_imports --descriptor_set_out=FILE.desc click.proto` makes
them of click.proto, which lies beside this program.
npz: the images as the array images (N, 64) of bytes, and labels (N), as
numpy.savez writes them.
"""
import argparse
import json
import os
import random
import struct
import zipfile

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


def image(draw):
    """The pixels of an image, and its label."""
    label = draw.randrange(3)
    pixels = bytearray(draw.randrange(100) for _ in range(SIDE * SIDE))
    for k in range(SIDE):  # A bright row, which says the class.
        pixels[(2 * label + 1) * SIDE + k] = 150 + draw.randrange(100)
    return bytes(pixels), label


def images(rows, draw):
    for _ in range(rows):
        pixels, label = image(draw)
        yield framed(example({"image": pixels, "label": label,
                              "price": draw.uniform(1, 9)}))


def array(shape, kind, data):
    """A file of NumPy's format 1.0, whose header is filled up to 64 bytes."""
    header = repr({"descr": kind, "fortran_order": False, "shape": shape})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) +
            header.encode() + data)


def write_arrays(path, rows, draw):
    drawn = [image(draw) for _ in range(rows)]
    pixels = b"".join(one for one, _ in drawn)
    labels = bytes(label for _, label in drawn)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy",
                         array((rows, SIDE * SIDE), "|u1", pixels))
        archive.writestr("labels.npy", array((rows,), "|u1", labels))


def number(field, value):
    """A field of a protobuf message that holds a whole number."""
    return varint(field << 3) + varint(value)


# The messages of click.proto: names, numbers, labels and types of their fields.
OPTIONAL, REPEATED = 1, 3
FLOAT, INT64, BOOL, STRING, MESSAGE = 2, 3, 8, 9, 11
MESSAGES = {
    "User": [("id", 1, OPTIONAL, INT64), ("name", 2, OPTIONAL, STRING)],
    "Click": [("user", 1, OPTIONAL, MESSAGE), ("tags", 2, REPEATED, STRING),
              ("price", 3, OPTIONAL, FLOAT), ("clicked", 4, OPTIONAL, BOOL)],
}


def descriptors():
    """A FileDescriptorSet."""
    file = part(1, b"click.proto") + part(2, b"shop")
    for message, fields in MESSAGES.items():
        made = part(1, message.encode())
        for name, place, label, kind in fields:
            field = (part(1, name.encode()) + number(3, place) +
                     number(4, label) + number(5, kind))
            if kind == MESSAGE:
                field += part(6, b".shop.User")
            made += part(2, field)
        file += part(4, made)
    return part(1, file + part(12, b"proto3"))


def messages(rows, draw):
    for log in clicks(rows, draw):
        click = json.loads(log)
        user = (number(1, click["user"]["id"]) +
                part(2, click["user"]["name"].encode()))
        message = part(1, user)
        for tag in click["tags"]:
            message += part(2, tag.encode())
        message += varint(3 << 3 | 5) + struct.pack("<f", click["price"])
        message += number(4, int(click["clicked"]))
        yield varint(len(message)) + message


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
    parser.add_argument("format", choices=["tf_record", "json_lines",
                                            "protobuf", "npz"])
    parser.add_argument("file")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    if flags.format == "npz":
        write_arrays(flags.file, flags.rows, random.Random(flags.seed))
        return
    make = {"tf_record": images, "json_lines": clicks,
            "protobuf": messages}[flags.format]
    if flags.format == "protobuf":
        with open(os.path.splitext(flags.file)[0] + ".desc", "wb") as file:
            file.write(descriptors())
    with open(flags.file, "wb") as file:
        file.writelines(make(flags.rows, random.Random(flags.seed)))


if __name__ == "__main__":
    main()
