"""The charts of the page; a chart without points is left out."""

from typing import Dict, List, Sequence

import cases
import charts
import targets
from targets import Kept, Spread

_COMPARED = {"ddp": "DDP", "diloco": "rounds", "diloco_asp": "asp"}


def images(kept: Sequence[Kept]) -> List[charts.Image]:
    made = [_by_workers(kept), _by_tokens(kept), _by_bytes(kept), _all_losses(kept)]
    return [image for image in made if image.svg]


def _by_workers(kept: Sequence[Kept]) -> charts.Image:
    counts = sorted(
        {one["settings"]["workers"] for row in _COMPARED for one in targets.of_row(kept, row)}
    )
    curves = []
    for row, name in _COMPARED.items():
        points = []
        for place, workers in enumerate(counts):
            some = targets.losses(targets.of_row(kept, row, workers)).values()
            if some:
                points.append((float(place), Spread.of(list(some)).median))
        curves.append(charts.Curve(name, points))
    title = "Held-out loss at equal tokens, by workers"
    places = [str(count) for count in counts]
    svg = charts.lines(title, curves, places=places, x_title="workers", y_title="loss")
    return charts.Image("language-workers.svg", title, svg)


def _by_tokens(kept: Sequence[Kept]) -> charts.Image:
    """Returns the losses of batches while they are computed, of one seed and 4 workers."""
    curves: List[charts.Curve] = []
    marks: Dict[str, List[float]] = {}
    for row, name in {**_COMPARED, "kills": "rounds under kills"}.items():
        for one in targets.of_row(kept, row, 4)[:1]:
            points = [(tokens / 1e6, loss) for tokens, loss in one["figures"].get("curve", [])]
            curves.append(charts.Curve(name, points))
            for kind, tokens in one["figures"].get("kills_at", []):
                marks.setdefault(f"a {kind} is killed", []).append(tokens / 1e6)
    title = "Loss of the batches by tokens computed, 4 workers"
    svg = charts.lines(
        title, curves, x_title="million tokens", y_title="loss", marks=sorted(marks.items())
    )
    return charts.Image("language-tokens.svg", title, svg)


def _by_bytes(kept: Sequence[Kept]) -> charts.Image:
    """Returns losses beside the bytes that they cost, of one seed and 4 workers."""
    curves = []
    steps = targets.of_row(kept, "ddp", 4)[:1]
    seldom = targets.of_row(kept, "accumulated", 4)
    best = sorted((_loss(one), targets.seldom_bytes(one)) for one in seldom)[:1]
    curves.append(charts.Curve("DDP, bf16", [(targets.step_bytes(one), _loss(one)) for one in steps]))
    points = [(step, loss) for loss, step in best]
    curves.append(charts.Curve("DDP, as seldom", points))
    for kind, row in (("rounds", "diloco"), ("asp", "diloco_asp")):
        runs = targets.of_row(kept, row, 4)[:1] + [
            one for one in targets.of_row(kept, "choice")
            if one["name"].startswith(f"choice_{kind}-steps-")
        ]
        points = sorted((targets.run_bytes(one), _loss(one)) for one in runs)
        curves.append(charts.Curve(f"{kind}, float32", points))
    filtered = [one for one in targets.of_row(kept, "bytes") if one["settings"]["filters"]]
    points = [(targets.run_bytes(one), _loss(one)) for one in filtered]
    curves.append(charts.Curve("rounds, int8 and bf16", points))
    title = "Held-out loss by bytes a token, 4 workers"
    svg = charts.lines(title, curves, x_title="bytes a token", y_title="loss", log_across=True)
    return charts.Image("language-bytes.svg", title, svg)


def _loss(one: Kept) -> float:
    return float(one["figures"]["loss"])


def _all_losses(kept: Sequence[Kept]) -> charts.Image:
    groups = []
    for row in cases.LOSS_ROWS:
        some = [
            one["figures"]["loss"]
            for one in targets.of_row(kept, row)
            if one["settings"].get("workers", 1) == (1 if row.startswith("adamw") else 4)
            and one["settings"].get("moments", "kept") == "kept"
        ]
        if some:
            groups.append(charts.BarGroup(row, [Spread.of(some).median]))
    title = "Held-out loss at equal tokens, 4 workers"
    return charts.Image("language-loss.svg", title, charts.bars(title, groups))
