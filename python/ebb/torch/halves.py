"""The memory of an engine as tensors.

It has two halves, each with values and sums. The batch that is out is in one of
them, while the engine makes the next batch ready in the other.
"""

from __future__ import annotations

from typing import Any, List, Tuple

import torch

#: Floats that are looked at and then copied while they are in the nearer caches.
_STEP = 1 << 16


def halves_of(engine: Any) -> List[Tuple[torch.Tensor, torch.Tensor]]:
    """Returns all values and all sums of each half of an engine's memory."""
    count = engine.values.size
    whole = torch.frombuffer(engine.memory, dtype=torch.float32, count=2 * engine.halves * count)
    parts = whole.view(engine.halves, 2, count)
    return [(part[0], part[1]) for part in parts]


class Half:
    """The parameters in one half of the engine's memory, in their order."""

    def __init__(
        self,
        values: torch.Tensor,
        sums: torch.Tensor,
        places: List[Tuple[int, torch.Size]],
        decay: List[Tuple[float, List[int]]],
    ) -> None:
        self.all_sums = sums
        self.values = [_part(values, *place) for place in places]
        self.sums = [_part(sums, *place) for place in places]
        #: By part of them, in steps: the part, where the step is in it, and its sums.
        #: NumPy needs less time for each than PyTorch.
        self.sum_steps = [
            (number, begin, begin + _STEP, flat[begin : begin + _STEP])
            for number, flat in enumerate(part.view(-1).numpy() for part in self.sums)
            for begin in range(0, len(flat), _STEP)
        ]
        #: The factors of the weight decay, each with its sums and values.
        self.decay = [
            (factor, [self.sums[i] for i in which], [self.values[i] for i in which])
            for factor, which in decay
        ]


def _part(flat: torch.Tensor, offset: int, shape: torch.Size) -> torch.Tensor:
    part: torch.Tensor = flat[offset : offset + shape.numel()].view(shape)
    return part
