"""Buffers that the servers average, such as the statistics of BatchNorm.

Such a buffer is a table of the job. A program pushes what the batch itself
comes to, and the servers move their average towards it. In the loop the model
shows the average that was pulled.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import torch

from ebb.torch.halves import halves_of


@dataclasses.dataclass(frozen=True)
class Averaged:
    """A buffer that the servers average."""

    module: torch.nn.Module
    attribute: str
    #: The share of a batch in the average.
    share: float
    #: True for a statistic that the module averages by its momentum. Any
    #: other holds what the batch came to after the forward pass.
    norm: bool

    @property
    def tensor(self) -> torch.Tensor:
        """The buffer, as it is at present."""
        buffer = self.module._buffers[self.attribute]
        assert buffer is not None
        return buffer


class Statistics:
    """Takes the batches' own values of averaged buffers to the engine.

    It lives from joining to leaving. In the forward pass of a module its momentum
    is 1, so that its buffers come to the values of a batch alone.
    """

    def __init__(self, averaged: Mapping[str, Averaged], engine: Any) -> None:
        self._averaged = dict(averaged)
        self._engine = engine
        offsets = {table.name: table.offset for table in engine.tables}
        halves = halves_of(engine) if averaged else []
        #: By half of the engine's memory.
        self._values: List[Dict[str, torch.Tensor]] = [{} for _ in halves]
        self._sums: List[Dict[str, torch.Tensor]] = [{} for _ in halves]
        #: The results of forward passes of this piece.
        self._seen: Dict[str, List[torch.Tensor]] = {name: [] for name in averaged}
        for name, one in averaged.items():
            begin, end = offsets[name], offsets[name] + one.tensor.numel()
            for half, (values, sums) in enumerate(halves):
                self._values[half][name] = values[begin:end].view(one.tensor.shape)
                self._sums[half][name] = sums[begin:end].view(one.tensor.shape)
        self._handles: List[Any] = []
        #: Modules with their own momentum.
        self._momenta: Dict[int, Tuple[Any, Any]] = {}
        self._start()

    def pulled(self) -> None:
        """Shows the model the averages that the engine pulled."""
        for name in self._averaged:
            self._seen[name].clear()
            self._show(name)

    def add(self, examples: int) -> None:
        """Adds what a piece of so many examples came to, and shows the averages."""
        for name, one in self._averaged.items():
            # Without a forward pass the average stays where it is.
            seen = self._seen[name] or [one.tensor.detach()]
            sums = self._sums[self._engine.half][name]
            for value in seen:
                sums.add_(_on_host(value), alpha=examples / len(seen))
        self.pulled()

    def forget(self) -> None:
        """Drops what forward passes came to since the last piece."""
        self.pulled()

    def release(self) -> None:
        """Gives the modules their momentum back. The buffers show averages."""
        self.forget()
        for handle in self._handles:
            handle.remove()
        for module, momentum in self._momenta.values():
            module.momentum = momentum  # A forward pass may have failed.

    def _start(self) -> None:
        modules: Dict[int, Any] = {}
        for name, one in self._averaged.items():
            if one.norm:
                modules.setdefault(id(one.module), (one.module, []))[1].append(name)
        for module, names in modules.values():
            self._momenta[id(module)] = (module, module.momentum)
            self._handles += [
                module.register_forward_pre_hook(_Hook(module, self._enter)),
                module.register_forward_hook(_Hook(module, functools.partial(self._look, names))),
            ]

    def _enter(self, module: Any) -> None:
        if module.training:
            module.momentum = 1.0

    def _look(self, names: List[str], module: Any) -> None:
        _, module.momentum = self._momenta[id(module)]
        if not module.training:
            return
        for name in names:
            self._seen[name].append(self._averaged[name].tensor.detach().clone())
            self._show(name)

    def _show(self, name: str) -> None:
        # Through .data: the backward pass checks the version of what it kept.
        self._averaged[name].tensor.data.copy_(self._values[self._engine.half][name])


class _Hook:
    """Calls a function before or after a forward pass of one module.

    A copy of the model, also one through pickle, has a hook that does nothing.
    """

    def __init__(self, module: Any = None, call: Optional[Callable[[Any], None]] = None) -> None:
        self._module, self._call = module, call

    def __call__(self, module: Any, *_: Any) -> None:
        # Replicas of a module share its hooks.
        if self._call is not None and module is self._module:
            self._call(module)

    def __reduce__(self) -> Any:
        return (_Hook, ())


def _on_host(value: torch.Tensor) -> torch.Tensor:
    moved: torch.Tensor = value.to("cpu", torch.float32)
    return moved
