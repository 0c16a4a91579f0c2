"""A chart of lines, as an image for a page."""

import dataclasses
from typing import Dict, List, Sequence, Tuple

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 150, 40, 50
_COLOURS = ("#1f77b4", "#999999", "#d62728", "#2ca02c")


@dataclasses.dataclass(frozen=True)
class Chart:
    """Lines over the same places, which are at equal distances.

    lines: by name, the values at the places.
    """

    file: str
    title: str
    x_title: str
    y_title: str
    places: Sequence[str]
    lines: Dict[str, List[float]]

    def svg(self) -> str:
        most = max(max(values) for values in self.lines.values()) * 1.05
        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
            f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="13">',
            f"<title>{self.title}</title>",
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
            _text(_WIDTH / 2, 22, self.title, "middle"),
            _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, self.x_title, "middle"),
            _text(8, _TOP - 10, self.y_title),
        ]
        for step in range(5):
            value = most * step / 4
            _, y = self._point(0, value, most)
            out.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>')
            out.append(_text(_LEFT - 6, y + 4, f"{value:.3g}", "end"))
        for i, place in enumerate(self.places):
            out.append(_text(self._point(i, 0, most)[0], _HEIGHT - _BOTTOM + 18, place, "middle"))
        for (name, values), colour in zip(self.lines.items(), _COLOURS):
            points = [self._point(i, value, most) for i, value in enumerate(values)]
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
            out.append(_text(points[-1][0] + 8, points[-1][1] + 4, name, colour=colour))
        return "\n".join(out) + "\n</svg>\n"

    def _point(self, place: int, value: float, most: float) -> Tuple[float, float]:
        across = _WIDTH - _LEFT - _RIGHT
        up = _HEIGHT - _TOP - _BOTTOM
        share = place / max(1, len(self.places) - 1)
        return _LEFT + across * share, _HEIGHT - _BOTTOM - up * value / most


def _text(x: float, y: float, words: str, anchor: str = "start", colour: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'
