"""Tests that ebb reads what protoc and Python's protobuf write."""

import os
import random
import subprocess

import pytest

pytest.importorskip("google.protobuf", reason="python3-protobuf is not installed")

from google.protobuf import (  # noqa: E402
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)
from google.protobuf.internal import encoder  # noqa: E402

_ROWS = 200
_PROTO = """
syntax = "proto3";
package sales;
import "place.proto";
message Sale {
  float y = 1;
  bytes image = 2;
  optional double price = 3;
  repeated sint64 size = 4;
  Place place = 5;
  map<string, float> stats = 6;
  bool sold = 7;
}
"""
_IMPORTED = """
syntax = "proto3";
package sales;
message Place { fixed32 floor = 1; }
"""
_JOB = """
name: sales
model: linear
data:
  train:
    protobuf: {path: "part-*", descriptors: sale.desc, message: sales.Sale}
    features:
      image: {as: bytes, width: 5}
      place.floor: dense
      price: {as: dense, missing: -1}
      size: {as: dense, width: 3}
      sold: dense
      stats.mean: dense
      y: label
"""


def _message_type(path):
    descriptors = descriptor_pb2.FileDescriptorSet()
    descriptors.ParseFromString(path.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in descriptors.file:
        pool.Add(file)
    found = pool.FindMessageTypeByName("sales.Sale")
    class_of = getattr(message_factory, "GetMessageClass", None)  # Since protobuf 4.22.
    return (class_of or message_factory.MessageFactory(pool).GetPrototype)(found)


def test_reads_what_python_writes(tmp_path):
    (tmp_path / "sale.proto").write_text(_PROTO)
    (tmp_path / "place.proto").write_text(_IMPORTED)
    subprocess.run(
        [
            "protoc",
            "--include_imports",
            "--descriptor_set_out=sale.desc",
            "sale.proto",
        ],
        cwd=tmp_path,
        check=True,
    )
    sale = _message_type(tmp_path / "sale.desc")
    draw = random.Random(1)
    wanted = []
    for part in range(2):
        with open(tmp_path / f"part-{part}", "wb") as file:
            for _ in range(_ROWS):
                made = sale(
                    y=draw.randrange(-999, 999) / 8,
                    image=draw.randbytes(5),
                    size=[draw.randrange(-9999, 9999) for _ in range(3)],
                    sold=draw.random() < 0.5,
                )
                made.place.floor = draw.randrange(1000)
                if draw.random() < 0.5:
                    made.price = draw.randrange(1000) / 4
                for key in draw.sample(["least", "mean", "most"], 3):
                    made.stats[key] = draw.randrange(99) / 2
                price = made.price if made.HasField("price") else -1
                wanted.append(
                    [
                        made.y,
                        *made.image,
                        made.place.floor,
                        price,
                        *made.size,
                        made.sold,
                        made.stats["mean"],
                    ]
                )
                message = made.SerializeToString()
                file.write(encoder._VarintBytes(len(message)) + message)
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
