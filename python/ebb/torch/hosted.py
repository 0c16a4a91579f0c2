"""A model of a module that an ebb-worker hands over: ``model: {kind: python}``.

The module has a class of torch.nn.Module, and ``loss(model, batch)``. It may
have ``metrics(model, batch)``, ``predict(model, x)``, ``REDUCTION`` and
``UNUSED`` (docs/python-models.md). ``batch`` is ``(x, y)``, tensors over the
worker's memory; or, if a data set is the module's own, what ``collate(examples)``
or PyTorch makes of its examples.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import os
import time
import types
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import torch

from ebb.batches import Table
from ebb.errors import Refused
from ebb.table_names import encoded
from ebb.torch import module_code
from ebb.torch.buffers import Buffers, refuse_frozen
from ebb.torch.data import seed_of, set_seeds, unseen
from ebb.torch.heap import keep_freed_memory
from ebb.torch.hosted_data import TEST, TRAIN, DataSets, classes_of
from ebb.torch.parameters import Binding, tables_of
from ebb.torch.statistics import Statistics
from ebb.worker_link import DataError, Described, Found, Module, Shared

# Pickle and dataclasses know it by this name: no module of Python's own.
_NAME = "ebb_model"
# How long the example behind an error is looked for.
_BLAME_S = 1.0


class Hosted:
    """A model that is computed for a worker. One thread uses it."""

    def __init__(self, module: Module) -> None:
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(1)  # A machine has a worker for each core.
        self._of = module
        set_seeds(seed_of(module.seed))
        self._code = module_code.loaded(_NAME, module.path, module.text)
        self._loss: Callable[[Any, Any], Any] = self._function("loss", "(model, batch)")
        self._metrics = self._optional("metrics", "(model, batch)")
        self._predict = self._optional("predict", "(model, x)")
        self._data: Optional[DataSets] = None
        if module.factories:
            collate: Any = self._optional("collate", "(examples)")
            self._data = DataSets(
                module, self._code, collate, lambda error: explained(error, module)
            )
        self._mean = self._constant("REDUCTION", ("mean", "sum")) == "mean"
        unused = self._constant("UNUSED", ("refuse", "zero"))
        self.model = self._build()
        self._tables = tables_of(self.model)
        self._buffers = Buffers(self.model)
        #: Parameters and statistics, in the order of the values.
        self._all = dict(
            sorted(
                {**self._tables, **self._buffers.tables()}.items(),
                key=lambda item: encoded(item[0]),
            )
        )
        self._unused = "zero" if unused == "zero" else "error"
        with unseen(), _buffers_kept(self.model):
            #: Numbers that the model gives for an example; 0: of its own data set.
            self.outputs = self._try()
        self._buffers.watch()
        self._shared: Shared
        self._binding: Binding
        self._statistics: Optional[Statistics] = None

    # --- What the module has --------------------------------------------------

    def _function(self, name: str, arguments: str) -> Callable[[Any, Any], Any]:
        function = self._optional(name, arguments)
        if function is None:
            raise Refused(f"the module has no function {name}{arguments}")
        return function

    def _optional(self, name: str, arguments: str) -> Optional[Callable[[Any, Any], Any]]:
        function = getattr(self._code, name, None)
        if function is not None and not callable(function):
            raise Refused(f"{name} is no function", f"def {name}{arguments}:")
        return function

    def _constant(self, name: str, words: Tuple[str, ...]) -> str:
        value = getattr(self._code, name, words[0])
        if value not in words:
            raise Refused(f"{name} is {value!r}, and must be one of {', '.join(words)}")
        return str(value)

    def _build(self) -> torch.nn.Module:
        of_data = {"features": self._of.features, "classes": self._of.classes}
        return module_code.model_of(
            self._code,
            self._of.class_name,
            self._of.options,
            of_data if self._data is None else None,
        )

    def _try(self) -> int:
        """Computes two examples, and returns the outputs of one."""
        if self._data is None:
            outputs, batch = self._try_zeros()
        else:
            outputs, batch = 0, self._data.sample(TRAIN)
            if len(self._of.factories) > 1:
                with torch.no_grad():
                    self._judged(self._data.sample(TEST), 2)
        self.model.train()
        _differentiate(self._scalar(self._loss(self.model, batch)))
        absent = [name for name, p in self._tables.items() if p.grad is None]
        if absent and (self._unused != "zero" or len(absent) == len(self._tables)):
            raise Refused(
                f"loss has no gradient for {absent[0]}: is it detached, or unused?",
                'UNUSED = "zero" in the module, if it is unused in some batches',
            )
        for parameter in self._tables.values():
            parameter.grad = None
        return outputs

    def _try_zeros(self) -> Tuple[int, Any]:
        x = torch.zeros(2, self._of.features)
        y = self._labels(torch.zeros(2))
        self.model.eval()
        with torch.no_grad():
            outputs = self._outputs(x).shape[1]
        classes = self._of.classes
        if classes and outputs != classes and not (classes == 2 and outputs == 1):
            raise Refused(
                f"{self._of.class_name} has {outputs} outputs, and the labels are of "
                f"{classes} classes",
                "labels that are quantities: model.labels: values; else one output for each "
                "class: the argument classes has their number",
            )
        return outputs, (x, y)

    def found(self) -> List[Found]:
        """Returns what is known of the module's own data sets."""
        return [] if self._data is None else self._data.found

    def tables(self) -> List[Described]:
        """Returns what the tables are, in the order of the values."""
        averaged = self._buffers.averaged
        return [
            Described(
                encoded(name),
                tuple(tensor.shape) or (1,),
                averaged[name].share if name in averaged else 0.0,
            )
            for name, tensor in self._all.items()
        ]

    # --- The memory -----------------------------------------------------------

    def begin(self, shared: Shared) -> None:
        """Writes the values that the model begins with into the memory."""
        values = torch.frombuffer(shared.memory, dtype=torch.float32, count=shared.parameters)
        torch.cat(
            [p.detach().to(torch.float32).reshape(-1) for p in self._all.values()], out=values
        )
        self.move(shared)

    def move(self, shared: Shared) -> None:
        """Ties the parameters to another memory."""
        keep_freed_memory()
        self._shared = shared
        engine = types.SimpleNamespace(
            memory=shared.memory,
            values=types.SimpleNamespace(size=shared.parameters),
            halves=1,
            half=0,
            tables=self._places(),
        )
        if self._statistics is not None:
            self._statistics.release()
        self._binding = Binding(self._tables, {}, engine, self._unused)
        self._statistics = Statistics(self._buffers.averaged, engine)

    def _places(self) -> List[Table]:
        places, offset = [], 0
        for name, (_, shape, _) in zip(self._all, self.tables()):
            places.append(Table(name, shape, offset))
            offset += math.prod(shape)
        return places

    def _part(self, begin: int, rows: int, width: int) -> torch.Tensor:
        """Floats behind the sums."""
        part: torch.Tensor = torch.frombuffer(
            self._shared.memory,
            dtype=torch.float32,
            count=rows * width,
            offset=4 * (2 * self._shared.parameters + begin),
        ).view(rows, width)
        return part

    def _x(self, rows: int) -> torch.Tensor:
        return self._part(0, rows, self._shared.features)

    def _y(self, rows: int) -> torch.Tensor:
        labels = self._part(self._shared.rows * self._shared.features, rows, 1)
        return self._labels(labels.view(rows))

    def _numbers(self, rows: int) -> List[int]:
        """The numbers of the first examples of the batch in their data set."""
        numbers: List[int] = torch.frombuffer(
            self._shared.memory,
            dtype=torch.int64,
            count=rows,
            offset=4 * 2 * self._shared.parameters,
        ).tolist()
        return numbers

    def _labels(self, labels: torch.Tensor) -> torch.Tensor:
        return labels.to(torch.int64) if self._of.classes else labels

    # --- What is computed -----------------------------------------------------

    def compute(self, epoch: int, shard: int, begin: int, end: int) -> float:
        """Adds the gradient to the sums, and returns the sum of the losses."""
        rows = end - begin
        self.model.train()
        assert self._statistics is not None
        self._binding.forget()
        self._binding.pulled()
        self._statistics.pulled()
        batch: Any
        if self._data is None:
            batch = (self._x(rows), self._y(rows))
        else:
            batch = self._data.read(TRAIN, self._numbers(rows), epoch, shard, begin)
        set_seeds(seed_of(self._of.seed, epoch, shard, begin))
        loss = self._scalar(self._loss(self.model, batch))
        _differentiate(loss)
        absent = self._binding.without_gradient()
        if absent is not None:
            raise Refused(
                f"loss has no gradient for {absent}", 'UNUSED = "zero" in the module, if it is '
                "unused in some batches",
            )
        changed = self._binding.changed()
        if changed is not None:
            raise Refused(f"{changed} was written to: the servers step", "take that line away")
        self._check_buffers()
        weight = float(rows) if self._mean else 1.0
        self._binding.add(weight)
        self._statistics.add(rows)
        return float(loss.detach()) * weight

    def _check_buffers(self) -> None:
        name = self._buffers.changed()
        if name is not None:
            refuse_frozen(self.model, name)
            raise Refused(
                f"buffer {name} changes while training: each worker would have its own",
                "compute it anew in each batch",
            )

    def _scalar(self, loss: Any) -> torch.Tensor:
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            what = f"has the shape {tuple(loss.shape)}" if isinstance(
                loss, torch.Tensor
            ) else f"is a {type(loss).__name__}"
            raise Refused(f"what loss returns {what}", "a tensor of one number")
        if not loss.requires_grad and self.model.training:
            raise Refused("what loss returns has no gradient", "compute it from model(x)")
        return loss

    def evaluate(self, rows: int, labelled: bool) -> Tuple[float, int]:
        """Predicts, and returns the sum of the losses and how many were right."""
        assert self._statistics is not None
        self.model.eval()
        self._binding.pulled()
        self._statistics.pulled()
        set_seeds(seed_of(self._of.seed))
        with torch.no_grad():
            if self._data is not None:
                test = len(self._of.factories) - 1
                batch = self._data.read(test, self._numbers(rows), 0, 0, 0)
                return self._judged(batch, rows)
            x = self._x(rows)
            outputs = self._outputs(x)
            if outputs.shape != (rows, self.outputs):
                raise Refused(
                    f"{tuple(outputs.shape)} outputs for {rows} examples, and "
                    f"{self.outputs} for each at first"
                )
            begin = self._shared.rows * (self._shared.features + 1)
            self._part(begin, rows, self.outputs).copy_(outputs)
            if not labelled:
                return 0.0, -1
            y = self._y(rows)
            loss = float(self._scalar(self._loss(self.model, (x, y))))
            correct = self._correct(outputs, (x, y))
        return loss * (rows if self._mean else 1), correct

    def _judged(self, batch: Any, rows: int) -> Tuple[float, int]:
        """Returns the sum of the losses of a batch of the module's own data, and how
        many are right; -1: that is unknown."""
        self.model.eval()
        loss = float(self._scalar(self._loss(self.model, batch)))
        total = loss * (rows if self._mean else 1)
        if self._metrics is not None:
            return total, self._counted(self._metrics(self.model, batch), rows)
        labels = classes_of(batch)
        if labels is None:
            return total, -1
        x = batch[0]
        out = self._predict(self.model, x) if self._predict else self.model(x)
        if not isinstance(out, torch.Tensor) or out.dim() > 2 or len(out) != len(labels):
            return total, -1
        flat = out.reshape(len(labels), -1)
        if flat.shape[1] == 1:
            likely = flat[:, 0] > (0.5 if self._predict else 0)
        else:
            likely = flat.argmax(1)
        return total, int((likely.to(labels) == labels).sum())

    def _outputs(self, x: torch.Tensor) -> torch.Tensor:
        """Predictions: of classes their probabilities."""
        own = self._predict is not None
        out = self._predict(self.model, x) if self._predict else self.model(x)
        if not isinstance(out, torch.Tensor) or out.shape[:1] != x.shape[:1]:
            what = "predict" if own else "the model"
            raise Refused(
                f"{what} returns no tensor with a row for each example",
                "def predict(model, x): in the module returns one",
            )
        flat: torch.Tensor = out.to("cpu", torch.float32).reshape(len(x), -1)
        if own or not self._of.classes:
            return flat
        return torch.sigmoid(flat) if flat.shape[1] == 1 else torch.softmax(flat, 1)

    def _correct(self, outputs: torch.Tensor, batch: Any) -> int:
        rows = len(outputs)
        if self._metrics is None:
            if not self._of.classes:
                return -1
            labels = (outputs[:, 0] > 0.5) if outputs.shape[1] == 1 else outputs.argmax(1)
            return int((labels.to(torch.int64) == batch[1]).sum())
        return self._counted(self._metrics(self.model, batch), rows)

    def _counted(self, returned: Any, rows: int) -> int:
        figures = dict(returned)
        correct = figures.pop("correct", None)
        accuracy = figures.pop("accuracy", None)
        if figures:
            raise Refused(
                f"metrics returns {next(iter(figures))}; only correct or accuracy is known"
            )
        if correct is None:
            correct = -1 if accuracy is None else _count_of(float(accuracy), rows)
        if not -1 <= int(correct) <= rows:
            raise Refused(f"metrics says that {int(correct)} of {rows} examples are right")
        return int(correct)

    # --- Errors ---------------------------------------------------------------

    def explain(self, error: BaseException) -> str:
        """Names the line of the module."""
        return explained(error, self._of).replace("\nhint: ", "; ")

    def blame(self, rows: int) -> Optional[int]:
        """Returns the first example that alone fails, too, if others do not."""
        if self._data is not None and self._data.unreadable is not None:
            return self._data.unreadable
        until = time.monotonic() + _BLAME_S
        if rows == 1 or self._fails(0) and self._fails(rows - 1):
            return None  # Nothing to tell, or it is not the example's fault.
        for row in range(rows):
            if time.monotonic() > until:
                return None
            if self._fails(row):
                return row
        return None

    def _fails(self, row: int) -> bool:
        try:
            with torch.no_grad():
                batch: Any
                if self._data is None:
                    batch = (self._x(row + 1)[row:], self._y(row + 1)[row:])
                else:
                    batch = self._data.read(TRAIN, self._numbers(row + 1)[row:], 0, 0, 0)
                self._loss(self.model, batch)
        except (Exception, SystemExit):
            return True
        return False


def _differentiate(loss: Any) -> None:
    loss.backward()


def explained(error: BaseException, module: Module) -> str:
    """Returns what an error is, and in which line of the module's files it came."""
    if isinstance(error, DataError):
        return str(error)
    paths = [module.path, *(factory.path for factory in module.factories if factory.path)]
    return module_code.explained(error, paths)


@contextlib.contextmanager
def _buffers_kept(model: torch.nn.Module) -> Iterator[None]:
    """Takes back what is done to the buffers of the model."""
    kept = {name: buffer.detach().clone() for name, buffer in model.named_buffers()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                if name in kept and buffer.shape == kept[name].shape:
                    buffer.copy_(kept[name])


def _count_of(accuracy: float, rows: int) -> int:
    """Returns how many of the rows are right. Raises Refused for a share of another kind."""
    count = accuracy * rows
    if not math.isfinite(count) or abs(count - round(count)) > 1e-3:
        raise Refused(
            f"metrics returns an accuracy of {accuracy:g} of {rows} examples, which is no whole "
            "number of right ones",
            'return {"correct": count}',
        )
    return round(count)
