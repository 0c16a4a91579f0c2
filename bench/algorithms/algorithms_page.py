"""The page about algorithms: tables and charts of what `ebb bench algorithms` measured."""

import dataclasses
from typing import Callable, List, Sequence

import charts
import page_writer
import texts
from effects import PageJob, known_effects
from run_figures import RunFigures, where_they_ran

_COLUMNS = ["", "s to target", "examples to target", "s in all", "MB moved", "s waited"]
_COLUMNS += ["of worker time", "accuracy", "test loss", "staleness", "p99"]
_HEAD = ["", "WORKERS", "S TO TARGET", "EXAMPLES", "S", "MB", "WAITED", "ACCURACY", "STALENESS"]
_PERIODIC = ("downpour", "adag", "aeasgd")


@dataclasses.dataclass
class PageOptions:
    """compared_workers: so many have tables and charts of their own: the others only
    numbers. how: how the runs were made, a paragraph. notes: a page by hand, to link to."""

    jobs: Sequence[PageJob]
    command: str = "ebb bench algorithms"
    compared_workers: int = 8
    how: str = ""
    notes: str = ""


def page(
    every: Sequence[RunFigures], images: Sequence[charts.Image], options: PageOptions
) -> str:
    text = (
        f"# Algorithms, measured\n\nWritten by `{options.command}`; do not edit.\n\n"
        f"{options.how}\n\n{where_they_ran(every)}{_audits(every)}{_effects(every, options)}"
    )
    text += page_writer.section_of(images)
    return text + "".join(_job(every, job, options) for job in options.jobs)


def terminal_text(every: Sequence[RunFigures], options: PageOptions) -> str:
    """The runs side by side, for a terminal."""
    text = ""
    for job in options.jobs:
        rows = [_HEAD]
        for one in (one for one in every if one.data == job.data):
            cells = _cells(one, one.algorithm, job.target_loss)
            period = f", a push in {one.period}" if one.period else ""
            name = f"{one.algorithm}{period}{', churn' if one.churn else ''}"
            rows.append([name, str(one.workers), *cells[1:5], *cells[6:8], cells[9]])
        if len(rows) > 1:
            text += f"{job.title}, to a training loss of {job.target_loss:g}\n"
            text += texts.table(rows, range(1, 9)) + "\n"
    return text


def _cells(one: RunFigures, name: str, target: float) -> List[str]:
    """All that is known of one run."""
    reached = one.reached(target)
    return [
        name,
        f"{reached.seconds:.1f}" if reached else "never",
        texts.with_commas(reached.examples) if reached else "never",
        f"{one.seconds:.1f}",
        f"{one.bytes * 1e-6:.0f}",
        f"{one.waited_seconds:.1f}",
        f"{100 * one.waited_share:.0f} %",
        texts.or_dash(one.accuracy, 3),
        texts.or_dash(one.test_loss, 3),
        texts.or_dash(one.staleness, 1),
        str(one.staleness_p99),
    ]


def _audits(every: Sequence[RunFigures]) -> str:
    """Tells what went wrong, and what the audits found."""
    missing, doubled, recomputed = (
        texts.with_commas(sum(getattr(one, name) for one in every))
        for name in ("missing", "doubled", "recomputed")
    )
    restarts = texts.count(sum(one.restarts for one in every), "restart")
    text = (
        f"\nThe audits of all {len(every)} runs together: {missing} examples missing, {doubled} "
        f"doubled; {restarts} of daemons, {recomputed} examples computed again.\n"
    )
    failures = "".join(
        f"- {one.algorithm}, {texts.count(one.workers, 'worker')}{', under churn' if one.churn else ''}: "
        f"{one.failure}\n"
        for one in every
        if one.failure
    )
    return text + (f"\nWhat did not end as it should:\n\n{failures}" if failures else "")


def _effects(every: Sequence[RunFigures], options: PageOptions) -> str:
    text = "\n## Known effects\n\nWhat papers report, and these runs:\n\n| | | |\n|---|---|---|\n"
    for effect in known_effects(every, options.jobs, options.compared_workers):
        verdict = "" if not effect.found else "seen" if effect.seen else "**not seen**"
        text += texts.markdown_row([effect.name, effect.found or "these runs do not tell", verdict])
    if options.notes:
        text += f"\nWhy where not, and what else there is to say: [{options.notes}]({options.notes}).\n"
    return text


def _job(every: Sequence[RunFigures], job: PageJob, options: PageOptions) -> str:
    runs = [one for one in every if one.data == job.data]
    text = f"\n## {job.title}\n\nThe target is a training loss of {job.target_loss:g}.\n"
    text += _table(runs, job, options, False) + _table(runs, job, options, True)
    text += _periods(runs, job, options)
    counts = sorted({one.workers for one in runs if not one.churn and one.period == 0})
    if len(counts) < 2:
        return text

    def seconds(one: RunFigures) -> str:
        return _cells(one, "", job.target_loss)[1]

    def examples(one: RunFigures) -> str:
        return _cells(one, "", job.target_loss)[2]

    return (
        text
        + _by_workers(runs, counts, "Seconds to the target", seconds)
        + _by_workers(runs, counts, "Examples to the target", examples)
        + _by_workers(runs, counts, "Test loss at the end", lambda one: texts.or_dash(one.test_loss, 3))
        + _by_workers(runs, counts, "Accuracy at the end", lambda one: texts.or_dash(one.accuracy, 3))
        + _by_workers(
            runs, counts, "Staleness, mean, in updates", lambda one: texts.or_dash(one.staleness, 1)
        )
    )


def _table(runs: Sequence[RunFigures], job: PageJob, options: PageOptions, churn: bool) -> str:
    rows = "".join(
        texts.markdown_row(_cells(one, one.algorithm, job.target_loss))
        for one in runs
        if one.churn == churn and one.period == 0 and one.workers == options.compared_workers
    )
    if not rows:
        return ""
    title = texts.count(options.compared_workers, "worker") + (", under churn" if churn else "")
    return f"\n### {title}\n\n{texts.markdown_header(_COLUMNS)}{rows}"


def _periods(runs: Sequence[RunFigures], job: PageJob, options: PageOptions) -> str:
    compared = [
        one
        for one in runs
        if not one.churn
        and one.workers == options.compared_workers
        and (one.period > 0 or one.algorithm in _PERIODIC)
    ]
    if not any(one.period for one in compared):
        return ""
    rows = "".join(
        texts.markdown_row(_cells(one, f"{one.algorithm}, a push in {one.period or 4}", job.target_loss))
        for one in compared
    )
    workers = texts.count(options.compared_workers, "worker")
    return f"\n### Longer periods, {workers}\n\n{texts.markdown_header(_COLUMNS)}{rows}"


def _by_workers(
    runs: Sequence[RunFigures], counts: Sequence[int], title: str, cell: Callable[[RunFigures], str]
) -> str:
    header = ["", *(texts.count(workers, "worker") for workers in counts)]
    text = f"\n### {title}, by workers\n\n{texts.markdown_header(header)}"
    for algorithm in dict.fromkeys(one.algorithm for one in runs):
        cells = [algorithm]
        for workers in counts:
            found = (
                cell(one)
                for one in runs
                if one.algorithm == algorithm
                and one.workers == workers
                and not one.churn
                and one.period == 0
            )
            cells.append(next(found, ""))
        text += texts.markdown_row(cells)
    return text
