#!/usr/bin/env python3
"""Writes some classes of an IDX data set as a smaller one.

  select_classes.py FROM TO CLASSES [--first N]

FROM and TO are what a job names as `idx:`, such as
/usr/share/datasets/fashion-mnist/train. CLASSES are the labels to take, such as
0,2. --first takes that many examples of them, as they come.
"""
import argparse
import gzip
import os
import struct

IMAGES, LABELS = "-images-idx3-ubyte", "-labels-idx1-ubyte"


def read(path):
    opener = gzip.open if os.path.exists(path + ".gz") else open
    with opener(path + (".gz" if opener is gzip.open else ""), "rb") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("classes")
    parser.add_argument("--first", type=int, help="take so many examples")
    flags = parser.parse_args()
    wanted = {int(word) for word in flags.classes.split(",")}
    images, labels = read(flags.source + IMAGES), read(flags.source + LABELS)
    _, count, rows, columns = struct.unpack(">IIII", images[:16])
    pixels = rows * columns
    taken = [i for i in range(count) if labels[8 + i] in wanted][:flags.first]
    folder = os.path.dirname(flags.target)
    if folder:
        os.makedirs(folder, exist_ok=True)
    with open(flags.target + IMAGES, "wb") as file:
        file.write(struct.pack(">IIII", 0x803, len(taken), rows, columns))
        for i in taken:
            file.write(images[16 + i * pixels:16 + (i + 1) * pixels])
    with open(flags.target + LABELS, "wb") as file:
        file.write(struct.pack(">II", 0x801, len(taken)))
        file.write(bytes(labels[8 + i] for i in taken))
    print(f"{len(taken)} examples in {flags.target}")


if __name__ == "__main__":
    main()
