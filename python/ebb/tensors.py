"""Files with tensors: safetensors, and folders of NumPy's .npy files."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict, Mapping, Optional, Tuple

import numpy as np

from ebb.arrays import Array, Tensors
from ebb.errors import NotFound, Refused

_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_MOST_HEADER_BYTES = 100 << 20


def save(
    tensors: Mapping[str, Any],
    path: str,
    metadata: Optional[Mapping[str, str]] = None,
) -> None:
    """Writes tensors to ``path``, which ends with .safetensors.

    tensors: arrays, or whatever ``numpy.asarray`` takes, by name. Each keeps its
        type and shape. A bfloat16 of PyTorch becomes float32.
    metadata: texts by name, which the file keeps.

    The file is replaced at once. Raises Refused for a type that the format
    lacks, for example complex numbers.
    """
    if not isinstance(tensors, Mapping):
        raise Refused(
            f"save() got a {type(tensors).__name__}, and writes a dict of arrays by name",
            "of a model of PyTorch: model.state_dict()",
        )
    arrays = {name: _as_array(name, value) for name, value in tensors.items()}
    header: Dict[str, Any] = {}
    if metadata:
        header["__metadata__"] = dict(metadata)
    at = 0
    for name, array in arrays.items():
        kind = _NAMES.get(array.dtype.newbyteorder("<"))
        if kind is None:
            raise Refused(f"{name} is {array.dtype}, which safetensors has no type for")
        header[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    unfinished = f"{path}.{os.getpid()}.tmp"
    try:
        with open(unfinished, "wb") as file:
            file.write(len(text).to_bytes(8, "little"))
            file.write(text)
            for array in arrays.values():
                little = array.astype(array.dtype.newbyteorder("<"), copy=False)
                file.write(np.ascontiguousarray(little).data)
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        raise


def _as_array(name: str, value: Any) -> Array:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        from ebb.torch.contents import as_array

        return as_array(name, value)
    return np.asarray(value)


def load(path: str) -> Tensors:
    """Returns the tensors of a .safetensors file, or of an exported folder.

    A folder is one that ``ebb checkpoint export`` wrote, with model.json, or any
    with .npy files, whose names are then those of the tensors. Arrays own their
    memory; bfloat16 becomes float32. Raises NotFound if nothing is there, and Refused
    for a file of another format.
    """
    return load_with_metadata(path)[0]


def load_with_metadata(path: str) -> Tuple[Tensors, Dict[str, str]]:
    """The same, with the file's texts; "ebb.model" is what an export says."""
    if os.path.isdir(path):
        return _load_folder(path)
    try:
        with open(path, "rb") as file:
            return _read(file.read(), path)
    except FileNotFoundError:
        raise NotFound(f"{path}: there is no such file or folder") from None


def _read(content: bytes, path: str) -> Tuple[Tensors, Dict[str, str]]:
    size = int.from_bytes(content[:8], "little")
    try:
        if not 2 <= size <= min(_MOST_HEADER_BYTES, len(content) - 8):
            raise ValueError("its header is longer than the file")
        header = json.loads(content[8 : 8 + size])
        metadata = header.pop("__metadata__", {})
        data = memoryview(content)[8 + size :]
        tensors = {name: _tensor(name, data, about) for name, about in header.items()}
    except _NoType as error:
        raise Refused(f"{path}: {error}, which NumPy has no type for") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        of_torch = content[:4] == b"PK\x03\x04"
        raise Refused(
            f"{path} is no safetensors file: {error}",
            "torch.save() wrote it: torch.load() gives its tensors" if of_torch else None,
        ) from None
    return tensors, metadata


class _NoType(Exception):
    """A tensor is of a type that NumPy lacks."""


def _tensor(name: str, data: memoryview, about: Mapping[str, Any]) -> Array:
    begin, end = about["data_offsets"]
    if not 0 <= begin <= end <= len(data):
        raise ValueError("a tensor lies outside of the file")
    word = about["dtype"]
    if word == "BF16":
        # The front half of a float32.
        halves = np.frombuffer(data[begin:end], dtype="<u2").astype("<u4") << 16
        wide: Array = halves.view("<f4").reshape(about["shape"])
        return wide
    if word not in _TYPES:
        raise _NoType(f"{name} is {word}")
    array = np.frombuffer(data[begin:end], dtype=np.dtype(_TYPES[word]))
    made: Array = array.reshape(about["shape"]).copy()
    return made


def _load_folder(folder: str) -> Tuple[Tensors, Dict[str, str]]:
    about = os.path.join(folder, "model.json")
    if os.path.exists(about):
        with open(about, encoding="utf-8") as file:
            text = file.read()
        files: Dict[str, str] = json.loads(text)["files"]
        metadata = {"ebb.model": text}
    else:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".npy"))
        if not names:
            raise NotFound(f"{folder} has neither model.json nor a .npy file")
        files = {name[: -len(".npy")]: name for name in names}
        metadata = {}
    tensors = {
        name: np.load(os.path.join(folder, file), allow_pickle=False)
        for name, file in files.items()
    }
    return tensors, metadata
