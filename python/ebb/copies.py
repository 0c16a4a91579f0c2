"""Copies of this program that a launcher started: torchrun, mpirun, srun.

Without a cluster that they share, each of them does everything alone.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Optional

# Launchers give the number of copies, and that of this one, these names.
_LAUNCHERS = (
    ("WORLD_SIZE", "RANK"),  # torchrun, accelerate, deepspeed, Kubeflow.
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
)


@dataclass(frozen=True)
class Copies:
    """The copies that a launcher started."""

    count: int
    #: The variable that says so.
    variable: str
    #: The launcher's words for them: "WORLD_SIZE=4, RANK=1".
    words: str

    def told(self, does: str) -> str:
        """Returns a sentence about what each of them does, for itself."""
        return f"this is one of {self.count} copies of a program ({self.words}), and each {does}"

    @property
    def way_out(self) -> str:
        """Says what to do about copies that should train one job."""
        script = os.path.basename(sys.argv[0]) if sys.argv else ""
        script = script if script.endswith(".py") else "SCRIPT.py"
        return (
            f"start it by `ebb run {script} --workers {self.count}`, or give all copies one "
            "cluster: EBB_SCHEDULER=HOST:PORT. For a program that is meant to be alone: unset "
            f"{self.variable}"
        )


def launched() -> Optional[Copies]:
    """Returns the copies of which this process is one; None: it is the only one."""
    for size, rank in _LAUNCHERS:
        count = os.environ.get(size, "")
        if count.isdigit() and int(count) > 1:
            known = [f"{name}={os.environ[name]}" for name in (size, rank) if name in os.environ]
            return Copies(int(count), size, ", ".join(known))
    return None
