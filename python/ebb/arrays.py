"""The types of arrays of NumPy, for annotations."""

from __future__ import annotations

from typing import Any, Dict

import numpy.typing as npt

Array = npt.NDArray[Any]
Tensors = Dict[str, Array]
