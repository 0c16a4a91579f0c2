"""The servers' rate, as the loop shows it.

The formulas are those of algorithms/schedule.cc.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from typing import Any, List, Mapping, Sequence

# The defaults of the keys in docs/job-file.md.
_STEP_EPOCHS, _FACTOR = 5.0, 0.1


@dataclasses.dataclass(frozen=True)
class Scheduled:
    """How the rates of a job change over the data."""

    #: The key ``optimizer.schedule`` of the job file.
    schedule: Mapping[str, Any]
    #: On which the factors of the schedule are based, by parameter group.
    rates: Sequence[float]
    #: A scheduler of PyTorch, which shows the rates; None: the schedule is in words.
    scheduler: Any = None

    def at(self, position: float, epochs: int, factor: float = 1.0) -> List[float]:
        """Returns the rates of the groups, and lets the scheduler show them.

        position, epochs: as of ``factor_at``.
        factor: that of rollbacks.
        """
        factor *= factor_at(self.schedule, position, epochs)
        made = [rate * factor for rate in self.rates]
        if self.scheduler is not None:
            self.scheduler._last_lr = list(made)
        return made


def factor_at(schedule: Mapping[str, Any], position: float, epochs: int) -> float:
    """Returns what a schedule multiplies the rate by.

    schedule: the key ``optimizer.schedule`` of a job file.
    position: of the middle of a batch in the data, in epochs.
    epochs: of the job.
    """
    kind = schedule.get("kind", "constant")
    factor = 1.0
    if kind == "step":
        falls = math.floor(position / schedule.get("step_epochs", _STEP_EPOCHS) * (1 + 1e-12))
        factor = float(schedule.get("factor", _FACTOR)) ** falls
    elif kind == "cosine":
        last = float(schedule.get("final_share", 0.0))
        share = (1 + math.cos(math.pi * min(1.0, position / epochs))) / 2
        factor = last + (1 - last) * share
    elif kind == "table":
        factor = _of_table(schedule["at"], schedule["factors"], position)
    warm_up = float(schedule.get("warm_up_epochs", 0.0))
    return factor * position / warm_up if position < warm_up else factor


def _of_table(at: Any, factors: Any, position: float) -> float:
    after = bisect.bisect_right(at, position)
    if after == 0:
        return float(factors[0])
    if after == len(at):
        return float(factors[-1])
    share = (position - at[after - 1]) / (at[after] - at[after - 1])
    return float(factors[after - 1] + share * (factors[after] - factors[after - 1]))
