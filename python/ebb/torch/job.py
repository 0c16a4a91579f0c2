"""A job whose gradients PyTorch computes, as the program sees it."""

from __future__ import annotations

import collections
import os
import tempfile
import warnings
from typing import Any, Callable, Dict, Iterator, List, Mapping, NoReturn, Optional, Tuple

import torch

import ebb.errors
from ebb import tensors
from ebb.errors import Refused, Unavailable
from ebb.torch import arguments, data, embeddings, optimizer_state, parameters
from ebb.torch.handin import HandIn
from ebb.torch.parts import Parts
from ebb.torch.patience import patiently
from ebb.torch.piece import Out
from ebb.torch.progress import Lines
from ebb.torch.reader import Cutter, Here, Workers, sizes_of
from ebb.torch.stopping import Stopping, end_of
from ebb.torch.work import BatchPlace, Work


class Batch:
    """A batch for a loop of one's own: which examples, and how it is handed in."""

    def __init__(self, work: Work, out: Out) -> None:
        self._work = work
        self._out = out
        #: Numbers of the examples in the data set.
        self.examples = out.batch.examples
        self.epoch: int = out.batch.epoch
        #: Epoch, shard, begin and end.
        self.place = (out.batch.epoch, out.batch.shard, out.batch.begin, out.batch.end)

    def __len__(self) -> int:
        return len(self.examples)

    def push(self, loss: Any) -> None:
        """Computes the gradients of the loss, and hands the batch in."""
        if not isinstance(loss, torch.Tensor):
            raise Refused(
                f"push() got a {type(loss).__name__}, and has no gradients of it",
                "batch.push(loss), with the tensor that the model's output makes",
            )
        torch.autograd.backward(loss)
        self._work.hand_in(None)

    def again(self) -> None:
        """Asks for the same batch once more."""
        self._work.again()

    def fail(self, why: str) -> None:
        """Gives the batch back as failed."""
        self._work.fail(why)


class TorchJob:
    """A job of the cluster at which this program works.

    Made by ``ebb.torch.job``. One thread uses it. What ``ebb.Job`` has
    (``status()``, ``audit()``, ``history`` and more) it has, too.
    """

    def __init__(self, parts: Parts, join: Callable[..., Any], remote: Any) -> None:
        self._parts = parts
        self._work = Work(parts, join)
        self._remote = remote
        if parts.stop_when is not None:
            self._work.stopping = Stopping(parts.stop_when, remote, parts.evaluate_every)
        #: Why ``stop_when`` ended the job before its last epoch; None: it did not.
        self.stopped: Optional[str] = None
        self._complete = False
        #: Of the job, once it is complete.
        self._batches = 0
        self._result: Optional[Mapping[str, Any]] = None
        #: In the place of the program's optimizer.
        self.optimizer = HandIn(
            self._work,
            parts.optimizer,
            parts.tables,
            self._optimizer_state,
            shared=parts.local is not None,
        )
        if parts.scheduled is not None:
            self._work.placed = self._show_rates

    @property
    def name(self) -> str:
        """The job's name."""
        return self._parts.name

    @property
    def model(self) -> torch.nn.Module:
        """The model that was given."""
        return self._parts.model

    @property
    def timing(self) -> Dict[str, float]:
        """Mean microseconds of a batch in this program's loops, by part.

        "wait": until its values are there. "show": the model gets them. "read": its
        examples are read. "seed": the random generators are seeded. "compute": the
        loop's own code. "sum": the gradients are added up, and writes to the model
        are looked for. "hand_in": the engine takes them. Empty before the first batch.
        """
        return self._work.timing.microseconds()

    def tell_progress(self) -> None:
        """Writes lines to a terminal while the loop goes on."""
        parts = self._parts
        self._work.lines = Lines(
            self.name,
            parts.plan["epochs"],
            len(parts.dataset),
            tokens=data.tokens_of(parts.dataset),
        )

    def _count(self, micro: Optional[int]) -> int:
        """Returns how many pieces the job's batches have: at most ``micro`` examples each."""
        parts, work = self._parts, self._work
        if parts.grows:
            raise TypeError("len(): the batches of the job grow (train.batch_growth)")
        if not work.shard_size:
            self._compare()
        examples, batch = len(parts.dataset), work.batch
        shards, rest = divmod(examples, work.shard_size)
        each = shards * _pieces_in(work.shard_size, batch, micro)
        return work.epochs * (each + _pieces_in(rest, batch, micro))

    def _show_rates(self, place: Optional[BatchPlace]) -> None:
        scheduled = self._parts.scheduled
        assert scheduled is not None
        rates = place and scheduled.at(place.position, place.epochs, place.rate_factor)
        self.optimizer.show_rates(rates)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return getattr(self._remote, name)
        except AttributeError as error:
            if getattr(error, "name", None) == name:
                error.obj = self  # Python offers the nearest of its names, from 3.10 on.
            raise

    def __dir__(self) -> List[str]:
        of_remote = [name for name in dir(self._remote) if not name.startswith("_")]
        return sorted({*super().__dir__(), *of_remote})

    def __repr__(self) -> str:
        return f"<ebb.torch.TorchJob {self.name}>"

    def __reduce__(self) -> NoReturn:
        raise Refused(
            f"job {self.name} cannot be pickled: it has an engine of this process",
            "torch.save(job.state_dict(), …); and keep the job out of data sets and collate_fn",
        )

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
            the batch is handed in with its last. To clip, give the job
            ``settings={"train": {"clip_norm": 1.0}}``.
        The others are those of torch's DataLoader.
        """
        arguments.check_loader(self.model, num_workers, micro, prefetch_factor, others)
        options = {
            "num_workers": num_workers,
            "prefetch_factor": prefetch_factor,
            "multiprocessing_context": multiprocessing_context,
            "pin_memory": pin_memory,
        }
        seed = self._parts.seed if self._parts.seeds else None
        return Loader(self, Cutter(micro, collate_fn, seed), options)

    def __iter__(self) -> Iterator[Batch]:
        """Yields batches by the numbers of their examples; nothing is read."""
        if self._parts.embeddings:
            raise Refused(
                "for batch in job: the rows of a batch follow from the keys that collate_fn "
                "returns",
                "for … in job.loader(collate_fn=…)",
            )
        for _ in self._pieces(_Unread()):
            assert self._work.out is not None
            yield Batch(self._work, self._work.out)

    def again(self) -> None:
        """Drops the gradients of the batch that is out, and asks for it again."""
        self._work.again()

    def fail(self, why: str) -> None:
        """Gives the batch that is out back as failed."""
        self._work.fail(why)

    # --- The result -----------------------------------------------------------

    def state_dict(self, version: Any = "newest") -> "collections.OrderedDict[str, Any]":
        """Returns the model of the job, as ``model.state_dict()`` names it.

        Trained values and averaged buffers come from the servers. An embedding
        has its rows there, as NAME.keys and NAME.rows, and
        ``model.load_state_dict()`` takes them. Other buffers and frozen
        parameters are those of this program's model, which every program has
        alike, but for the buffers that the job calls local.
        """
        values = self._values(version, rows=True)
        tables = self._parts.all_tables()
        names = {id(tensor): name for name, tensor in tables.items()}
        self._warn_of_local_buffers()
        made: Dict[str, torch.Tensor] = {}
        state: "collections.OrderedDict[str, Any]" = collections.OrderedDict()
        with embeddings.rows_elsewhere(self.model):
            ours = self.model.state_dict(keep_vars=True)
        for key, value in ours.items():
            table = names.get(id(value))
            if table is None:
                state[key] = value.detach().clone() if isinstance(value, torch.Tensor) else value
                continue
            if table not in made:
                tensor = tables[table]
                given = torch.from_numpy(values[table]).reshape(tensor.shape)
                made[table] = given.to(tensor.device, tensor.dtype, copy=True)
            state[key] = made[table]
        for prefix, module in self._embeddings():
            found = values[module.table + "/keys"], values[module.table + "/rows"]
            state.update(embeddings.state_of(module, prefix, found[0], torch.from_numpy(found[1])))
        for key, count in self._counted().items():
            state[key] = torch.full_like(state[key], count)
        return state

    def _optimizer_state(self) -> Dict[int, Dict[str, torch.Tensor]]:
        if not isinstance(self._parts.optimizer, torch.optim.Optimizer):
            raise Refused(
                "state_dict(): the job was given no optimizer of PyTorch, whose form it could have",
                "job.checkpoint(PATH, with_slots=True) has the state that the servers have",
            )
        if self._parts.local is not None:
            raise Refused(
                "state_dict(): with local= the optimizer begins anew in each run, so no state "
                "of it remains",
                "job.state_dict() has the model; job.checkpoint(PATH, with_slots=True) has the "
                "servers' momentum, too",
            )
        if not self._complete:
            raise Refused(
                "state_dict(): the optimizer's state is the servers', and the loop is not over",
                "call it after the loop. A script that starts again finds the job as it is, and "
                "needs no state",
            )
        with tempfile.TemporaryDirectory(prefix="ebb-") as folder:
            path = os.path.join(folder, "state.safetensors")
            patiently(lambda: self._remote.checkpoint(path, with_slots=True, rows=False))
            exported = tensors.load(path)
        status = patiently(self._remote.status)
        rates = self._parts.rates if status.get("rate_factor", 1) == 1 else None
        return optimizer_state.state_of(
            type(self._parts.optimizer),
            self.optimizer.param_groups,
            self._parts.tables,
            exported,
            rates,
        )

    def _embeddings(self) -> Iterator[Tuple[str, embeddings.RowModule]]:
        """Yields the embeddings, each with the prefix of its names in a state_dict."""
        for name, module in self.model.named_modules():
            if isinstance(module, embeddings.RowModule):
                yield (f"{name}." if name else ""), module

    def load(self, version: Any = "newest") -> None:
        """Puts a version of the job's values into the model."""
        if self._work.is_open:
            raise Refused("load(): the loop is not over: the engine loads each batch's values")
        values = self._values(version, rows=True)
        self._set_dense(values)
        self._set_rows(values)

    def _set_dense(self, values: Mapping[str, Any]) -> None:
        with torch.no_grad():
            for name, tensor in self._parts.all_tables().items():
                tensor.copy_(torch.from_numpy(values[name]).reshape(tensor.shape))
            for name, count in self._counted().items():
                self.model.get_buffer(name).fill_(count)

    def _set_rows(self, values: Mapping[str, Any]) -> None:
        for _, module in self._embeddings():
            module.set_rows(values[module.table + "/keys"], values[module.table + "/rows"])

    def _counted(self) -> Dict[str, int]:
        """Returns what counters of batches show when the job is complete."""
        if not self._complete:
            return {}
        counters = self._parts.buffers.counters.items()
        return {name: begin + self._batches for name, begin in counters}

    def _values(self, version: Any, rows: bool) -> Mapping[str, Any]:
        """Returns the tables of the job; of rows there may be many."""
        all_rows = rows and bool(self._parts.embeddings)
        if version == "newest" and self._result is not None and not all_rows:
            return self._result
        less = {} if all_rows or not self._parts.embeddings else {"rows": False}
        values: Mapping[str, Any] = patiently(
            lambda: self._remote.state_dict(version=version, **less)
        )
        ours = self._parts.all_tables()
        dense = {n: value for n, value in values.items() if n in ours or "/" not in n}
        parameters.check_values(self.name, self.model, ours, dense)
        if version == "newest" and self._complete:
            self._result = dense
        return values

    def _warn_of_local_buffers(self) -> None:
        local = self._parts.buffers.local
        if local and not self._work.handed_in:
            warnings.warn(
                f"{', '.join(local[:3])} is local, and this program computed no batch: "
                "the values are those with which the model began",
                ebb.errors.Warning,
                stacklevel=3,
            )

    def _compare(self) -> None:
        """Refuses a job that is another one than this program's."""
        self._work.compare()

    def _pieces(self, reader: Any) -> Iterator[Any]:
        """Yields what a loop over the job sees; then the job is complete."""
        if self._complete:
            warnings.warn(
                f"job.loader() went through all {self._parts.plan['epochs']} epochs of "
                f"{self.name}; take the outer loop away",
                ebb.errors.Warning,
                stacklevel=2,
            )
            return
        if patiently(lambda: self._remote.state) != "complete":
            yield from self._work.pieces(reader)
            if self._work.ended == "left":
                warnings.warn(
                    f"this program left job {self.name}, which is not complete",
                    ebb.errors.Warning,
                    stacklevel=2,
                )
                return
            self._remote.wait(progress=False)  # Until the servers have stored it.
            if self._work.lines is not None:
                self._work.lines.end("complete")
        else:
            warnings.warn(
                f"job {self.name} is complete already, so nothing is trained: the model gets "
                "its result. To train again: rerun=True, or another name",
                ebb.errors.Warning,
                stacklevel=2,
            )
        self._complete = True
        self._look_at_end()
        self._load_result()

    def _look_at_end(self) -> None:
        """Finds out how long the job was; says so if it ended early or went back."""
        status = patiently(self._remote.status)
        if self._work.epochs:
            each = self._work.batches // self._work.epochs
            self._batches = each * int(status["epochs"])
        why = end_of(status)
        if why is not None and self._parts.ends_early:
            if status["ended"].startswith("stopped"):
                self.stopped = why
            warnings.warn(why, ebb.errors.Warning, stacklevel=3)

    def _load_result(self) -> None:
        try:
            self._set_dense(self._values("newest", rows=False))
            # Most copies neither save the model nor use it, and need no rows.
            for _, module in self._embeddings():
                module.come_later(lambda: self._set_rows(self._values("newest", rows=True)))
        except Unavailable as error:
            warnings.warn(
                f"the model has the values of the last batch, not the job's result: {error}",
                ebb.errors.Warning,
                stacklevel=3,
            )


def _pieces_in(examples: int, batch: int, micro: Optional[int]) -> int:
    """Returns how many pieces the batches of so many examples have."""
    whole, rest = divmod(examples, batch)
    return whole * len(sizes_of(batch, micro)) + len(sizes_of(rest, micro))


class Loader:
    """The batches of a job. A single pass goes through all epochs."""

    def __init__(self, job: TorchJob, cutter: Cutter, options: Dict[str, Any]) -> None:
        parts = job._parts
        numbered: Any = data.Plain(parts.dataset)
        if parts.seeds and parts.fingerprint.random:
            numbered = data.Seeded(parts.dataset, parts.seed)
        self._job = job
        self._micro = cutter.micro
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
        return self._job._pieces(self._reader)

    def __len__(self) -> int:
        """Returns how many batches, or pieces of batches, all epochs of the job have.

        Other programs compute some of them, and this loop then has fewer.
        """
        return self._job._count(self._micro)


class _Unread:
    """Yields batches without reading their examples."""

    ahead = 0

    def read(self, batch: Any, ahead: Any) -> List[Any]:
        return [(batch.begin, len(batch.examples), None)]

    def close(self) -> None:
        pass

