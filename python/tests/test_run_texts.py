"""Tests of what a run says of its figures, and of the files that it writes."""

import csv
import errno
from pathlib import Path

import pytest

from ebb import history
from ebb.script_files import COLUMNS, append_rows, replace
from ebb.script_texts import applied_text, report_lines

_AUDIT = {
    "exact": False,
    "expected": 120000,
    "applied": 106464,
    "missing": 94752,
    "doubled": 0,
    "skipped": 0,
    "worst": {"missing": 13536, "doubled": 0},
    "partitions": 7,
    "problems": [],
}


def test_figures_of_one_partition_stand_together() -> None:
    # Bug: "106464 of 120000 applied: 94752 missing".
    assert applied_text(_AUDIT, True) == (
        "106464 of 120000 applied at least in each of 7 partitions: 13536 missing, "
        "0 doubled, 0 skipped; in all partitions together 94752 missing, 0 doubled"
    )
    assert applied_text(_AUDIT, False) == (
        "106464 of 120000 applied at least in each of 7 partitions: 0 doubled, 0 skipped"
    )


def test_an_exact_job_has_one_set_of_figures() -> None:
    good = {**_AUDIT, "exact": True, "applied": 120000, "missing": 0, "partitions": 1}
    good["worst"] = {"missing": 0, "doubled": 0}
    assert applied_text(good, True) == (
        "120000 of 120000 applied in each of 1 partition: 0 missing, 0 doubled, 0 skipped"
    )


def test_without_an_answer_nothing_is_known() -> None:
    silent = {**_AUDIT, "applied": None, "problems": ["no answer from ps-1"]}
    assert applied_text(silent, True) == "not known: no answer from ps-1"


def test_a_history_says_which_epoch_has_the_figures_of_a_later_one() -> None:
    # Bug: after the scheduler was away, six epochs had the same figures.
    job = {
        "epochs": 8,
        "losses": [{"epoch": 1, "mean": 0.5}],
        "evaluations": [
            {"epoch": 1, "loss": 0.5, "position": 110},
            {"epoch": 3, "loss": 0.25, "position": 800, "further": 5.0},
        ],
    }
    assert history.of_status(job) == [
        {"epoch": 1, "loss": 0.5, "test_loss": 0.5},
        {"epoch": 3, "loss": None, "test_loss": 0.25, "test_further": 5.0},
    ]


def test_a_report_says_why_a_job_ended_early() -> None:
    # Bug: only the log of a copy said so.
    report = {
        "passed": True,
        "complete": True,
        "seconds": 1.0,
        "audit": None,
        "examples_per_second": 9.0,
        "training_loss": [0.5],
        "evaluations": [],
        "best": {"epoch": 2, "figure": "loss", "value": 0.25},
        "ended": "stopped after epoch 4: 2 evaluations without a better loss",
        "restarts": {"workers": 0, "servers": 0, "scheduler": 0},
        "jobs": ["early"],
        "folder": "runs/early-1",
    }
    lines = report_lines(report)
    assert "  best            epoch 2, loss 0.25" in lines
    assert f"  ended           {report['ended']}" in lines
    lines = report_lines({**report, "best": None, "ended": ""})
    assert not [line for line in lines if line.startswith(("  best", "  ended"))]


def test_rows_of_a_full_disk_are_added_later(tmp_path: Path) -> None:
    # Bug: a disk that was full for a moment ended the run.
    path = tmp_path / "metrics.csv"
    rows = [dict.fromkeys(COLUMNS, number) for number in range(3)]
    append_rows(str(path), rows[:1])
    before = path.read_bytes()
    path.rename(tmp_path / "kept")
    path.symlink_to("/dev/full")
    with pytest.raises(OSError) as full:
        append_rows(str(path), rows[1:])
    assert full.value.errno == errno.ENOSPC and full.value.filename == str(path)
    path.unlink()
    (tmp_path / "kept").rename(path)
    assert path.read_bytes() == before
    append_rows(str(path), rows[1:])
    with open(path, newline="") as file:
        assert [int(row["seconds"]) for row in csv.DictReader(file)] == [0, 1, 2]


def test_a_device_is_written_and_not_replaced(tmp_path: Path) -> None:
    link = tmp_path / "report.json"
    link.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as full:
        replace(str(link), "text")
    assert full.value.filename == str(link) and link.is_symlink()
    replace(str(tmp_path / "page.html"), "text")
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["page.html", "report.json"]
