"""Cheap checksums that show whether a tensor was written."""

from __future__ import annotations

from typing import Dict, Tuple

import numpy as np
import torch

from ebb.torch import contents

Checksum = Tuple[int, int]

#: Looking at all values takes time, so it is done in the first batches, and then
#: in each batch with such a number.
_FIRST = 2
_EVERY = 64

_BITS: Dict[int, torch.dtype] = {
    1: torch.uint8,
    2: torch.int16,
    4: torch.int32,
    8: torch.int64,
}


def is_due(batch: int) -> bool:
    """Returns whether to look in this batch; the first is number 1."""
    return batch <= _FIRST or batch % _EVERY == 0


def checksum(tensor: torch.Tensor) -> Checksum:
    """Returns numbers that change with nearly all writes to the tensor.

    A write through ``.data`` changes the values and not the version, so the
    bits are added up: those of all values, and of each second one.
    """
    values = tensor.detach()
    if values.is_meta:
        return (0, 0)
    if values.layout != torch.strided or values.is_quantized:
        each = [checksum(part) for part in contents.parts_of(values)]
        return (sum(first for first, _ in each), sum(second for _, second in each))
    values = values.resolve_neg()
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    values = values.reshape(-1)
    if values.dtype == torch.float32 and values.device.type == "cpu":
        # Adding pairs takes a tenth of the time.
        floats = values.numpy()
        pairs = len(floats) // 2 * 2
        rest = floats[pairs:].view(np.int32)
        return (int(np.add.reduce(floats[:pairs].view(np.int64))), int(rest.sum()))
    bits = values.view(_BITS[values.element_size()])
    return (int(bits.sum(dtype=torch.int64)), int(bits[::2].sum(dtype=torch.int64)))
