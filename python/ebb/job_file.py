"""Job files from what a caller gives: a path, a dict, or keyword arguments."""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import contextmanager
from typing import Any, Iterator, List, Mapping, Optional, Tuple, Union

from ebb import table_names
from ebb.errors import Refused

#: The path of a job file, or its content.
JobLike = Union[str, "os.PathLike[str]", Mapping[str, Any]]


@contextmanager
def as_file(
    job: Optional[JobLike], more: Mapping[str, Any], word: str = "job"
) -> Iterator[Tuple[str, List[Tuple[str, str]]]]:
    """Yields a path, and what messages should have instead of it (command.renamed).

    job: a path or the content; None: `more` is the content.
    more: keys that go before those of a content. With a path it must be empty.
    word: names the file in messages. They cite no lines of a content, for the caller
        wrote none.
    """
    if isinstance(job, (str, os.PathLike)):
        if more:
            raise Refused(
                f"{', '.join(more)}=: a job file has its keys in itself",
                "use set={KEY: VALUE} to override them",
            )
        yield os.fspath(job), []
        return
    if job is not None and not isinstance(job, Mapping):
        raise Refused(
            f"the job is a {type(job).__name__}: give a path, a dict, or the keys of a job"
        )
    content = {**(job or {}), **more}
    if not content:
        raise Refused("no job: give a path, a dict, or the keys of a job")
    odd = table_names.odd_names(content)
    with tempfile.TemporaryDirectory(prefix="ebb-") as folder:
        path = os.path.join(folder, "job.yaml")
        with open(path, "w", encoding="utf-8") as file:
            # JSON is YAML, too.
            json.dump(table_names.encoded_in_job(content), file, indent=1, default=_plain)
        lines = re.escape(path) + r":\d+(:\d+)?: "
        names = [(re.escape(escaped), name) for escaped, name in odd.items()]
        yield path, [
            (lines, "" if word == "job" else f"{word}: "),
            (re.escape(path), word),
            *names,
        ]


def _plain(value: Any) -> Any:
    """Numbers of NumPy as those of Python, and paths as texts."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "size", 1) == 1:
        return item()
    word = f"a {type(value).__name__}" if hasattr(value, "shape") else repr(value)
    raise Refused(
        f"{word}: a job holds numbers, texts, lists and dicts",
        "frames and arrays belong into data.train and data.test: {\"csv\": FRAME}, or "
        "{\"npy\": {\"features\": X, \"labels\": y}}",
    )


def flags_of_set(overrides: Optional[Mapping[str, Any]]) -> List[str]:
    """The flags for overrides, for example {"train.epochs": 4}."""
    flags: List[str] = []
    if overrides is not None and not isinstance(overrides, Mapping):
        raise Refused(
            f"set= is a {type(overrides).__name__}, and overrides are a dict",
            'set={"train.epochs": 4}',
        )
    for key, value in (overrides or {}).items():
        text = value if isinstance(value, str) else json.dumps(value, default=_plain)
        flags += ["--set", f"{key}={text}"]
    return flags
