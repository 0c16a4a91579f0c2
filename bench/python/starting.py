"""How long `import ebb` takes."""

from typing import List

from figures import Comparison, Contest, Sample, at_most
from processes import run

_PROGRAM = """
import json, time
begin = time.perf_counter()
import ebb
print(json.dumps({"ms": 1000 * (time.perf_counter() - begin)}))
"""


def contests() -> List[Contest]:
    return [
        Contest(
            "import",
            {"ebb": _import},
            [Comparison("import ebb", "ms", "ebb", bound=at_most(80))],
        )
    ]


def _import() -> Sample:
    run(["-c", _PROGRAM])  # Brings the files into memory.
    return run(["-c", _PROGRAM])
