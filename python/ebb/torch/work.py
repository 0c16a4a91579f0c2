"""The work of one program at a job: batch after batch, from pull to push."""

from __future__ import annotations

import math
import os
import sys
import threading
import traceback
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Union

import torch

from ebb import tracebacks
from ebb.batches import Wanted
from ebb.errors import EvaluationLost, ForkedError, NonFinite, Refused
from ebb.torch import data, devices, parameters
from ebb.torch.evaluated import figures_of, with_perplexity
from ebb.torch.heap import keep_freed_memory
from ebb.torch.joining import joined
from ebb.torch.local import Runs
from ebb.torch.losses import Watch
from ebb.torch.marks import marks_of
from ebb.torch.notice import LeavesOnTerm
from ebb.torch.parts import Parts
from ebb.torch.piece import (
    CHANGED,
    CHANGED_HINT,
    CLIPPED,
    CLIPPED_HINT,
    FROZEN_HINT,
    NO_GRADIENT_HINT,
    WRITTEN_LATE,
    WRITTEN_LATE_HINT,
    Out,
    not_finite,
    weights_of,
)
from ebb.torch.progress import Lines
from ebb.torch.reader import key_of
from ebb.torch.row_work import RowWork
from ebb.torch.statistics import Statistics
from ebb.torch.stopping import Stopping
from ebb.torch.timing import Timing

#: How often a program may ask for the same batch.
MOST_AGAIN = 24


class BatchPlace(NamedTuple):
    """The place of a batch, from which its rates follow."""

    #: Of its middle in the data, in epochs.
    position: float
    #: Of the job, and what rollbacks multiply its rates by, when the batch was given.
    epochs: int
    rate_factor: float


class Work:
    """The loop between an engine and the program. One thread uses it.

    It joins when a loop begins and leaves when the loop ends. In between the
    model's parameters are views of the engine's values.
    """

    def __init__(self, parts: Parts, join: Callable[..., Any]) -> None:
        self._parts = parts
        self._join = join
        self._engine: Any = None
        self._binding: Union[parameters.Binding, Runs, None] = None
        self._notice: Optional[LeavesOnTerm] = None
        self._rows: Optional[RowWork] = None  # Only if the model has embeddings.
        self._statistics: Optional[Statistics] = None
        self._frozen: Optional[parameters.Frozen] = None
        # True if gradients are all that comes to the dense sums.
        self._puts = not (
            parts.rule.decay or parts.buffers.averaged or parts.clip_norm is not None
        )
        self._watch = Watch(after=self.mark_gradients)
        # None: not known, of a piece at least.
        self._loss: Optional[float] = 0.0
        self._owner = (os.getpid(), threading.get_ident())
        #: The piece that the program works at.
        self.out: Optional[Out] = None
        #: Why the last loop ended: "complete", "cancelled" or "left".
        self.ended = "left"
        #: Batches that this program handed in.
        self.handed_in = 0
        self.timing = Timing()
        #: May end the job after an evaluation.
        self.stopping: Optional[Stopping] = None
        #: Called with the place of each batch, and with None when the loop ends.
        self.placed: Optional[Callable[[Optional[BatchPlace]], None]] = None
        #: Told of what is handed in.
        self.lines: Optional[Lines] = None
        #: How many batches, and epochs, the job had when it was joined.
        self.batches = self.epochs = 0
        #: Examples of a shard, except for the last, and of a batch; 0: it was not joined.
        self.shard_size = self.batch = 0

    @property
    def is_open(self) -> bool:
        """True while a loop is under way."""
        return self._binding is not None

    def compare(self) -> None:
        """Compares the job with what this program brings, in whatever state it is.

        Raises Refused, DataDiffers or ModelDiffers with the first difference.
        """
        self._joined().leave()

    def pieces(self, reader: Any) -> Iterator[Any]:
        """Yields the pieces of batch after batch, until there are no more."""
        self._check_free()
        try:
            self._begin(reader.ahead)
            while True:
                batch = self._next_batch(reader)
                if batch is None:
                    self.ended = self._engine.ended
                    if self.handed_in and self.ended == "complete":
                        self._check_at_end()
                    return
                yield from self._pieces_of(batch, reader)
        finally:
            try:
                reader.close()
            finally:
                self._end()

    def again(self) -> None:
        """Drops the gradients of the batch that is out, and asks for it again."""
        out = self._piece_out("again()")
        self._drop()
        out.state = "again"

    def fail(self, why: str) -> None:
        """Gives the batch that is out back as failed."""
        out = self._piece_out("fail()")
        self._fail(out, why)

    def piece(self) -> Out:
        """Returns the piece that is out. Raises Refused if none is."""
        return self._piece_out("step()")

    def seen_loss(self) -> Optional[float]:
        """Returns the sum of what ``backward()`` was called on for this piece; None: nothing."""
        return self._watch.seen()

    def row_gradients(self) -> List[torch.Tensor]:
        """Returns the gradients of the rows of embeddings in the piece."""
        return [] if self._rows is None else self._rows.gradients()

    def mark_gradients(self) -> None:
        """Takes the gradients of a piece as they are for untouched by the loop."""
        if self.out is not None and not self.out.is_whole:
            assert self._binding is not None
            self._binding.marks.set()

    def forget_rows(self) -> None:
        """Drops them."""
        if self._rows is not None:
            self._rows.forget()

    def hand_in(self, loss: Any) -> None:
        """Adds the gradients of the piece to the sums; pushes after the last."""
        out = self._piece_out("step()")
        self.timing.lap("compute")
        binding, parts, statistics = self._binding, self._parts, self._statistics
        assert binding is not None and statistics is not None
        changed = binding.changed()
        if changed is not None:
            self._refuse_piece(CHANGED.format(changed), CHANGED_HINT)
        absent = binding.without_gradient()
        if absent is None and self._rows is not None:
            absent = self._rows.without_gradient(out.value)
        if absent is not None:
            trained = parts.tables.get(absent)
            frozen = trained is not None and not trained.requires_grad
            self._refuse_piece(
                f"no gradient for {absent} in this batch",
                FROZEN_HINT if frozen else NO_GRADIENT_HINT,
            )
        # A short batch makes a step as long as in a plain loop.
        divisor = self._divisor(out.batch)
        weight = out.weight * (divisor / len(out.batch.examples))
        clipped = binding.marks.changed()
        if clipped is not None:
            self._refuse_piece(CLIPPED.format(clipped), CLIPPED_HINT)
        try:
            if isinstance(binding, Runs):
                binding.check_steps()
            parts.buffers.check()
            assert self._frozen is not None
            if binding.is_due or self._frozen.thawed():
                self._check_model()
        except Refused as error:
            self._refuse_piece(error.message, error.hint)
        seen = self._watch.take()
        if isinstance(loss, torch.Tensor):
            loss = loss.detach()
        value = seen if loss is None else float(loss)
        if value is None or self._loss is None:
            self._loss = None
        else:
            # The job shows a mean; a sum over the batch becomes one on the servers.
            self._loss += value * (1.0 if parts.reduction == "sum" else out.weight)
        if isinstance(binding, Runs):
            self._step(binding, out)
            return
        factor = 1.0
        finite = binding.put() if out.is_whole and self._puts else None
        if finite is not None:
            factor = weight  # The engine multiplies while it takes them.
        else:
            binding.add(weight)
        if self._rows is not None:
            self._rows.add(weight)
        statistics.add(out.examples)
        out.state = "handed"
        if not out.last:
            self.timing.lap("sum")
            return
        if parts.clip_norm is not None:
            binding.clip(divisor, parts.clip_norm)
        binding.add_decay(divisor)
        # If all is well, this batch is taken while the next one is computed.
        known = self._rows is None and (self._loss is None or math.isfinite(self._loss))
        if known:
            known = binding.are_finite() if finite is None else finite
        self.timing.lap("sum")
        self._told(out, lambda: self._engine.push(out.batch, self._loss, wait=not known, factor=factor))

    def _step(self, runs: Runs, out: Out) -> None:
        """Takes the piece into the run; steps after the last of its batch."""
        out.state = "handed"
        if not out.is_whole:
            runs.gather(out.weight / len(out.batch.examples))
        if not out.last:
            self.timing.lap("sum")
            return
        odd = runs.join()
        if not odd and self._loss is not None and not math.isfinite(self._loss):
            odd = f"the loss is {self._loss / len(out.batch.examples):g}"
        if not odd:
            try:
                odd = runs.step()
            except Exception as error:  # A part of the values may have stepped.
                self._fail(out, error.message if isinstance(error, Refused) else _line_of(error))
                raise
        if odd:
            runs.drop()
            self._told(out, lambda: self._engine.stepped(out.batch, not_finite=odd))
            return
        runs.stepped(out.batch)
        if out.batch.ends_run:
            runs.put()
            self.timing.lap("sum")
            self._told(out, lambda: self._engine.push(out.batch, self._loss))
        else:
            self.timing.lap("sum")
            self._told(out, lambda: self._engine.stepped(out.batch, self._loss))

    def _told(self, out: Out, tell: Callable[[], None]) -> None:
        """Tells the engine of a batch, and notes that it was."""
        try:
            tell()
        except NonFinite as error:
            raise not_finite(out, self._loss, error.message) from None
        self.timing.lap("hand_in")
        self.timing.count()
        self.handed_in += 1
        if self.lines is not None:
            self.lines.handed_in(out.batch.epoch, len(out.batch.examples), self._loss)

    # --- A batch --------------------------------------------------------------

    def _pieces_of(self, batch: Any, reader: Any) -> Iterator[Any]:
        if isinstance(self._binding, Runs):
            self._binding.begin_batch(batch)
        pieces = self._read(batch, reader)
        self._tell_ahead(reader)
        self.timing.lap("read")
        if self.placed is not None:
            self.placed(_place_of(batch, self._engine))
        pieces_changed = False
        for _ in range(MOST_AGAIN):
            self._loss = 0.0
            weights = weights_of(self._parts.reduction, pieces)
            for weight, (begin, examples, read) in zip(weights, pieces):
                device = self._parts.device
                value = read if device is None else devices.moved(read, device)
                last = begin + examples == batch.begin + len(batch.examples)
                self.out = Out(batch, begin, examples, weight, last, value)
                self._seed(batch.epoch, batch.shard, begin)
                untouched = marks_of(value)
                self.timing.lap("seed")
                yield value
                self.timing.lap("compute")
                if untouched is None or marks_of(value) != untouched:
                    pieces_changed = True
                state = self._settle()
                if state == "failed":
                    return
                if state == "again":
                    break
            else:
                return
            self._engine.again(batch)
            if pieces_changed:
                pieces, pieces_changed = self._read_anew(batch, reader), False
        why = f"the program asked for the same batch {MOST_AGAIN} times"
        self._engine.fail(batch, why)
        raise Refused(f"{self.out}: {why}")

    def _read(self, batch: Any, reader: Any) -> Any:
        """Returns the pieces of the batch that is out."""
        if self._rows is not None:
            pieces = self._rows.begin(batch)
            if pieces is not None:
                return pieces
        return self._read_anew(batch, reader)

    def _read_anew(self, batch: Any, reader: Any) -> Any:
        try:
            pieces = self._pieces_at(batch, reader)
            if self._rows is not None:
                self._rows.again(pieces)
            return pieces
        except Exception as error:
            tracebacks.of_an_example(error)
            self._engine.fail(batch, _line_of(error))
            raise

    def _pieces_at(self, place: Any, reader: Any) -> Any:
        def ahead() -> List[Any]:
            places = self._engine.ahead()
            return [other for other in places if key_of(other) != key_of(place)]

        return reader.read(place, ahead)

    # --- The keys of batches to come ------------------------------------------

    def _tell(self, place: Any, reader: Any) -> None:
        """Tells the engine which rows a batch has, for which it waits."""
        assert self._rows is not None
        try:
            self._rows.tell(place, self._pieces_at(place, reader))
        except Exception as error:
            tracebacks.of_an_example(error)
            self._engine.unreadable(place, _line_of(error))
            raise

    def _tell_ahead(self, reader: Any) -> None:
        """Does so before it waits: rows are pulled while this batch is computed."""
        if self._rows is None:
            return
        for place in self._engine.ahead(1):
            if self._rows.knows(place):
                continue
            try:
                self._rows.tell(place, self._pieces_at(place, reader))
            except Exception:
                pass  # Its error counts when the engine waits for the batch.

    def _settle(self) -> str:
        """Returns what became of the piece that was out."""
        out, binding = self.out, self._binding
        assert out is not None and binding is not None
        written = binding.written()
        if written is not None:
            self._refuse_written(out, written)
        if out.state == "out":
            why = f"{out} was neither handed in nor failed"
            self._fail(out, why)
            raise Refused(
                why,
                "call job.optimizer.step() once a batch. If the loop adds up gradients of several "
                "batches: a larger batch=, and loader(micro=…) cuts it into pieces",
            )
        return out.state

    def _divisor(self, batch: Any) -> int:
        """Returns what servers divide the sums of a batch by."""
        engine = self._engine
        return int(engine.batch) if engine.divides_by_batch else len(batch.examples)

    def _refuse_piece(self, why: str, hint: Optional[str]) -> None:
        assert self.out is not None
        self._fail(self.out, why)
        raise Refused(why, hint)

    def _refuse_written(self, out: Out, name: str) -> None:
        """Refuses a loop that wrote to parameters, at the end of a piece."""
        if isinstance(self._binding, Runs):
            raise Refused(WRITTEN_LATE.format(name), WRITTEN_LATE_HINT)
        why = CHANGED.format(name)
        answered = out.state == "failed" or (out.state == "handed" and out.last)
        if not answered:
            self._fail(out, why)
        raise Refused(why, CHANGED_HINT)

    def _drop(self) -> None:
        """Forgets what backward() made of the piece: its gradients and loss."""
        assert self._binding is not None and self._statistics is not None
        if isinstance(self._binding, Runs):
            self._binding.drop()
        else:
            self._binding.forget()
        self.forget_rows()
        self._statistics.forget()
        self._watch.take()

    def _fail(self, out: Out, why: str) -> None:
        self._drop()
        out.state = "failed"
        self._engine.fail(out.batch, why)

    def _piece_out(self, what: str) -> Out:
        self._check_owner()
        if self.out is None:
            raise Refused(
                f"{what}: no batch is out",
                "loop over job.loader(), and call optimizer.step() once a batch",
            )
        self.out.refuse_answered(what)
        return self.out

    def _seed(self, epoch: int, shard: int, begin: int) -> None:
        if self._parts.seeds:
            data.set_seeds(data.seed_of(self._engine.seed, epoch, shard, begin))

    # --- The engine -----------------------------------------------------------

    def _check_free(self) -> None:
        self._check_owner()
        if self._binding is not None:
            raise Refused(
                "a loop over this job is open already", "end it, or use one loader at a time"
            )

    def _begin(self, ahead: int) -> None:
        self._check_model()
        keep_freed_memory()
        engine, parts = self._joined(ahead), self._parts
        self._engine = engine
        if parts.local is None:
            self._binding = parameters.Binding(
                parts.tables, parts.rule.decay, engine, parts.unused
            )
        else:
            self._binding = Runs(
                parts.tables, parts.optimizer, engine, parts.clip_norm, parts.unused
            )
            if not parts.local.rounds:
                self._notice = LeavesOnTerm(engine)
        if parts.embeddings:
            self._rows = RowWork(parts.embeddings, engine, parts.unused)
        self._statistics = Statistics(parts.buffers.averaged, engine)
        self._frozen = parameters.Frozen(parts.model, parts.tables)
        parts.buffers.watch()
        self._watch.start()
        self.timing.start()

    def _joined(self, ahead: int = 0) -> Any:
        """Returns an engine of the job, if the job is what this program brings.

        ahead: batches that are to be known before they are computed.
        """
        engine = joined(self._parts, lambda: self._join(ahead))
        self.batches, self.epochs = engine.batches, engine.epochs
        self.shard_size, self.batch = engine.shard_size, engine.batch
        return engine

    def _next_batch(self, reader: Any) -> Any:
        assert self._binding is not None and self._statistics is not None
        self.out = None
        while True:
            self._check_owner()
            got = self._engine.next()
            self.timing.lap("wait")
            self._binding.pulled()
            self._statistics.pulled()
            self._watch.take()
            self.timing.lap("show")
            if isinstance(got, Wanted):
                self._tell(got, reader)
                self.timing.lap("read")
                continue
            if got is None or not _is_evaluation(got):
                return got
            self._evaluate(got)
            self.timing.start()

    def _evaluate(self, evaluation: Any) -> None:
        model, evaluate = self._parts.model, self._parts.evaluate
        if evaluate is None:
            self._engine.evaluated(evaluation, examples=0, loss_sum=0.0, error="no evaluate=")
            return
        modes = [(module, module.training) for module in model.modules()]
        runs = self._binding if isinstance(self._binding, Runs) else None
        kept = None if runs is None else runs.begin_evaluation()
        try:
            model.eval()
            self._look_up_in(evaluation)
            with torch.no_grad(), data.unseen():
                answer = figures_of(evaluate(model))
                if data.tokens_of(self._parts.dataset):
                    answer = with_perplexity(answer)
                if self.stopping is not None:
                    more = self.stopping.figures(answer, self._engine.epochs)
                    answer["figures"] = {**(answer["figures"] or {}), **more} or None
        except EvaluationLost:
            return
        except Exception as error:
            self._engine.evaluated(
                evaluation,
                examples=0,
                loss_sum=0.0,
                error=f"{type(error).__name__}: {error}",
            )
            raise
        finally:
            self._look_up_in(None)
            if runs is not None and kept is not None:
                runs.end_evaluation(kept)
            for module, training in modes:
                module.training = training
        if self.lines is not None:
            self.lines.evaluated(answer)
        try:
            self._engine.evaluated(evaluation, **answer)
        except Refused as error:  # Others would only be refused, too.
            self._engine.evaluated(evaluation, examples=0, loss_sum=0.0, error=error.message)
            raise

    def _look_up_in(self, evaluation: Any) -> None:
        if self._rows is not None:
            self._rows.evaluate(evaluation, self._parts.model)

    def _end(self) -> None:
        """Leaves in good order, and gives the model memory of its own."""
        self._watch.stop()
        if self.placed is not None:
            self.placed(None)
        binding, self._binding = self._binding, None
        self.out = None
        statistics, self._statistics = self._statistics, None
        if statistics is not None:
            statistics.release()
        if binding is not None:
            binding.release()
        if self._rows is not None:
            self._rows.release()
            self._rows = None
        engine, self._engine = self._engine, None
        if engine is not None and not sys.is_finalizing():
            engine.leave()
        notice, self._notice = self._notice, None
        if notice is not None:
            notice.release()

    def _check_at_end(self) -> None:
        """Finds what the last batches changed, which nothing else looks at."""
        self._check_model()
        self._parts.buffers.check(at_end=True)

    def _check_model(self) -> None:
        name = parameters.untrained(self._parts.model, self._parts.tables)
        if name is not None:
            raise Refused(
                f"{name} requires a gradient, and job {self._parts.name} does not train it: it "
                "was unfrozen, or its layer exchanged, after ebb.torch.job",
                "change the model before ebb.torch.job. To unfreeze later: another job, with "
                "init=job.state_dict()",
            )

    def _check_owner(self) -> None:
        process, thread = self._owner
        if os.getpid() != process:
            raise ForkedError(
                f"this is a child (process {os.getpid()}) of the process that joined ({process})",
                "join here, or keep ebb out of DataLoader workers",
            )
        if threading.get_ident() != thread:
            raise Refused(
                f"job {self._parts.name} belongs to another thread of this program",
                "call ebb.torch.job in the thread that trains",
            )


def _place_of(batch: Any, engine: Any) -> BatchPlace:
    middle = batch.shard * engine.shard_size + (batch.begin + batch.end) / 2
    position = float(batch.epoch + middle / engine.examples)
    return BatchPlace(position, batch.epochs, batch.rate_factor)


def _line_of(error: Exception) -> str:
    lines = traceback.format_exception_only(type(error), error)
    return " ".join("".join(lines).split())


def _is_evaluation(got: Any) -> bool:
    return not hasattr(got, "shard")
