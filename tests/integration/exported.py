"""Reads what `ebb checkpoint export` wrote, and writes the like, without a
library."""
import json
import struct
from typing import NamedTuple

CODES = {"F32": "f", "F64": "d", "I64": "q", "U64": "Q", "U8": "B"}


class Tensor(NamedTuple):
    data: bytes
    shape: list
    dtype: str

    def values(self):
        code = CODES[self.dtype]
        count = len(self.data) // struct.calcsize(code)
        return list(struct.unpack(f"<{count}{code}", self.data))

    def rows(self):
        """Its values, in lists as long as the last dimension."""
        values, width = self.values(), self.shape[-1]
        return [values[at:at + width] for at in range(0, len(values), width)]


def read_export(path):
    """The tensors by name, and what the file says of the model."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    about = json.loads(header.pop("__metadata__", {}).get("ebb.model", "{}"))
    tensors = {name: Tensor(data[slice(*one["data_offsets"])], one["shape"],
                            one["dtype"])
               for name, one in header.items()}
    for name, one in header.items():
        # Programs map the file, and read the values in place.
        width = struct.calcsize(CODES[one["dtype"]])
        if one["data_offsets"][0] % width != 0:
            raise AssertionError(f"{path}: {name} is not aligned")
    return tensors, about


def read_tensors(path):
    return read_export(path)[0]


def read_values(path):
    """The tensors by name, each a flat list."""
    return {name: tensor.values() for name, tensor in read_tensors(path).items()}


def write_tensors(path, tensors):
    """A safetensors file of them, by name."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": tensor.dtype, "shape": tensor.shape,
            "data_offsets": [len(data), len(data) + len(tensor.data)]}
        data += tensor.data
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
