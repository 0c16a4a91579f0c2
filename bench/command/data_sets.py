"""Finds the data of benchmarks on this machine, or generates it."""

from pathlib import Path
from typing import Sequence

import ebb_program

NO_FASHION = "no Fashion-MNIST here: apt-get install dataset-fashion-mnist"
#: Optional, in a folder beside the sources.
SHARED = "../shared/data/"
_FASHION = ("/usr/share/datasets/fashion-mnist", "../shared/data/fashion-mnist")


def fashion_folder() -> str:
    """The folder of Fashion-MNIST; empty: it is not here."""
    there = (one for one in _FASHION if Path(one, "train-images-idx3-ubyte.gz").exists())
    return next(there, "")


def generated(path: Path, kind: str, arguments: Sequence[str]) -> Path:
    """Makes data by `ebb generate`, unless it is there; returns where its names begin."""
    truth = Path(f"{path}.truth.json")
    if not truth.exists():
        log = Path(f"{path}.log")
        with ebb_program.Child(["generate", kind, str(path), *arguments, "--force"], log) as child:
            code = child.wait(lambda: None)
        if not truth.exists():
            raise ebb_program.Failed(
                f"{path} was not generated: ebb generate {ebb_program.end_of(code)} ({log}): "
                f"{ebb_program.last_line(log)}"
            )
    return path
