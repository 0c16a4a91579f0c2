"""What tests of models that ebb-workers compute share."""

import sys
import textwrap
import time
from pathlib import Path

import ebb
import ebb.local
from processes import children_of

LIMIT_S = 400


def write_module(folder: Path, text: str, name: str = "net.py") -> str:
    """Writes the module into a folder that may be allowed, and returns the folder."""
    models = folder / "models"
    models.mkdir(mode=0o755, exist_ok=True)
    module = models / name
    module.write_text(textwrap.dedent(text))
    module.chmod(0o644)
    return str(models)


def worker_cluster(folder: Path, models: str, **more):
    return ebb.local.cluster(
        folder=str(folder / "cluster"),
        worker_flags=["--allow-plugins", models, "--python", sys.executable],
        **more,
    )


def wait_for(what, seconds=LIMIT_S):
    deadline = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return value


def pythons_of(cluster):
    """The Python processes of the workers, by the worker's name."""
    found = {}
    for name, pid in cluster.processes.items():
        if name.startswith("worker"):
            children = children_of(pid)
            if children:
                found[name] = children[0]
    return found


def applied_of(job):
    try:
        return job.progress.applied
    except ebb.Unavailable:
        return 0
