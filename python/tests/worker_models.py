"""The parts that tests of models that ebb-workers compute share."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

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


def run_that_counts_imports(
    folder: Path, text: str, job: Dict[str, Any]
) -> Tuple[List[str], Path]:
    """Runs a job with the module to its end.

    Returns the command, and a file with a letter for each import of the module.
    """
    imports = folder / "imports"
    models = write_module(folder, f"{text}\nopen({str(imports)!r}, 'a').write('x')\n")
    (folder / "job.yaml").write_text(json.dumps(job))
    command = [os.path.join(os.environ["EBB_BIN"], "ebb"), "run", "job.yaml"]
    command += ["--run-dir", "run", "--workers", "1", "--allow-plugins", models]
    subprocess.run(command, check=True)
    return command, imports


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
