"""tf.data reads images with one thread: the peer of `ebb bench data`.

  tf_data.py --version
  tf_data.py --cells FILE

FILE is a JSON list of objects with format (jpeg, png, tfrecord or
jpeg_tfrecord), path, batch, cached and least_seconds. The last line that is printed is a JSON object with
examples_per_second, examples and the sum of the labels of each of them.
"""

import argparse
import json
import os
import pathlib
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import tensorflow as tf

SIDE = 28


def one_thread(dataset):
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    return dataset.with_options(options)


def of_files(path, batch, decode):
    def load(file):
        image = tf.reshape(decode(tf.io.read_file(file), channels=1),
                           [SIDE * SIDE])
        label = tf.strings.to_number(tf.strings.split(file, "/")[-2])
        return tf.cast(image, tf.float32) / 255, label

    files = tf.data.Dataset.list_files(f"{path}/*/*", shuffle=False)
    return one_thread(files.map(load).batch(batch))


def of_records(path, batch):
    features = {"image": tf.io.FixedLenFeature([], tf.string),
                "label": tf.io.FixedLenFeature([], tf.int64)}

    def parse(records):
        parsed = tf.io.parse_example(records, features)
        images = tf.io.decode_raw(parsed["image"], tf.uint8)
        return tf.cast(images, tf.float32) / 255, parsed["label"]

    records = tf.data.TFRecordDataset(f"{path}/images.tfrecord")
    return one_thread(records.batch(batch).map(parse))


def of_jpeg_records(path, batch):
    features = {"image": tf.io.FixedLenFeature([], tf.string),
                "label": tf.io.FixedLenFeature([], tf.int64)}

    def parse(record):
        parsed = tf.io.parse_single_example(record, features)
        image = tf.reshape(tf.io.decode_jpeg(parsed["image"], channels=1),
                           [SIDE * SIDE])
        return tf.cast(image, tf.float32) / 255, parsed["label"]

    records = tf.data.TFRecordDataset(f"{path}/images.tfrecord")
    return one_thread(records.map(parse).batch(batch))


def dataset_of(cell):
    if cell["format"] == "tfrecord":
        return of_records(cell["path"], cell["batch"])
    if cell["format"] == "jpeg_tfrecord":
        return of_jpeg_records(cell["path"], cell["batch"])
    decode = tf.io.decode_png if cell["format"] == "png" else tf.io.decode_jpeg
    return of_files(cell["path"], cell["batch"], decode)


def drop_from_cache(path):
    for file in pathlib.Path(path).rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.fdatasync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def read(dataset):
    examples, labels = 0, []
    for _, some in dataset:
        examples += int(some.shape[0])
        labels.append(some)
    return examples, labels


def measure(cell):
    dataset = dataset_of(cell)
    # The first pass makes the graph, and fills the page cache.
    examples, labels = read(dataset)
    if not cell["cached"]:
        drop_from_cache(cell["path"])
    seconds, times = 0, 0
    while times == 0 or (cell["cached"] and seconds < cell["least_seconds"]):
        began = time.perf_counter()
        read(dataset)
        seconds += time.perf_counter() - began
        times += 1
    return {"examples": examples,
            "labels": sum(float(tf.reduce_sum(tf.cast(one, tf.float64)))
                          for one in labels),
            "examples_per_second": times * examples / seconds}


def main():
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--version", action="store_true")
    flags.add_argument("--cells")
    given = flags.parse_args()
    if given.version:
        print(tf.__version__)
        return
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    with open(given.cells, encoding="utf-8") as file:
        cells = json.load(file)
    print(json.dumps({"cells": [measure(cell) for cell in cells]}))


if __name__ == "__main__":
    main()
