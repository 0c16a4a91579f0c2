"""Markets in which workers come and go, as scenarios by the progress of a job."""

import csv
import dataclasses
import random
from typing import Any, Dict, List, NamedTuple, Sequence

#: Workers at the start of the made-up market and at its end, and between them.
MARKET_LOW, MARKET_HIGH = 4, 64
#: The last event is before the end of the job.
_OVER = 0.9


class TraceEvent(NamedTuple):
    at: float  # Seconds.
    add: bool  # Else the node is taken away.
    node: str


@dataclasses.dataclass(frozen=True)
class Trace:
    """A record of a market: which machines came and went when, by time."""

    events: Sequence[TraceEvent]

    @property
    def duration(self) -> float:
        return self.events[-1].at

    @property
    def nodes_at_start(self) -> int:
        return sum(event.add and event.at == 0 for event in self.events)

    @property
    def peak_nodes(self) -> int:
        there = most = 0
        for event in self.events:
            there += 1 if event.add else -1
            most = max(most, there)
        return most

    def by_progress(self) -> List[Dict[str, Any]]:
        """The events after the start, for a scenario, by the progress of the job instead
        of by time. Nodes become worker-0, worker-1, ... as they first appear, and are
        killed when they are removed."""
        workers: Dict[str, str] = {}
        events = []
        for event in self.events:
            worker = workers.setdefault(event.node, f"worker-{len(workers)}")
            if event.add and event.at == 0:
                continue
            at = f"{100 * _OVER * event.at / self.duration:.6f}%"
            events.append({"at": at, "add" if event.add else "remove": worker})
        return events


def read_trace(text: str, name: str) -> Trace:
    """Reads CSV with the header `t_s,op,node`; raises ValueError if it is none."""
    rows = [row for row in csv.reader(text.splitlines()) if row]
    if not rows or rows[0] != ["t_s", "op", "node"]:
        raise ValueError(f"{name} does not begin with t_s,op,node")
    try:
        events = [TraceEvent(float(at), {"add": True, "remove": False}[op], node) for at, op, node in rows[1:]]
    except (KeyError, ValueError):
        raise ValueError(f"{name} has a line that is none of a trace: `ebb chaos --trace` says which")
    if not events:
        raise ValueError(f"{name} has no events")
    return Trace(events)


def rising_market(seed: int) -> Trace:
    """The number of nodes rises and falls again. Some are lost and replaced on the way.

    It is a function of the seed alone.
    """
    steps = MARKET_HIGH - MARKET_LOW
    loss_every = 6  # Nodes that come for one that is replaced.
    chance = random.Random(seed)
    events: List[TraceEvent] = []
    there: List[str] = []
    nodes = 0

    def add(share: float) -> None:
        nonlocal nodes
        nodes += 1
        there.append(f"node{nodes}")
        events.append(TraceEvent(1000 * share, True, there[-1]))

    def take(share: float) -> None:
        node = there.pop(chance.randrange(len(there)))
        events.append(TraceEvent(1000 * share, False, node))

    for _ in range(MARKET_LOW):
        add(0)
    for i in range(steps):
        share = 0.1 + 0.4 * i / steps
        add(share)
        if i % loss_every == loss_every - 1:
            take(share)
            add(share)
    for i in range(steps):
        take(0.6 + 0.4 * (i + 1) / steps)
    return Trace(events)
