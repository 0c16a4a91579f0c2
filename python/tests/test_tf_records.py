"""Tests that ebb reads what TensorFlow writes.

A child process writes it: a process that has TensorFlow's libraries cannot load
Triton, which other tests need for PyTorch. Each brings an LLVM of its own.
"""

import importlib.util
import json
import os
import random
import subprocess
import sys

import pytest

if importlib.util.find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)

_ROWS = 200
_JOB = """
name: records
model: linear
data:
  train:
    tf_record: "part-*"
    features:
      image: {as: bytes, width: 5}
      price: dense
      size: {as: dense, width: 3}
      y: label
"""


# Writes the files of its arguments, whose rows are in its input.
_WRITE = """
import json, sys
import tensorflow as tf

def example(label, image, price, size):
    train = tf.train
    features = {
        "image": train.Feature(bytes_list=train.BytesList(value=[bytes(image)])),
        "price": train.Feature(float_list=train.FloatList(value=[price])),
        "size": train.Feature(int64_list=train.Int64List(value=size)),
        "y": train.Feature(float_list=train.FloatList(value=[label])),
    }
    example = train.Example(features=train.Features(feature=features))
    return example.SerializeToString()

compression, *paths = sys.argv[1:]
for path, rows in zip(paths, json.load(sys.stdin)):
    with tf.io.TFRecordWriter(path, compression) as writer:
        for row in rows:
            writer.write(example(*row))
"""


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_reads_what_tensorflow_writes(tmp_path, compression):
    draw = random.Random(1)
    parts = [
        [
            (
                draw.randrange(-999, 999) / 8,
                list(draw.randbytes(5)),
                draw.randrange(1000) / 4,
                [draw.randrange(-9999, 9999) for _ in range(3)],
            )
            for _ in range(_ROWS)
        ]
        for _ in range(2)
    ]
    paths = [str(tmp_path / f"part-{number}") for number in range(len(parts))]
    wrote = subprocess.run(
        [sys.executable, "-B", "-c", _WRITE, compression, *paths],
        input=json.dumps(parts),
        stderr=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    assert wrote.returncode == 0, wrote.stderr[-2000:]
    wanted = [
        [label, *image, price, *size] for rows in parts for label, image, price, size in rows
    ]
    (tmp_path / "job.yaml").write_text(_JOB)
    ebb = os.path.join(os.environ["EBB_BIN"], "ebb")

    def run(*arguments: str) -> str:
        return subprocess.run(
            [ebb, *arguments],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    run("data", "pack", "job.yaml", "packed")
    said = run("data", "cat", "packed/train", "--count", str(2 * _ROWS))
    found = [[float(word) for word in line.split()] for line in said.splitlines()]
    assert sorted(found) == sorted(wanted)
