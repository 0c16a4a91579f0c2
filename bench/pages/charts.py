"""Charts of lines and of bars, drawn by matplotlib, as files for a page."""

import dataclasses
import importlib.util
import io
from typing import Any, List, Optional, Sequence, Tuple

MISSING = "charts need matplotlib: apt-get install python3-matplotlib"
_INCH = 100.0  # Points of a screen.
_HEIGHT = 3.4
_COLOURS = (
    "#1f77b4 #ff7f0e #2ca02c #d62728 #9467bd #8c564b #e377c2 #7f7f7f #bcbd22 #17becf "
    "#393b79 #637939 #8c6d31 #843c39"
).split()


def available() -> bool:
    """Returns whether this Python has matplotlib."""
    return importlib.util.find_spec("matplotlib") is not None


@dataclasses.dataclass
class Curve:
    """A line, by the places of its points."""

    name: str
    points: List[Tuple[float, float]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class BarGroup:
    """The bars of one name, one for each series; None: there is none."""

    name: str
    values: List[Optional[float]]


@dataclasses.dataclass(frozen=True)
class Image:
    """A chart of a page."""

    file: str  # "performance-push.svg".
    title: str  # Describes the image.
    svg: str


def lines(
    title: str,
    curves: Sequence[Curve],
    width: float = 640,
    floor: Optional[float] = None,
    places: Sequence[str] = (),
    x_title: str = "",
    y_title: str = "",
    marks: Sequence[Tuple[str, Sequence[float]]] = (),
    log_across: bool = False,
) -> str:
    """Returns the file of a chart of lines; empty: there is no point.

    floor: where the vertical axis begins at the latest.
    places: the names of the places 0, 1, ... along the horizontal axis.
    marks: what happened, and at which places; upright lines.
    log_across: the horizontal axis is logarithmic.
    """
    shown = [curve for curve in curves if curve.points]
    if not shown:
        return ""
    figure, axes = _axes(title, width)
    for i, curve in enumerate(shown):
        across, up = zip(*curve.points)
        axes.plot(across, up, label=curve.name, color=_COLOURS[i % len(_COLOURS)], marker=_marker(across))
    for i, (name, across) in enumerate(marks):
        for k, at in enumerate(across):
            look = {"color": _COLOURS[-1 - i], "linewidth": 0.8, "linestyle": ":"}
            axes.axvline(at, label=name if k == 0 else None, **look)
    if log_across:
        axes.set_xscale("log")
    if floor is not None:
        axes.set_ylim(bottom=min(floor, *(y for curve in shown for _, y in curve.points)))
    if places:
        axes.set_xticks(range(len(places)), places)
    axes.set_xlabel(x_title)
    axes.set_ylabel(y_title)
    _legend(axes)
    return _svg(figure)


def bars(
    title: str,
    groups: Sequence[BarGroup],
    width: float = 640,
    series: Sequence[str] = (),
    line: Optional[float] = None,
) -> str:
    """Returns the file of a chart of bars; empty: there is no bar.

    line: a level to compare with.
    """
    if not any(value is not None for group in groups for value in group.values):
        return ""
    figure, axes = _axes(title, width)
    count = max(len(group.values) for group in groups)
    thick = 0.8 / count
    for i in range(count):
        there = [
            (place + (i - (count - 1) / 2) * thick, group.values[i])
            for place, group in enumerate(groups)
            if i < len(group.values) and group.values[i] is not None
        ]
        if not there:
            continue
        made = axes.bar(
            [x for x, _ in there],
            [value for _, value in there],
            thick,
            color=_COLOURS[i % len(_COLOURS)],
            label=series[i] if i < len(series) else None,
        )
        axes.bar_label(made, [f"{value:.3g}" for _, value in there], fontsize=7)
    if line is not None:
        axes.axhline(line, color="black", linestyle="--", linewidth=1)
    axes.set_xticks(range(len(groups)), [group.name for group in groups])
    if series:
        _legend(axes)
    return _svg(figure)


def _axes(title: str, width: float) -> Tuple[Any, Any]:
    if not available():
        raise RuntimeError(MISSING)
    import matplotlib

    # Text stays text, and the same chart is the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "ebb", "font.size": 9})
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _INCH, _HEIGHT), dpi=_INCH, layout="tight")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=9, wrap=True)
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    return figure, axes


def _marker(across: Sequence[float]) -> str:
    """Few points are shown each, many are a line."""
    return "o" if len(across) <= 20 else ""


def _legend(axes: Any) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _svg(figure: Any) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    # The trailing spaces of matplotlib's paths say nothing.
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
