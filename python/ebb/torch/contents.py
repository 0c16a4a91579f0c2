"""The values of a tensor as arrays of NumPy, of whichever form the tensor is.

NumPy has no bfloat16, and neither sparse nor quantised arrays; and a tensor may
have its sign, or that of its imaginary part, in a bit beside the values.
"""

from __future__ import annotations

import functools
from typing import Any, Iterator, List

import numpy as np
import torch

from ebb.arrays import Array
from ebb.errors import Refused

# Types of which NumPy has only the bits.
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_INDICES = {
    torch.sparse_csr: ("crow_indices", "col_indices"),
    getattr(torch, "sparse_bsr", None): ("crow_indices", "col_indices"),
    getattr(torch, "sparse_csc", None): ("ccol_indices", "row_indices"),
    getattr(torch, "sparse_bsc", None): ("ccol_indices", "row_indices"),
}


class NoContents(Exception):
    """The tensor has no values, or none that can be read. The text says why."""


def is_plain(tensor: torch.Tensor) -> bool:
    """Returns whether NumPy has arrays of this form."""
    return tensor.layout == torch.strided and not tensor.is_quantized and _in_numpy(tensor.dtype)


def form_of(tensor: torch.Tensor) -> str:
    """Returns what a tensor is beside its values: type, layout and shape."""
    shape = "nested" if tensor.is_nested else tuple(tensor.shape)
    return f"{tensor.dtype} {tensor.layout} {shape}"


def arrays_of(tensor: torch.Tensor) -> Iterator[Array]:
    """Yields arrays that together are the same for equal tensors of a form.

    A dense tensor has one. Raises NoContents.
    """
    if tensor.is_meta:
        raise NoContents("a tensor on the device meta has no values")
    if tensor.is_nested:
        raise NoContents("a nested tensor has no shape; pad it, with its lengths beside it")
    try:
        yield from [_array_of(part) for part in parts_of(tensor.detach())]
    except (RuntimeError, TypeError, NotImplementedError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise NoContents(lines[0]) from error


def as_array(name: str, value: Any) -> Array:
    """Returns a tensor, or what ``numpy.asarray`` takes, as one array.

    Floating point that NumPy lacks becomes float32. Raises Refused, with the name, for
    a sparse or quantised tensor, and for one without values.
    """
    if not isinstance(value, torch.Tensor):
        return np.asarray(value)
    if value.is_meta or value.layout != torch.strided or value.is_quantized:
        word = str(value.layout).replace("torch.", "")
        word = "on the device meta" if value.is_meta else "quantised" if value.is_quantized else word
        dense = "dequantize()" if value.is_quantized else "to_dense()"
        raise Refused(
            f"{name} is {word}, and an array of numbers belongs here",
            None if value.is_meta else f"its .{dense}",
        )
    whole = value.detach().cpu().resolve_conj().resolve_neg()
    return np.asarray((whole if _in_numpy(whole.dtype) else whole.float()).numpy())


def parts_of(tensor: torch.Tensor) -> List[torch.Tensor]:
    """Returns dense tensors that together are the tensor, mostly itself alone."""
    if tensor.layout == torch.sparse_coo:
        whole = tensor.coalesce()
        return [whole.indices(), whole.values()]
    if tensor.layout in _INDICES:
        indices = [getattr(tensor, name)() for name in _INDICES[tensor.layout]]
        return [*indices, tensor.values()]
    if tensor.layout != torch.strided:
        return [tensor.to_dense()]
    if not tensor.is_quantized:
        return [tensor]
    if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        scale = torch.tensor([tensor.q_scale(), tensor.q_zero_point()], dtype=torch.float64)
        return [tensor.int_repr(), scale]
    channels = [tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()]
    return [tensor.int_repr(), *channels, torch.tensor([tensor.q_per_channel_axis()])]


def _array_of(tensor: torch.Tensor) -> Array:
    here = tensor.cpu().resolve_conj().resolve_neg()
    if not _in_numpy(here.dtype):
        here = here.contiguous().view(_BITS[here.element_size()])
    return np.asarray(here.numpy())


@functools.lru_cache(maxsize=None)
def _in_numpy(kind: torch.dtype) -> bool:
    try:
        torch.empty(0, dtype=kind).numpy()
        return True
    except (RuntimeError, TypeError):
        return False
