"""`ebb bench python`: its rows, what it keeps, and a quick run."""

import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

_BENCH = Path(__file__).resolve().parents[2] / "bench" / "python"
_EBB = Path(os.environ["EBB_BIN"]) / "ebb"
pytestmark = pytest.mark.skipif(
    not _EBB.with_name("ebb-bench").exists(), reason="there is no ebb-bench"
)
sys.path[:0] = [str(_BENCH.parent / name) for name in ("python", "command", "pages")]

import figures  # noqa: E402
import page  # noqa: E402
import versions  # noqa: E402


def _contest(settings="", fast=(20.0, 30.0, 60.0), slow=(10.0, 10.0, 20.0)):
    """A contest whose sides have these speeds, and the order in which they ran."""
    order = []
    left = {"fast": list(fast), "slow": list(slow)}

    def side(name):
        def sample():
            order.append(name)
            return {"speed": left[name].pop(0), figures.PART + "wait": 7.0}

        return sample

    rows = [
        figures.Comparison("fast / slow", "speed", "fast", "slow", figures.at_least(3.5)),
        figures.Comparison("slow", "speed", "slow", bound=figures.at_most(10)),
    ]
    sides = {"fast": side("fast"), "slow": side("slow")}
    return figures.Contest("race", sides, rows, settings), order


def test_a_ratio_is_the_median_of_rounds_in_which_sides_take_turns():
    contest, order = _contest()

    rounds = figures.measure(contest, 3, figures.Kept(None), lambda _: None)
    ratio, alone = figures.rows_of(contest, rounds)

    assert order == ["fast", "slow", "slow", "fast", "fast", "slow"]
    assert ratio.ratios == [2, 3, 3] and ratio.ratio == 3 and not ratio.holds
    assert (ratio.ours, ratio.limit) == (30, 10)
    assert alone.limit is None and alone.ratio == 10 and alone.holds
    assert figures.parts_of(contest, rounds)["race: slow"] == {"wait": 7.0}


def test_seeds_take_turns_and_means_are_compared():
    seeds = []

    def side(figure):
        def sample(seed):
            seeds.append(seed)
            return {"accuracy": figure * seed}

        return sample

    contest = figures.Contest(
        "seeds",
        {"ours": side(0.8), "theirs": side(1.0)},
        [figures.Comparison("", "accuracy", "ours", "theirs", means=True)],
        seeded=True,
    )

    (row,) = figures.rows_of(
        contest, figures.measure(contest, 3, figures.Kept(None), lambda _: None)
    )

    assert seeds == [1, 1, 2, 2, 3, 3]
    assert (row.ours, row.limit, row.ratio) == pytest.approx((1.6, 2, 0.8))


def test_where_a_seed_decides_much_there_are_more_rounds():
    for asked, measured in ((2, 3), (4, 4)):
        contest, order = _contest(fast=(1.0,) * 4, slow=(1.0,) * 4)
        more = dataclasses.replace(contest, least_rounds=3)
        assert len(figures.measure(more, asked, figures.Kept(None), lambda _: None)) == measured
        assert len(order) == 2 * measured


def test_rounds_that_are_kept_are_not_measured_again(tmp_path):
    kept = figures.Kept(tmp_path / "kept")
    first, _ = _contest()
    figures.measure(first, 2, kept, lambda _: None)

    again, order = _contest()
    rounds = figures.measure(again, 3, kept, lambda _: None)
    other, order_of_other = _contest(settings="other")
    figures.measure(other, 1, kept, lambda _: None)
    newer = figures.Kept(tmp_path / "kept", "torch 2")
    third, order_of_third = _contest()
    figures.measure(third, 1, newer, lambda _: None)

    assert order == ["fast", "slow"]
    assert [each["fast"]["speed"] for each in rounds] == [20, 30, 20]
    assert order_of_other == ["fast", "slow"] == order_of_third


def test_the_versions_name_the_build_of_ebb(tmp_path, monkeypatch):
    for name in versions._PROGRAMS:
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("EBB_BIN", str(tmp_path))
    one = versions.text()
    assert f"numpy {np.__version__}" in one and "ebb 0." in one
    (tmp_path / "ebb-ps").write_text("another build")
    assert versions.text() != one


def test_the_page_names_what_misses_and_what_was_not_measured():
    contest, _ = _contest()
    rounds = figures.measure(contest, 3, figures.Kept(None), lambda _: None)
    rows = figures.rows_of(contest, rounds)

    text = page.markdown("a machine", rows, {"race": {"wait": 7.0}}, {"ddp": "no torch"}, 3)

    assert "**1 of 2 rows hold.**" in text
    assert "| fast / slow | speed | 10 | 30 | 3.00 | 2.00–3.00 | ≥ 3.5 | **misses** |" in text
    assert "| slow | speed |  | 10 |  | 10–20 | ≤ 10 | holds |" in text
    assert "| race | 7 |" in text
    assert "Not measured: ddp: no torch." in text


def test_a_page_keeps_the_rows_that_were_not_measured_again():
    contest, _ = _contest()
    rows = figures.rows_of(contest, figures.measure(contest, 3, figures.Kept(None), lambda _: None))
    slow = dataclasses.replace(rows[1], contest="slow", ratio=12.0)
    first = page.markdown(
        "old", rows, {"race": {"wait": 7.0}, "slow": {"wait": 8.0}}, {"ddp": "no torch", "slow": "no a9a"}, 3
    )

    again = page.markdown("new", [slow], {"slow": {"wait": 9.0, "read": 1.0}}, {}, 5, first)
    same = page.markdown("new", [slow], {}, {}, 5, again)

    old, new = again.index("Machine: old. 3 rounds"), again.index("Machine: new. 5 rounds")
    assert old < again.index("| fast / slow | speed |") < new < again.index("| slow | speed |")
    assert again.count("| slow | speed |") == 1
    assert "**0 of 2 rows hold.**" in again
    assert "| race | 7 | 0 |" in again and "| slow | 9 | 1 |" in again
    assert "Not measured: ddp: no torch." in again and "a9a" not in again
    assert same == again


def test_a_quick_run(tmp_path):
    said = tmp_path / "figures.json"
    done = subprocess.run(
        [
            *(str(_EBB), "bench", "python", "--quick", "--json", str(said)),
            *("--scripts", str(_BENCH)),
        ],
        cwd=tmp_path,
        env={**os.environ, "EBB_PYTHON": sys.executable, "EBB_TRACEBACK": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(said.read_text())["rows"]
    assert {row["contest"] for row in rows} == {"hand-over", "leaving", "import"}
    assert all(row["ratio"] > 0 for row in rows)
    assert not (tmp_path / "runs").exists()


# A benchmark that measures a program, which has a child of its own.
_MEASURING = """
import sys
sys.path.insert(0, sys.argv[1])
import processes, program
program.run(lambda: processes.run(["-c", sys.argv[2], sys.argv[3]]))
"""
_MEASURED = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1], "w") as pipe:
    pipe.write(f"{os.getpid()} {child.pid}")
child.wait()
"""


def test_no_process_stays_after_sigterm(tmp_path):
    """Bug: the programs that were measured went on, and took the machine's time."""
    pipe = tmp_path / "pids"
    os.mkfifo(pipe)
    bench = subprocess.Popen(
        [sys.executable, "-c", _MEASURING, str(_BENCH), _MEASURED, str(pipe)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    ends = [os.pidfd_open(int(pid)) for pid in pipe.read_text().split()]
    try:
        bench.send_signal(signal.SIGTERM)
        assert bench.wait(60) == 128 + signal.SIGTERM
        assert len(ends) == 2
        for end in ends:
            assert select.select([end], [], [], 60)[0], "it still runs"
    finally:
        bench.kill()
        for end in ends:
            os.close(end)


def test_an_unknown_name_is_told():
    done = subprocess.run(
        [str(_EBB), "bench", "python", "--only", "nothing", "--scripts", str(_BENCH)],
        env={**os.environ, "EBB_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "--only nothing: there are hand-over, perceptron" in done.stderr
