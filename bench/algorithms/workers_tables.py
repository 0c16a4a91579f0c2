"""The tables of the section "Workers" about one job."""

import statistics
from typing import List, Tuple

import texts
from workers_cases import (
    DEFAULT, KILLS, MARKET, MARKET_HIGH, MARKET_LOW, QUIET, VARIANTS, WorkersJob)
from workers_runs import Group, Runs, metric_of


def table_of(runs: Runs, job: WorkersJob) -> Tuple[List[str], List[List[str]]]:
    """The header and the rows: the scores by the number of workers and what disturbs them.

    Columns 2 to 6 are numbers.
    """
    metric = metric_of(job)
    worse = f"worse by, {metric.unit}" if metric.unit else "worse by"
    header = ["workers", "disturbed by", "at a time", metric.name, worse, "staleness"]
    header += ["examples to the loss", "within"]
    rows = []
    for workers in runs.counts(job.data, DEFAULT):
        for disturbance in (QUIET, KILLS):
            group = Group(job.data, disturbance=disturbance, workers=workers)
            if runs.of(group):
                rows.append(_row(runs, job, str(workers), group, metric.allowed_with(workers)))
    for market in runs.markets(job.data):
        group = Group(job.data, disturbance=market)
        name = f"{runs.of(group)[0].workers} at first"
        if market == MARKET:
            name = f"{MARKET_LOW} to {MARKET_HIGH} to {MARKET_LOW}"
        rows.append(_row(runs, job, name, group, metric.allowed))
    return header, rows


def _row(runs: Runs, job: WorkersJob, workers: str, group: Group, allowed: float) -> List[str]:
    """The runs of the group are there."""
    metric = metric_of(job)
    score, one = runs.score(group), runs.one(job.data)
    quiet = group.disturbance == QUIET
    worse = None if score is None or one is None else metric.worse(score, one)
    base = quiet and group.workers == 1
    good = worse is not None and worse <= allowed and runs.wrong_counts(group) == 0
    return [
        workers,
        group.disturbance,
        str(runs.of(group)[0].at_once),
        "none" if score is None else f"{score:.4f}",
        "" if worse is None or base else metric.text(worse),
        _staleness(runs, group),
        _to_the_loss(runs, job, group) if one is not None and quiet else "",
        "" if one is None else "within" if good else "**not within**",
    ]


def _to_the_loss(runs: Runs, job: WorkersJob, group: Group) -> str:
    examples = runs.examples_to_loss(job.data, group.workers or 0)
    return "never" if examples is None else texts.with_commas(int(examples + 0.5))


def _staleness(runs: Runs, group: Group) -> str:
    known = [one.staleness for one in runs.of(group) if one.staleness is not None]
    return f"{statistics.fmean(known):.1f}" if known else ""


def variants_of(runs: Runs, job: WorkersJob) -> List[str]:
    """The variants of a job that were run, in order."""
    return [variant for variant in VARIANTS if runs.counts(job.data, variant)]


def variants_table(runs: Runs, job: WorkersJob) -> str:
    """Variants side by side, with a title. Empty: only one was run."""
    variants = variants_of(runs, job)
    if len(variants) < 2:
        return ""
    others = (runs.counts(job.data, variant) for variant in variants if variant != DEFAULT)
    counts = sorted(set().union(*others))
    header = [metric_of(job).name, *(texts.count(count, "worker") for count in counts)]
    text = "\nOther algorithms, undisturbed:\n\n" + texts.markdown_header(header)
    for variant in variants:
        groups = [Group(job.data, variant, workers=count) for count in counts]
        text += texts.markdown_row([variant, *(_score_cell(runs, group) for group in groups)])
    return text


def _score_cell(runs: Runs, group: Group) -> str:
    score = runs.score(group)
    if score is not None:
        return f"{score:.4f}"
    return "none" if runs.of(group) else ""
