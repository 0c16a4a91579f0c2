"""The rows of a batch that a program works at, from telling keys to the sums."""

from __future__ import annotations

import collections
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np
import torch

from ebb.arrays import Array
from ebb.errors import DataDiffers, Refused
from ebb.torch import parameters
from ebb.torch.embeddings import RowModule
from ebb.torch.keys import Keys, joined, keys_in
from ebb.torch.look_ups import LookUps
from ebb.torch.reader import key_of

# Batches whose examples were read for their keys, and which did not come.
_MOST_READ = 4


class RowWork:
    """Ties the embeddings of a model to the rows of an engine.

    It lives from joining to leaving. One thread uses it. Without embeddings it
    does nothing.
    """

    def __init__(
        self, modules: Mapping[str, List[RowModule]], engine: Any, unused: str
    ) -> None:
        self._modules = modules
        self._engine = engine
        self._unused = unused
        self._read: "collections.OrderedDict[Any, Tuple[Any, Mapping[str, Array]]]" = (
            collections.OrderedDict()
        )
        self._told: Optional[Mapping[str, Array]] = None
        self._look_ups: Optional[LookUps] = None
        self._rows: Mapping[str, Any] = {}
        #: By the identity of Keys: where their places are among those of the table.
        self._ranges: Dict[int, Tuple[int, int]] = {}
        self._kept: List[Keys] = []  # So that no other has their identity.
        self._leaves: Dict[Tuple[str, torch.device], torch.Tensor] = {}
        self._places: Dict[Tuple[str, torch.device], torch.Tensor] = {}
        for module in self._all():
            module.attach(self._source)

    def __bool__(self) -> bool:
        return bool(self._modules)

    # --- Before a batch is out ------------------------------------------------

    def tell(self, place: Any, pieces: Any) -> None:
        """Tells the engine the keys of a batch to come. Raises Refused."""
        keys = joined(pieces, list(self._modules))
        self._engine.tell(place, keys)
        self._read[key_of(place)] = (pieces, keys)
        while len(self._read) > _MOST_READ:
            self._read.popitem(last=False)

    def knows(self, place: Any) -> bool:
        """Returns whether the batch was told, and its pieces are here."""
        return key_of(place) in self._read

    def begin(self, batch: Any) -> Optional[Any]:
        """The batch is out. Returns its pieces, if they were read already."""
        pieces, keys = self._read.pop(key_of(batch), (None, None))
        self._rows = batch.rows
        self._told = keys
        if pieces is not None:
            self._note(pieces)
        return pieces

    def again(self, pieces: Any) -> None:
        """The same batch was read anew. Raises DataDiffers if its keys are others."""
        keys = joined(pieces, list(self._modules))
        if self._told is None:
            same = all(len(keys[name]) == len(self._rows[name].places) for name in keys)
        else:
            same = all(np.array_equal(keys[name], self._told[name]) for name in keys)
        if not same:
            raise DataDiffers(
                "the batch has other keys when it is read again",
                "take random numbers from torch, numpy.random or random only",
            )
        self._note(pieces)

    def _note(self, pieces: Any) -> None:
        self._ranges, self._kept = {}, []
        at = dict.fromkeys(self._modules, 0)
        for _, _, value in pieces:
            for keys in keys_in(value):
                begin = at[keys.table]
                at[keys.table] = end = begin + len(keys.keys)
                self._ranges[id(keys)] = (begin, end)
                self._kept.append(keys)
        self._leaves, self._places = {}, {}

    # --- While it is out ------------------------------------------------------

    def without_gradient(self, value: Any) -> Optional[str]:
        """Returns a table whose rows have no gradient in a piece, if that is wrong."""
        if self._unused == "zero":
            return None
        used = {name for (name, _), leaf in self._leaves.items() if leaf.grad is not None}
        for keys in keys_in(value):
            if keys.table not in used and len(keys.keys):
                return keys.table
        return None

    def add(self, weight: float) -> None:
        """Adds ``weight`` times the gradients to the sums, and forgets them."""
        for (name, _), leaf in self._leaves.items():
            if leaf.grad is not None:
                sums = torch.from_numpy(self._rows[name].sums)
                parameters.add([sums], [parameters.on_host(leaf.grad)], weight)
        self.forget()

    def gradients(self) -> List[torch.Tensor]:
        """Returns the gradients of the rows in the piece that is out."""
        return [leaf.grad for leaf in self._leaves.values() if leaf.grad is not None]

    def forget(self) -> None:
        """Drops the gradients."""
        for leaf in self._leaves.values():
            leaf.grad = None

    def evaluate(self, evaluation: Any, model: torch.nn.Module) -> None:
        """From now on keys are looked up in a snapshot; with None: no longer."""
        if self._look_ups is not None:
            self._look_ups.close()
            self._look_ups = None
        if evaluation is not None and self._modules:
            self._look_ups = LookUps(self._engine, evaluation, model, self._modules)

    def release(self) -> None:
        """Lets the embeddings go."""
        for module in self._all():
            module.source = None
        self._rows, self._ranges, self._kept = {}, {}, []
        self._leaves, self._places = {}, {}

    # --- Rows -----------------------------------------------------------------

    def _all(self) -> List[RowModule]:
        return [module for each in self._modules.values() for module in each]

    def _source(self, module: RowModule, keys: Keys) -> Tuple[torch.Tensor, torch.Tensor]:
        name, device = module.table, module.device
        if self._look_ups is not None:
            rows, places = self._look_ups.of(keys)
            return rows.to(device), places.to(device)
        if id(keys) not in self._ranges:
            raise Refused(
                f"{name}(keys): these keys are not the batch's Keys",
                "return ebb.torch.Keys from collate_fn, and give them to the model as they are",
            )
        begin, end = self._ranges[id(keys)]
        if (name, device) not in self._leaves:
            ours = self._rows[name]
            leaf = torch.from_numpy(ours.values).to(device)
            self._leaves[name, device] = leaf.requires_grad_()
            self._places[name, device] = torch.from_numpy(ours.places).to(device)
        return self._leaves[name, device], self._places[name, device][begin:end]
