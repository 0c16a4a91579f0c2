#!/usr/bin/env python3
"""Wrote the files beside it, with TensorFlow (pip install tensorflow-cpu).

  make.py [FOLDER]
"""
import os
import sys

import tensorflow as tf


def wholes(*values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def floats(*values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def texts(*values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def example(i):
    tags = [f"t{k}".encode() for k in range(i - 1)]
    return tf.train.Example(features=tf.train.Features(feature={
        "image": texts(bytes([i, 255 - i, 0, 128])),
        "label": wholes(i % 3),
        "price": floats(0.5 * i),
        "size": wholes(-i, 1_000_000 * i),
        "tags": texts(*tags, *(["\u00e9".encode()] if i == 2 else [])),
    })).SerializeToString(deterministic=True)


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(__file__)
    for name, compression in [("plain", ""), ("gzip", "GZIP"),
                              ("zlib", "ZLIB")]:
        path = os.path.join(folder, f"{name}.tfrecord")
        with tf.io.TFRecordWriter(path, compression) as writer:
            for i in range(5):
                writer.write(example(i))


if __name__ == "__main__":
    main()
