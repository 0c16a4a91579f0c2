"""Joins a job, and compares it with what the program brings."""

from __future__ import annotations

from typing import Any, Callable

from ebb.errors import DataDiffers, Error, Refused
from ebb.torch import embeddings, parameters
from ebb.torch.parts import Parts
from ebb.torch.patience import patiently


def joined(parts: Parts, join: Callable[[], Any]) -> Any:
    """Returns an engine of the job, if the job is what the program brings.

    Raises Refused, DataDiffers or ModelDiffers with the first difference.
    """
    engine = patiently(join)
    try:
        parameters.check_tables(
            parts.name, parts.model, parts.all_tables(), engine.tables
        )
        embeddings.check_tables(
            parts.name, parts.embeddings, getattr(engine, "row_tables", ())
        )
        _check_plan(parts, engine)
        parts.fingerprint.compare(engine.fingerprint, parts.name, engine.name)
    except Error:
        engine.leave()
        raise
    return engine


def _check_plan(parts: Parts, engine: Any) -> None:
    for key, ours in parts.plan.items():
        theirs = getattr(engine, key)
        if key == "epochs" and theirs < ours and parts.ends_early:
            continue  # It has as many as its result. The fingerprint is of all.
        if ours != theirs:
            raise Refused(
                f"{key} is {ours} here, {theirs} in job {parts.name}",
                "for another job: rerun=True, or another name",
            )
    if engine.examples != len(parts.dataset):
        raise DataDiffers(
            f"the data set has {len(parts.dataset)} examples here, {engine.examples} in "
            f"job {parts.name}",
            "give every copy the same files, and the same part of them",
        )
