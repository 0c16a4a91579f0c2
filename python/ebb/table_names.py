"""Names of tables, which are files, keys and tensors, so that some bytes are escaped.

A job calls the parameter ``convs.<user>.weight`` ``convs.~3Cuser~3E.weight``
(job/base/table_name.h). Programs have the names of their own. Each name has one spelling.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Mapping

_OTHERS = re.compile(rb"[^A-Za-z0-9._-]|\A\.")
_ESCAPED = re.compile(rb"~([0-9A-F]{2})")
# A job file has tables by their names here.
_IN_MODEL = ("tables", "sparse_tables")


def encoded(name: str) -> str:
    """Returns what a job calls the table; two names are never the same."""
    made = _OTHERS.sub(lambda found: b"~%02X" % found[0][0], name.encode())
    return made.decode("ascii")


def decoded(name: str) -> str:
    """Returns the name whose ``encoded`` form this is; another name as it is."""
    made = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), name.encode())
    try:
        text = made.decode("utf-8")
    except UnicodeDecodeError:
        return name
    return text if encoded(text) == name else name


def encoded_in_job(content: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns the content of a job file with the names of its tables encoded."""
    made = dict(content)
    model = made.get("model")
    if isinstance(model, Mapping):
        made["model"] = {
            key: _encoded_keys(value) if key in _IN_MODEL else value
            for key, value in model.items()
        }
    if "tables" in made:
        made["tables"] = _encoded_keys(made["tables"])
    return made


def _encoded_keys(tables: Any) -> Any:
    if not isinstance(tables, Mapping):
        return tables
    return {encoded(str(name)): settings for name, settings in tables.items()}


def odd_names(content: Mapping[str, Any]) -> Dict[str, str]:
    """Returns the names in the content of a job file that are escaped, by their escaped
    form."""
    model = content.get("model")
    parts = [content.get("tables")]
    if isinstance(model, Mapping):
        parts += [model.get(key) for key in _IN_MODEL]
    names = {str(name) for part in parts if isinstance(part, Mapping) for name in part}
    return {encoded(name): name for name in sorted(names) if encoded(name) != name}
