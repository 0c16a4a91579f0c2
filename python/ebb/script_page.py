"""The page report.html of ``ebb run SCRIPT.py``."""

from __future__ import annotations

from html import escape
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from ebb import history

_WIDTH, _HEIGHT = 640, 220

_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em;
  overflow-wrap: anywhere }
table { border-collapse: collapse } td, th { padding: .2em .8em; text-align: right }
.scroll { overflow-x: auto } svg { max-width: 100% }
th { border-bottom: 1px solid #999 } td:first-child, th:first-child { text-align: left }
.bad { color: #b00020; white-space: pre-wrap } svg { background: #f7f7f7 }
"""


def page(report: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> str:
    """Returns HTML without a script, from what report.json and metrics.csv say."""
    verdict = "good" if report["passed"] else "not good"
    parts = [
        f"<h1>{escape(report['name'])}: {verdict}</h1>",
        *(f'<p class="bad">{escape(one)}</p>' for one in report["problems"]),
        _table(("", ""), _facts(report)),
    ]
    loss = [(one["seconds"], one["training_loss"]) for one in samples]
    parts += _chart("Training loss by seconds", loss)
    parts += _chart(
        "Examples applied by seconds", [(one["seconds"], one["applied"]) for one in samples]
    )
    rows = history.of_report(report, samples)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    if rows:
        parts.append("<h2>Epochs</h2>")
        parts.append(_table(keys, [[row.get(key) for key in keys] for row in rows]))
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(report['name'])}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _facts(report: Mapping[str, Any]) -> List[Tuple[str, Any]]:
    audit = report["audit"] or {}
    restarts = report["restarts"]
    return [
        ("program", report["script"]),
        ("processes", f"{report['workers']} programs, {report['servers']} servers"),
        ("seconds", report["seconds"]),
        ("examples/s", report["examples_per_second"]),
        ("audit", "exact" if audit.get("exact") else "not exact"),
        ("examples applied", f"{audit.get('applied')} of {audit.get('expected')}"),
        ("missing, doubled, in all partitions together", f"{audit.get('missing')}, {audit.get('doubled')}"),
        ("killed on purpose", len(report["kills"])),
        (
            "restarts",
            f"{restarts['workers']} programs, {restarts['servers']} servers, "
            f"{restarts['scheduler']} schedulers",
        ),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    def row(cells: Sequence[Any], kind: str) -> str:
        texts = (f"<{kind}>{escape(_text(cell))}</{kind}>" for cell in cells)
        return f"<tr>{''.join(texts)}</tr>"

    top = row(head, "th") if any(head) else ""
    cells = "".join(row(one, "td") for one in rows)
    return f'<div class="scroll"><table>{top}{cells}</table></div>'


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _chart(title: str, points: Sequence[Tuple[Any, Optional[float]]]) -> List[str]:
    known = [(float(x), float(y)) for x, y in points if y is not None]
    if len(known) < 2:
        return []
    left, right = known[0][0], known[-1][0]
    low, high = min(y for _, y in known), max(y for _, y in known)
    across, up = max(right - left, 1e-9), max(high - low, 1e-9)
    line = " ".join(
        f"{(x - left) / across * _WIDTH:.1f},{(high - y) / up * _HEIGHT:.1f}"
        for x, y in known
    )
    return [
        f"<h2>{escape(title)}</h2>",
        f'<svg viewBox="-4 -4 {_WIDTH + 8} {_HEIGHT + 8}" width="{_WIDTH}">'
        f'<polyline points="{line}" fill="none" stroke="#1565c0" stroke-width="2"/>'
        "</svg>",
        f"<p>From {_text(known[0][1])} to {_text(known[-1][1])}, "
        f"within {across:.1f} s.</p>",
    ]
