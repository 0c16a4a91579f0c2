#!/usr/bin/env python3
"""Writes images of an IDX pair, as MNIST has it, to a folder of PNG files with a
folder for each class, or to tar archives as webdataset has them.

  make_images.py PREFIX DEST [--count N] [--tar [--examples-of-an-archive N]]

DEST/CLASS/NUMBER.png, or with --tar DEST-000.tar, DEST-001.tar, ... It
needs Python alone.
"""
import argparse
import gzip
import io
import os
import struct
import tarfile
import zlib


def read(path):
    """The content of PATH, or of PATH.gz."""
    if os.path.exists(path):
        with open(path, "rb") as file:
            return file.read()
    with gzip.open(path + ".gz") as file:
        return file.read()


def png(rows):
    """A grey PNG of these rows of bytes."""
    def chunk(kind, content):
        return (struct.pack(">I", len(content)) + kind + content
                + struct.pack(">I", zlib.crc32(kind + content)))
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
            + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def examples(prefix, count):
    """Number, class and PNG of the first examples."""
    images = read(prefix + "-images-idx3-ubyte")
    labels = read(prefix + "-labels-idx1-ubyte")[8:]
    there, height, width = struct.unpack(">III", images[4:16])
    for i in range(min(count or there, there)):
        at = 16 + i * height * width
        yield i, labels[i], png([images[at + y * width:at + (y + 1) * width]
                                 for y in range(height)])


def write_folder(found, folder):
    for number, label, image in found:
        of_class = os.path.join(folder, str(label))
        os.makedirs(of_class, exist_ok=True)
        with open(os.path.join(of_class, f"{number:06}.png"), "wb") as file:
            file.write(image)


def write_tars(found, path, size):
    archive = None
    for number, label, image in found:
        if number % size == 0:
            if archive:
                archive.close()
            archive = tarfile.open(f"{path}-{number // size:03}.tar", "w")
        for ending, content in (("cls", str(label).encode()), ("png", image)):
            member = tarfile.TarInfo(f"{number:06}.{ending}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    if archive:
        archive.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("prefix")
    parser.add_argument("dest")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--tar", action="store_true")
    parser.add_argument("--examples-of-an-archive", type=int, default=1000)
    flags = parser.parse_args()
    found = examples(flags.prefix, flags.count)
    if flags.tar:
        write_tars(found, flags.dest, flags.examples_of_an_archive)
    else:
        write_folder(found, flags.dest)


if __name__ == "__main__":
    main()
