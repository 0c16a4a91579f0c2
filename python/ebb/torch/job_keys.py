"""The job file of a PyTorch job, as a dictionary."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

import torch

from ebb import command
from ebb.torch import embeddings
from ebb.torch.buffers import Buffers
from ebb.torch.inputs import Inputs
from ebb.torch.optimizers import Rule
from ebb.torch.options import Chosen
from ebb.torch.stopping import settings_of


def keys_of(name: str, inputs: Inputs, options: Chosen) -> Dict[str, Any]:
    """Returns all keys but the fingerprint of the data; ``settings=`` goes before others.

    Raises Refused for a way to stop that a job file cannot say.
    """
    keys: Dict[str, Any] = {
        "name": name,
        "model": {
            "kind": "program",
            "tables": {
                table: {"dims": list(tensor.shape) or [1]}
                for table, tensor in inputs.all_tables().items()
            },
        },
        "data": {
            "train": {"positions": dict(inputs.positions)},
        },
        "train": options.given("epochs", "batch"),
        "seed": options.seed,
    }
    if options.local is None:
        keys["optimizer"] = _optimizer(inputs, options.optimizer)
    else:
        keys.update(options.local.keys())
    rules = _rules_of_tables(inputs.rule, inputs.buffers)
    if rules:
        keys["tables"] = rules
    keys.update(options.given("algorithm", "consistency"))
    if options.evaluate is not None:
        keys.update(_evaluation(options))
    if inputs.rows:
        keys = merged(keys, embeddings.tables_of(inputs.rows))
    if options.workers is not None:
        workers = options.workers
        least, most = (1, workers) if isinstance(workers, int) else workers
        keys["workers"] = {"min": least, "max": most}
    return _without_misfit(merged(keys, options.settings or {}))


def _without_misfit(keys: Dict[str, Any]) -> Dict[str, Any]:
    """Leaves the windows of the data out where what the caller chose does not fit into them."""
    positions = keys["data"]["train"]["positions"]
    window = positions.get("window") if isinstance(positions, Mapping) else None
    chosen = _item_of(keys)
    if window is None or chosen is None:
        return keys
    examples, what = chosen
    # The last batch of a window may be shorter; a run of batches may not.
    if examples <= window and (what == "batches" or window % examples == 0):
        return keys
    command.warn(
        f"the {window:,} examples of a window are no whole number of {what} of {examples:,}, so "
        "batches are drawn from all of the data, which should fit into the page cache; pack it "
        f"with a --window that is a multiple of {examples:,}"
    )
    del positions["window"]
    return keys


def _item_of(keys: Mapping[str, Any]) -> Optional[Tuple[int, str]]:
    """Returns how many examples the caller wants together, and what they are."""
    train, algorithm = keys["train"], keys.get("algorithm")
    period = algorithm.get("period") if isinstance(algorithm, Mapping) else None
    batch = train.get("batch")
    if train.get("item_examples"):
        return int(train["item_examples"]), "items"
    if period:  # A batch that ebb chooses fits, too.
        return int(period) * int(batch or 1), "runs"
    return (int(batch), "batches") if batch else None


def _optimizer(inputs: Inputs, optimizer: Any) -> Dict[str, Any]:
    made: Dict[str, Any] = dict(inputs.rule.settings)
    if inputs.schedule is not None:
        made["schedule"] = dict(inputs.schedule.settings)
    elif isinstance(optimizer, torch.optim.Optimizer):
        # PyTorch has none. A job file's adam would have a cosine.
        made["schedule"] = {"kind": "constant"}
    return made


def _evaluation(options: Chosen) -> Dict[str, Any]:
    every = options.evaluate_every
    word = "epoch" if every == 1 else "epochs"
    on_nonfinite = (options.settings or {}).get("on_nonfinite")
    return {
        "evaluate": {"every": f"{every} {word}"},
        **settings_of(options.stop_when, options.epochs, every, on_nonfinite),
    }


def _rules_of_tables(rule: Rule, known: Buffers) -> Dict[str, Any]:
    """Returns the key ``tables`` of the job file."""
    made: Dict[str, Any] = {
        name: {"optimizer": dict(settings)} for name, settings in rule.tables.items()
    }
    for name, one in known.averaged.items():
        made[name] = {"optimizer": {"kind": "average", "share": one.share}}
    return made


def rules_by_table(
    keys: Mapping[str, Any], tables: Mapping[str, Any]
) -> Dict[str, Dict[str, Any]]:
    """Returns the key ``optimizer`` of the job file as it is for each table."""

    def whole(rule: Any) -> Dict[str, Any]:
        return {"kind": rule} if isinstance(rule, str) else dict(rule)

    ours = whole(keys.get("optimizer", {}))
    own = {name: keys.get("tables", {}).get(name, {}).get("optimizer", {}) for name in tables}
    return {name: {**ours, **whole(own[name])} for name in tables}


def merged(keys: Dict[str, Any], more: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns the keys with others laid over them, message by message."""
    made = dict(keys)
    for key, value in more.items():
        old = made.get(key)
        both = isinstance(value, Mapping) and isinstance(old, dict)
        made[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return made
