"""The paths of the modules under test, for the tests of this folder, which import it first."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "command")]
