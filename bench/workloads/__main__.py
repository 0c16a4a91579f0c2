"""Compares workloads without a gradient with what their users have; `ebb bench
workloads` starts it.

A workload is a module here. Its ``contests(quick)`` are measured in turns, as those
of bench/python are, and its ``TITLE`` heads its part of the page. Its
``charts(samples)``, if it has any, are the images of that part.
"""

import os
import sys
from pathlib import Path
from typing import Dict, List

HERE = Path(__file__).resolve().parent
os.environ.update({name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")})
sys.path += [str(HERE.parent / name) for name in ("python", "command", "pages")]

import boosted  # noqa: E402
import figures  # noqa: E402
import forest  # noqa: E402
import kmeans  # noqa: E402
import lda  # noqa: E402
import page_writer  # noqa: E402
import program  # noqa: E402
import runs  # noqa: E402
import speedup  # noqa: E402
import words  # noqa: E402
import workloads_page  # noqa: E402

#: The modules of workloads, as the page has them.
WORKLOADS = (kmeans, forest, boosted, lda, words, speedup)


def main() -> int:
    parser = program.parser(
        "ebb bench workloads",
        "Compares workloads without a gradient with scikit-learn and XGBoost",
        pairs=3, folder="runs/workloads",
        quick="give a rough result without a verdict, from 1 round of what takes seconds",
        page="write a page with the tables, and charts into images/ beside it",
        examples="ebb bench workloads --quick\n"
        "  ebb bench workloads --only kmeans-fashion --page docs/measured/workloads.md",
    )
    flags = parser.parse_args()
    if flags.page:
        page_writer.check(flags.page)
    every = [(module, contest) for module in WORKLOADS for contest in module.contests(flags.quick)]
    program.check_names(parser, flags.only, [contest for _, contest in every])
    where = workloads_page.machine()
    print(f"machine {where}", flush=True)
    folder = None if flags.quick else flags.folder
    kept = figures.Kept(folder, runs.versions() if folder else "")
    rounds = 1 if flags.quick else flags.pairs
    parts: Dict[str, workloads_page.Part] = {}
    for module, contest in every:
        part = parts.setdefault(module.TITLE, workloads_page.Part(module.TITLE))
        if flags.only and contest.name not in flags.only:
            continue
        if contest.missing:
            part.skipped[contest.name] = contest.missing
            print(f"not measured: {contest.name}: {contest.missing}")
            continue
        samples = figures.measure(contest, rounds, kept, program.tell)
        program.tell("")
        part.rows += figures.rows_of(contest, samples)
        if hasattr(module, "charts"):
            part.charts += module.charts(contest, samples)
    rows: List[figures.Row] = [row for part in parts.values() for row in part.rows]
    print(workloads_page.text(rows), end="")
    if flags.page:
        workloads_page.write(flags.page, where, list(parts.values()), rounds)
    return 0 if flags.quick or all(row.holds for row in rows) else 1


if __name__ == "__main__":
    program.run(main)
