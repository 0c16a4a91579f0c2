"""Word vectors: ebb beside one process of NumPy that draws pairs and steps alike.

The text is Shakespeare's, and a generated language in which analogies are known.
"""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List

from figures import Comparison, Contest, Sample, at_least, at_most

TITLE = "Word vectors"
HERE = Path(__file__).resolve().parent
_PLAYS = HERE.parents[2] / "shared/data/shakespeare/tinyshakespeare.txt"
_LOSS, _FOUND, _SECONDS = "test loss", "% of analogies", "s"
_DIM, _LIMIT_S = 64, 1800


def _call(words: List[str], folder: Path) -> str:
    done = subprocess.run(
        words, cwd=folder, check=True, stdout=subprocess.PIPE, text=True, timeout=_LIMIT_S
    )
    return done.stdout


def _ebb(*words: str, folder: Path) -> str:
    return _call([os.path.join(os.environ["EBB_BIN"], "ebb"), *words], folder)


def _write_text(kind: str, folder: Path) -> None:
    """train.txt, test.txt, and of a language questions.txt."""
    if kind == "language":
        _ebb("generate", "analogies", "language", "--rows", "20000", folder=folder)
        for name in ("train", "test", "test.questions"):
            (folder / f"language.{name}.txt").rename(folder / f"{name.split('.')[-1]}.txt")
        return
    parts = re.split(r"\n\s*\n", _PLAYS.read_text(encoding="utf-8"))
    for name, chosen in (("train", range(9)), ("test", [9])):
        text = "\n\n".join(part for i, part in enumerate(parts) if i % 10 in chosen)
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def _job(kind: str, epochs: int, seed: int) -> str:
    document = "line" if kind == "language" else "paragraph"
    return (
        f"name: words\nmodel: {{kind: word_vectors, dim: {_DIM}}}\n"
        f"data:\n  train: {{text: {{path: train.txt, document: {document}}}}}\n"
        f"  test: {{text: test.txt}}\ntrain: {{epochs: {epochs}}}\nseed: {seed}\n"
    )


def _ours(kind: str, epochs: int, workers: int, seed: int) -> Sample:
    with tempfile.TemporaryDirectory(prefix="ebb_words_") as name:
        folder = Path(name)
        _write_text(kind, folder)
        (folder / "job.yaml").write_text(_job(kind, epochs, seed))
        flags = ["--servers", "1", "--workers", str(workers), "--quiet"]
        _ebb("run", "job.yaml", "--run-dir", "run", "--report", "r.json", *flags, folder=folder)
        report = json.loads((folder / "r.json").read_text())
        sample = {_LOSS: report["loss"], _SECONDS: report["seconds"]}
        if kind == "language":
            said = _ebb("predict", "run", "questions.txt", "--score", folder=folder)
            sample[_FOUND] = float(said.split(" %")[0])
    return sample


def _alone(kind: str, epochs: int, seed: int) -> Sample:
    with tempfile.TemporaryDirectory(prefix="ebb_words_") as name:
        folder = Path(name)
        _write_text(kind, folder)
        more = ["--lines", "--questions=questions.txt"] if kind == "language" else []
        program = [sys.executable, "-B", str(HERE / "words_program.py"), "train.txt", "test.txt"]
        flags = [f"--epochs={epochs}", f"--dim={_DIM}", f"--seed={seed}", *more]
        answer = json.loads(_call([*program, *flags], folder))
    sample = {_LOSS: answer["loss"], _SECONDS: answer["seconds"]}
    if "found" in answer:
        sample[_FOUND] = 100 * answer["found"]
    return sample


def contests(quick: bool = False) -> List[Contest]:
    epochs = 2 if quick else 10
    return [_contest("plays", "Shakespeare", epochs), _contest("language", "analogies", epochs)]


def _contest(kind: str, title: str, epochs: int) -> Contest:
    sides = {f"ebb {n}": functools.partial(_ours, kind, epochs, n) for n in (1, 4)}
    rows = [
        Comparison(f"{title}, {n} workers / NumPy", _LOSS, f"ebb {n}", "numpy", at_most(1.02), True)
        for n in (1, 4)
    ]
    rows.append(Comparison(f"{title}, 1 worker / NumPy", _SECONDS, "ebb 1", "numpy"))
    if kind == "language":
        rows.append(Comparison(f"{title}, 4 workers", _FOUND, "ebb 4", bound=at_least(95)))
    missing = "" if kind == "language" or _PLAYS.exists() else f"there is no {_PLAYS}"
    return Contest(
        f"words-{kind}",
        {**sides, "numpy": functools.partial(_alone, kind, epochs)},
        rows,
        missing=missing,
        seeded=True,
    )
