"""Charts of what `ebb bench report` measured."""

import re
from typing import Dict, List, Optional, Sequence

import charts
from bench_figures import BenchFigures, Row, Section
from charts import BarGroup, Curve, Image

_WIDE, _PER_NAME, _PER_CELL = 640, 155, 90
_SPEED, _CPU = "GB/s", "CPU s/GB"
_CELL = re.compile(r"(\w+) (.*), 8 in flight")
#: The tables of rows, and how bars name them.
_TABLES = {
    "sparse-grpc": "gRPC",
    "sparse-bulk": "bulk stream",
    "sparse-shm": "shared memory",
    "sparse-zipf": "gRPC, Zipf 1.1",
    "sparse-large": "gRPC, 10 M rows",
}


def images(sections: Sequence[Section]) -> List[Image]:
    """The charts for which there are figures."""
    figures = {section.figures.name: section.figures for section in sections}
    made = []
    for direction in ("push", "pull"):
        made += [_bandwidth(figures, direction), _cpu(figures, direction)]
    made += [
        _tls(figures, "dense-tls", "tls", "over gRPC", ("plain text", "mutual TLS")),
        _tls(figures, "dense-bulk-tls", "bulk-tls", "by mutual TLS", ("raw TLS socket", "bulk stream")),
        _rows(figures),
        _kernels(figures),
        *_jobs(figures),
        _scaling(figures),
        _saturation(figures),
    ]
    return [image for image in made if image and image.svg]


def _image(name: str, title: str, svg: str) -> Image:
    return Image(f"performance-{name}.svg", title, svg)


def _cells(figures: Optional[BenchFigures], measure: str, direction: str) -> Dict[str, Row]:
    """The rows of one measure and direction with eight in flight, by size, in their order.

    They are called "push 4 MiB, 8 in flight".
    """
    found = {}
    for row in figures.rows if figures else []:
        cell = _CELL.fullmatch(row.what)
        if cell and row.measure == measure and cell[1] == direction:
            found[cell[2]] = row
    return found


def _bandwidth(figures: Dict[str, BenchFigures], direction: str) -> Image:
    network, bulk, memory = (
        _cells(figures.get(name), _SPEED, direction) for name in ("dense-grpc", "dense-bulk", "dense-shm")
    )
    axis = network or bulk or memory
    sizes = list(axis)

    def curve(name: str, rows: Dict[str, Row], limit: bool = False) -> Curve:
        there = [(float(x), rows[size]) for x, size in enumerate(sizes) if size in rows]
        return Curve(name, [(x, row.limit if limit else row.ours) for x, row in there])

    title = f"GB/s of a {direction} by size, eight in flight"
    curves = [
        curve("raw socket", axis, True),
        curve("gRPC", network),
        curve("bulk stream", bulk),
        curve("shared memory", memory),
    ]
    return _image(direction, title, charts.lines(title, curves, _WIDE, 0, sizes))


def _cpu(figures: Dict[str, BenchFigures], direction: str) -> Image:
    network, bulk, memory = (
        _cells(figures.get(name), _CPU, direction) for name in ("dense-grpc", "dense-bulk", "dense-shm")
    )

    def value(rows: Dict[str, Row], size: str, limit: bool) -> Optional[float]:
        if size not in rows:
            return None
        return rows[size].limit if limit else rows[size].ours

    # With less than a MiB, the cost is that of the message, not of the bytes. Both networks
    # have the same limit.
    groups = [
        BarGroup(
            size,
            [
                value(network or bulk, size, True),
                value(network, size, False),
                value(bulk, size, False),
                value(memory, size, True),
                value(memory, size, False),
            ],
        )
        for size in network or bulk or memory
        if size.endswith("MiB")
    ]
    title = f"CPU seconds per GB of a {direction}, both sides, eight in flight"
    series = ("raw socket", "gRPC", "bulk stream", "one process", "shared memory")
    return _image(f"{direction}-cpu", title, charts.bars(title, groups, _WIDE, series))


def _tls(
    figures: Dict[str, BenchFigures], section: str, file: str, how: str, series: Sequence[str]
) -> Image:
    groups = [
        BarGroup(f"{direction} {size}", [row.limit, row.ours])
        for direction in ("push", "pull")
        for size, row in _cells(figures.get(section), _CPU, direction).items()
        if size.endswith("MiB")
    ]
    title = f"CPU seconds per GB {how}, both sides, eight in flight"
    width = max(_WIDE, _PER_CELL * len(groups))
    return _image(file, title, charts.bars(title, groups, width, series))


def _rows(figures: Dict[str, BenchFigures]) -> Image:
    """Rows are "push, 8 in flight"."""
    groups = [
        BarGroup(f"{row.what.split(', ')[0]} {label}", [row.limit, row.ours])
        for name, label in _TABLES.items()
        if name in figures
        for row in figures[name].rows
    ]
    title = "Millions of rows per second, eight in flight"
    width = max(_WIDE, _PER_NAME * len(groups))
    return _image("rows", title, charts.bars(title, groups, width, ("hash map in one process", "ebb")))


def _kernels(figures: Dict[str, BenchFigures]) -> Optional[Image]:
    if "kernels" not in figures:
        return None
    rows = figures["kernels"].rows
    bounds = [row.bound.value for row in rows if row.bound]
    title = "The optimizers' share of the memory's speed (STREAM triad)"
    groups = [BarGroup(row.what, [row.ratio.median]) for row in rows]
    line = bounds[-1] if bounds else None
    return _image("kernels", title, charts.bars(title, groups, _WIDE, line=line))


def _jobs(figures: Dict[str, BenchFigures]) -> List[Image]:
    sides = [one for name in ("peers", "job") if name in figures for one in figures[name].contestants]
    speeds = [BarGroup(one.name, [one.examples_per_second]) for one in sides]
    cpus = [BarGroup(one.name, [one.cpu]) for one in sides]
    accuracies = [BarGroup(one.name, [one.accuracy]) for one in sides if one.accuracy is not None]
    return [
        _image(name, title, charts.bars(title, groups, max(_WIDE, _PER_NAME * len(groups))))
        for name, title, groups in (
            ("speed", "Examples per second of the main job", speeds),
            ("cpu", "CPU seconds per million examples, all processes", cpus),
            ("accuracy", "Accuracy on the test data", accuracies),
        )
    ]


def _scaling(figures: Dict[str, BenchFigures]) -> Optional[Image]:
    """Rows are "4 workers, 2 servers"."""
    if "scaling" not in figures:
        return None
    workers: List[str] = []
    curves: Dict[str, Curve] = {}
    for row in figures["scaling"].rows:
        who, comma, servers = row.what.partition(", ")
        if not comma:
            continue
        if who not in workers:
            workers.append(who)
        curve = curves.setdefault(servers, Curve(servers))
        curve.points.append((float(workers.index(who)), row.ratio.median))
    title = "Examples/s as a share of those of so many single workers"
    return _image("scaling", title, charts.lines(title, list(curves.values()), _WIDE, 0, workers))


def _saturation(figures: Dict[str, BenchFigures]) -> Optional[Image]:
    """Shows what 16 workers take of a server, by what was measured of values of 16 MiB:
    docs/scaling.md."""
    dense = figures.get("dense-grpc")
    costs = [
        dense.server_cpu.get(f"{direction} 16 MiB, 8 in flight") if dense else None
        for direction in ("push", "pull")
    ]
    if None in costs:
        return None
    # CPU time of the server, for a byte pulled and pushed.
    cpu = sum(cost * 1e-9 for cost in costs if cost is not None)
    workers, batch, cores = 16, 1, 4
    network = 1.25e9  # 10 Gbit/s, each way.
    groups = []
    for mib in (4, 16, 64, 256):
        byte_rate = workers * mib * (1 << 20) / batch
        groups.append(BarGroup(f"{mib} MiB", [byte_rate * cpu / cores, byte_rate / network]))
    title = "What 16 workers with batches of 1 s take of one server, by model"
    series = ("of 4 cores", "of 10 Gbit/s")
    return _image("saturation", title, charts.bars(title, groups, _WIDE, series, line=1))
