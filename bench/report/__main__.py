"""Runs all benchmarks, and writes a page with charts; `ebb bench report` starts it."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import List

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "command"), str(HERE.parent / "pages")]

import bench_figures  # noqa: E402
import data_sets  # noqa: E402
import ebb_program  # noqa: E402
import main_program  # noqa: E402
import options  # noqa: E402
import page_writer  # noqa: E402
import performance_images  # noqa: E402
import performance_page  # noqa: E402
import steps  # noqa: E402
import texts  # noqa: E402
from bench_figures import BenchFigures, Record, Section  # noqa: E402
from quick_look import quick_look  # noqa: E402

_ALL = "all"
_PAGE = Path("docs/measured/performance.md")
_MORE = """\
Start it in the folder of ebb's sources. Figures that are in the folder are not
measured again, so an interrupted report goes on; the page is always written anew.
Warns of a row whose median is worse than all its recorded pairs. Exits 1 if some row
misses its requirement, or a benchmark failed. --quick prints its rows beside the
recorded ones, without a verdict.
Examples:
  ebb bench report --again all --record
  ebb bench report --quick --only dense-grpc"""


def _flags() -> argparse.Namespace:
    about = "Runs all benchmarks, and writes a page with charts"
    parser = options.Parser("ebb bench report", about, _MORE)
    add = parser.add_argument
    usual = steps.Choices()
    names = [step.name for step in steps.steps(usual)]
    add("--quick", action="store_true",
        help="only print a rough result: short samples of a few sizes, no verdict")
    add("--folder", type=Path, default=Path("runs/bench"),
        help="folder that keeps figures and logs (%(default)s)")
    add("--page", type=Path, help=f"page to write; its charts go to images/ ({_PAGE})")
    add("--recorded", type=Path, default=Path("bench/recorded.json"),
        help="file of recorded ratios to compare with (%(default)s)")
    add("--record", action="store_true", help="renew the recorded ratios")
    add("--only", nargs="+", action="extend", choices=names, default=[], metavar="NAME",
        help=f"measure only these ({', '.join(names)})")
    add("--again", nargs="+", action="extend", choices=[*names, _ALL], default=[], metavar="NAME",
        help="measure these again, though the folder has their figures (or all)")
    add("--job", default=usual.job, help="job file of the main job (%(default)s)")
    add("--peers", default=usual.peers, help="folder of the peers' scripts (%(default)s)")
    add("--checkpoint-folder", metavar="FOLDER",
        help="folder on the disk to measure (the system's temporary folder)")
    add("--python", metavar="FILE", help="interpreter that has TensorFlow, for data-table")
    add("--bucket", metavar="URL",
        help="bucket of a local S3 server, for data-objects; AWS_* in the environment name the "
        "server and the keys")
    flags = parser.parse_args()
    for flag, given in (("--page", flags.page), ("--record", flags.record)):
        if flags.quick and given:
            parser.error(f"{flag} excludes --quick")
    flags.page = flags.page or _PAGE
    return flags


class _Report:
    def __init__(self, flags: argparse.Namespace) -> None:
        self._flags = flags
        self._sections: List[Section] = []
        self._failed = False
        self._place = ""

    def run(self) -> int:
        flags = self._flags
        flags.folder.mkdir(parents=True, exist_ok=True)
        if not os.access(flags.folder, os.W_OK):
            raise PermissionError(f"cannot write to {flags.folder}")
        if not flags.quick:
            page_writer.check(flags.page)
        print(options.where_line(), file=sys.stderr, flush=True)
        begun = time.monotonic()
        choices = steps.Choices(
            flags.job, flags.peers, flags.checkpoint_folder, flags.python, flags.bucket
        )
        every = steps.steps(choices)
        for i, step in enumerate(every):
            self._place = f"{i + 1} of {len(every)}, {step.name}"
            try:
                self._take(step)
            except (ebb_program.Failed, OSError, ValueError) as error:
                print(f"ebb: {step.name}: {error}", file=sys.stderr, flush=True)
                self._failed = True
        took = texts.took(time.monotonic() - begun)
        if flags.quick:
            # For short samples: the figures, without a file or a verdict.
            print(quick_look(self._sections, self._recorded()), end="")
            print(
                f"quick: short samples, no verdicts; {took}, figures in {flags.folder}; no page is "
                "written"
            )
            return 1 if self._failed else 0
        self._write()
        self._compare()
        count = performance_page.count_rows(self._sections)
        skipped = texts.count(count.benches_skipped, "benchmark")
        print(f"{count.hold} of {count.required} rows hold, {skipped} not measured; {took}")
        print(f"written: {flags.page}")
        return 0 if count.hold == count.required and not self._failed else 1

    def _file(self, name: str, ending: str) -> Path:
        """Quick figures are never taken for others."""
        return self._flags.folder / f"{'quick-' if self._flags.quick else ''}{name}{ending}"

    def _command_of(self, step: steps.Step) -> str:
        return f"ebb bench {' '.join(step.quick if self._flags.quick else step.words)}"

    def _take(self, step: steps.Step) -> None:
        """Measures the step, unless its figures are there, and keeps them."""
        flags = self._flags
        figures = BenchFigures(step.name)
        section = Section(step.title, self._command_of(step), step.limit, figures)
        file = self._file(step.name, ".json")
        wanted = not flags.only or step.name in flags.only
        again = step.name in flags.again or _ALL in flags.again
        failure = None
        if wanted and (again or not file.exists()):
            fashion = data_sets.fashion_folder() if step.needs_fashion else ""
            if step.needs_fashion and not fashion:
                figures.skipped = data_sets.NO_FASHION
            else:
                try:
                    self._measure(step, file, fashion)
                except ebb_program.Failed as error:
                    failure = error
                    figures.skipped = str(error)
        if not figures.skipped:
            if file.exists():
                try:
                    section.figures = bench_figures.read(step.name, file.read_text())
                except ValueError as error:
                    raise ValueError(f"{file}: {error}; measure it with --again {step.name}")
            else:
                figures.skipped = "not asked for"
        self._tell(section)
        self._sections.append(section)
        if failure:
            raise failure

    def _measure(self, step: steps.Step, file: Path, fashion: str) -> None:
        log = self._file(step.name, ".log")
        words = ["bench", *(step.quick if self._flags.quick else step.words), "--json", str(file)]
        words += ["--data", fashion] if fashion else []
        file.unlink(missing_ok=True)
        begun = time.monotonic()

        def tick() -> None:
            if sys.stderr.isatty():
                took = texts.took(time.monotonic() - begun)
                options.tell(f"{self._place}, {took}: {ebb_program.last_line(log)}")

        options.tell(f"{self._place}: {self._command_of(step)}")
        with ebb_program.Child(words, log) as child:
            code = child.wait(lambda: None, tick)
        if sys.stderr.isatty():
            options.tell("")
        # Figures are written last, whether all holds or not.
        if not file.exists():
            raise ebb_program.Failed(
                f"it {ebb_program.end_of(code)} ({log}): {ebb_program.last_line(log)}"
            )

    def _tell(self, section: Section) -> None:
        figures = section.figures
        if figures.skipped:
            said = f"not measured: {figures.skipped}"
        else:
            count = performance_page.count_rows([section])
            said = "a quick look"
            if not self._flags.quick:
                said = f"{count.hold} of {count.required} rows hold"
            said += f" (measured {figures.measured}, {figures.seconds:.0f} s)"
        print(f"{self._place}: {said}", file=sys.stderr, flush=True)

    def _write(self) -> None:
        page = self._flags.page
        images = performance_images.images(self._sections)
        text = performance_page.page(self._sections, images, page_writer.notes_of(page))
        page_writer.write(page, text, images)

    def _recorded(self) -> Record:
        """Nothing, where nothing was recorded."""
        file = self._flags.recorded
        if not file.exists():
            return Record()
        try:
            return bench_figures.read_record(file.read_text())
        except ValueError as error:
            raise ValueError(f"{file}: {error}")

    def _compare(self) -> None:
        """With what was recorded: warns, or renews it."""
        record = self._recorded()
        figures = [section.figures for section in self._sections]
        worse = bench_figures.worse_than_recorded(record, figures)
        for one in worse:
            print(f"warning: worse than recorded: {one}", file=sys.stderr)
        if worse:
            print(
                f"recorded on {record.machine}, commit {record.commit} ({self._flags.recorded}); "
                "--record renews it",
                file=sys.stderr,
            )
        if self._flags.record:
            self._flags.recorded.write_text(bench_figures.record_of(figures, record).as_json())


def main() -> int:
    return _Report(_flags()).run()


if __name__ == "__main__":
    main_program.run(main)
