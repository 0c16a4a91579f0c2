"""The section "Workers" of the page about algorithms."""

import dataclasses
from typing import List, Sequence, Tuple

import charts
import page_writer
import texts
from run_figures import RunFigures, where_they_ran
from workers_cases import DEFAULT, KILLS, QUIET
from workers_requirements import Requirement, requirements
from workers_runs import Group, Runs, metric_of
from workers_tables import table_of, variants_of, variants_table

TITLE = "## Workers\n"
_WIDTH = 620


@dataclasses.dataclass
class SectionOptions:
    """how: how the runs were made, a paragraph."""

    command: str = "ebb bench algorithms --only workers"
    how: str = ""


def images(every: Sequence[RunFigures]) -> List[charts.Image]:
    runs = Runs(every)
    made = []
    for job in runs.jobs():
        title = f"{job.title}: {metric_of(job).name} by workers"
        file = f"algorithms-workers-{job.data}"
        counts = runs.counts(job.data, DEFAULT)
        lines = [(one, Group(job.data, disturbance=one)) for one in (QUIET, KILLS)]
        made.append(_image(runs, f"{file}.svg", title, lines, counts))
        variants = variants_of(runs, job)
        if len(variants) < 2:
            continue
        lines = [(one, Group(job.data, one)) for one in variants]
        compared = runs.counts(job.data, variants[-1])
        title += ", with other algorithms"
        made.append(_image(runs, f"{file}-variants.svg", title, lines, compared))
    return [image for image in made if image.svg]


def _image(
    runs: Runs, file: str, title: str, lines: List[Tuple[str, Group]], counts: List[int]
) -> charts.Image:
    """Points at equal distances, by the number of workers; without a chart for one number."""
    curves = []
    for name, group in lines:
        scores = [runs.score(dataclasses.replace(group, workers=count)) for count in counts]
        points = [(float(x), score) for x, score in enumerate(scores) if score is not None]
        curves.append(charts.Curve(name, points))
    svg = ""
    if len(counts) > 1:
        svg = charts.lines(title, curves, _WIDTH, places=[str(count) for count in counts])
    return charts.Image(file, title, svg)


def section(
    every: Sequence[RunFigures], shown: Sequence[charts.Image], options: SectionOptions
) -> str:
    """It begins with TITLE."""
    runs = Runs(every)
    text = f"{TITLE}\nMeasured by `{options.command}`.\n\n{options.how}\n\n"
    text += where_they_ran(every) + _failures(every)
    text += "\n### What is required of any number of workers\n\n"
    text += texts.markdown_row(["", "", ""]) + "|---|---|---|\n"
    for one in requirements(every):
        text += texts.markdown_row([one.name, one.found or "these runs do not tell", _verdict(one)])
    for job in runs.jobs():
        header, rows = table_of(runs, job)
        text += f"\n### {job.title}, by workers\n\n`{job.file}`: {metric_of(job).name} on the test data.\n\n"
        text += texts.markdown_header(header) + "".join(map(texts.markdown_row, rows))
        text += variants_table(runs, job)
        file = f"algorithms-workers-{job.data}"
        for image in shown:
            if image.file in (f"{file}.svg", f"{file}-variants.svg"):
                text += "\n" + page_writer.shown(image)
    return text


def _failures(every: Sequence[RunFigures]) -> str:
    wrong = sum(one.missing + one.doubled for one in every)
    text = f"\nThe audits of all {len(every)} runs: {texts.count(wrong, 'example')} missing or doubled.\n"
    failures = "".join(
        f"- {one.data}, {one.algorithm}, {texts.count(one.workers, 'worker')}, {one.disturbance}: "
        f"{one.failure}\n"
        for one in every
        if one.failure
    )
    return text + (f"\nWhat did not end as it should:\n\n{failures}" if failures else "")


def _verdict(one: Requirement) -> str:
    return "" if not one.found else "within" if one.met else "**not within**"


def terminal_text(every: Sequence[RunFigures]) -> str:
    """The requirements and the tables, for a terminal."""
    runs = Runs(every)
    text = ""
    for job in runs.jobs():
        header, rows = table_of(runs, job)
        text += f"{job.title}, {metric_of(job).name}\n"
        text += texts.table([header, *rows], range(2, 7)) + "\n"
    for one in requirements(every):
        if one.found:
            text += f"{'within' if one.met else 'NOT within'}: {one.name}: {one.found}\n"
    return text


def split(page: str) -> Tuple[str, str]:
    """The two parts of a page, which has the section last; either may be empty."""
    at = page.find("\n" + TITLE)
    return (page, "") if at < 0 else (page[:at], page[at + 1 :])


def join(algorithms: str, workers: str) -> str:
    return algorithms + ("\n" if algorithms and workers else "") + workers
