"""The page that `ebb bench language` writes, and what it prints."""

import dataclasses
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import cases
import charts
import language_charts
import page_writer
import targets
import texts
from targets import Kept, Spread

_NARROW = """\
- Wall times are not compared, but for the speed of a copy: all processes share two cores.
- In rounds the values do not depend on how many processes compute. So two processes compute the runs of 4 to 32 workers. Only *kills* and *bytes* have a process for each worker.
- In asp each worker is a process. A batch takes it at least a fixed time, so that workers are as fast as each other.
- DDP has a process for each worker, over loopback. Its network costs nothing here.
- A model of this size says little about one of a billion parameters.
"""


@dataclasses.dataclass(frozen=True)
class PageOptions:
    """where: the machine and the versions. failures: why cases have no figures, by name."""

    where: str
    command: str
    about: str
    failures: Dict[str, str]


def terminal_text(kept: Sequence[Kept], verdicts: bool = True) -> str:
    """The tables of losses and of targets, with or without their verdicts."""
    made = ""
    loss = loss_rows(kept)
    if loss:
        made += texts.table([_LOSS_HEADER, *loss], right=range(1, len(_LOSS_HEADER))) + "\n"
    rows = [
        [one.what, one.reached, *((one.required, one.verdict) if verdicts else ())]
        for one in targets.all_targets(kept)
    ]
    header = ["target", "reached", *(("required", "") if verdicts else ())]
    return made + (texts.table([header, *rows]) if rows else "")


_LOSS_HEADER = ["", "workers", "runs", "lowest", "median", "highest", "/ DDP"]


def loss_rows(kept: Sequence[Kept]) -> List[List[str]]:
    """The held-out losses of each row and number of workers, with their spread."""
    made = []
    for row in cases.LOSS_ROWS:
        there = targets.of_row(kept, row)
        for workers in sorted({one["settings"].get("workers", 1) for one in there}):
            some = [one for one in there if one["settings"].get("workers", 1) == workers]
            for name, group in _by_moments(row, some).items():
                spread = Spread.of([one["figures"]["loss"] for one in group])
                share = targets.ratio(kept, row, "ddp", workers)
                to = share.text() if share and row in ("diloco", "diloco_asp", "torchft") else ""
                values = [f"{one:.3f}" for one in (spread.low, spread.median, spread.high)]
                made.append([name, str(workers), str(len(group)), *values, to])
    return made


def _by_moments(row: str, group: List[Kept]) -> Dict[str, List[Kept]]:
    """Runs whose moments differ are apart."""
    if row != "moments":
        return {cases.ROWS[row]: group}
    return {
        f"{cases.ROWS[row]}, {name}": some
        for moments, name in cases.MOMENTS.items()
        if (some := [one for one in group if one["settings"]["moments"] == moments])
    }


def page(kept: Sequence[Kept], shown: Sequence[charts.Image], options: PageOptions) -> str:
    made = (
        "# Language models by runs of local steps, measured\n\n"
        "Written by `ebb bench language`; do not edit.\n\n"
        f"{options.where[:1].upper()}{options.where[1:]}. Command: `{options.command}`.\n\n{options.about}\n"
    )
    rows = targets.all_targets(kept)
    if rows:
        required = [one for one in rows if one.required]
        held = sum(one.holds for one in required)
        made += f"\n## Targets\n\n**{held} of {len(required)} targets hold.**\n\n"
        made += texts.markdown_header(["", "reached", "required", ""])
        for one in rows:
            verdict = one.verdict if one.holds else f"**{one.verdict}**"
            made += texts.markdown_row([one.what, one.reached, one.required, verdict])
    loss = loss_rows(kept)
    if loss:
        made += "\n## Loss at equal tokens\n\n" + _table(_LOSS_HEADER, loss)
        made += "\nThe last column has medians of pairs of equal seeds, with the lowest and the highest.\n"
        made += "".join("\n" + page_writer.shown(image) for image in shown)
    made += _section("Kills", _KILLS_HEADER, _kill_rows(kept), _KILLS_TEXT)
    made += _section("Bytes", _BYTES_HEADER, _byte_rows(kept), _BYTES_TEXT)
    made += _section("Spot markets", _MARKET_HEADER, _market_rows(kept), _MARKET_TEXT)
    made += _section("Defaults", _CHOICE_HEADER, choice_rows(kept), _CHOICE_TEXT)
    made += _section("Momentum in asp", _LATE_HEADER, late_rows(kept), _LATE_TEXT)
    made += "\n## What two cores do not show\n\n" + _NARROW
    if options.failures:
        made += "\n## Not measured\n\n"
        for name, why in options.failures.items():
            made += f"- {name}: {texts.markdown_cell(why)}\n"
    return made


def _section(title: str, header: List[str], rows: List[List[str]], text: str) -> str:
    return f"\n## {title}\n\n{_table(header, rows)}\n{text}\n" if rows else ""


def _table(header: List[str], rows: Sequence[Sequence[str]]) -> str:
    return texts.markdown_header(header) + "".join(map(texts.markdown_row, rows))


_KILLS_HEADER = ["", "killed", "sequences", "lost", "doubled", "computed again"]
_KILLS_TEXT = (
    "*Lost* and *doubled* of ebb are those of its audit. Those of the others are counted from logs of the "
    "sequences that became part of the model. A replica of torchft goes through its own shard, and goes on "
    "at the outer step of the others when it is back, so what it missed is lost."
)


def _kill_rows(kept: Sequence[Kept]) -> List[List[str]]:
    made = []
    for row in ("diloco", "kills", "ddp", "torchft", "torchft_kills"):
        for one in targets.of_row(kept, row)[:1]:
            figures, settings = one["figures"], one["settings"]
            killed = ", ".join(f"{n} × {kind}" for kind, n in figures.get("killed", {}).items())
            uses = figures["sequences"] * settings["epochs"]
            again = figures.get("recomputed")
            made.append(
                [cases.ROWS[row], killed or "none", texts.with_commas(uses)]
                + [texts.with_commas(figures[key]) for key in ("lost", "doubled")]
                + ["" if again is None else texts.with_commas(again)]
            )
    return made


_BYTES_HEADER = ["", "bytes a token, by the settings", "counted", "bf16 steps", "fewer, by the settings", "fewer, counted"]
_BYTES_TEXT = (
    "A step that sends its gradient and gets the values in bf16 takes 4 bytes a parameter. The servers count "
    "the bytes of values, without the headers of messages. A worker that computes two runs of a round pulls once. "
    "These runs go over the network of the machine itself, not through shared memory."
)


def _byte_rows(kept: Sequence[Kept]) -> List[List[str]]:
    made = []
    for one in targets.of_row(kept, "bytes"):
        found = targets.bytes_of(one)
        filters = one["settings"]["filters"]
        name = "int8 pushes, bf16 pulls" if filters else "float32"
        made.append(
            [f"H = {one['settings']['steps']}, {name}"]
            + [f"{found[key]:.1f}" for key in ("computed", "counted", "step")]
            + [f"{found[key]:.1f}" for key in ("computed_factor", "counted_factor")]
        )
    return made


_MARKET_HEADER = ["", "work that counts", "seconds", "workers on average", "events", "doubled"]
_MARKET_TEXT = (
    "Workers come and go as the record says, twenty times faster, and are killed without notice. They are "
    "ebb's own, with a small model, and computing is emulated: a batch takes 1.2 s of the market. *Work "
    "that counts* is examples counted over those that the workers alive could have computed. "
    "The runs that go on when the time is over do not count."
)


def _market_rows(kept: Sequence[Kept]) -> List[List[str]]:
    made = []
    for one in targets.of_row(kept, "market"):
        figures = one["figures"]
        mean = figures["worker_seconds"] / figures["seconds"]
        made.append(
            [one["name"].replace("market-", ""), f"{figures['goodput']:.3f}", f"{figures['seconds']:.0f}"]
            + [f"{mean:.1f}", str(figures["events"]), str(figures["doubled"])]
        )
    return made


_CHOICE_HEADER = ["", "loss", "/ the default"]
_CHOICE_TEXT = "One seed, 4 workers. Each run differs from the default in what its name says."


def choice_rows(kept: Sequence[Kept]) -> List[List[str]]:
    """Other defaults beside those that the job has, with one seed."""
    made = []
    for row, kind in (("diloco", "rounds"), ("diloco_asp", "asp"), ("ddp", "ddp")):
        others = [one for one in targets.of_row(kept, "choice") if one["name"].startswith(f"choice_{kind}-")]
        if not others:
            continue
        base = _base(kept, row, others[0]["settings"]["seed"])
        if base is not None:
            made.append([f"{kind}: the defaults", f"{base:.3f}", ""])
        for one in others:
            loss = one["figures"]["loss"]
            name = one["name"].replace(f"choice_{kind}-", "").replace("-", " ")
            share = f"{loss / base:.3f}" if base else ""
            made.append([f"{kind}: {name.replace('_', ' ')}", f"{loss:.3f}", share])
    return made


_LATE_HEADER = ["workers", "outer momentum", "loss", "/ none"]
_LATE_TEXT = (
    "One seed, in one process, in which runs arrive as those of so many workers that are about as fast as each "
    "other. The outer rate is 1, and each way is divided by one more than the steps since its run began. *Delayed* changes "
    "the momentum once after as many steps as there are workers "
    "([Liu et al. 2024](https://arxiv.org/abs/2401.09135))."
)


def late_rows(kept: Sequence[Kept]) -> List[List[str]]:
    """The losses of runs that arrive late, by their outer momentum."""
    made = []
    for workers in sorted({one["settings"]["workers"] for one in targets.of_row(kept, "late")}):
        there = targets.of_row(kept, "late", workers)
        without = [one["figures"]["loss"] for one in there if not one["settings"]["outer_momentum"]]
        for one in there:
            settings, loss = one["settings"], one["figures"]["loss"]
            momentum = settings["outer_momentum"]
            name = f"{momentum:g}, {'delayed' if settings['delayed'] else 'at each step'}" if momentum else "none"
            share = f"{loss / without[0]:.3f}" if without and momentum else ""
            made.append([str(workers), name, f"{loss:.3f}", share])
    return made


def _base(kept: Sequence[Kept], row: str, seed: int) -> Optional[float]:
    return targets.losses(targets.of_row(kept, row, 4)).get(seed)


def write(path: Path, kept: Sequence[Kept], options: PageOptions) -> None:
    """Writes the page, and its charts into images/ beside it."""
    shown = language_charts.images(kept)
    page_writer.write(path, page(kept, shown, options), shown)


def about(settings: Dict[str, Any], parameters: int, sequences: int) -> str:
    """Says what is trained."""
    tokens = settings["batch"] * settings["context"]
    passes = texts.count(settings["epochs"], "epoch")
    return (
        f"A GPT of {texts.with_commas(parameters)} parameters (that of `examples/python/gpt.py`) learns the "
        f"characters of a text: {texts.with_commas(sequences)} sequences of {settings['context']}, {passes}. A "
        f"batch has {settings['batch']} sequences, {tokens} tokens. All rows train with the same tokens, "
        f"by AdamW at a rate of {settings['rate']:g} that falls as a cosine, and are compared by the loss of "
        "text that none of them saw. Equal seeds have equal first values. A run has H = "
        f"{settings['steps']} batches where nothing else is said. Each process computes with one thread."
    )
