"""Runs of ebb's programs for a benchmark."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from processes import ONE_THREAD, Failed

_LIMIT_S = 1800


def ebb(*words: str, folder: Path, more: Optional[Mapping[str, str]] = None) -> str:
    """Returns what the command prints."""
    done = subprocess.run(
        [os.path.join(os.environ["EBB_BIN"], "ebb"), *words],
        cwd=folder,
        env={**os.environ, **ONE_THREAD, **(more or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=_LIMIT_S,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise Failed(f"ebb {words[0]} ended with {done.returncode}: {last}")
    return done.stdout


def versions() -> str:
    """The versions of all that is compared. Figures of others are measured again."""
    return f"{ebb('--version', folder=Path('.')).strip()}, {others()}"


def others() -> str:
    """Names what ebb is compared with."""
    import sklearn

    blas = "OpenBLAS" if fast_products() else "the system's BLAS"
    return f"scikit-learn {sklearn.__version__} with {blas}"


def fast_products() -> Dict[str, str]:
    """The environment in which Debian's packages of Python find OpenBLAS, if it is there."""
    found = sorted(Path("/usr/lib").glob("*/openblas-pthread"))
    return {"LD_LIBRARY_PATH": str(found[0])} if found else {}


class Run:
    """A job that was run, and what is left of it."""

    def __init__(
        self,
        job: str,
        workers: int,
        files: Optional[Mapping[str, bytes]] = None,
        more: Optional[Mapping[str, str]] = None,
    ) -> None:
        """job: the text of the job file; its paths are absolute, or among ``files``."""
        self._kept = tempfile.TemporaryDirectory(prefix="ebb_workloads_")
        self.folder = Path(self._kept.name)
        for name, data in (files or {}).items():
            (self.folder / name).write_bytes(data)
        (self.folder / "job.yaml").write_text(job)
        words = ["run", "job.yaml", "--servers", "1", "--workers", str(workers), "--quiet"]
        ebb(*words, "--run-dir", "run", "--report", "report.json", folder=self.folder, more=more)
        self.report: Dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        if not self.report["audit"]["exact"]:
            raise Failed("a run of ebb was not exact")

    def tensors(self) -> Path:
        """The exported model."""
        ebb("checkpoint", "export", "run", "-o", "model.safetensors", folder=self.folder)
        return self.folder / "model.safetensors"

    def close(self) -> None:
        self._kept.cleanup()

    def round_seconds(self) -> List[float]:
        """How long each round took but the first, from the scheduler's log."""
        times: Dict[int, float] = {}
        for log in sorted((self.folder / "run" / "logs").glob("*scheduler*")):
            found = re.findall(
                r"^I\S+ (\d+):(\d+):(\d+\.\d+) .* round=(\d+) inertia=", log.read_text(), re.M
            )
            for hour, minute, second, number in found:
                times[int(number)] = 3600 * int(hour) + 60 * int(minute) + float(second)
        pairs = [(times[i - 1], times[i]) for i in sorted(times) if i - 1 in times]
        return [(now - before) % 86400 for before, now in pairs]
