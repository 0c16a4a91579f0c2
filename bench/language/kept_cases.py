"""The figures of finished runs, which stay in a folder: a file for each case."""

import json
import time
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional

import options
from cases import Case

Kept = Dict[str, Any]


class KeptCases:
    """prefix: begins the name of every file. versions: of what is compared; ``others`` has
    those of rows that differ. A case of other settings or versions is measured again."""

    def __init__(
        self, folder: Path, prefix: str, versions: str, others: Optional[Mapping[str, str]] = None
    ) -> None:
        self._folder, self._prefix = folder, prefix
        self._versions, self._others = versions, others or {}

    def check(self) -> None:
        """Raises an error if the folder cannot be written to."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.joinpath(".there").touch()

    def load(self, case: Case) -> Optional[Kept]:
        try:
            found: Kept = json.loads(self._file(case).read_text())
            same = found["settings"] == case.settings and found["versions"] == self._versions_of(case)
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return found if same else None

    def take(self, case: Case, make: Callable[[Case], Dict[str, Any]]) -> Kept:
        """Returns the figures of the case, measured now if they are not there."""
        found = self.load(case)
        if found is None:
            begun = time.monotonic()
            figures = make(case)
            found = {
                "name": case.name,
                "row": case.row,
                "settings": case.settings,
                "versions": self._versions_of(case),
                "measured": options.now(),
                "commit": options.where_it_ran()["commit"],
                "wall_seconds": time.monotonic() - begun,
                "figures": figures,
            }
            self._file(case).write_text(json.dumps(found, indent=1) + "\n")
        return found

    def _versions_of(self, case: Case) -> str:
        return self._others.get(case.row, self._versions)

    def _file(self, case: Case) -> Path:
        return self._folder / f"{self._prefix}{case.name}.json"
