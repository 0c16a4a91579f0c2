"""The messages of a program and its engine about rows of sparse tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence

import numpy as np

from ebb import seam
from ebb.batches import Evaluation, Place
from ebb.engine_process import Gone
from ebb.rows import Rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ebb.engine_session import Session
    from ebb.rows import Keys


def distinct_in(body: memoryview, begin: int) -> List[int]:
    """Returns the numbers of distinct keys of each sparse table."""
    return np.frombuffer(body[begin:], np.int64).tolist()  # type: ignore[no-any-return]


class RowExchange:
    """The keys that a program tells, and the rows that its engine pulls for them.

    Methods raise Gone and Left as those of Link do.
    """

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._room = session.rows

    def arranged(self, keys: Mapping[str, "ArrayLike"]) -> List["Keys"]:
        """Returns the keys of each table in turn. Raises Refused for a wrong key."""
        return self._room.arranged(keys)

    def tell(self, place: Place, arranged: Sequence["Keys"]) -> None:
        """Says which keys the batch at a place has."""
        self._write_keys(arranged)
        self._room.told(place.place, arranged)
        body = seam.ROWS_BODY.pack(*place.place, len(arranged))
        self._session.link.ask(seam.ROWS, body + seam.counts(map(len, arranged)))

    def unreadable(self, place: Place, why: str) -> None:
        """Says that the keys of the batch at a place cannot be found."""
        body = seam.ROWS_BODY.pack(*place.place, 0) + seam.text(why)
        self._session.link.ask(seam.ROWS, body, seam.UNREADABLE)

    def of(self, place: Place, distinct: Sequence[int]) -> Dict[str, Rows]:
        """Returns the rows of the batch that is out."""
        return self._room.of(place.place, distinct)

    def look_up(
        self, evaluation: Evaluation, arranged: Sequence["Keys"]
    ) -> Optional[Dict[str, Rows]]:
        """Returns rows of a snapshot; None if another worker evaluates it by now.

        The evaluation gets the ticket under which it is to be handed in then.
        """
        counts = [len(each) for each in arranged]
        self._write_keys(arranged)
        body = seam.LOOK_UP_BODY.pack(evaluation.ticket, len(arranged))
        kind, _, answer = self._session.link.ask(
            seam.LOOK_UP, body + seam.counts(counts)
        )
        if kind != seam.EVALUATE:
            return None
        evaluation.ticket, *_ = seam.EVALUATE_BODY.unpack_from(answer)
        self._session.last_ticket = evaluation.ticket
        return self._room.views(counts, distinct_in(answer, seam.EVALUATE_BODY.size))

    def _write_keys(self, keys: Sequence["Keys"]) -> None:
        if not self._session.is_joined:
            raise Gone
        grown = self._room.grown(keys)
        if grown is not None:
            self._room.replace(grown)
            self._session.share_rows(grown)
        assert self._room.memory is not None
        self._room.memory.write_keys(keys)
