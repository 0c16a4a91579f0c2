"""A training loop of one's own, in numpy.

    for batch in ebb.join("host:7000", "digits"):
        gradient, loss = mine(batch.values, batch.examples)   # Sums.
        batch.push(gradient, loss)
"""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    Union,
)

import numpy as np

from ebb import engine as engines
from ebb.command import Tls
from ebb.errors import EvaluationLost, Refused
from ebb.rows import Rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float32]
    Numbers = NDArray[np.int64]
    KeysOf = Callable[[Numbers], Mapping[str, ArrayLike]]


class Evaluated(NamedTuple):
    """The worth of the model on the test data.

    examples: how many test examples there are.
    loss_sum: the sum of their losses.
    correct: how many of them the model tells right; -1: the labels are numbers.
    figures: up to 16 more figures by name.
    """

    examples: int
    loss_sum: float
    correct: int = -1
    figures: Mapping[str, float] = {}


class Batch:
    """Examples to compute now. Hand in their sums with ``push``, or ``fail``.

    It is valid until the next one is asked for.
    """

    __slots__ = ("_engine", "_batch")

    def __init__(self, engine: engines.Engine, batch: engines.Batch) -> None:
        self._engine = engine
        self._batch = batch

    @property
    def examples(self) -> "Numbers":
        """The numbers of the examples in the training data, in order."""
        return self._batch.examples

    @property
    def epoch(self) -> int:
        return self._batch.epoch

    @property
    def place(self) -> Tuple[int, int, int, int]:
        """Its name in the job: epoch, shard, and from which position to which."""
        return self._batch.place

    @property
    def size(self) -> int:
        return len(self._batch)

    @property
    def values(self) -> "Floats":
        """The model's values now: all tables, one after the other. Read-only."""
        values: "Floats" = self._engine.values.view()
        values.flags.writeable = False
        return values

    def table(self, name: str) -> "Floats":
        """The values of one table, in its shape. Read-only."""
        return _part(self._engine, self.values, name)

    def rows(self, table: str) -> "Floats":
        """The rows of a sparse table now: one for each distinct key. Read-only."""
        values: "Floats" = self._rows(table).values.view()
        values.flags.writeable = False
        return values

    def places(self, table: str) -> "NDArray[np.int32]":
        """For each key of the batch, as ``keys`` named them, the number of its row."""
        return self._rows(table).places

    def _rows(self, table: str) -> Rows:
        rows = self._batch.rows.get(table)
        if rows is not None:
            return rows
        raise Refused(
            f"the job has no sparse table {table}; it has "
            + (", ".join(self._batch.rows) or "none")
        )

    def push(
        self,
        gradient: Union["ArrayLike", Mapping[str, "ArrayLike"]],
        loss: Optional[float] = None,
        rows: Mapping[str, "ArrayLike"] = {},
    ) -> None:
        """Hands in the *sum* of the gradients over the examples, and of losses.

        gradient: laid out as ``values``, or an array for each table by its name;
        the tables that are absent have none.
        loss: None: it is not known, which the job shows.
        rows: the gradient of ``rows(table)`` for each sparse table.
        Raises Refused if a size is wrong, and NonFinite if a sum is not finite.
        """
        for name, array in rows.items():
            part = self._rows(name).sums
            _check_shape(name, array, part)
            part[...] = array
        sums = self._engine.sums
        if isinstance(gradient, Mapping):
            sums[:] = 0
            for name, array in gradient.items():
                part = _part(self._engine, sums, name)
                _check_shape(name, array, part)
                part[...] = array
        else:
            flat = np.asarray(gradient).reshape(-1)
            if flat.dtype.kind not in "fiub":
                raise Refused(
                    f"the gradient is of {flat.dtype}, and not of numbers",
                    "an array laid out as batch.values, or a dict of arrays by table",
                )
            if flat.size != sums.size:
                raise Refused(
                    f"the gradient has {flat.size} values; the model has {sums.size}"
                )
            sums[:] = flat
        self._engine.push(self._batch, None if loss is None else float(loss))

    def again(self) -> None:
        """Keeps the batch, to be computed once more from the same values."""
        self._engine.again(self._batch)

    def fail(self, why: str) -> None:
        """Says that the batch cannot be computed, and why. Another worker tries."""
        self._engine.fail(self._batch, why)

    def __len__(self) -> int:
        return len(self._batch)

    def __repr__(self) -> str:
        return repr(self._batch)


class Work:
    """A job that this process works on: an iterable of its batches.

    One thread uses it. The end of a loop over it, also by ``break`` or an error,
    leaves the job in good order.
    """

    def __init__(
        self,
        engine: engines.Engine,
        evaluate: Optional[Callable[["Floats"], Evaluated]] = None,
        keys: Optional["KeysOf"] = None,
    ) -> None:
        self._engine = engine
        self._evaluate = evaluate
        self._keys = keys
        self._evaluation: Optional[engines.Evaluation] = None

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def parameters(self) -> int:
        """How many values the model has."""
        return int(self._engine.values.size)

    @property
    def tables(self) -> Dict[str, Tuple[int, ...]]:
        """The shapes of the tables by name, in the order of the values."""
        return {table.name: table.shape for table in self._engine.tables}

    @property
    def examples(self) -> int:
        """How many examples the training data have."""
        return self._engine.examples

    @property
    def epochs(self) -> int:
        return self._engine.epochs

    @property
    def ended(self) -> Optional[str]:
        """Why there are no more batches: "complete", "cancelled" or "left"."""
        return self._engine.ended

    def next(self, timeout: Optional[float] = None) -> Optional[Batch]:
        """Returns the next batch; None when the job is over or left.

        Blocks while there is none. Push or fail the batch before; else it counts
        as failed, and this raises Refused. Raises TimeoutError after ``timeout``
        seconds.
        """
        while True:
            what = self._engine.next(timeout)
            if isinstance(what, engines.Evaluation):
                self._answer(what)
            elif isinstance(what, engines.Wanted):
                self._tell(what)
            elif what is None:
                return None
            else:
                self._tell_ahead()
                return Batch(self._engine, what)

    def _tell(self, place: engines.Place) -> None:
        assert self._keys is not None
        try:
            keys = self._keys(place.examples)
            self._engine.tell(place, keys)
        except Exception as error:
            self._engine.unreadable(place, f"{error!r}")
            raise

    def _tell_ahead(self) -> None:
        """Tells the keys of the batch to come, so that its rows can be pulled now."""
        if self._keys is None:
            return
        for place in self._engine.ahead(1):
            try:
                self._engine.tell(place, self._keys(place.examples))
            except Exception:
                pass  # Its error counts when the engine asks for the batch.

    def look_up(self, keys: Mapping[str, "ArrayLike"]) -> Dict[str, Rows]:
        """Returns rows of the snapshot, for the function that evaluates it.

        keys: by sparse table. A key without a row has the values with which its
        row would begin. The result is valid until the next call.
        """
        if self._evaluation is None:
            raise Refused("look_up() is for the function that evaluates")
        return self._engine.look_up(self._evaluation, keys)

    def ahead(self) -> List[engines.Place]:
        """Returns the places that are likely to come next."""
        return self._engine.ahead()

    def leave(self) -> None:
        """Leaves in good order. No example is lost."""
        self._engine.leave()

    def _answer(self, evaluation: engines.Evaluation) -> None:
        assert self._evaluate is not None
        self._evaluation = evaluation
        try:
            made = self._evaluate(self._engine.values)
        except EvaluationLost:
            return
        except Exception as error:
            self._engine.evaluated(
                evaluation, examples=0, loss_sum=0, error=f"{error!r}"
            )
            raise
        finally:
            self._evaluation = None
        self._engine.evaluated(
            evaluation,
            examples=made.examples,
            loss_sum=made.loss_sum,
            correct=made.correct,
            figures=made.figures,
        )

    def __iter__(self) -> Iterator[Batch]:
        try:
            while (batch := self.next()) is not None:
                yield batch
        finally:
            self.leave()

    def __enter__(self) -> "Work":
        return self

    def __exit__(self, *_: Any) -> None:
        self.leave()


def _part(engine: engines.Engine, values: "Floats", name: str) -> "Floats":
    for table in engine.tables:
        if table.name == name:
            return values[table.offset : table.offset + table.size].reshape(table.shape)
    raise Refused(
        f"the model has no table {name}; it has "
        + ", ".join(table.name for table in engine.tables)
    )


def _check_shape(name: str, array: "ArrayLike", part: "Floats") -> None:
    if np.shape(array) != part.shape:
        raise Refused(
            f"the gradient of {name} has the shape {np.shape(array)}; "
            f"the table has {part.shape}"
        )


def join(
    scheduler: Optional[str],
    job: str,
    *,
    name: Optional[str] = None,
    tls: Optional[Tls] = None,
    token_file: Optional[str] = None,
    insecure: bool = False,
    grace: float = 5.0,
    prefetch: bool = True,
    evaluate: Optional[Callable[["Floats"], Evaluated]] = None,
    keys: Optional["KeysOf"] = None,
) -> Work:
    """Joins the newest job of this name, to compute its batches.

    scheduler, tls, token_file, insecure: as of ebb.connect.
    name: of this worker in ``ebb status`` and in logs; None: EBB_NAME, or
        python-PID.
    grace: how long leaving may take, in seconds.
    prefetch: pulls the next values while a batch is computed. This is faster,
        but they lack the batch.
    evaluate: evaluates a snapshot, if the job has evaluations.
    keys: returns the keys of examples by sparse table, if the job has such
        tables. It gets the numbers of the examples of a batch.

    Raises NotFound if there is no such job, Unavailable if there is no
    scheduler, and Refused if the job cannot be joined.
    """
    engine = engines.Engine.join(
        scheduler,
        job,
        name=name,
        tls=tls,
        token_file=token_file,
        insecure=insecure,
        grace=grace,
        prefetch=prefetch,
        evaluates=evaluate is not None,
    )
    if engine.row_tables and keys is None:
        engine.leave()
        names = ", ".join(table.name for table in engine.row_tables)
        raise Refused(
            f"job {job} has sparse tables ({names}), and nothing says which keys "
            "its examples have",
            "ebb.join(…, keys=lambda examples: {…})",
        )
    return Work(engine, evaluate, keys)
