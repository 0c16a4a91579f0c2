"""A live line of a job: in a terminal, in a notebook, or not at all."""

from __future__ import annotations

import html as html_module
import shutil
import sys
from typing import Any, Optional

from ebb.progress import Progress


class Display:
    """Shows nothing; the base of what shows something."""

    def show(self, name: str, progress: Progress, state: str) -> None:
        """Shows how far a job is. Cheap: may be called several times a second."""

    def tell(self, line: str) -> None:
        """Shows a line that stays."""

    def close(self) -> None:
        """Leaves the last state behind."""

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Terminal(Display):
    """A line that is written over."""

    def __init__(self) -> None:
        self._shown = ""

    def show(self, name: str, progress: Progress, state: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        text = line(name, progress, state)[:width]
        if text != self._shown:
            sys.stdout.write("\r" + text.ljust(len(self._shown)))
            sys.stdout.flush()
            self._shown = text

    def tell(self, line: str) -> None:
        sys.stdout.write("\r" + " " * len(self._shown) + "\r" + line + "\n")
        sys.stdout.flush()
        self._shown = ""

    def close(self) -> None:
        if self._shown:
            sys.stdout.write("\n")
            sys.stdout.flush()


class _Notebook(Display):
    """A piece of HTML that is replaced. It needs no widgets."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown = ""
        self._lines: "list[str]" = []
        self._last: "tuple[Any, ...]" = ()

    def show(self, name: str, progress: Progress, state: str) -> None:
        self._last = (name, progress, state)
        self._update()

    def tell(self, line: str) -> None:
        self._lines = [*self._lines, line][-5:]
        if self._last:
            self._update()

    def _update(self) -> None:
        from IPython.display import HTML, display

        text = html(*self._last)
        for told in self._lines:
            text += f"<br><small>{html_module.escape(told)}</small>"
        if text == self._shown:
            return
        self._shown = text
        if self._handle is None:
            self._handle = display(HTML(text), display_id=True)
        else:
            self._handle.update(HTML(text))


def live(wanted: Optional[bool] = None) -> Display:
    """Returns a display for here.

    wanted: False: none; None: only in a terminal or a notebook.
    """
    if wanted is False:
        return Display()
    if in_notebook():
        return _Notebook()
    if wanted or sys.stdout.isatty():
        return _Terminal()
    return Display()


def in_notebook() -> bool:
    """Returns whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config


def line(name: str, progress: Progress, state: str, tokens: Optional[int] = None) -> str:
    """Returns a line of text for a job.

    tokens: of an example, if examples are sequences of tokens.
    """
    parts = [
        name,
        f"epoch {progress.epoch}/{progress.epochs}",
        f"{progress.share:4.0%}",
        *_figures(progress, state, tokens),
    ]
    return "  ".join(parts)


def html(name: str, progress: Progress, state: str) -> str:
    """Returns a line and a bar as HTML."""
    percent = 100 * progress.share
    words = "  ".join(
        [f"epoch {progress.epoch}/{progress.epochs}", *_figures(progress, state)]
    )
    bar = (
        '<span style="display:inline-block;width:12em;height:0.8em;'
        'background:#ddd;vertical-align:middle">'
        f'<span style="display:block;width:{percent:.1f}%;height:100%;'
        'background:#1565c0"></span></span>'
    )
    return (
        f"<div><b>{html_module.escape(name)}</b> {bar} {percent:.0f} % "
        f"<code>{html_module.escape(words)}</code></div>"
    )


def html_note(name: str, note: str) -> str:
    """Returns a name and a remark as HTML."""
    return f"<div><b>{html_module.escape(name)}</b> {html_module.escape(note)}</div>"


def _figures(progress: Progress, state: str, tokens: Optional[int] = None) -> "list[str]":
    speed = progress.examples_per_second
    if tokens is None:
        figures = [f"{_short(speed)} ex/s"]
    else:
        figures = [f"{_short(speed)} sequences/s", f"{_short(speed * tokens)} tokens/s"]
    if progress.loss is not None:
        figures.append(f"loss {progress.loss:.4g}")
    figures.append(f"workers {progress.workers}")
    if state != "running":
        figures.append(state)
    elif progress.eta_seconds is not None:
        figures.append(f"ETA {progress.eta_seconds:.0f} s")
    return figures


def _short(number: float) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.0f}"
