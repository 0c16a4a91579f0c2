"""Frames of pandas, and arrays, as files that ebb reads.

A frame becomes a table (CSV) without its index. The reader finds out what its columns
are, as in any table; columns of categories are named to it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from typing import Any, Callable, Dict, List, Mapping, Optional

import numpy as np

from ebb.errors import Refused

_SOURCES = ("train", "test")
_PAIR = '{"npy": {"features": X, "labels": y}}'


def is_frame(value: Any) -> bool:
    """Returns whether it is a DataFrame of pandas, which need not be installed."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def is_series(value: Any) -> bool:
    """Returns whether it is a single column of pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.Series)


def in_job(content: Any) -> bool:
    """Returns whether the content of a job file has frames or arrays where paths belong."""
    return any(_needs_file(source) for source in _sources(content).values())


def placed(content: Mapping[str, Any], folder: str) -> Dict[str, Any]:
    """Returns the content with the paths of files that it writes into the folder.

    A file that is there must be the same, and stays. Raises Refused if it has another
    content, and for a frame that cannot be a table.
    """
    os.makedirs(folder, exist_ok=True)
    made = {
        name: _placed(source, os.path.join(folder, name), f"data.{name}")
        for name, source in _sources(content).items()
    }
    return {**content, "data": {**content["data"], **made}}


def moved(content: Mapping[str, Any], folder: str, to: str) -> Dict[str, Any]:
    """Returns the content with other paths for the files in a folder."""

    def of(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: of(part) for key, part in value.items()}
        inside = isinstance(value, str) and value.startswith(front)
        return f"{to}/{value[len(front):]}" if inside else value

    front = os.path.join(os.path.abspath(folder), "")
    return {**content, "data": of(content["data"])}


def digest(folder: str) -> str:
    """Returns a short text that follows from the content of the files in a folder."""
    total = hashlib.blake2b(digest_size=8)
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            total.update(f"{name} {os.fstat(file.fileno()).st_size}\n".encode())
            for block in iter(lambda: file.read(1 << 20), b""):
                total.update(block)
    return total.hexdigest()


def write_table(frame: Any, path: str, *, header: bool = True) -> None:
    """Writes a frame as CSV without its index. Raises Refused if it cannot be a table."""
    _checked(frame).to_csv(path, index=False, header=header)


def _sources(content: Any) -> Dict[str, Any]:
    data = content.get("data") if isinstance(content, Mapping) else None
    if is_frame(data) or isinstance(data, np.ndarray):
        raise Refused(
            f"data is a {type(data).__name__}, and a job has data to train and to test",
            'data={"train": …}',
        )
    if not isinstance(data, Mapping):
        return {}
    return {name: data[name] for name in _SOURCES if name in data}


def _needs_file(source: Any) -> bool:
    if isinstance(source, Mapping):
        parts = [source.get("csv"), source.get("npy")]
        parts += [p for part in parts if isinstance(part, Mapping) for p in part.values()]
        return any(is_frame(part) or isinstance(part, np.ndarray) for part in parts)
    return is_frame(source) or isinstance(source, np.ndarray)


def _placed(source: Any, path: str, key: str) -> Any:
    if not _needs_file(source):
        return source
    if is_frame(source):
        source = {"csv": source}
    if isinstance(source, np.ndarray):
        raise Refused(f"{key} is an array, and does not say which column is the label", _PAIR)
    made = dict(source)
    table = made.get("csv")
    if is_frame(table) or isinstance(table, Mapping):
        made["csv"] = _placed_table(table if isinstance(table, Mapping) else {"path": table}, path, key)
    elif isinstance(table, np.ndarray):
        raise Refused(f"{key}.csv is an array, whose columns have no names", _PAIR)
    arrays = made.get("npy")
    if isinstance(arrays, Mapping):
        made["npy"] = {
            name: _placed_array(value, f"{path}-{name}.npy", f"{key}.npy.{name}")
            for name, value in arrays.items()
        }
    elif isinstance(arrays, np.ndarray) or is_frame(arrays):
        raise Refused(f"{key}.npy is an array, and does not say of what", _PAIR)
    return made


def _placed_table(table: Mapping[str, Any], path: str, key: str) -> Dict[str, Any]:
    frame: Any = table.get("path")
    if not is_frame(frame):
        return dict(table)
    path += ".csv"
    _keep(path, lambda unfinished: write_table(frame, unfinished), f"{key}.csv")
    made: Dict[str, Any] = {"header": True, **table, "path": os.path.abspath(path)}
    label = str(table.get("label", frame.columns[-1]))
    categories = [name for name in _categories(frame) if name != label]
    if categories and "categorical" not in table:
        made["categorical"] = ["auto", *categories]
    return made


def _placed_array(value: Any, path: str, key: str) -> Any:
    if is_frame(value):
        value = numbers_of(value)
    if not isinstance(value, np.ndarray):
        return value
    array = value

    def write(unfinished: str) -> None:
        with open(unfinished, "wb") as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)

    if array.dtype.hasobject:
        raise Refused(f"{key} has values that are no numbers", "a frame may have text: csv")
    _keep(path, write, key)
    return os.path.abspath(path)


def _keep(path: str, write: Callable[[str], None], key: str) -> None:
    """Writes a file, or leaves the one that is there and has the same content."""
    unfinished = path + ".tmp"
    write(unfinished)
    if not os.path.exists(path):
        os.replace(unfinished, path)
        return
    same = _same(unfinished, path)
    os.remove(unfinished)
    if not same:
        raise Refused(
            f"{key} is not what the run began with, which is in {path}",
            "resume with the same data, or begin another run",
        )


def _same(one: str, other: str) -> bool:
    with open(one, "rb") as first, open(other, "rb") as second:
        while True:
            a, b = first.read(1 << 20), second.read(1 << 20)
            if a != b:
                return False
            if not a:
                return True


def numbers_of(frame: Any, names: Optional[List[str]] = None) -> "np.typing.NDArray[Any]":
    """Returns the numbers of a frame, examples x columns.

    names: the columns, in this order; None: all. Raises Refused for a column that
    is absent, or has no numbers.
    """
    checked = _checked(frame)
    if names is not None:
        absent = [name for name in names if name not in checked.columns]
        if absent:
            raise Refused(
                f"the frame has no column {', '.join(map(repr, absent[:3]))}; it has "
                + ", ".join(map(repr, list(checked.columns)[:10]))
            )
        checked = checked[names]
    for name in checked.columns:
        if checked[name].dtype.kind not in "biuf":
            raise Refused(
                f"the column {name!r} of the frame is {checked[name].dtype}, and numbers belong "
                "here",
                "job.predict(frame) takes text, dates and categories, if the model was trained on "
                "a table that has them",
            )
    return np.asarray(checked.to_numpy(dtype=np.float64, na_value=np.nan))


def _categories(frame: Any) -> List[str]:
    return [
        str(name) for name, kind in zip(frame.columns, frame.dtypes) if str(kind) == "category"
    ]


def _checked(frame: Any) -> Any:
    """Returns a frame whose columns have texts as names, and values that a table can have."""
    if frame.columns.nlevels > 1:
        raise Refused(
            "the columns of the frame have several levels",
            'frame.columns = ["_".join(map(str, names)) for names in frame.columns]',
        )
    names = [str(name) for name in frame.columns]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise Refused(f"the frame has several columns {twice[0]!r}", "frame.rename(columns=…)")
    if not names or not len(frame):
        raise Refused(f"the frame is empty: it has {len(frame)} rows and {len(names)} columns")
    made = frame.set_axis(names, axis=1, copy=False) if names != list(frame.columns) else frame
    changed = {}
    for name in names:
        column = made[name]
        _check_column(name, column)
        if getattr(column.dtype, "tz", None) is not None:
            changed[name] = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return made.assign(**changed) if changed else made


def _check_column(name: str, column: Any) -> None:
    kind = column.dtype.kind
    if kind == "m":
        raise Refused(
            f"the column {name!r} of the frame has spans of time",
            f"frame[{name!r}].dt.total_seconds() makes numbers of them",
        )
    if kind == "c":
        raise Refused(
            f"the column {name!r} of the frame has complex numbers",
            "make two columns of it: .real and .imag",
        )
    if kind != "O":
        return
    given = column.dropna()
    odd = next((value for value in given if isinstance(value, _NO_FIELDS)), None)
    if odd is not None:
        raise Refused(
            f"the column {name!r} of the frame has a {type(odd).__name__}, and a field of a table "
            "is a number, a text, a date or yes or no",
            "make columns of it, or leave it out: frame.drop(columns=…)",
        )


# Objects in a column that would be written as the text that prints them.
_NO_FIELDS = (bytes, bytearray, memoryview, dict, list, tuple, set, frozenset, np.ndarray)
