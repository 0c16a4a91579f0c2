"""Measures clusters of this machine: `ebb bench recovery`, `moves`, `scaling` and `goodput`.

  __main__.py NAME FLAGS...
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "command"), str(HERE.parent / "pages")]

import goodput  # noqa: E402
import main_program  # noqa: E402
import moves  # noqa: E402
import recovery  # noqa: E402
import scaling  # noqa: E402

_COMMANDS = {"goodput": goodput, "moves": moves, "recovery": recovery, "scaling": scaling}


def main() -> int:
    return _COMMANDS[sys.argv[1]].main(sys.argv[2:])


if __name__ == "__main__":
    main_program.run(main)
