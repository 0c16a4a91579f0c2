"""Runs of a program's own steps: DiLoCo with the user's optimizer.

A run begins with the servers' values and a new state of the optimizer, which steps
once a batch. After the run's last batch its way back, times its examples, is handed in
(docs/decisions/0055-runs.md).
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import math
import types
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import torch

from ebb.errors import Refused
from ebb.torch import clipping, optimizers
from ebb.torch.checksums import is_due

_NUMBERS = (int, float, complex, torch.Tensor)


@dataclasses.dataclass(frozen=True)
class DiLoCo:
    """How copies step by themselves (Douillard et al. 2023, arXiv:2311.08105).

    steps: batches of a run, which one hand-in covers. None: 50 at most, and fewer where
        the servers would make less than 20 steps.
    rate, momentum: of the servers' steps. None: 1 and 0.5; without rounds 1 and 0.
    warm_up: batches at the beginning of a run in which the rate of your optimizer grows to its
        full height, as its moments begin anew. None: 10, and at most half of a run.
    rounds: whether the servers step once for the runs of all copies. Then the result is
        the same whatever died. False: a run is a step when it arrives.
    """

    steps: Optional[int] = None
    rate: Optional[float] = None
    momentum: Optional[float] = None
    rounds: bool = True
    warm_up: Optional[int] = None

    def keys(self) -> Dict[str, Any]:
        """Returns the keys of the job file."""
        algorithm: Dict[str, Any] = {"kind": "diloco", "program_steps": True}
        for key, value in (
            ("period", self.steps),
            ("rate", self.rate),
            ("momentum", self.momentum),
            ("run_warm_up", self.warm_up),
        ):
            if value is not None:
                algorithm[key] = value
        return {
            "algorithm": algorithm,
            "consistency": {"kind": "rounds" if self.rounds else "asp"},
        }


def check(
    local: Any, optimizer: Any, tables: Mapping[str, torch.Tensor], scheduled: bool
) -> None:
    """Raises Refused for an optimizer that cannot make a copy's steps.

    scheduled: whether the job has a schedule, which an optimizer with a scheduler needs.
    """
    if not isinstance(local, DiLoCo):
        raise Refused(f"local= is a {type(local).__name__}", "local=ebb.torch.DiLoCo(steps=50)")
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise Refused(
            f"local=: the copy steps by an optimizer of PyTorch, not by {optimizer!r}",
            "optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3)",
        )
    kind = type(optimizer).__name__
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise Refused(
            f"local=: {kind} computes a batch several times in a step (closure)",
            "AdamW, or another that steps once a batch",
        )
    optimizers.check_parameters(optimizer, tables)
    if not all(isinstance(group.get("lr"), _NUMBERS) for group in optimizer.param_groups):
        raise Refused(
            f"local=: a group of the {kind} has no number as its lr, which schedules and "
            "rollbacks change",
            "torch.optim.AdamW, or another with a rate in each group (Adafactor: "
            "relative_step=False)",
        )
    if not scheduled:
        optimizers.refuse_scheduler(optimizer.param_groups, "follows from the place in the data")
    if not isinstance(getattr(optimizer, "state", None), Mapping):
        raise Refused(
            f"local=: the {kind} has no .state, which begins anew with each run",
            "torch.optim.AdamW, or another that keeps all in .state",
        )
    if not all(_is_new(state) for state in optimizer.state.values()):
        raise Refused(
            f"local=: the {kind} has stepped, or begins with numbers of its own, and its state "
            "begins anew with each run",
            "a new optimizer",
        )


def _is_new(state: Any) -> bool:
    """Returns whether it is as an optimizer of PyTorch makes it before its first step."""
    if not isinstance(state, Mapping) or not state:
        return True
    if "step" in state:
        return not float(state["step"]) > 0
    return not any(isinstance(value, torch.Tensor) for value in state.values())


def check_model(averaged: Mapping[str, Any], rows: Mapping[str, Any]) -> None:
    """Raises Refused for a model of which servers need something for each batch."""
    for name in averaged:
        raise Refused(
            f"local=: {name} is an average over batches, and one hand-in covers many",
            "layers without one, such as LayerNorm or GroupNorm; or "
            f'buffers={{"{name}": "local"}}, for a value of each copy',
        )
    for name in rows:
        raise Refused(
            f"local=: {name} has rows that come with each batch, and a copy steps through many",
            "torch.nn.Embedding, or no local=",
        )


def described(optimizer: torch.optim.Optimizer, tables: Mapping[str, torch.Tensor]) -> str:
    """Names the optimizer, its settings and whose they are: all copies step alike."""
    names = {id(parameter): name for name, parameter in tables.items()}
    groups = [
        {
            "params": sorted(names.get(id(one), "") for one in group["params"]),
            **{k: _written(v) for k, v in sorted(group.items()) if k not in _NO_SETTINGS},
        }
        for group in optimizer.param_groups
    ]
    return f"{type(optimizer).__name__} {groups}"


# How a device does it, which may be another one in each copy.
_NO_SETTINGS = ("params", "fused", "foreach", "capturable")


def _written(value: Any) -> str:
    """Returns the same text in each process that has the same value."""
    if isinstance(value, torch.Tensor):
        return str(value.tolist())
    if value is None or isinstance(value, (str, *_NUMBERS)):
        return repr(value)
    if isinstance(value, Mapping):
        return str({str(key): _written(one) for key, one in value.items()})
    if isinstance(value, (list, tuple)):
        return str([_written(one) for one in value])
    return type(value).__name__


class Runs:
    """The runs of this program: its model, its optimizer, and where a run began.

    It lives from joining to leaving. One thread uses it.
    """

    def __init__(
        self,
        tables: Mapping[str, torch.nn.Parameter],
        optimizer: torch.optim.Optimizer,
        engine: Any,
        clip_norm: Optional[float],
        unused: str,
    ) -> None:
        offsets = {table.name: table.offset for table in engine.tables}
        self._names = list(tables)
        self._parameters = list(tables.values())
        self._places = [
            (offsets[name], parameter.numel(), parameter.shape)
            for name, parameter in tables.items()
        ]
        self._optimizer = optimizer
        self._engine = engine
        self._clip_norm = clip_norm
        self._unused = unused
        self._start: List[torch.Tensor] = []
        #: Where the run goes on: epoch, shard, and the end of its last batch. None: no run
        #: began.
        self._at: Optional[Tuple[int, int, int]] = None
        self._examples = 0
        self._batches = 0
        #: What remains of the gradients of earlier pieces of the batch.
        self._gathered: List[Optional[torch.Tensor]] = []
        #: The versions of the parameters when a run was handed in; empty: it was not.
        self._handed_in: List[int] = []
        self._kept_elsewhere = _Elsewhere(optimizer)
        self._others = _OtherSteps(optimizer)
        #: Its state as it was made, with which each run begins: mostly none.
        self._first = {p: _copy(state) for p, state in optimizer.state.items()}
        #: Of the gradients, for batches in pieces.
        self.marks = clipping.Marks(self._names, self._parameters)
        self.forget()

    @property
    def is_due(self) -> bool:
        """Returns whether this is a batch in which the model is looked through."""
        return is_due(self._batches)

    def pulled(self) -> None:
        """Does nothing: the model gets values when a run begins."""

    def changed(self) -> Optional[str]:
        """Returns nothing: a loop may write to its copy, which it has for itself."""

    def written(self) -> Optional[str]:
        """Returns the name of a parameter that was written to after the run was handed in."""
        versions, self._handed_in = self._handed_in, []
        for name, parameter, version in zip(self._names, self._parameters, versions):
            if parameter._version != version:
                return name
        return None

    def check_steps(self) -> None:
        """Raises Refused if the optimizer stepped, but for ``step`` here."""
        self._others.check()

    def release(self) -> None:
        """Drops gradients and the optimizer's state; the model has memory of its own."""
        self._others.release()
        self._renew_state()
        self.forget()

    def begin_batch(self, batch: Any) -> None:
        """Shows the model the values that a batch begins with."""
        self._gathered = []
        self._batches += 1
        if not batch.goes_on:
            self._begin()
        elif self._at != (batch.epoch, batch.shard, batch.begin):
            # The engine keeps no run that this program does not have.
            raise Refused(f"{batch!r} goes on with a run that this program does not have")

    def _begin(self) -> None:
        self._show()
        self._start = [
            parameter.detach().to("cpu", torch.float32, copy=True)
            for parameter in self._parameters
        ]
        self._renew_state()
        self._examples = 0

    def _renew_state(self) -> None:
        self._optimizer.state.clear()
        for parameter, state in self._first.items():
            self._optimizer.state[parameter] = _copy(state)

    def _show(self) -> None:
        values = torch.from_numpy(self._engine.values)
        with torch.no_grad():
            for parameter, (offset, size, shape) in zip(self._parameters, self._places):
                parameter.copy_(values[offset : offset + size].view(shape))

    def begin_evaluation(self) -> List[torch.Tensor]:
        """Shows the model the values that are evaluated; returns those of the run."""
        kept = [parameter.detach().clone() for parameter in self._parameters]
        self._show()
        return kept

    def end_evaluation(self, kept: List[torch.Tensor]) -> None:
        """Goes on with the run."""
        with torch.no_grad():
            for parameter, value in zip(self._parameters, kept):
                parameter.copy_(value)

    def without_gradient(self) -> Optional[str]:
        """Returns the name of a parameter without a gradient, if that is wrong."""
        absent = [n for n, p in zip(self._names, self._parameters) if p.grad is None]
        if not absent or (self._unused == "zero" and len(absent) < len(self._names)):
            return None
        return absent[0]

    def gather(self, share: float) -> None:
        """Keeps the gradient of a piece, which is this share of its batch."""
        gradients = [p.grad for p in self._parameters]
        with torch.no_grad():
            if not self._gathered:
                self._gathered = [None if g is None else g * share for g in gradients]
            else:
                for place, gradient in enumerate(gradients):
                    before = self._gathered[place]
                    if gradient is None:
                        continue
                    if before is None:
                        self._gathered[place] = gradient * share
                    else:
                        before.add_(gradient, alpha=share)
        self.forget()

    def join(self) -> str:
        """Makes the gradients those of all pieces of the batch, and clips them.

        Returns what is not finite of them, or nothing.
        """
        if self._gathered:
            for parameter, gradient in zip(self._parameters, self._gathered):
                parameter.grad = gradient
            self._gathered = []
        gradients = [parameter.grad for parameter in self._parameters]
        norm = _norm(gradients)
        if not math.isfinite(norm):
            odd = self._not_finite(gradients)
            if odd is not None:
                return f"the gradient of {odd} is not finite"
            norm = _norm(gradients, torch.float64)  # Its squares are too large for a float.
        if self._clip_norm is not None and norm > self._clip_norm:
            for gradient in gradients:
                if gradient is not None:
                    gradient.mul_(self._clip_norm / (norm + 1e-6))  # clip_grad_norm_ adds it, too.
        return ""

    def step(self) -> str:
        """Makes a step by the gradients. Returns what is not finite after it, or nothing."""
        self._others.step()
        self._kept_elsewhere.check()
        self.forget()
        values = [parameter.detach() for parameter in self._parameters]
        odd = None if math.isfinite(_norm(values)) else self._not_finite(values)
        return "" if odd is None else f"the optimizer's step makes {odd} not finite; that"

    def _not_finite(self, tensors: Sequence[Optional[torch.Tensor]]) -> Optional[str]:
        """Returns the name of the first that is not, of those in the order of parameters."""
        for name, tensor in zip(self._names, tensors):
            if tensor is not None and not bool(torch.isfinite(_numbers_of(tensor)).all()):
                return name
        return None

    def stepped(self, batch: Any) -> None:
        """Notes that a batch is part of the run."""
        self._at = (batch.epoch, batch.shard, batch.end)
        self._examples += len(batch.examples)

    def put(self) -> None:
        """Makes the way back to the run's start, times its examples, the engine's sums."""
        sums = torch.from_numpy(self._engine.sums)
        with torch.no_grad():
            for parameter, start, (offset, size, shape) in zip(
                self._parameters, self._start, self._places
            ):
                end = parameter.detach().to("cpu", torch.float32)
                part = sums[offset : offset + size].view(shape)
                torch.sub(start, end, out=part)
                part.mul_(self._examples)
        self._handed_in = [parameter._version for parameter in self._parameters]

    def drop(self) -> None:
        """Forgets the gradients of the batch that is out."""
        self._gathered = []
        self.forget()

    def forget(self) -> None:
        """Drops gradients."""
        self.marks.forget()
        for parameter in self._parameters:
            parameter.grad = None


def _norm(tensors: Sequence[Optional[torch.Tensor]], kind: torch.dtype = torch.float32) -> float:
    there = [_numbers_of(tensor.detach()) for tensor in tensors if tensor is not None]
    if all(numbers.dtype == kind and numbers.is_cpu for numbers in there):
        lengths = list(torch._foreach_norm(there)) if there else []  # In half the time.
    else:
        lengths = [torch.linalg.vector_norm(numbers, dtype=kind).cpu() for numbers in there]
    return float(torch.linalg.vector_norm(torch.stack(lengths))) if lengths else 0.0


def _numbers_of(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.coalesce().values() if tensor.is_sparse else tensor


class _OtherSteps:
    """Finds steps of an optimizer that its loop made beside those of its runs.

    It does not see those of another optimizer over the same parameters.
    """

    _MARK = "_ebb_runs"

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        if hasattr(optimizer, self._MARK):
            raise Refused(
                f"local=: the {type(optimizer).__name__} steps for another loop, which is open",
                "an optimizer for each job",
            )
        self._optimizer = optimizer
        self._of_instance = vars(optimizer).get("step")
        self._step = optimizer.step
        self._others = 0
        # PyTorch 1 has no hooks for steps, so this stands in the place of the method.
        function = getattr(self._step, "__func__", self._step)

        @functools.wraps(function)  # Schedulers have written to it.
        def noted(_: Any, *arguments: Any, **options: Any) -> Any:
            self._others += 1
            return self._step(*arguments, **options)

        setattr(optimizer, "step", types.MethodType(noted, optimizer))
        setattr(optimizer, self._MARK, True)

    def step(self) -> None:
        """Makes a step of the runs."""
        self._step()

    def check(self) -> None:
        """Raises Refused if there was another one since the last call."""
        others, self._others = self._others, 0
        if others:
            raise Refused(
                f"the loop called step() of its {type(self._optimizer).__name__}, which "
                "job.optimizer.step() does: each batch would make two steps",
                "call job.optimizer.step() alone",
            )

    def release(self) -> None:
        """Gives the optimizer its method back."""
        of_optimizer = vars(self._optimizer)
        if of_optimizer.pop(self._MARK, None) is None:
            return
        if self._of_instance is not None:
            of_optimizer["step"] = self._of_instance
        else:
            of_optimizer.pop("step", None)


class _Elsewhere:
    """Finds what an optimizer keeps from step to step outside of ``state``.

    It would not begin anew with a run, so a run would depend on those before it.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._before = self._now()
        self._steps = 0

    def check(self) -> None:
        """Looks after each of the first steps. Raises Refused."""
        self._steps += 1
        if self._steps > 3:
            return
        now = self._now()
        for place, value in now.items():
            before = self._before.get(place)
            if before is None or not _same(before, value):
                raise Refused(
                    f"local=: {type(self._optimizer).__name__} keeps {place} from step to step "
                    "outside of its state, so it would not begin anew with each run",
                    "torch.optim.AdamW, or another that keeps all in .state",
                )

    def _now(self) -> Dict[str, Any]:
        found: Dict[str, Any] = {}
        for number, group in enumerate(self._optimizer.param_groups):
            for key, value in group.items():
                if key not in ("params", "lr", "initial_lr"):
                    _add(f"param_groups[{number}][{key!r}]", value, found)
        for key, value in vars(self._optimizer).items():
            if key not in _KNOWN and getattr(value, "state", None) is not self._optimizer.state:
                _add(key, value, found)
        return found


# Every optimizer has these. ``state`` begins anew, and the rest counts calls.
_KNOWN = ("state", "param_groups", "defaults", "_step_count", "_opt_called")
_MOST_FOUND = 10_000


def _add(place: str, value: Any, found: Dict[str, Any], depth: int = 0) -> None:
    """Adds the numbers in a value, by their places."""
    if len(found) >= _MOST_FOUND or depth > 4 or isinstance(value, bool):
        return  # A bool tells what was looked at, or warned of.
    if isinstance(value, _NUMBERS):
        found[place] = _copy(value)
    elif isinstance(value, torch.optim.Optimizer):
        _add(f"{place}.state", value.state, found, depth + 1)
    elif isinstance(value, Mapping):
        for number, one in enumerate(value.values()):
            _add(f"{place}[{number}]", one, found, depth + 1)
    elif isinstance(value, (list, tuple)):
        for number, one in enumerate(value):
            _add(f"{place}[{number}]", one, found, depth + 1)


def _copy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copy(one) for key, one in value.items()}
    return copy.deepcopy(value)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
        return bool(torch.equal(torch.as_tensor(a), torch.as_tensor(b)))
    return bool(a == b)
