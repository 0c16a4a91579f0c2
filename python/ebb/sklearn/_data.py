"""Writes examples and labels as the files that ebb's readers take."""

from __future__ import annotations

import os
from typing import Any, Dict, Union

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Numbers = NDArray[Any]
# A column is divided by this: a number for all, or one for each.
Unit = Union[float, Numbers]

_CHUNK_BYTES = 8 << 20


def is_sparse(X: Any) -> bool:
    return bool(sparse.issparse(X))


def canonical(X: Any) -> Any:
    """Returns a CSR matrix with sorted columns and one number for each place.

    Numbers that a matrix has twice for a place are added up, as SciPy reads them.
    Other arrays are returned as they are, and the caller's is never changed.
    """
    if is_sparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def write_matrix(
    folder: str, X: Any, shift: Unit = 0.0, unit: Unit = 1.0
) -> Dict[str, Any]:
    """Writes ``(X - shift) / unit`` as float32; returns keys of ``npy:``.

    A sparse matrix is a canonical one, and takes one unit and no shift.
    """
    if is_sparse(X):
        return _write_rows(folder, X, float(np.asarray(unit)))
    open_memmap: Any = np.lib.format.open_memmap  # Without types before NumPy 2.
    out = open_memmap(
        os.path.join(folder, "X.npy"), mode="w+", dtype=np.float32, shape=X.shape
    )
    rows = max(1, _CHUNK_BYTES // max(1, 8 * X.shape[1]))
    for begin in range(0, len(X), rows):
        part = slice(begin, begin + rows)
        out[part] = _as_float32((X[part] - shift) / unit)
    out.flush()
    del out
    return {"features": "X.npy"}


def write_keys(folder: str, X: Any) -> Dict[str, Any]:
    """Writes rows whose columns are keys, for a model with sparse tables."""
    about = _write_rows(folder, canonical(sparse.csr_matrix(X)), 1.0)
    del about["columns"]
    return {**about, "keys": True}


def write_labels(folder: str, labels: Numbers) -> Dict[str, Any]:
    np.save(os.path.join(folder, "y.npy"), labels)
    return {"labels": "y.npy"}


def write_pairs(
    folder: str, users: Numbers, items: Numbers, ratings: Numbers
) -> Dict[str, Any]:
    """Writes ratings of items by users; each number is the key of a row."""
    with open(os.path.join(folder, "ratings.txt"), "w", encoding="ascii") as file:
        for user, item, rating in zip(users.tolist(), items.tolist(), ratings.tolist()):
            file.write(f"{rating!r} 0:{user}:1 1:{item}:1\n")
    return {"libffm": {"path": "ratings.txt"}}


def _write_rows(folder: str, X: Any, unit: float) -> Dict[str, Any]:
    parts = {
        "data": _as_float32(X.data / unit),
        "indices": X.indices,
        "indptr": X.indptr,
    }
    about: Dict[str, Any] = {"columns": int(X.shape[1])}
    for part, values in parts.items():
        np.save(os.path.join(folder, f"X-{part}.npy"), values)
        about[part] = f"X-{part}.npy"
    return about


def _as_float32(values: Numbers) -> Numbers:
    with np.errstate(over="ignore"):
        kept: Numbers = values.astype(np.float32)
    if not np.isfinite(kept).all():
        raise ValueError(
            "X has a value too large for float32, which ebb computes in: "
            f"{np.abs(values).max():g}; scale the features"
        )
    return kept
