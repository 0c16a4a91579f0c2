#!/usr/bin/env python3
"""Wrote the files beside it, with protoc and the protobuf package of Python.

  make.py [FOLDER]
"""
import gzip
import os
import subprocess
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal import encoder

HERE = os.path.dirname(os.path.abspath(__file__))


def described(folder, name, *flags):
    path = os.path.join(folder, name)
    subprocess.run(["protoc", f"--descriptor_set_out={path}", f"-I{HERE}",
                    *flags, "shop.proto"], check=True)
    return path


def click_type(path):
    descriptors = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as file:
        descriptors.ParseFromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for one in descriptors.file:
        pool.Add(one)
    return message_factory.MessageFactory(pool).GetPrototype(
        pool.FindMessageTypeByName("shop.Click"))


def click(made, i):
    made.clicked = i % 2 == 1
    made.user.id = 1_000_000_007 * i
    made.user.name = f"u\u00e9{i}"
    if i != 2:
        made.user.age = 20.5 + i
    made.tags.extend(f"t{k}" for k in range(i))
    made.price = 0.5 * i
    made.size.extend([-i, 1_000_000 * i])
    made.image = bytes([i, 255 - i, 0, 128])
    made.color = i % 3
    for k in range(i):
        made.items.add(sku=f"s{k}", price=k / 4, color=k % 3)
    made.stats["mean"] = i / 8
    made.stats["most"] = float(i)
    made.friends[-3].id = i
    if i > 1:
        made.visits = i - 2
    if i % 2:
        made.shop = f"shop {i}"
    else:
        made.site = (1 << 63) + i
    return made.SerializeToString()


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else HERE
    whole = described(folder, "shop.desc", "--include_imports")
    described(folder, "alone.desc")
    made = click_type(whole)
    messages = b""
    for i in range(5):
        message = click(made(), i)
        messages += encoder._VarintBytes(len(message)) + message
    with open(os.path.join(folder, "clicks.pb"), "wb") as file:
        file.write(messages)
    with open(os.path.join(folder, "clicks.pb.gz"), "wb") as file:
        file.write(gzip.compress(messages, mtime=0))


if __name__ == "__main__":
    main()
