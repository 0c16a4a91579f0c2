"""How fast a job counts its examples."""

from typing import Any, Dict, Optional, Tuple

Status = Dict[str, Any]


class RateMeter:
    """The rate from how many examples were counted when: between the first and the last
    moment at which the count grew, so that how far the next batch is does not matter."""

    def __init__(self) -> None:
        self._first: Optional[Tuple[float, int]] = None
        self._last = (0.0, 0)

    def add(self, at: float, counted: int) -> None:
        if counted <= self._last[1]:
            return
        self._last = at, counted
        self._first = self._first or self._last

    @property
    def rate(self) -> Optional[float]:
        """Examples per second; None before the count grew twice."""
        if self._first is None or self._last[0] <= self._first[0]:
            return None
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])


def seconds_of(status: Status) -> float:
    """When it was, by the scheduler's clock."""
    return float(status["now_unix_ms"]) * 1e-3


def counted_of(status: Status) -> int:
    return int(status["jobs"][0]["marks"]["least"])


def roles_of(status: Status, role: str) -> "list[Status]":
    return [one for one in status["roles"] if one["role"] == role]
