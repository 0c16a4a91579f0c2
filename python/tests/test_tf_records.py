"""What TensorFlow writes, ebb reads."""

import os
import random
import subprocess

import pytest

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

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


def _example(label: float, image: bytes, price: float, size: list[int]) -> bytes:
    train = tf.train
    features = {
        "image": train.Feature(bytes_list=train.BytesList(value=[image])),
        "price": train.Feature(float_list=train.FloatList(value=[price])),
        "size": train.Feature(int64_list=train.Int64List(value=size)),
        "y": train.Feature(float_list=train.FloatList(value=[label])),
    }
    example = train.Example(features=train.Features(feature=features))
    return example.SerializeToString()


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_reads_what_tensorflow_writes(tmp_path, compression):
    draw = random.Random(1)
    wanted = []
    for part in range(2):
        path = str(tmp_path / f"part-{part}")
        with tf.io.TFRecordWriter(path, compression) as writer:
            for _ in range(_ROWS):
                row = (
                    draw.randrange(-999, 999) / 8,
                    draw.randbytes(5),
                    draw.randrange(1000) / 4,
                    [draw.randrange(-9999, 9999) for _ in range(3)],
                )
                writer.write(_example(*row))
                wanted.append([row[0], *row[1], row[2], *row[3]])
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
