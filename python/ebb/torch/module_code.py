"""The code of a module with a model: its bytes, and what its class is made of."""

from __future__ import annotations

import inspect
import json
import linecache
import os
import sys
import traceback
import types
from typing import Any, Dict, Mapping, Optional, Sequence

import torch

from ebb.errors import Error, Refused

# The words that a job may have in its options beside numbers and texts.
_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def loaded(name: str, path: str, text: bytes) -> types.ModuleType:
    """Runs the text as a module. Reads no file.

    name: as which pickle and dataclasses know it: no module of Python's own.
    """
    lines = text.decode("utf-8", "replace")
    # Tracebacks show these lines, and not those of a file that has changed.
    linecache.cache[path] = (len(lines), None, lines.splitlines(True), path)
    code = types.ModuleType(name)
    code.__file__ = path
    sys.modules[name] = code
    exec(compile(text, path, "exec", dont_inherit=True), code.__dict__)
    return code


def model_of(
    code: types.ModuleType,
    class_name: str,
    options: Dict[str, str],
    of_data: Optional[Mapping[str, int]],
) -> torch.nn.Module:
    """Makes the model of a module. Raises Refused.

    of_data: what the data say, for a class that asks for it by these names;
        None: the module has data of its own.
    """
    kind = getattr(code, class_name, None)
    if kind is None:
        raise Refused(f"the module has no class {class_name}")
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        raise Refused(f"{class_name} is no torch.nn.Module")
    arguments = arguments_of(options)
    asked = inspect.signature(kind).parameters
    for name in ("features", "classes"):
        if name not in asked or name in arguments:
            continue
        if of_data is not None:
            arguments[name] = of_data[name]
        elif asked[name].default is inspect.Parameter.empty:
            raise Refused(
                f"{class_name} asks for {name}, which ebb does not know of the "
                "module's own data set",
                f"model.options: {{{name}: NUMBER}}",
            )
    model: torch.nn.Module = kind(**arguments)
    return model


def arguments_of(options: Dict[str, str]) -> Dict[str, Any]:
    """Returns the options of a job as arguments."""
    return {name: _value(text) for name, text in options.items()}


def _value(text: str) -> Any:
    """An option is a number, true or false if it looks like one; else a text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return json.loads(text)
    except ValueError:
        return text


def explained(error: BaseException, paths: Sequence[str]) -> str:
    """Returns what an error is, and in which line of these files it came."""
    if isinstance(error, Error):
        hint = f"\nhint: {error.hint}" if error.hint else ""
        what = error.message + hint
    else:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, ModuleNotFoundError) and error.name:
        what += _why_not_found(error.name, os.path.dirname(paths[0]))
    if isinstance(error, SyntaxError) and error.filename in paths:
        name = os.path.basename(str(error.filename))
        return f"{name}:{error.lineno}: {type(error).__name__}: {error.msg}"
    for note in getattr(error, "__notes__", ()):
        what += f"; {note.strip()}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in paths
    ]
    if frames:
        last = frames[-1]
        return f"{os.path.basename(last.filename)}:{last.lineno}, in {last.name}: {what}"
    return what


def _why_not_found(name: str, folder: str) -> str:
    beside = os.path.join(folder, name.split(".")[0])
    if os.path.exists(beside + ".py") or os.path.isdir(beside):
        return (
            " (it lies beside the module, which is one file and imports installed packages only: "
            "put it into the module, or install it)"
        )
    return f" (imports are those of {sys.executable} -I: installed packages only)"
