"""Reads the examples of batches, here or in DataLoader workers.

With workers, examples are read ahead of the batch that is out: the engine says
which places are likely to come next. What was read and is not asked for is
dropped and counted.
"""

from __future__ import annotations

import collections
import dataclasses
import multiprocessing
import pickle
import signal
import time
import traceback
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Sequence, Tuple

import torch

from ebb.errors import Refused
from ebb.torch import data

Key = Tuple[int, int, int, int]
Piece = Tuple[int, int, Any]  # begin, examples, what collate made
Ahead = Callable[[], Sequence[Any]]

_MOST_RESTARTS = 3
_RESTARTS_WITHIN_S = 60.0


def key_of(place: Any) -> Key:
    """Returns the name of a batch: epoch, shard, begin and end."""
    return (place.epoch, place.shard, place.begin, place.end)


class ReadError(Exception):
    """The error that a DataLoader worker wrote when it could not read an example."""


def sizes_of(examples: int, most: Optional[int]) -> List[int]:
    """Cuts a batch into pieces of so many examples at most.

    All but the last are as large as they may be. If that leaves a single example
    (BatchNorm needs two), the pieces are as equal as they can be.
    """
    if examples == 0:
        return []
    most = min(most or examples, examples)
    whole, rest = divmod(examples, most)
    if rest != 1:
        return [most] * whole + [rest] * (rest > 0)
    size, larger = divmod(examples, whole + 1)
    return [size + 1] * larger + [size] * (whole + 1 - larger)


class Cutter:
    """Collates the pieces of a batch; errors become values.

    With a seed, random numbers of ``collate_fn`` follow from the piece. A worker reads ahead, so an error counts only if its batch is asked for.
    """

    def __init__(
        self,
        micro: Optional[int],
        collate_fn: Optional[Callable[[Any], Any]],
        seed: Optional[int] = None,
    ) -> None:
        self.micro = micro
        self._collate_fn = collate_fn
        self._seed = seed if collate_fn is not None else None

    def __call__(self, given: Sequence[Any]) -> Any:
        """Collates the examples that follow the name of their batch."""
        key: Any = given[0] if given else None
        examples = given[1:]
        for example in examples:
            if isinstance(example, Failure):
                return example
        try:
            made, begin = [], 0
            for size in sizes_of(len(examples), self.micro):
                if self._seed is not None:
                    epoch, shard, first, _ = key
                    # Not the seed of what the program computes with the piece.
                    data.set_seeds(data.seed_of(self._seed, epoch, shard, first + begin, 1))
                made.append((begin, data.collate(examples[begin : begin + size], self._collate_fn)))
                begin += size
            return made
        except Exception as error:
            return Failure.of(error)


@dataclasses.dataclass
class Failure:
    """An error, as a value that travels between processes."""

    error: Optional[Exception]
    text: str

    @classmethod
    def of(cls, error: Exception) -> "Failure":
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        return cls(error, text)

    def __reduce__(self) -> Any:
        # Errors that cannot be pickled would kill the queue's thread.
        try:
            pickle.loads(pickle.dumps(self.error))
            return (Failure, (self.error, self.text))
        except Exception:
            return (Failure, (None, self.text))

    def raised(self) -> Exception:
        """Returns the error to raise, with the worker's traceback as its cause."""
        cause = ReadError("\n" + self.text)
        if self.error is None:
            return cause
        self.error.__cause__ = cause
        return self.error


class Caught:
    """A data set whose errors are values."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, place: Tuple[int, ...]) -> Any:
        if len(place) == 4:
            return place  # The name of the batch, for the Cutter.
        try:
            return self._dataset[place]
        except Exception as error:
            return Failure.of(error)


class Here:
    """Reads in this process, each batch when it is out."""

    ahead = 0
    read_in_vain = 0

    def __init__(self, dataset: Any, cutter: Cutter) -> None:
        self._dataset = dataset
        self._cutter = cutter

    def read(self, batch: Any, ahead: Ahead) -> List[Piece]:
        """Returns the pieces of a batch. Raises what the data set raises."""
        examples = [self._dataset[(batch.epoch, int(number))] for number in batch.examples]
        made = self._cutter([key_of(batch), *examples])
        if isinstance(made, Failure):
            assert made.error is not None
            raise made.error
        return _pieces(made, batch)

    def close(self) -> None:
        """Does nothing."""


class Workers:
    """Reads in processes of torch's DataLoader, ahead of the batch that is out.

    The DataLoader gives back batches in the order in which its sampler named
    them. The sampler names the batch that is wanted, then those the engine
    expects, then nothing (an empty batch), so that the pipeline stays full. One
    thread uses it.
    """

    def __init__(self, dataset: Any, cutter: Cutter, options: Dict[str, Any]) -> None:
        self._dataset: Any = Caught(dataset)
        self._cutter = cutter
        self._options = options
        self._asked: Deque[Optional[Key]] = collections.deque()
        self._kept: Dict[Key, Any] = {}
        self._places: Deque[Any] = collections.deque()
        self._iterator: Optional[Iterator[Any]] = None
        self._processes: List[Any] = []
        self._deaths: Deque[float] = collections.deque()
        #: Batches to know of: those that the DataLoader has under way, and one more
        #: for each process, while the next ones are leased.
        self.ahead = int(options["num_workers"]) * (int(options["prefetch_factor"] or 2) + 1)
        self.read_in_vain = 0

    def read(self, batch: Any, ahead: Ahead) -> List[Piece]:
        """Returns the pieces of a batch. Raises what the data set raises."""
        wanted = key_of(batch)
        while wanted not in self._kept:
            # Asking the engine takes longer than reading on from its last answer.
            if not self._places or not self._will_come(wanted):
                self._expect([batch, *ahead()])
            self._receive()
        made = self._kept.pop(wanted)
        if isinstance(made, Failure):
            raise made.raised()
        return _pieces(made, batch)

    def close(self) -> None:
        """Ends the processes."""
        self._forget_others(())
        self.read_in_vain += sum(key is not None for key in self._asked)
        self._iterator = None
        self._asked.clear()
        self._processes = []

    # --- What the sampler names -----------------------------------------------

    def __iter__(self) -> Iterator[List[Tuple[int, ...]]]:
        while True:
            if self._places:
                place = self._places.popleft()
                key = key_of(place)
                self._asked.append(key)
                yield [key, *((place.epoch, int(number)) for number in place.examples)]
            else:
                self._asked.append(None)
                yield []

    # --- What comes back ------------------------------------------------------

    def _receive(self) -> None:
        try:
            if self._iterator is None:
                self._start()
            elif any(not process.is_alive() for process in self._processes):
                raise RuntimeError("a DataLoader worker ended")
            assert self._iterator is not None
            made = next(self._iterator)
        except (RuntimeError, OSError, EOFError):
            # torch's own error, or that of a pipe on which the reader was writing.
            if not self._one_died():
                raise
            self._restart()
            return
        key = self._asked.popleft()
        if key is not None:
            self._kept[key] = made

    def _start(self) -> None:
        before = {process.pid for process in multiprocessing.active_children()}
        handler = signal.getsignal(signal.SIGCHLD)
        loader: Any = torch.utils.data.DataLoader(
            self._dataset,
            batch_sampler=self,
            collate_fn=self._cutter,
            **self._options,
        )
        try:
            with data.unseen():
                self._iterator = iter(loader)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            if "pickle" not in str(error):
                raise
            raise Refused(
                f"the processes of the loader cannot get the data set or collate_fn: {error}",
                "define its class or function at the top of a module, or say "
                'multiprocessing_context="fork": forked processes need no pickle',
            ) from error
        self._processes = [
            process
            for process in multiprocessing.active_children()
            if process.pid not in before
        ]
        if signal.getsignal(signal.SIGCHLD) is not handler:
            # torch's handler raises an error in the middle of the user's code
            # when a worker dies. Here the batch is read again.
            try:
                signal.signal(signal.SIGCHLD, handler or signal.SIG_DFL)
            except ValueError:
                pass  # Not the main thread: torch set none either.

    def _one_died(self) -> bool:
        """Returns whether a reader ended; its end may show a moment after its pipe's."""
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            if any(not process.is_alive() for process in self._processes):
                return True
            time.sleep(0.01)
        return False

    def _restart(self) -> None:
        now = time.monotonic()
        self._deaths.append(now)
        while self._deaths[0] < now - _RESTARTS_WITHIN_S:
            self._deaths.popleft()
        if len(self._deaths) > _MOST_RESTARTS:
            raise Refused(
                f"DataLoader workers were killed {len(self._deaths)} times in a minute",
                "the machine lacks memory? num_workers=0 reads in this process",
            )
        # read() names again what was lost.
        self._iterator = None
        self._asked.clear()
        self._processes = []

    def _will_come(self, wanted: Key) -> bool:
        return wanted in self._asked or key_of(self._places[0]) == wanted

    def _expect(self, places: Sequence[Any]) -> None:
        """Reads these places next, and forgets what is not among them."""
        self._forget_others({key_of(place) for place in places})
        self._places = collections.deque(
            place
            for place in places
            if key_of(place) not in self._kept and key_of(place) not in self._asked
        )

    def _forget_others(self, keys: Any) -> None:
        for key in [key for key in self._kept if key not in keys]:
            del self._kept[key]
            self.read_in_vain += 1


def _pieces(made: Any, batch: Any) -> List[Piece]:
    begins = [begin for begin, _ in made] + [len(batch.examples)]
    return [
        (batch.begin + begin, end - begin, value)
        for (begin, value), end in zip(made, begins[1:])
    ]
