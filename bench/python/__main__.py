"""Compares ebb in Python with what its users have; `ebb bench python` starts it."""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Dict, List

HERE = Path(__file__).resolve().parent
os.environ.update({name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")})
try:
    import ebb
except ModuleNotFoundError:
    sys.path.insert(0, str(HERE.parent.parent / "python"))
    os.environ["PYTHONPATH"] = sys.path[0]
    import ebb  # noqa: F401

sys.path += [str(HERE.parent / "command"), str(HERE.parent / "pages")]

import embeddings  # noqa: E402
import estimators  # noqa: E402
import figures  # noqa: E402
import goodput  # noqa: E402
import hand_over  # noqa: E402
import leaving  # noqa: E402
import page  # noqa: E402
import program  # noqa: E402
import reading  # noqa: E402
import starting  # noqa: E402
import training  # noqa: E402
import versions  # noqa: E402

_FASHION = "/usr/share/datasets/fashion-mnist"
#: Contests that need a module, by their names.
_NEEDS = {
    "perceptron": "torch",
    "adam": "torch",
    "ddp": "torch",
    "goodput": "torch",
    "embeddings": "torch",
    "many-keys": "torch",
    "loader": "torch",
    "logistic": "sklearn",
    "iris": "sklearn",
}
_QUICK_ONLY = ("hand-over", "import", "leaving")


def _all(flags) -> List[figures.Contest]:
    quick = flags.quick
    return [
        *hand_over.contests(2000 if quick else 5000),
        *training.contests(1 if quick else 3, flags.fashion),
        *goodput.contests(6 if quick else 60, flags.fashion),
        *embeddings.contests(),
        *reading.contests(200 if quick else 800),
        *leaving.contests(),
        *estimators.contests(flags.a9a),
        *starting.contests(),
    ]


def _why_not(contest: figures.Contest, flags) -> str:
    module = _NEEDS.get(contest.name)
    if module and importlib.util.find_spec(module) is None:
        return f"{sys.executable} has no {module}"
    if contest.name in ("perceptron", "adam", "ddp", "goodput") and not os.path.isdir(flags.fashion):
        return f"no Fashion-MNIST in {flags.fashion}"
    return contest.missing


def main() -> int:
    parser = program.parser(
        "ebb bench python", "Compares ebb in Python with PyTorch and scikit-learn alone",
        pairs=7, folder="runs/python",
        quick="give a rough result without a verdict from 1 round; without --only it leaves out what "
        "trains",
        page="write a page with the table",
        examples="ebb bench python --quick\n  ebb bench python --only perceptron adam --page python.md",
    )
    parser.add_argument("--json", type=Path, help="write all figures to FILE", metavar="FILE")
    parser.add_argument("--fashion", default=_FASHION, help="folder of Fashion-MNIST (%(default)s)")
    parser.add_argument("--a9a", default="../shared/data/a9a", help="folder of a9a (%(default)s)")
    flags = parser.parse_args()
    wanted = flags.only or (_QUICK_ONLY if flags.quick else [])
    every = _all(flags)
    program.check_names(parser, wanted, every)
    where = page.machine()
    print(f"machine {where}", flush=True)
    folder = None if flags.quick else flags.folder
    kept = figures.Kept(folder, versions.text() if folder else "")
    rounds = 1 if flags.quick else flags.pairs
    rows: List[figures.Row] = []
    parts: Dict[str, Dict[str, float]] = {}
    skipped: Dict[str, str] = {}
    for contest in every:
        if wanted and contest.name not in wanted:
            continue
        why = _why_not(contest, flags)
        if why:
            skipped[contest.name] = why
            print(f"not measured: {contest.name}: {why}")
            continue
        samples = figures.measure(contest, rounds, kept, program.tell)
        program.tell("")
        rows += figures.rows_of(contest, samples)
        parts.update(figures.parts_of(contest, samples))
    print(page.text(rows), end="")
    if flags.json:
        made = {"machine": where, "rows": [row.as_json() for row in rows], "parts": parts, "skipped": skipped}
        flags.json.write_text(json.dumps(made, indent=2) + "\n")
    if flags.page:
        before = flags.page.read_text() if flags.only and flags.page.exists() else ""
        flags.page.write_text(page.markdown(where, rows, parts, skipped, rounds, before))
    return 0 if flags.quick or all(row.holds for row in rows) else 1


if __name__ == "__main__":
    program.run(main)
