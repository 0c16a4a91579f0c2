"""Rows of a snapshot, for the keys that a model is given while it is evaluated."""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Mapping, Tuple

import numpy as np
import torch

from ebb.torch.keys import Keys, keys_in

# Keys that the model was not given, but made.
_MOST_KEPT = 64

Found = Tuple[torch.Tensor, torch.Tensor]  # Rows, and the place of each key's.


class LookUps:
    """Asks the servers for rows; each time they send the dense values along.

    So the keys of all tables that one call of the model gets are asked for at
    once, before it computes. One thread uses it, within one evaluation.
    """

    def __init__(
        self, engine: Any, evaluation: Any, model: torch.nn.Module, tables: Collection[str]
    ) -> None:
        self._engine = engine
        self._evaluation = evaluation
        self._tables = tables
        self._found: Dict[int, Found] = {}  # By the identity of Keys.
        self._kept: List[Keys] = []  # So that no other has their identity.
        self._hook = model.register_forward_pre_hook(self._before)

    def close(self) -> None:
        """The evaluation is over."""
        self._hook.remove()

    def of(self, keys: Keys) -> Found:
        """Returns the rows for keys that the model uses."""
        if id(keys) not in self._found:
            if len(self._kept) >= _MOST_KEPT:
                self._forget()
            self._ask([keys])
        return self._found[id(keys)]

    def _before(self, _: torch.nn.Module, given: Tuple[Any, ...]) -> None:
        self._forget()
        self._ask([keys for keys in keys_in(given) if keys.table in self._tables])

    def _forget(self) -> None:
        self._found, self._kept = {}, []

    def _ask(self, wanted: List[Keys]) -> None:
        self._kept += wanted
        if not wanted:
            return
        parts: Dict[str, List[Any]] = {}
        for keys in wanted:
            parts.setdefault(keys.table, []).append(keys.keys)
        looked_up: Mapping[str, Any] = self._engine.look_up(
            self._evaluation, {table: np.concatenate(each) for table, each in parts.items()}
        )
        # The next look-up takes the memory of this one.
        made = {
            table: (torch.tensor(rows.values), torch.tensor(rows.places))
            for table, rows in looked_up.items()
            if table in parts
        }
        at = dict.fromkeys(parts, 0)
        for keys in wanted:
            begin = at[keys.table]
            at[keys.table] = end = begin + len(keys.keys)
            rows, places = made[keys.table]
            self._found[id(keys)] = (rows, places[begin:end])
