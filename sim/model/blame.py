"""How the scheduler finds the batch that kills workers, and skips it.

Both models have it. Places are batches of the one item that has a poisonous
batch. The rules are those of Poison (scheduler/job/poison.h), and of this design:

- A death under an ordinary lease makes the next lease of the item `careful`.
- Under a careful lease a worker tells the scheduler each batch and begins it when
  that has answered. So a death names the batch. Only such deaths are counted.
- The second death in a row at one batch wants a skip. All partitions get new terms
  (a fence), and no worker gets the item. Then the skip is decided if no partition has
  the batch. Else the item is worked on again, and here no other skip is wanted.
"""

from typing import NamedTuple, Optional

from explore import Violation

DEATHS = 2  # In a row, at one batch.


class Blame(NamedTuple):
    """The scheduler's knowledge of the item."""
    careful: bool = False
    place: int = -1
    deaths: int = 0
    wanted: Optional[tuple[int, int]] = None  # A skip that is not decided yet.
    fences: int = 0  # So many skips were wanted.
    skipped: Optional[tuple[int, int]] = None  # The decided one.
    refused: bool = False  # A partition had what was to be skipped.

    def died(self, careful, at, run, plant):
        """A worker died, which worked on batch `at` of the run [run[0], run[1])."""
        if self.skipped or self.wanted or self.refused:
            return self
        if not careful:
            # The last report was at the beginning of the run.
            if plant != "death_names_what_was_heard_last":
                return self._replace(careful=True)
            at = run[0]
        deaths = self.deaths + 1 if self.place == at else 1
        if deaths < DEATHS:
            return self._replace(careful=True, place=at, deaths=deaths)
        skip = run if plant == "skip_leaves_out_the_run" else (at, at + 1)
        return Blame(careful=True, wanted=skip, fences=self.fences + 1)

    def settled(self, applied, poison):
        """All partitions said what they have: whether one has a part of the skip."""
        if applied:
            return self._replace(wanted=None, refused=True)
        if self.wanted != (poison, poison + 1):
            raise Violation(
                f"skip: {self.wanted} is left out, and batch {poison} kills")
        return self._replace(wanted=None, skipped=self.wanted)
