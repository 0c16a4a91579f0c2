"""The kills of ``ebb run SCRIPT.py --kill-every``."""

from __future__ import annotations

import argparse
import random
from typing import List, Optional

from ebb.local import LocalCluster
from ebb.run_folders import Facts


class Kills:
    """Kills processes in turn: a program, a server, the scheduler."""

    def __init__(self, flags: argparse.Namespace, size: Facts) -> None:
        self._every: Optional[float] = flags.kill_every
        self._random = random.Random(flags.kill_seed)
        self._roles = [
            [f"worker-{i}" for i in range(size.workers)],
            [f"ps-{i}" for i in range(size.servers)],
            ["scheduler"],
        ]
        self._begun: Optional[float] = None
        self._turn = 0
        self._next_s = 0.0
        self._draw()
        self.done: List[str] = []

    def _draw(self) -> None:
        if self._every is not None:
            self._next_s = self._every * (self._turn + self._random.random())
            self._daemon = self._random.choice(self._roles[self._turn % 3])
            self._turn += 1

    def act(self, cluster: LocalCluster, now: float) -> Optional[int]:
        """Kills the next process if it is time; returns its process id."""
        if self._every is None:
            return None
        if self._begun is None:
            self._begun = now
        if now - self._begun < self._next_s:
            return None
        name = self._daemon
        pid = cluster.processes.get(name)
        if pid is None:
            # A program that has finished is not there. A daemon that is just
            # coming back is killed as soon as it is.
            if name.startswith("worker") and cluster.finished(name):
                self._draw()
            return None
        if not cluster.kill(name):
            return None
        self.done.append(name)
        late = now - self._begun - self._next_s
        if late > self._every:
            # A machine that stood still would kill all that it missed at once, and
            # again nothing would go on. The rest of the plan is later instead.
            self._begun += late
        self._draw()
        return pid
