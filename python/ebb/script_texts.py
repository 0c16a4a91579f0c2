"""The texts of ``ebb run SCRIPT.py``: evaluations, paused jobs, ends, and the report."""

from __future__ import annotations

import os
import sys
from typing import Any, List, Mapping, Tuple

from ebb import history
from ebb.children import End, tail
from ebb.local import LocalCluster


def is_held(job: Mapping[str, Any]) -> bool:
    """Returns whether a job is paused until a person decides about failing examples."""
    if job["quarantined"]:
        return any(not one["skip_wanted"] for one in job["quarantined"])
    return job["state"] == "paused" and not job["paused_by_operator"]


def why_held(job: Mapping[str, Any]) -> str:
    """Says why a job is paused."""
    for one in job["quarantined"]:
        if not one["skip_wanted"]:
            item = f"item (epoch {one['epoch'] + 1}, shard {one['shard'] + 1})"
            times = one["failures"]
            return f"{item} failed {times} time{'s' * (times != 1)}: {one['error']}"
    texts = [one["text"] for one in job["waiting"]]
    return "; ".join(texts) or "`ebb explain` says why"


def evaluation_line(job: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    """Returns an evaluation of a job as a line."""
    front = f"epoch {one['epoch']}: "
    if "error" in one:
        return f"{front}not evaluated: {one['error']}"
    figures = ", ".join(f"{key} {value}" for key, value in _figures(one))
    size = job["examples"] / max(1, job["epochs"])
    further = one.get("position", 0) / size - one["epoch"] if size else 0.0
    more = f" (model {further:.1f} epochs further)" if further > 0.1 else ""
    return f"{front}test {figures}{more}"


def _figures(evaluation: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """Returns the figures of an evaluation for people."""
    figures = history.figures_of(evaluation)
    if "log_loss" in figures or "rmse" in figures:
        figures.pop("loss", None)
    return [
        (key.replace("_", " "), "not a number" if value is None else f"{value:.4g}")
        for key, value in figures.items()
        if (value is None or isinstance(value, (int, float)))
        and key not in ("precision", "recall")
    ]


def last_words(cluster: LocalCluster, end: End, lines: int) -> str:
    """Returns how a program ended, and the last lines that it wrote since its last start."""
    log = os.path.join(cluster.folder, "logs", f"{end.name}.log")
    words = tail(log, lines, end.said)
    text = f"{end}; its log, {os.path.relpath(log)}, ends:\n{words}"
    if "ModuleNotFoundError: " in words.rstrip().rsplit("\n", 1)[-1]:
        text += (
            f"\n  hint: {sys.executable} ran it; "
            "EBB_PYTHON names another interpreter"
        )
    return text


def applied_text(audit: Mapping[str, Any], complete: bool) -> str:
    """Returns the figures of the partition that is worst off; then those of all together."""
    if audit["applied"] is None:
        return "not known: " + "; ".join(audit["problems"])

    def wrong(result: Mapping[str, Any]) -> str:
        # Before the end, what is missing is yet to come.
        missing = f"{result['missing']} missing, " if complete else ""
        return f"{missing}{result['doubled']} doubled"

    times = audit["partitions"]
    least = "" if complete and audit["exact"] else "at least "
    worst, together = wrong(audit["worst"]), wrong(audit)
    text = (
        f"{audit['applied']} of {audit['expected']} applied {least}in each of {times} "
        f"partition{'s' * (times != 1)}: {worst}, {audit['skipped']} skipped"
    )
    return text if worst == together else f"{text}; in all partitions together {together}"


def _detail_lines(report: Mapping[str, Any]) -> List[str]:
    """Returns how it was trained."""
    lines = [f"  updates         {report['updates']:,} applied by all partitions together"]
    if report["late_updates"]:
        lines.append(f"  late updates    {report['late_updates']:,}")
    if report["bound_wait_seconds"]:
        waited = f"{report['bound_wait_seconds']:.1f} s, in which programs waited for others"
        lines.append(f"  bound waits     {waited}")
    computed = {one["worker"]: one["examples"] for one in report["computed"]}
    if sum(computed.values()):
        all_examples = sum(computed.values())
        shares = [f"{name} {100 * count / all_examples:.0f}%" for name, count in computed.items()]
        lines.append(f"  workers         {', '.join(shares)}")
    traffic = report["traffic"]
    if traffic and traffic["pushed_bytes"] + traffic["pulled_bytes"]:
        lines.append(
            f"  values          pushed {_bytes_text(traffic['pushed_bytes'])}, "
            f"pulled {_bytes_text(traffic['pulled_bytes'])}"
        )
    return lines


def _bytes_text(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"


def report_lines(report: Mapping[str, Any], details: bool = False) -> List[str]:
    """Returns what report.json says, for a person."""
    lines = [f"{'done' if report['passed'] else 'ended'} in {report['seconds']:.1f} s"]
    audit = report["audit"]
    if audit is not None:
        lines.append(f"  examples        {applied_text(audit, report['complete'])}")
        lines.append(f"  audit           {'exact' if audit['exact'] else 'NOT EXACT'}")
    lines.append(f"  speed           {report['examples_per_second']:.0f} examples/s")
    if report["training_loss"]:
        loss = report["training_loss"][-1]
        said = "not known" if loss is None else f"{loss:.4g}"
        lines.append(f"  training loss   {said}")
    if report["evaluations"]:
        for key, value in _figures(report["evaluations"][-1]):
            lines.append(f"  {'test ' + key:<15} {value}")
    if report["best"]:
        best = report["best"]
        lines.append(
            f"  best            epoch {best['epoch']}, {best['figure']} {best['value']:.4g}"
        )
    if report["ended"]:
        lines.append(f"  ended           {report['ended']}")
    restarts = report["restarts"]
    lines.append(
        f"  restarts        {restarts['workers']} programs, {restarts['servers']} "
        f"servers, {restarts['scheduler']} schedulers"
    )
    if details:
        lines += _detail_lines(report)
    if report["complete"] and len(report["jobs"]) == 1:
        folder = report["folder"]
        lines.append(
            f"  model           in {folder}/state, a copy in {folder}/shared; "
            f"`ebb checkpoint export {folder} -o FILE` takes it home"
        )
    lines.append(f"  run             {report['folder']}/ (report.html, report.json, logs)")
    return lines
