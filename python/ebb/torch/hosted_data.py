"""Data sets that functions of a module return: ``data: {train: {python: …}}``.

The worker names examples by their numbers, and this process reads them
(docs/python-models.md). Each example is seeded by its number and the epoch, so
that its augmentation is the same in whichever worker reads it.
"""

from __future__ import annotations

import hashlib
import types
from typing import Any, Callable, List, Optional, Sequence

import torch

from ebb.errors import Refused
from ebb.torch import data
from ebb.torch.module_code import arguments_of, loaded
from ebb.worker_link import DataError, Factory, Found, Module

#: Places among the data sets.
TRAIN = 0
TEST = 1


class DataSets:
    """The data sets of a module. One thread uses it.

    explain: makes a text of an error.
    """

    def __init__(
        self,
        module: Module,
        code: types.ModuleType,
        collate: Optional[Callable[[Any], Any]],
        explain: Callable[[BaseException], str],
    ) -> None:
        self._seed = module.seed
        self._collate = collate
        self._sets: List[Any] = []
        self._random: List[bool] = []
        #: The facts of them for the worker.
        self.found: List[Found] = []
        #: The place in the batch of the example that could not be read.
        self.unreadable: Optional[int] = None
        for place, factory in enumerate(module.factories):
            try:
                self._add(factory, code)
            except (Exception, SystemExit) as error:
                raise DataError(place, f"{factory.function}: {explain(error)}") from error

    def _add(self, factory: Factory, code: types.ModuleType) -> None:
        if factory.path:
            code = loaded(f"ebb_data_{len(self._sets)}", factory.path, factory.text)
        function = getattr(code, factory.function, None)
        if not callable(function):
            raise Refused(
                f"{code.__file__} has no such function",
                f"def {factory.function}(): returns a data set",
            )
        dataset = function(**arguments_of(factory.options))
        if isinstance(dataset, torch.utils.data.DataLoader):
            raise Refused(
                "returns a DataLoader: ebb makes the batches",
                "return the data set inside; def collate(examples): in the module makes batches",
            )
        count = data.check_map_style(dataset)
        known = data.fingerprint(dataset, self._seed, "", factory.fingerprint or None)
        checksum = hashlib.blake2b(known.data.encode(), digest_size=16).digest()
        self._sets.append(dataset)
        self._random.append(known.random)
        self.found.append(Found(count, checksum))

    def sample(self, place: int) -> Any:
        """Returns a batch of two examples, the same one twice if there is no other."""
        last = min(1, self.found[place].examples - 1)
        return self.read(place, [0, last], 0, 0, 0)

    def read(
        self, place: int, numbers: Sequence[int], epoch: int, shard: int, begin: int
    ) -> Any:
        """Returns the batch of these examples. Raises what the data set raises."""
        self.unreadable = None
        examples = []
        for row, number in enumerate(numbers):
            if self._random[place]:
                data.set_seeds(data.seed_of(self._seed, epoch, number))
            try:
                examples.append(self._sets[place][number])
            except (Exception, SystemExit):
                self.unreadable = row
                raise
        data.set_seeds(data.seed_of(self._seed, epoch, shard, begin))
        return data.collate(examples, self._collate)


def classes_of(batch: Any) -> Optional[torch.Tensor]:
    """Returns the labels of a pair of features and numbers of classes; None: it is none."""
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        return None
    labels = batch[1]
    whole = isinstance(labels, torch.Tensor) and not (
        labels.is_floating_point() or labels.is_complex()
    )
    return labels if whole and labels.dim() == 1 and isinstance(batch[0], torch.Tensor) else None
