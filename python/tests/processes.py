"""The parts that tests that kill processes share."""

import time
from pathlib import Path
from typing import List

import ebb


def children_of(pid: int) -> List[int]:
    """The processes that this one started and that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # After the name, which may have spaces: state and parent.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def audit_of_all(job: ebb.Job, seconds: float) -> ebb.Audit:
    """The audit, once the servers that were killed last are back."""
    deadline = time.monotonic() + seconds
    while (audit := job.audit()).applied is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return audit
