"""The parameters of a model as tables of a job.

A trainable parameter is a dense table. While the program works at the job, a
float32 parameter on the CPU is a view of the engine's shared values. Others
(bfloat16, or on a GPU) are copied after each pull.
"""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np
import torch

from ebb.arrays import Array
from ebb.errors import ModelDiffers, Refused
from ebb.table_names import encoded
from ebb.torch.arguments import check_model
from ebb.torch import clipping
from ebb.torch.checksums import Checksum, checksum, is_due
from ebb.torch.contents import as_array
from ebb.torch.halves import Half, halves_of

# The names of averages of weights begin with this, in exports of a job.
_AVERAGES = "averages/"
_CAST = (torch.float32, torch.float16, torch.bfloat16)


def tables_of(model: torch.nn.Module) -> Dict[str, torch.nn.Parameter]:
    """Returns the trainable parameters by name, in the order of a job's tables.

    A tied parameter stands under the first of its names. Raises Refused for
    parameters that servers cannot hold.
    """
    check_model(model)
    if isinstance(model, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)):
        raise Refused(
            f"the model is a {type(model).__name__}: ebb has a process for each device",
            "give the module inside: model.module",
        )
    found = {}
    for name, parameter in model.named_parameters():
        if isinstance(parameter, torch.nn.parameter.UninitializedParameter):
            raise Refused(
                f"{name} has no shape yet (a lazy module)",
                "run one batch through the model before ebb.torch.job",
            )
        if not parameter.requires_grad:
            continue
        if hasattr(parameter, "device_mesh"):
            raise Refused(f"{name} is sharded; servers hold whole tables")
        if parameter.is_meta:
            raise Refused(
                f"{name} is on the device meta, so it has no values",
                'give them to it before ebb.torch.job: model.to_empty(device="cpu"), then load '
                "or initialise the parameters",
            )
        if parameter.layout != torch.strided:
            word = str(parameter.layout).replace("torch.", "")
            raise Refused(
                f"{name} is {word}; servers hold dense tables",
                f"nn.Parameter({name}.to_dense()); ebb.torch.EmbeddingBag has rows that come as "
                "they are used",
            )
        if parameter.dtype not in _CAST:
            word = str(parameter.dtype).replace("torch.", "")
            raise Refused(f"{name} is {word}; servers hold float32: model.float()")
        found[name] = parameter
    if not found:
        raise Refused("the model has no parameter with requires_grad=True")
    return {name: found[name] for name in sorted(found, key=encoded)}


def initial_values(tables: Mapping[str, torch.Tensor]) -> Dict[str, Array]:
    """Returns copies of the values, as float32. A single number is a vector."""
    return {
        name: parameter.detach()
        .to("cpu", torch.float32, copy=True)
        .reshape(tuple(parameter.shape) or (1,))
        .numpy()
        for name, parameter in tables.items()
    }


def set_initial(tables: Mapping[str, torch.Tensor], values: Mapping[str, Any]) -> None:
    """Puts values into the model by name. Raises Refused for another shape."""
    for name, parameter in tables.items():
        if name not in values:
            raise Refused(f"init: it has no {name}", "give all trainable parameters")
        value = torch.as_tensor(as_array(f"init: {name}", values[name]))
        if tuple(value.shape) != tuple(parameter.shape):
            raise Refused(
                f"init: {name} is {tuple(value.shape)} there, {tuple(parameter.shape)} in the model"
            )
        with torch.no_grad():
            parameter.copy_(value)


def check_tables(
    job: str, model: torch.nn.Module, tables: Mapping[str, torch.Tensor], theirs: Any
) -> None:
    """Compares a model with the tables of a job. Raises ModelDiffers."""
    _check_shapes(job, model, tables, {table.name: tuple(table.shape) for table in theirs})


def check_values(
    job: str,
    model: torch.nn.Module,
    tables: Mapping[str, torch.Tensor],
    values: Mapping[str, Any],
) -> None:
    """Compares a model with the values of a job. Raises ModelDiffers.

    Averages of weights beside the values are left out (docs/early-stopping.md).
    """
    shapes = {
        name: value.shape for name, value in values.items() if not name.startswith(_AVERAGES)
    }
    _check_shapes(job, model, tables, shapes)


def _check_shapes(
    job: str,
    model: torch.nn.Module,
    tables: Mapping[str, torch.Tensor],
    shapes: Mapping[str, Tuple[int, ...]],
) -> None:
    another = "another model. Another job: rerun=True, or another name"
    for name, parameter in tables.items():
        if name not in shapes:
            raise ModelDiffers(f"{name} is not in job {job}: {another}")
        if (tuple(parameter.shape) or (1,)) != (shapes[name] or (1,)):
            raise ModelDiffers(
                f"{name} is {tuple(parameter.shape)} here, {shapes[name]} in job {job}: {another}"
            )
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    for name in shapes:
        if name in frozen:
            raise ModelDiffers(
                f"{name} is frozen here (requires_grad=False), and trained in job {job}: {another}"
            )
        if name not in tables:
            raise ModelDiffers(f"job {job} has {name}, which is not in this model: {another}")


def untrained(
    model: torch.nn.Module, tables: Mapping[str, torch.Tensor]
) -> Optional[str]:
    """Returns the name of a parameter that asks for gradients without a table, if any."""
    known = {id(parameter) for parameter in tables.values()}
    name: str
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and id(parameter) not in known:
            return name
    return None


class Frozen:
    """The parameters of a model that a job does not train."""

    def __init__(
        self, model: torch.nn.Module, tables: Mapping[str, torch.nn.Parameter]
    ) -> None:
        known = {id(parameter) for parameter in tables.values()}
        self._parameters = [p for p in model.parameters() if id(p) not in known]

    def thawed(self) -> bool:
        """Returns whether one asks for gradients. This takes no time to speak of."""
        return any(parameter.requires_grad for parameter in self._parameters)


class Binding:
    """Ties the parameters of a model to the memory of an engine.

    It lives from joining to leaving; ``release`` gives the parameters memory of
    their own again. One thread uses it.
    """

    def __init__(
        self,
        tables: Mapping[str, torch.nn.Parameter],
        decay: Mapping[str, float],
        engine: Any,
        unused: str,
    ) -> None:
        self._names = list(tables)
        self._parameters = list(tables.values())
        self._unused = unused
        self._engine = engine
        offsets = {table.name: table.offset for table in engine.tables}
        places = [(offsets[name], parameter.shape) for name, parameter in tables.items()]
        factors = [
            (factor, [i for i, name in enumerate(self._names) if decay.get(name) == factor])
            for factor in sorted(set(decay.values()))
        ]
        self._halves = [Half(*half, places, factors) for half in halves_of(engine)]
        self._half = self._halves[engine.half]
        self._copied: List[int] = []
        for place, parameter in enumerate(self._parameters):
            if parameter.dtype != torch.float32 or parameter.device.type != "cpu":
                self._copied.append(place)
            parameter.grad = None
        self._show(self._half)
        self._seen = self._traces()
        #: Of the gradients, for batches in pieces.
        self.marks = clipping.Marks(self._names, self._parameters)
        self._pulls = 0
        #: Of the values after the pull, in batches where they are looked at.
        self._checksums: List[Checksum] = []

    @property
    def is_due(self) -> bool:
        """Returns whether this is a batch in which the model is looked through."""
        return is_due(self._pulls)

    def pulled(self) -> None:
        """Shows the model what the engine pulled."""
        half = self._halves[self._engine.half]
        if half is not self._half:
            self._show(half)
        if self._copied:
            with torch.no_grad():
                for place in self._copied:
                    self._parameters[place].data.copy_(half.values[place])
        self._seen = self._traces()
        self._pulls += 1
        self._checksums = self._added_up() if is_due(self._pulls) else []

    def changed(self) -> Optional[str]:
        """Returns the name of a parameter that the program wrote to, if any.

        It notices a write through ``.data`` in the first batches, and later now
        and then.
        """
        written = self.written()
        if written is not None:
            return written
        if self._checksums:
            for name, total, pulled in zip(self._names, self._added_up(), self._checksums):
                if total != pulled:
                    return name
        return None

    def written(self) -> Optional[str]:
        """Does the same without looking at values, which are the engine's after a push."""
        traces = self._traces()
        if traces == self._seen:  # Nearly always so, and this is the quicker comparison.
            return None
        for name, now, before in zip(self._names, traces, self._seen):
            if now != before:
                return name
        return None

    def without_gradient(self) -> Optional[str]:
        """Returns the name of a parameter without a gradient, if that is wrong."""
        absent = [n for n, p in zip(self._names, self._parameters) if p.grad is None]
        if not absent or (self._unused == "zero" and len(absent) < len(self._names)):
            return None
        return absent[0]

    def add(self, weight: float) -> None:
        """Adds ``weight`` times the gradients to the sums, and forgets them."""
        pairs = [
            (s, p.grad) for s, p in zip(self._half.sums, self._parameters) if p.grad is not None
        ]
        add(
            [total for total, _ in pairs],
            [on_host(gradient) for _, gradient in pairs],
            weight,
        )
        self.forget()

    def put(self) -> Optional[bool]:
        """Makes the gradients the sums, and forgets them, as ``add(1)`` at first does.

        Returns what ``are_finite`` does, in one pass. Returns None, and does
        nothing, if there are gradients that cannot be copied like that.
        """
        if self._copied:
            return None
        # A parameter without a gradient ends in an AttributeError.
        found: List[Any] = [parameter.grad for parameter in self._parameters]
        try:
            gradients = [gradient.numpy().reshape(-1) for gradient in found]
        except (AttributeError, RuntimeError, TypeError):
            # Some have no gradient, or a sparse or negated one, or one with a graph.
            return None
        squares = 0.0
        with np.errstate(all="ignore"):  # The caller says what is not finite.
            for number, begin, end, sums in self._half.sum_steps:
                some = gradients[number][begin:end]
                squares += float(some.dot(some))
                sums[:] = some
        self.forget()
        return math.isfinite(squares)

    def clip(self, examples: int, limit: float) -> None:
        """Shortens the mean gradient of a batch of so many examples to the limit."""
        clipping.clip(self._half.sums, examples, limit)

    def add_decay(self, examples: int) -> None:
        """Adds the weight decay of a batch of so many examples to the sums."""
        for factor, sums, values in self._half.decay:
            add(sums, values, factor * examples)

    def are_finite(self) -> bool:
        """Returns whether all sums are finite. It says no to some that are very large.

        If it says yes, they are below 2e19, and finite times any number of examples.
        It takes one pass over the sums while they are in the cache.
        """
        sums = self._half.all_sums
        return math.isfinite(float(torch.dot(sums, sums)))

    def forget(self) -> None:
        """Drops the gradients."""
        self.marks.forget()
        for parameter in self._parameters:
            parameter.grad = None

    def release(self) -> None:
        """Gives the parameters memory of their own, with the last values."""
        for place, parameter in enumerate(self._parameters):
            if place not in self._copied:
                parameter.data = parameter.data.clone()
            parameter.grad = None

    def _show(self, half: Half) -> None:
        """Makes the parameters views of this half."""
        self._half = half
        for place, parameter in enumerate(self._parameters):
            if place not in self._copied:
                parameter.data = half.values[place]

    def _added_up(self) -> List[Checksum]:
        return [checksum(parameter) for parameter in self._parameters]

    def _traces(self) -> List[Tuple[int, int]]:
        # A write in place changes the version, an exchange of the data the address.
        return [(p._version, p.data_ptr()) for p in self._parameters]


def on_host(gradient: torch.Tensor) -> torch.Tensor:
    """Returns the gradient as float32 on the CPU."""
    if gradient.device.type == "cpu" and gradient.dtype == torch.float32:
        return gradient
    moved: torch.Tensor = gradient.to("cpu", torch.float32)
    return moved


def add(sums: List[torch.Tensor], others: List[torch.Tensor], weight: float) -> None:
    """Computes ``sums += weight * others`` for lists of tensors."""
    with torch.no_grad():
        foreach = getattr(torch, "_foreach_add_", None)
        if foreach is not None and not any(other.is_sparse for other in others):
            if sums:
                foreach(sums, others, alpha=weight)
            return
        for total, other in zip(sums, others):
            total.add_(other, alpha=weight)
