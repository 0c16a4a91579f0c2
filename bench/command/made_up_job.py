"""A job for benchmarks of the cluster: made up, small, and endless."""

import shutil
import tempfile
from pathlib import Path

_FEATURES = 16


class MadeUpJob:
    """It lies in a temporary folder, which is gone when the block that it heads is left.

    A classifier of 16 features into 4 classes, on examples that are functions of their
    number; ``train`` and ``model`` are what stands below the keys. ``rule`` is the line
    of the job that says how it is trained.
    """

    def __init__(
        self,
        train: str,
        model: str = "softmax",
        partitions: int = 4,
        rule: str = "optimizer: {kind: sgd, rate: 0.001}",
        examples: int = 2000,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ebb-bench-"))
        self._kept = False
        data = self.folder / "examples.csv"
        data.write_text("".join(map(_line, range(examples))))
        self.file.write_text(
            f'name: bench\nmodel: {model}\ndata: {{train: {{csv: "{data}"}}}}\n'
            f"train: {{epochs: 20000, {train}}}\n{rule}\n"
            f"checkpoint: {{every: 500ms}}\npartitions: {partitions}\n"
        )

    @property
    def file(self) -> Path:
        return self.folder / "job.yaml"

    @property
    def run_folder(self) -> Path:
        return self.folder / "run"

    def keep(self) -> Path:
        """Keeps the folder for inspection; returns that of the run."""
        self._kept = True
        return self.run_folder

    def __enter__(self) -> "MadeUpJob":
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            shutil.rmtree(self.folder, ignore_errors=True)


def _line(i: int) -> str:
    values = [(i * (f + 3) + f) % 17 for f in range(_FEATURES)]
    return ",".join(map(str, [*values, i % 4])) + "\n"
