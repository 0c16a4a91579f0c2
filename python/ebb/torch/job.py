"""A job whose gradients PyTorch computes: the loop, and what it may not do."""

from __future__ import annotations

import collections
import dataclasses
import os
import sys
import threading
import warnings
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Union

import torch

import ebb.errors
from ebb.errors import DataDiffers, Error, ForkedError, Refused
from ebb.torch import data, parameters
from ebb.torch.buffers import Buffers, has_batch_norm
from ebb.torch.losses import Watch
from ebb.torch.optimizers import Rule
from ebb.torch.reader import Cutter, Here, Workers

Reduction = Union[str, Callable[[Any], float]]
Evaluate = Callable[[torch.nn.Module], Any]

#: How often a program may ask for the same batch.
MOST_AGAIN = 24


@dataclasses.dataclass
class Parts:
    """What a program brings to a job, looked through and found good."""

    name: str
    model: torch.nn.Module
    dataset: Any
    optimizer: Any
    tables: Mapping[str, torch.nn.Parameter]
    buffers: Buffers
    rule: Rule
    fingerprint: data.Fingerprint
    #: ``epochs``, ``batch`` and ``seed`` of the job.
    plan: Mapping[str, int]
    reduction: Reduction = "mean"
    evaluate: Optional[Evaluate] = None
    seeds: bool = True
    unused: str = "error"


@dataclasses.dataclass
class _Out:
    """A piece of a batch that the program works at."""

    batch: Any
    begin: int
    examples: int
    value: Any
    last: bool
    state: str = "out"  # then handed, again or failed

    def __str__(self) -> str:
        place = self.batch
        return f"batch (epoch {place.epoch}, shard {place.shard}, {place.begin}..{place.end})"


class Batch:
    """A batch for a loop of one's own: which examples, and how it is handed in."""

    def __init__(self, job: "TorchJob", out: _Out) -> None:
        self._job = job
        self._out = out
        #: Numbers of the examples in the data set.
        self.examples = out.batch.examples
        self.epoch: int = out.batch.epoch
        #: Epoch, shard, begin and end.
        self.place = (out.batch.epoch, out.batch.shard, out.batch.begin, out.batch.end)

    def __len__(self) -> int:
        return len(self.examples)

    def push(self, loss: torch.Tensor) -> None:
        """Computes the gradients of the loss, and hands the batch in."""
        loss.backward()
        self._job._hand_in(None)

    def again(self) -> None:
        """Asks for the same batch once more."""
        self._job.again()

    def fail(self, why: str) -> None:
        """Gives the batch back as failed."""
        self._job.fail(why)


class HandIn(torch.optim.Optimizer):
    """Takes the optimizer's place in the loop: ``step()`` hands the batch in.

    The servers step, by the rule that was read from the user's optimizer.
    """

    def __init__(self, job: "TorchJob", theirs: Any, tables: Mapping[str, Any]) -> None:
        self._job = job
        self._rates: List[float] = []
        if isinstance(theirs, torch.optim.Optimizer):
            groups: List[Dict[str, Any]] = [
                {**group, "params": list(group["params"])} for group in theirs.param_groups
            ]
            super().__init__(groups, dict(theirs.defaults))
        else:
            super().__init__(list(tables.values()), {})
        self._rates = self._now()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients. ``step()`` does so, too."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self, closure: Any = None, *, loss: Any = None) -> Any:  # type: ignore[override]
        """Hands in the batch, or the piece of it, that the loader yielded last.

        closure: computes the loss and calls ``backward()``, as in PyTorch.
        loss: what the job shows as the loss, instead of what ``backward()`` was
            called on.
        """
        made = None
        if closure is not None:
            with torch.enable_grad():
                made = closure()
        if self._now() != self._rates:
            self._rates = self._now()
            raise Refused(
                "the rate is the servers', and the loop changed it",
                "give the schedule to ebb.torch.job(schedule=…), and take scheduler.step() away",
            )
        self._job._hand_in(loss)
        return made

    def _now(self) -> List[float]:
        return [float(group["lr"]) for group in self.param_groups if "lr" in group]


class TorchJob:
    """A job of the cluster at which this program works.

    Made by ``ebb.torch.job``. One thread uses it. What ``ebb.Job`` has
    (``status()``, ``audit()``, ``history`` and more) it has, too.
    """

    def __init__(self, parts: Parts, join: Callable[[], Any], remote: Any) -> None:
        self._parts = parts
        self._join = join
        self._remote = remote
        self._engine: Any = None
        self._binding: Optional[parameters.Binding] = None
        self._watch = Watch()
        self._out: Optional[_Out] = None
        self._loss = 0.0
        self._handed_in = 0
        self._complete = False
        self._result: Optional[Mapping[str, Any]] = None
        self._owner = (os.getpid(), threading.get_ident())
        #: In the place of the program's optimizer.
        self.optimizer = HandIn(self, parts.optimizer, parts.tables)

    @property
    def name(self) -> str:
        """The job's name."""
        return self._parts.name

    @property
    def model(self) -> torch.nn.Module:
        """The model that was given."""
        return self._parts.model

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._remote, name)

    # --- The loop -------------------------------------------------------------

    def loader(
        self,
        *,
        num_workers: int = 0,
        micro: Optional[int] = None,
        collate_fn: Optional[Callable[[Any], Any]] = None,
        prefetch_factor: int = 2,
        multiprocessing_context: Any = None,
        pin_memory: bool = False,
        **others: Any,
    ) -> "Loader":
        """Returns the batches of this job, all epochs of them, to loop over.

        num_workers: processes that read examples; 0 reads in this one.
        micro: the most examples of a piece: ``step()`` after each piece, and
            the batch is handed in with its last.
        The others are those of torch's DataLoader.
        """
        _refuse_arguments(others)
        if micro is not None and micro < 1:
            raise Refused(f"micro={micro}: it must be 1 or more")
        norm = has_batch_norm(self.model)
        if micro == 1 and norm:
            raise Refused(
                f"micro=1: {norm} is a BatchNorm, which needs more than one example at a time"
            )
        options = {
            "num_workers": num_workers,
            "prefetch_factor": prefetch_factor,
            "multiprocessing_context": multiprocessing_context,
            "pin_memory": pin_memory,
        }
        return Loader(self, Cutter(micro, collate_fn), options)

    def __iter__(self) -> Iterator[Batch]:
        """Yields batches by the numbers of their examples; nothing is read."""
        for _ in self._work(_Unread()):
            assert self._out is not None
            yield Batch(self, self._out)

    def again(self) -> None:
        """Drops the gradients of the batch that is out, and asks for it again."""
        out = self._piece_out("again()")
        assert self._binding is not None
        self._binding.forget()
        out.state = "again"

    def fail(self, why: str) -> None:
        """Gives the batch that is out back as failed."""
        self._piece_out("fail()").state = "failed"
        self._engine.fail(self._out.batch, why)  # type: ignore[union-attr]

    # --- The result -----------------------------------------------------------

    def state_dict(self, version: Any = "newest") -> "collections.OrderedDict[str, Any]":
        """Returns the model of the job, as ``model.state_dict()`` names it.

        Trained values come from the servers. Buffers and frozen parameters are
        those of this program's model, which every program has alike, but for
        the buffers that the job calls local.
        """
        values = self._values(version)
        names = {id(parameter): name for name, parameter in self._parts.tables.items()}
        self._warn_of_local_buffers()
        made: Dict[str, torch.Tensor] = {}
        state: "collections.OrderedDict[str, Any]" = collections.OrderedDict()
        for key, value in self.model.state_dict(keep_vars=True).items():
            table = names.get(id(value))
            if table is None:
                state[key] = value.detach().clone() if isinstance(value, torch.Tensor) else value
                continue
            if table not in made:
                parameter = self._parts.tables[table]
                given = torch.from_numpy(values[table]).reshape(parameter.shape)
                made[table] = given.to(parameter.device, parameter.dtype, copy=True)
            state[key] = made[table]
        return state

    def load(self, version: Any = "newest") -> None:
        """Puts a version of the job's values into the model."""
        if self._binding is not None:
            raise Refused("load(): the loop is not over: the engine loads each batch's values")
        values = self._values(version)
        with torch.no_grad():
            for name, parameter in self._parts.tables.items():
                parameter.copy_(torch.from_numpy(values[name]).reshape(parameter.shape))

    def _values(self, version: Any) -> Mapping[str, Any]:
        if version == "newest" and self._result is not None:
            return self._result
        values: Mapping[str, Any] = self._remote.state_dict(version=version)
        parameters.check_values(self.name, self._parts.tables, values)
        if version == "newest" and self._complete:
            self._result = values
        return values

    def _warn_of_local_buffers(self) -> None:
        local = self._parts.buffers.local
        if local and not self._handed_in:
            warnings.warn(
                f"{', '.join(local[:3])} is local, and this program computed no batch: "
                "the values are those with which the model began",
                ebb.errors.Warning,
                stacklevel=3,
            )

    # --- Working --------------------------------------------------------------

    def _work(self, reader: Any) -> Iterator[Any]:
        """Yields the pieces of batch after batch, until the job is complete."""
        if self._complete:
            warnings.warn(
                f"job.loader() went through all {self._epochs()} epochs of {self.name}; take "
                "the outer loop away",
                ebb.errors.Warning,
                stacklevel=3,
            )
            return
        if self._remote.state == "complete":
            self._complete = True
            self._load_result()
            return
        self._begin()
        try:
            while True:
                batch = self._next_batch()
                if batch is None:
                    break
                yield from self._pieces(batch, reader)
        finally:
            reader.close()
            self._end()
        self._remote.wait(progress=False)  # Until the servers have stored it.
        self._complete = True
        self._load_result()

    def _pieces(self, batch: Any, reader: Any) -> Iterator[Any]:
        try:
            pieces = reader.read(batch, self._engine.ahead)
        except Exception as error:
            self._engine.fail(batch, f"{type(error).__name__}: {error}")
            raise
        for _ in range(MOST_AGAIN):
            for begin, examples, value in pieces:
                last = begin + examples == batch.begin + len(batch.examples)
                self._out = _Out(batch, begin, examples, value, last)
                self._seed(batch.epoch, batch.shard, begin)
                yield value
                state = self._settle()
                if state == "failed":
                    return
                if state == "again":
                    break
            else:
                return
            self._loss = 0.0
            self._engine.again(batch)
        why = f"the program asked for the same batch {MOST_AGAIN} times"
        self._engine.fail(batch, why)
        raise Refused(f"{self._out}: {why}")

    def _settle(self) -> str:
        """Returns what became of the piece that was out."""
        out = self._out
        assert out is not None and self._binding is not None
        if out.state == "out":
            why = f"{out} was neither handed in nor failed"
            self._binding.forget()
            self._engine.fail(out.batch, why)
            out.state = "failed"
            raise Refused(why, "call optimizer.step() once a batch")
        return out.state

    def _hand_in(self, loss: Any) -> None:
        """Adds the gradients of the piece to the sums; pushes after the last."""
        out = self._piece_out("step()")
        binding, parts = self._binding, self._parts
        assert binding is not None
        changed = binding.changed()
        if changed is not None:
            self._refuse_piece(
                f"parameters changed outside of a pull ({changed})",
                "the servers step; use job.optimizer",
            )
        absent = binding.without_gradient()
        if absent is not None:
            self._refuse_piece(
                f"no gradient for {absent} in this batch",
                'is it detached, or backward() missing? If it is unused at times: unused="zero"',
            )
        try:
            parts.buffers.check()
        except Refused as error:
            self._refuse_piece(error.message, error.hint)
        weight = self._weight(out)
        seen = self._watch.take()
        value = seen if loss is None else float(loss)
        self._loss += value * weight
        binding.add(weight)
        out.state = "handed"
        if not out.last:
            return
        binding.add_decay(len(out.batch.examples))
        total, self._loss = self._loss, 0.0
        self._engine.push(out.batch, total)
        self._handed_in += 1

    def _weight(self, out: _Out) -> float:
        reduction = self._parts.reduction
        if reduction == "mean":
            return float(out.examples)
        if reduction == "sum":
            return 1.0
        return float(reduction(out.value))  # type: ignore[operator]

    def _refuse_piece(self, why: str, hint: Optional[str]) -> None:
        out, self._loss = self._out, 0.0
        assert out is not None and self._binding is not None
        self._binding.forget()
        self._engine.fail(out.batch, why)
        out.state = "failed"
        raise Refused(why, hint)

    def _piece_out(self, what: str) -> _Out:
        self._check_owner()
        if self._out is None:
            raise Refused(
                f"{what}: no batch is out",
                "loop over job.loader(), and call optimizer.step() once a batch",
            )
        if self._out.state != "out":
            raise Refused(
                f"{what}: {self._out} was {_WORDS[self._out.state]} already",
                "call optimizer.step() once a batch",
            )
        return self._out

    def _seed(self, epoch: int, shard: int, begin: int) -> None:
        if self._parts.seeds:
            data.set_seeds(data.seed_of(self._engine.seed, epoch, shard, begin))

    # --- The engine -----------------------------------------------------------

    def _begin(self) -> None:
        self._check_owner()
        if self._binding is not None:
            raise Refused(
                "a loop over this job is open already", "end it, or use one loader at a time"
            )
        engine, parts = self._join(), self._parts
        try:
            parameters.check_tables(self.name, parts.tables, engine.tables)
            self._check_plan(engine)
            parts.fingerprint.compare(engine.fingerprint, self.name, engine.name)
        except Error:
            engine.leave()
            raise
        self._engine = engine
        self._binding = parameters.Binding(
            parts.tables, parts.rule.decay, engine, parts.unused
        )
        self._watch.start()

    def _check_plan(self, engine: Any) -> None:
        for key, ours in self._parts.plan.items():
            theirs = getattr(engine, key)
            if ours != theirs:
                raise Refused(
                    f"{key} is {ours} here, {theirs} in job {self.name}",
                    "for another job: rerun=True, or another name",
                )
        if engine.examples != len(self._parts.dataset):
            raise DataDiffers(
                f"the data set has {len(self._parts.dataset)} examples, job {self.name} "
                f"{engine.examples}",
                "the same files, and the same part of them?",
            )

    def _next_batch(self) -> Any:
        assert self._binding is not None
        self._out = None
        while True:
            self._check_owner()
            got = self._engine.next()
            self._binding.pulled()
            self._watch.take()
            if got is None or not _is_evaluation(got):
                return got
            self._evaluate(got)

    def _evaluate(self, evaluation: Any) -> None:
        model, evaluate = self.model, self._parts.evaluate
        if evaluate is None:
            self._engine.evaluated(evaluation, examples=0, loss_sum=0.0, error="no evaluate=")
            return
        modes = [(module, module.training) for module in model.modules()]
        try:
            model.eval()
            with torch.no_grad(), data.unseen():
                answer = _figures(evaluate(model))
        except Exception as error:
            self._engine.evaluated(
                evaluation,
                examples=0,
                loss_sum=0.0,
                error=f"{type(error).__name__}: {error}",
            )
            raise
        finally:
            for module, training in modes:
                module.training = training
        self._engine.evaluated(evaluation, **answer)

    def _end(self) -> None:
        """Leaves in good order, and gives the model memory of its own."""
        self._watch.stop()
        binding, self._binding = self._binding, None
        self._out = None
        if binding is not None:
            binding.release()
        if self._engine is not None and not sys.is_finalizing():
            self._engine.leave()

    def _load_result(self) -> None:
        try:
            self.load()
        except Error as error:
            warnings.warn(
                f"the model has the values of the last batch, not the job's result: {error}",
                ebb.errors.Warning,
                stacklevel=4,
            )

    def _epochs(self) -> Any:
        return getattr(self._engine, "epochs", "its")

    def _check_owner(self) -> None:
        process, thread = self._owner
        if os.getpid() != process:
            raise ForkedError(
                f"this is a child (process {os.getpid()}) of the process that joined ({process})",
                "join here, or keep ebb out of DataLoader workers",
            )
        if threading.get_ident() != thread:
            raise Refused(
                f"job {self.name} belongs to another thread of this program",
                "call ebb.torch.job in the thread that trains",
            )


class Loader:
    """The batches of a job. A single pass goes through all epochs."""

    def __init__(self, job: TorchJob, cutter: Cutter, options: Dict[str, Any]) -> None:
        parts = job._parts
        numbered: Any = data.Plain(parts.dataset)
        if parts.seeds and parts.fingerprint.random:
            numbered = data.Seeded(parts.dataset, parts.plan["seed"])
        self._job = job
        self._reader: Any = (
            Workers(numbered, cutter, options)
            if options["num_workers"]
            else Here(numbered, cutter)
        )

    @property
    def read_in_vain(self) -> int:
        """Batches that were read ahead and dropped, because none asked for them."""
        return int(self._reader.read_in_vain)

    def __iter__(self) -> Iterator[Any]:
        return self._job._work(self._reader)


class _Unread:
    """Yields batches without reading their examples."""

    def read(self, batch: Any, ahead: Any) -> List[Any]:
        return [(batch.begin, len(batch.examples), None)]

    def close(self) -> None:
        pass


_WORDS = {"handed": "handed in", "again": "asked for again", "failed": "failed"}


def _is_evaluation(got: Any) -> bool:
    return not hasattr(got, "shard")


def _figures(answer: Any) -> Dict[str, Any]:
    """Returns the arguments of ``Engine.evaluated`` for what evaluate() returned."""
    if not isinstance(answer, Mapping):
        return {"examples": 1, "loss_sum": float(answer)}
    figures = {key: float(value) for key, value in answer.items()}
    examples = int(figures.pop("examples", 1))
    loss = figures.pop("loss", None)
    if loss is None:
        raise Refused(
            "evaluate(model) returned no loss",
            'return {"loss": mean, "correct": count, "examples": count, …}, or the mean loss',
        )
    correct = figures.pop("correct", None)
    if correct is None and "accuracy" in figures:
        correct = round(figures.pop("accuracy") * examples)
    return {
        "examples": examples,
        "loss_sum": loss * examples,
        "correct": -1 if correct is None else int(correct),
        "figures": figures or None,
    }


def _refuse_arguments(others: Mapping[str, Any]) -> None:
    for name in others:
        if name in ("shuffle", "sampler", "batch_sampler", "generator"):
            raise Refused(
                f"loader({name}=…): the order is the job's (seed)", f"drop {name}="
            )
        if name == "drop_last":
            raise Refused("loader(drop_last=…): short batches count", "drop drop_last=")
        if name == "batch_size":
            raise Refused(
                "loader(batch_size=…): the batch is the job's",
                "ebb.torch.job(batch=…); micro= cuts it into pieces",
            )
        raise Refused(f"loader({name}=…) is not known")
