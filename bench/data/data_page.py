"""The section "Measured" of docs/measured/data.md: what `ebb bench data` measured."""

import dataclasses
import json
import statistics
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple

import bench_figures
import charts
import page_writer
import texts
from bench_figures import BenchFigures
from row_tables import row_table

_TITLE = "## Measured"
#: The parts with rows: their names, titles, what heads the column of the limits, and what
#: is said of these.
_PARTS = (
    ("rows", "Reading and packing, one thread", "limit",
     "Protobuf: ebb's reading of JSON lines of the same records. JSON lines: simdjson's DOM "
     "of each line in memory, with a look at each key and value; beside parsing alone: "
     "without the look. Examples of TFRecord: libprotobuf's generated class parses each "
     "record in memory. Frames: CRC-32C and memcpy of the records in memory. PNG and JPEG: "
     "open, read and close of each file, and libpng or libjpeg-turbo. Packed, cached: memcpy "
     "from the mapped rows, batch by batch or row by row in the same order. The set is opened "
     'anew, so each window is checked; "checked ahead": by a second thread, as workers do; '
     '"read before": all of it was read once, and is read again. Packed, not cached: pread of '
     "a window at a time with O_DIRECT; ebb reads the next window by a second thread, as "
     "workers do. Pack: two copies of the rows that are synced to the disk, and one reading "
     "of the source."),
    ("job", "Training on a packed set", "in memory",
     "Softmax on 684,032 images (512 MiB), batches of 512, two epochs, one worker and one server. "
     "The run on the packed set has `--memory 128MiB`, of which 64 MiB are for the program. The "
     "other has `--memory 4096MiB`."),
    ("objects", "Objects of a bucket", "curl",
     "One connection to a local S3 server. libcurl signs its requests without a hash of the body; "
     "ebb hashes the body, and its puts create only (`If-None-Match`). Beside curl that hashes: a "
     "program that computes SHA-256 of the body, and then puts it by libcurl."),
)


@dataclasses.dataclass(frozen=True)
class Reading:
    """One place of the table."""

    format: str
    reader: str
    cached: bool
    batch: int
    batches: int
    examples_per_second: float

    @property
    def examples(self) -> int:
        return self.batch * self.batches

    @property
    def group(self) -> Tuple[str, str, bool]:
        """The readings of a table that belong together."""
        return self.format, self.reader, self.cached

    @property
    def series(self) -> str:
        return f"{self.reader}, {_cached(self.cached)}"


@dataclasses.dataclass
class Table:
    """Examples a second of reading images. peer: what read the same; lines: fitted ones."""

    images: str
    peer: str
    peer_skipped: str
    rounds: int
    readings: List[Reading]
    lines: List[Dict[str, Any]]

    @property
    def groups(self) -> Dict[Tuple[str, str, bool], List[Reading]]:
        """In the order of the table."""
        found: Dict[Tuple[str, str, bool], List[Reading]] = {}
        for one in self.readings:
            found.setdefault(one.group, []).append(one)
        return found


@dataclasses.dataclass
class Part:
    """One part of the benchmark that was measured; the table, or one with rows."""

    figures: BenchFigures
    table: Optional[Table] = None
    title: str = ""
    limit: str = ""
    how: str = ""

    @property
    def where(self) -> str:
        """The command that measured it, as far as figures depend on it, and where."""
        one = self.figures
        pairs = f" --pairs {one.rows[0].ratio.pairs}" if one.rows and one.rows[0].ratio.pairs else ""
        return (
            f"`ebb bench data --only {one.name}{pairs}`, {one.measured}, commit {one.commit}, in "
            f"{one.seconds:.0f} s; {one.machine}, build {one.build}.\n"
        )


def read_table(text: str) -> Table:
    """Raises ValueError if it is none."""
    found = json.loads(text)
    if not found.get("readings"):
        raise ValueError('table has no "readings"')
    readings = [Reading(**one) for one in found["readings"]]
    return Table(
        found["images"], found["peer"], found["peer_skipped"], found["rounds"], readings, found["lines"]
    )


def read_parts(folder: Path) -> List[Part]:
    """Returns the parts whose figures are in the folder."""
    parts = []
    for name, *described in (("table", "", "", ""), *_PARTS):
        file = folder / f"{name}.json"
        if not file.exists():
            continue
        text = file.read_text()
        try:
            table = read_table(text) if name == "table" else None
            parts.append(Part(bench_figures.read(name, text), table, *described))
        except ValueError as error:
            raise ValueError(f"{file}: {error}; measure it with --again {name}")
    return parts


def section(parts: Iterable[Part]) -> Tuple[str, List[charts.Image]]:
    """The section from its heading on, and the charts that it shows."""
    text = (
        f"{_TITLE}\n\n`ebb bench data --page docs/measured/data.md` wrote this section; do not edit "
        "it. A ratio is the median over pairs of ebb and its limit that took turns, with the lowest "
        "and the highest pair.\n"
    )
    images: List[charts.Image] = []
    for part in parts:
        if part.table:
            images = _images(part.table)
            text += _table(part, part.table) + "".join(f"\n{page_writer.shown(one)}" for one in images)
            continue
        text += f"\n### {part.title}\n\n{part.where}\n{part.how}" + ("\n\n" if part.how else "")
        if part.figures.skipped:
            text += f"Skipped: {part.figures.skipped}.\n"
        else:
            text += row_table(part.limit, part.figures.rows)
    return text, images


def with_section(page: str, made: str) -> str:
    """The page with its section "Measured", which ends it, replaced or added."""
    before = page.partition(f"\n{_TITLE}\n")[0].rstrip("\n")
    return before + ("\n\n" if before else "") + made


def _cached(cached: bool) -> str:
    return "cached" if cached else "not cached"


def _table(part: Part, table: Table) -> str:
    peer = f"tf.data, skipped: {table.peer_skipped}."
    if not table.peer_skipped:
        peer = f"tf.data of {table.peer}, one thread, on the same files."
    return (
        f"\n### Formats, caching, sizes\n\n{part.where}\n"
        f"Examples a second of reading {table.images} (28x28, grey): all of a data set is opened, "
        "read and made into batches of floats by one thread. Figures are medians of "
        f"{texts.count(table.rounds, 'round')}. Before a reading that is not cached, each file was "
        "synced and dropped from the page cache (`posix_fadvise`, `DONTNEED`). Folders stayed in "
        "memory, and so may have what is below the machine's disk.\n"
        f"\nThe peer: {peer} TFRecord: the records hold raw pixels. TFRecord of JPEG: the same "
        "images as JPEG, which ebb does not decode. There a loop over libraries stands in its place: "
        "CRC-32C of ISA-L, libprotobuf and libjpeg-turbo. Packed set: packed of decoded pixels, "
        f"compressed and in a random order.\n\nNot cached:\n\n{_readings(table, False)}\nCached:\n\n"
        f"{_readings(table, True)}\n{row_table('other', part.figures.rows)}"
        "\nA regression line for each parameter, over all readings of a row: examples a second = "
        f"intercept + slope·x.\n\n{_lines(table)}"
    )


def _readings(table: Table, cached: bool) -> str:
    groups = [group for (_, _, one), group in table.groups.items() if one == cached]
    header = ["batch", "batches", *(f"{group[0].format}, {group[0].reader}" for group in groups)]
    text = texts.markdown_header(header)
    for places in zip(*groups):
        speeds = (_speed(one.examples_per_second) for one in places)
        text += texts.markdown_row([str(places[0].batch), str(places[0].batches), *speeds])
    return text


def _speed(value: float) -> str:
    """Examples a second, in the three digits that mean something."""
    unit = 1
    while value / unit >= 1000:
        unit *= 10
    return texts.with_commas(int(value / unit + 0.5) * unit)


def _lines(table: Table) -> str:
    over = list(dict.fromkeys(line["over"] for line in table.lines))
    text = texts.markdown_header(["format", "reader", "", *(f"x = {name}" for name in over)])
    for name, reader, cached in table.groups:
        fitted = [
            _line(line)
            for line in table.lines
            if (line["format"], line["reader"], line["cached"]) == (name, reader, cached)
        ]
        text += texts.markdown_row([name, reader, _cached(cached), *fitted])
    return text


def _line(line: Dict[str, Any]) -> str:
    slope = line["slope"]
    sign = "−" if slope < 0 else "+"
    return f"{line['intercept']:.3g} {sign} {abs(slope):.3g}·x, R² {line['r_squared']:.2f}"


def _images(table: Table) -> List[charts.Image]:
    images = [_by_format(table)]
    for name in dict.fromkeys(one.format for one in table.readings):
        images += [_over(table, name, True), _over(table, name, False)]
    return images


def _by_format(table: Table) -> charts.Image:
    most = max(one.examples for one in table.readings)
    series = list(dict.fromkeys(one.series for one in table.readings))
    speeds = {
        (one.format, one.series): one.examples_per_second
        for one in table.readings
        if one.examples == most
    }
    groups = [
        charts.BarGroup(name, [speeds.get((name, one)) for one in series])
        for name in dict.fromkeys(one.format for one in table.readings)
    ]
    title = f"Examples a second of {texts.with_commas(most)} images, by format"
    return charts.Image("data-formats.svg", title, charts.bars(title, groups, series=series))


def _over(table: Table, name: str, examples: bool) -> charts.Image:
    """A chart of one format, over the size of a batch or the number of examples."""
    most = max(one.batches for one in table.readings)

    def place(one: Reading) -> int:
        return one.examples if examples else one.batch

    shown = [one for one in table.readings if examples or one.batches == most]
    places = sorted(set(map(place, shown)))
    # Several sizes of a batch may make as many examples.
    speeds: Dict[str, Dict[int, List[float]]] = {}
    for one in shown:
        if one.format == name:
            speeds.setdefault(one.series, {}).setdefault(place(one), []).append(one.examples_per_second)
    curves = [
        charts.Curve(
            series, [(float(places.index(x)), statistics.median(found[x])) for x in sorted(found)]
        )
        for series, found in speeds.items()
    ]
    over = "examples" if examples else f"size of a batch, {most} batches"
    title = f"{name}: examples a second by {over}"
    file = f"data-{name.replace(' ', '-')}-{'examples' if examples else 'batch'}.svg"
    return charts.Image(file, title, charts.lines(title, curves, floor=0, places=list(map(str, places))))
