"""The runs of `ebb bench algorithms`, whose figures stay in a folder."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

import ebb_program
import options
import point
import run_figures
from run_figures import RunFigures

#: The scheduler's flag that no item takes as long as, so that it leases none twice.
_NO_BACKUP_TASKS = {"EBB_BACKUP_GAIN": "1000h"}


@dataclasses.dataclass
class KeptRun:
    """A run, and what names it.

    - name: unique in the folder.
    - settings: all that decides about the run, in one line.
    - overrides: settings of the job, "path.to.key=value".
    - events: of a scenario that disturbs it; empty: nothing does.
    - most_workers: those that the job takes at a time, under a scenario. 0: what the
      settings say.
    - added: workers that the events add.
    - may_end_early: the end of the job may cut them off.
    """

    name: str
    settings: str
    job: str
    overrides: Sequence[str]
    servers: int
    workers: int
    batch: int
    batch_time: float
    backup_tasks: bool = True
    counts_from: float = 0
    events: List[Dict[str, Any]] = dataclasses.field(default_factory=list)
    added: int = 0
    most_workers: int = 0
    may_end_early: bool = False
    seed: int = 0

    def words(self, scenario: Path) -> List[str]:
        """The command that makes the run."""
        words = ["chaos" if self.events else "run", self.job]
        overrides = list(self.overrides)
        if self.events:
            words += ["--scenario", str(scenario), "--chaos-seed", str(self.seed)]
            words += ["--may-end-early"] if self.may_end_early else []
            if self.most_workers:
                overrides.append(f"workers.max={self.most_workers}")
        for one in overrides:
            words += ["--set", one]
        words += ["--servers", str(self.servers), "--workers", str(self.workers)]
        return words + point.batch_time_flags(self.workers + self.added, self.batch_time)


class KeptRuns:
    """prefix: begins the name of every file."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder, self._prefix = folder, prefix

    def check(self) -> None:
        """Raises an error if the folder cannot be written to."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not os.access(self.folder, os.W_OK):
            raise PermissionError(f"cannot write to {self.folder}")

    def file(self, name: str, ending: str) -> Path:
        return self.folder / f"{self._prefix}{name}{ending}"

    def take(
        self, kept: KeptRun, add: Callable[[Dict[str, Any], RunFigures], None]
    ) -> RunFigures:
        """The figures that are there under this name with these settings.

        Else it runs the job and keeps them, which blocks; ``add`` adds what the case is to
        figures, seeing the report. Raises Failed if the run failed, and its folder is left.
        """
        file = self.file(kept.name, ".json")
        if file.exists():
            try:
                figures = run_figures.read(file.read_text())
            except ValueError as error:
                raise ebb_program.Failed(f"{file}: {error}; remove it, and it is measured again")
            if figures.settings == kept.settings:
                return figures
        figures = self._measure(kept, add)
        file.write_text(figures.as_json())
        return figures

    def _measure(
        self, kept: KeptRun, add: Callable[[Dict[str, Any], RunFigures], None]
    ) -> RunFigures:
        folder = self.file(kept.name, ".run")
        shutil.rmtree(folder, ignore_errors=True)
        scenario = self.file(kept.name, ".scenario")
        if kept.events:
            scenario.write_text(json.dumps({"name": kept.name, "events": kept.events}))
        observed = point.Point(
            kept.batch, kept.batch_time, kept.counts_from, ebb_program.cpu_seconds
        )
        more = {} if kept.backup_tasks else _NO_BACKUP_TASKS
        run = ebb_program.Run(kept.words(scenario), folder, more)
        try:
            run.follow(observed.see)
        finally:
            scenario.unlink(missing_ok=True)
        jobs = run.last.get("jobs")
        # An algorithm that goes astray is a result; anything else is none.
        if run.report["problems"] and not (jobs and jobs[0]["quarantined"]):
            why = run.report["problems"][0]
            raise ebb_program.Failed(f"{kept.name}: {why}; its run is in {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        where = options.where_it_ran()
        figures = RunFigures(
            settings=kept.settings,
            machine=where["machine"],
            build=where["build"],
            commit=where["commit"],
            measured=options.now(),
        )
        observed.add_to(run.report, run.last, figures)
        add(run.report, figures)
        return figures
