"""Looks for what a job would refuse, in seconds and without a cluster."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any, Callable, Dict, List, Optional

import torch

from ebb.errors import Error
from ebb.torch import data, embeddings, parameters
from ebb.torch.buffers import Buffers, Choice

_EXAMPLES = 8


@dataclasses.dataclass
class Report:
    """The findings of ``check``."""

    #: The parts that a job would refuse, each with what to do.
    problems: List[str]
    #: "mean" or "sum", as the loss behaves; None if it is neither, or not finite.
    reduction: Optional[str]
    #: Examples, parameters and values of the model.
    figures: Dict[str, int]

    @property
    def ok(self) -> bool:
        """True if nothing was found."""
        return not self.problems

    def __str__(self) -> str:
        figures = ", ".join(f"{value} {key}" for key, value in self.figures.items())
        loss = f"; the loss is a {self.reduction}" if self.reduction else ""
        return "\n".join([figures + loss, *(f"problem: {text}" for text in self.problems)])


def check(
    model: torch.nn.Module,
    dataset: Any,
    loss: Callable[[torch.nn.Module, Any], torch.Tensor],
    *,
    collate_fn: Optional[Callable[[Any], Any]] = None,
    reduction: Any = "mean",
    buffers: Choice = None,
    fingerprint: Optional[str] = None,
) -> Report:
    """Tries a model, a data set and a loss on a few examples.

    loss: called as ``loss(model, batch)`` with what ``collate_fn`` makes of
        examples.
    reduction: what ``ebb.torch.job`` will be told. The loss of a batch, of the
        batch twice and of its halves shows which it is.

    The model is copied, and stays as it is.
    """
    report = Report([], None, {})
    with data.unseen():
        _Checker(report, loss, collate_fn).run(model, dataset, reduction, buffers, fingerprint)
    return report


class _Checker:
    def __init__(self, report: Report, loss: Any, collate_fn: Any) -> None:
        self._report = report
        self._loss = loss
        self._collate_fn = collate_fn

    def run(
        self, model: Any, dataset: Any, reduction: Any, buffers: Choice, given: Optional[str]
    ) -> None:
        count = self._try(lambda: data.check_map_style(dataset))
        tables = self._try(lambda: parameters.tables_of(model))
        if tables is None:
            return
        self._try(lambda: embeddings.modules_of(model))
        known = self._try(lambda: Buffers(model, buffers))
        if count is None:
            return
        self._report.figures = {
            "examples": count,
            "parameters": len(tables),
            "values": sum(parameter.numel() for parameter in tables.values()),
        }
        self._try(lambda: data.fingerprint(dataset, 1, "", given))
        data.set_seeds(1)
        examples = [data.example_of(dataset, number) for number in range(min(count, _EXAMPLES))]
        if len(examples) > 1 and not self._check_reduction(
            _copied(model).eval(), examples, reduction
        ):
            return
        self._check_gradients(_copied(model), examples, buffers, known is not None)

    def _check_reduction(self, model: Any, examples: List[Any], reduction: Any) -> bool:
        """Returns False if the loss is not finite, so that nothing else can be told."""
        half = len(examples) // 2
        examples = examples[: 2 * half]
        with torch.no_grad():
            whole, twice = self._value(model, examples), self._value(model, examples * 2)
            halves = self._value(model, examples[:half]) + self._value(model, examples[half:])
        if not self._check_finite(whole + halves):
            return False
        if _alike(twice, whole) and _alike(halves, 2 * whole):
            self._report.reduction = "mean"
        elif _alike(twice, 2 * whole) and _alike(halves, whole):
            self._report.reduction = "sum"
        found = self._report.reduction
        if callable(reduction) or found == reduction:
            return True
        if found is not None:
            what = "doubled the loss" if found == "sum" else "left the loss as it was"
            self._say(f'doubling the batch {what}, so it is a {found}: reduction="{found}"')
        else:
            self._say(
                "the loss is neither a mean nor a sum over the examples of a batch: divide by "
                "what it is a mean over, or reduction=lambda batch: weight_sum"
            )
        return True

    def _check_finite(self, loss: float) -> bool:
        if not math.isfinite(loss):
            self._say(f"the loss is not finite ({loss}): NaN in the data, or log(0)?")
        return math.isfinite(loss)

    def _check_gradients(
        self, model: Any, examples: List[Any], buffers: Choice, known: bool
    ) -> None:
        model.train()
        watched = self._try(lambda: Buffers(model, buffers)) if known else None
        data.set_seeds(1)
        loss = self._loss(model, self._batch(examples))
        if not self._check_finite(float(loss)):
            return
        loss.backward()
        for name, parameter in parameters.tables_of(model).items():
            if parameter.grad is None:
                self._say(
                    f'no gradient for {name}: is it detached? If it is unused at times: '
                    'unused="zero"'
                )
            elif not bool(torch.isfinite(parameter.grad).all()):
                self._say(f"the gradient of {name} is not finite")
        if watched is not None:
            self._try(watched.check)

    def _value(self, model: Any, examples: List[Any]) -> float:
        data.set_seeds(1)
        return float(self._loss(model, self._batch(examples)))

    def _batch(self, examples: List[Any]) -> Any:
        return data.collate(examples, self._collate_fn)

    def _try(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Error as error:
            self._say(error.message + (f": {error.hint}" if error.hint else ""))
            return None

    def _say(self, problem: str) -> None:
        if problem not in self._report.problems:
            self._report.problems.append(problem)


def _copied(model: Any) -> Any:
    """Returns a copy, whose embeddings have rows as they begin."""
    made = copy.deepcopy(model)
    for module in made.modules():
        if isinstance(module, embeddings.RowModule):
            module.source = embeddings.drawn
    return made


def _alike(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-4 * max(abs(a), abs(b), 1e-6)
