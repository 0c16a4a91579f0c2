"""ebb trains models on machines that may go away.

Names load their module when they are first used, so ``import ebb`` is quick and
imports nothing else.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any, Dict, List

# This file alone is read by an older Python.
if sys.version_info < (3, 9):
    raise ImportError(
        "ebb needs Python 3.9 or newer, and {} is {}.{}\n  hint: use a newer one; "
        "`ebb run` takes that which EBB_PYTHON names".format(
            sys.executable or "this Python", *sys.version_info[:2]
        )
    )

from ebb import packages as _packages
from ebb.errors import Damaged as Damaged
from ebb.errors import DataDiffers as DataDiffers
from ebb.errors import EngineLost as EngineLost
from ebb.errors import Error as Error
from ebb.errors import EvaluationLost as EvaluationLost
from ebb.errors import ForkedError as ForkedError
from ebb.errors import JobFailed as JobFailed
from ebb.errors import ModelDiffers as ModelDiffers
from ebb.errors import NonFinite as NonFinite
from ebb.errors import NotFound as NotFound
from ebb.errors import Refused as Refused
from ebb.errors import Unavailable as Unavailable
from ebb.errors import Warning as Warning
from ebb.programs import VERSION as __version__
from ebb.tracebacks import install as _install

if TYPE_CHECKING:
    from ebb.batches import Place as Place
    from ebb.cluster import Cluster as Cluster
    from ebb.cluster import connect as connect
    from ebb.cluster import submit as submit
    from ebb.history import History as History
    from ebb.job import Audit as Audit
    from ebb.job import Job as Job
    from ebb.local_run import Run as Run
    from ebb.local_start import chaos as chaos
    from ebb.local_start import run as run
    from ebb.model import Model as Model
    from ebb.programs import version as version
    from ebb.progress import Progress as Progress
    from ebb.rows import Rows as Rows
    from ebb.rules import SGD as SGD
    from ebb.rules import Adagrad as Adagrad
    from ebb.rules import Adam as Adam
    from ebb.rules import Ftrl as Ftrl
    from ebb.rules import Normal as Normal
    from ebb.rules import RMSprop as RMSprop
    from ebb.rules import Uniform as Uniform
    from ebb.rules import Zeros as Zeros
    from ebb.tensors import load as load
    from ebb.tensors import save as save
    from ebb.work import Batch as Batch
    from ebb.work import Evaluated as Evaluated
    from ebb.work import Work as Work
    from ebb.work import join as join

# Public names, and the module that each is in. A module never has the name of a
# function beside it, for importing the module would hide the function.
_NAMES: Dict[str, str] = {
    "Adagrad": "ebb.rules",
    "Adam": "ebb.rules",
    "Audit": "ebb.job",
    "Batch": "ebb.work",
    "Cluster": "ebb.cluster",
    "Evaluated": "ebb.work",
    "Ftrl": "ebb.rules",
    "History": "ebb.history",
    "Job": "ebb.job",
    "Model": "ebb.model",
    "Normal": "ebb.rules",
    "Place": "ebb.batches",
    "Progress": "ebb.progress",
    "RMSprop": "ebb.rules",
    "Rows": "ebb.rows",
    "Run": "ebb.local_run",
    "SGD": "ebb.rules",
    "Uniform": "ebb.rules",
    "Work": "ebb.work",
    "Zeros": "ebb.rules",
    "chaos": "ebb.local_start",
    "connect": "ebb.cluster",
    "join": "ebb.work",
    "load": "ebb.tensors",
    "run": "ebb.local_start",
    "save": "ebb.tensors",
    "submit": "ebb.cluster",
    "version": "ebb.programs",
}
# Modules that are part of the public names.
_MODULES = ("local", "sklearn", "torch")

_install()
# All that trains needs it. Looking for it takes no time; importing it does.
_packages.find("numpy", "the package ebb")


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        try:
            module = importlib.import_module(_NAMES[name])
        except ImportError:
            _packages.need("numpy", "the package ebb")
            raise
        value = getattr(module, name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"ebb.{name}")
    raise AttributeError(f"module 'ebb' has no attribute '{name}'")


def __dir__() -> List[str]:
    return sorted({*globals(), *_NAMES, *_MODULES})
