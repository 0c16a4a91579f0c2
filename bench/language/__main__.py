"""Trains a small GPT by runs of local steps, beside its peers; `ebb bench language`
starts it.

A case is a run (cases.py). runs.py makes it, and its figures stay in a file.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

HERE = Path(__file__).resolve().parent
try:
    import ebb
except ModuleNotFoundError:
    sys.path.insert(0, str(HERE.parent.parent / "python"))
    import ebb  # noqa: F401

# The programs find the package that this one has.
os.environ["PYTHONPATH"] = str(Path(ebb.__file__).resolve().parent.parent)
sys.path += [str(HERE.parent / name) for name in ("python", "command", "pages")]

import cases  # noqa: E402
import language_page  # noqa: E402
import options  # noqa: E402
import page_writer  # noqa: E402
import processes  # noqa: E402
import program  # noqa: E402
import runs  # noqa: E402
import targets  # noqa: E402
import texts  # noqa: E402
from kept_cases import KeptCases  # noqa: E402

_TEXT = "../shared/data/shakespeare/tinyshakespeare.txt"
_TRACES = ("bamboo-p3.csv", "bamboo-gcp-v100-east1c.csv")
_LOOK_BATCHES = 10
_MORE = """\
Trains with plain AdamW, with data-parallel steps (DDP), with ebb.torch.DiLoCo, and with
torchft, which it installs by pip into its folder. All rows see the same number of tokens.
Says first what the runs cost. Figures of finished runs are kept, so an interrupted benchmark
goes on. Exits 1 if a target is missed. EBB_PYTHON names the interpreter (/usr/bin/python3).
Examples:
  ebb bench language --quick
  ebb bench language --only ddp diloco --seeds 1 2"""


def _flags() -> argparse.Namespace:
    about = "Trains a small GPT by runs of local steps, beside its peers"
    parser = options.Parser("ebb bench language", about, _MORE)
    add = parser.add_argument
    add("--quick", action="store_true",
        help="give a rough result without a verdict in a few minutes: a smaller model, 40,000 "
        "characters, one seed")
    add("--large", action="store_true",
        help="compare AdamW, DDP and rounds with a model of 1.8 million parameters, without a "
        "verdict")
    add("--folder", type=Path, default=Path("runs/language"),
        help="folder that keeps the figures (%(default)s)")
    add("--page", type=Path, help="write a page with the tables, and charts into images/ beside it")
    add("--only", nargs="+", default=[], metavar="NAME",
        help=f"run only these rows, or cases by name ({', '.join(cases.ROWS)})")
    add("--seeds", nargs="+", type=options.within(1, 1 << 31), default=[1, 2, 3],
        help="seeds of the pairs (1 2 3)")
    add("--cores", type=options.within(0.01, 1e6, float), default=1.5,
        help="processors that emulated workers may use together (%(default)s)")
    add("--steps", type=options.within(1, 1 << 16), default=20,
        help="batches of a run, H (%(default)s)")
    add("--text", type=Path, help=f"text to learn ({_TEXT}, else the pages of docs/)")
    add("--python", default=runs.default_python(), metavar="FILE",
        help="interpreter of the programs, which has PyTorch (%(default)s)")
    add("--torchft-python", metavar="FILE",
        help="interpreter for torchft, with PyTorch 2.7 or newer (that of --python)")
    add("--cost", action="store_true", help="only print the cases and what they cost")
    flags = parser.parse_args()
    if flags.quick and flags.large:
        parser.error("--quick and --large: one of them")
    flags.text = flags.text or Path(_TEXT)
    flags.torchft_python = flags.torchft_python or flags.python
    return flags


class _Bench:
    def __init__(self, flags: argparse.Namespace) -> None:
        self._flags = flags
        there = flags.text.exists()
        chosen = cases.Options(
            text=str(flags.text.resolve()) if there else "",
            seeds=flags.seeds, cores=flags.cores, steps=flags.steps, traces=_traces(),
        )
        self._size = "quick" if flags.quick else "large" if flags.large else ""
        sizes = {"quick": cases.quick, "large": cases.large}
        self._options = sizes[self._size](chosen) if self._size else chosen
        torchft = (flags.folder / "torchft").resolve()
        self._runs = runs.Runs(flags.python, flags.torchft_python, torchft)
        self._versions = runs.versions(flags.python)
        others = self._versions
        if flags.torchft_python != flags.python:
            others = runs.versions(flags.torchft_python)
        prefix = f"{self._size}-" if self._size else ""
        by_row = {"torchft": others, "torchft_kills": others}
        self._kept = KeptCases(flags.folder, prefix, self._versions, by_row)
        self._failures: Dict[str, str] = {}

    def run(self) -> int:
        flags = self._flags
        self._kept.check()
        if flags.page:
            page_writer.check(flags.page)
        where = f"{options.where_line()}; {self._versions}"
        print(where, file=sys.stderr, flush=True)
        look = self._look()
        every = cases.all_cases(self._options, look["all_batches"])
        wanted = [one for one in every if not flags.only or {one.row, one.name} & set(flags.only)]
        if not wanted:
            raise ValueError(f"--only {' '.join(flags.only)}: there are {', '.join(cases.ROWS)}")
        self._tell_cost(wanted, look["batch_s"])
        if flags.cost:
            return 0
        for number, case in enumerate(wanted):
            self._take(number, len(wanted), case)
        # What was measured before stays on the page.
        kept = [found for found in map(self._kept.load, every) if found]
        options.tell("")
        shown = [one for one in kept if any(one["name"] == case.name for case in wanted)]
        print(language_page.terminal_text(shown, verdicts=not self._size), end="")
        for name, why in self._failures.items():
            print(f"not measured: {name}: {why}")
        if flags.page:
            self._write(kept, look)
        held = all(one.holds for one in targets.all_targets(shown))
        if self._failures and not flags.quick:
            return 1
        return 0 if held or self._size else 1

    def _look(self) -> Dict[str, Any]:
        """Measures a few batches of the study's model."""
        model = {**self._options.model, "seed": self._options.seeds[0]}
        found = self._runs.look(model, _LOOK_BATCHES)
        return {**found, "batch_s": found["cpu_seconds"] / _LOOK_BATCHES}

    def _tell_cost(self, wanted: List[cases.Case], batch_s: float) -> None:
        total = 0.0
        for case in wanted:
            there = self._kept.load(case) is not None
            cost = 0.0 if there else case.cpu_seconds(batch_s)
            total += cost
            print(f"{case.name}: {'there' if there else f'{cost / 60:.1f} core minutes'}")
        print(f"altogether about {texts.took(total)} of one core", flush=True)

    def _take(self, number: int, count: int, case: cases.Case) -> None:
        options.tell(f"{number + 1} of {count}, {case.name}")
        try:
            found = self._kept.take(case, self._runs.take)
        except (processes.Failed, ebb.errors.Error, runs.ebb_program.Failed) as error:
            self._failures[case.name] = " ".join(str(error).split())[-600:]
            options.tell(f"{case.name}: {self._failures[case.name]}")
            return
        took, loss = found["wall_seconds"], found["figures"].get("loss")
        options.tell(f"{case.name}: {texts.took(took)}" + (f", loss {loss:.3f}" if loss else ""))

    def _write(self, kept: List[targets.Kept], look: Dict[str, Any]) -> None:
        flags = self._flags
        command = "ebb bench language" + (f" --{self._size}" if self._size else "")
        command += f" --seeds {' '.join(map(str, flags.seeds))}"
        settings = {**self._options.model, "steps": self._options.steps}
        page = language_page.PageOptions(
            f"{options.where_line()}; {self._versions}",
            command,
            language_page.about(settings, look["parameters"], look["sequences"]),
            self._failures,
        )
        language_page.write(flags.page, kept, page)
        print(f"written: {flags.page}")


def _traces() -> List[str]:
    """The recorded markets that are here."""
    folder = Path("../shared/data/spot")
    return [str(folder / name) for name in _TRACES if (folder / name).exists()]


def main() -> int:
    begun = time.monotonic()
    code = _Bench(_flags()).run()
    options.tell(f"took {texts.took(time.monotonic() - begun)}")
    return code


if __name__ == "__main__":
    program.run(main)
