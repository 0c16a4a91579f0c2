"""Runs examples/python/notebook.ipynb, and tests what a notebook shows."""

import json
import sys
import types
from pathlib import Path
from typing import Any, List

import pytest

import ebb
from ebb import display
from ebb.progress import Progress

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples/python/notebook.ipynb"


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    scope: "dict[str, Any]" = {}
    for number, text in enumerate(code):
        exec(compile(text, f"cell {number}", "exec"), scope)
    assert scope["run"].report["passed"]
    assert not scope["run"].running


class Handle:
    def __init__(self, shown: List[str]) -> None:
        self.shown = shown

    def update(self, html: str) -> None:
        self.shown.append(html)


def test_a_notebook_gets_html_that_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: List[str] = []

    def show(html: str, display_id: bool) -> Handle:
        shown.append(html)
        return Handle(shown)

    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    ipython: Any = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.HTML = lambda text: text
    ipython.display.display = show
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    progress = Progress(50, 200, 1, 4, 1234.0, 3.0, 0.5, 2)
    with display.live() as live:
        live.show("a<b", progress, "running")
        live.show("a<b", progress, "running")
        live.tell("worker-1 was killed")
    assert len(shown) == 2
    assert "a&lt;b" in shown[0] and "25 %" in shown[0] and "1.23k ex/s" in shown[0]
    assert "worker-1 was killed" in shown[1]


def test_a_terminal_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    progress = Progress(50, 200, 1, 4, 1234.0, 3.0, 0.5, 2)
    with display.live() as live:
        live.show("job", progress, "running")
        live.tell("worker-1 was killed")
        live.show("job", progress, "complete")
    out = capsys.readouterr().out
    assert out.count("\n") == 2
    assert "job  epoch 1/4   25%  1.23k ex/s  loss 0.5  workers 2  ETA 3 s" in out
    with display.live(False) as quiet:
        quiet.show("job", progress, "running")
    assert capsys.readouterr().out == ""


def test_history_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    rows = ebb.History([{"epoch": 1, "loss": 0.5}])
    with pytest.raises(ebb.NotFound, match="needs pandas"):
        rows.to_pandas()
    with pytest.raises(ebb.NotFound, match="needs matplotlib"):
        rows.plot()
