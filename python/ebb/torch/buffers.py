"""The buffers of a model: what is neither a parameter nor pulled.

A buffer that training does not write is a constant: every program has the same
one, which the job's fingerprint shows. Statistics of BatchNorm are tables that
the servers average (statistics.py). A counter (a single integer) may change in
each program. Any other that changes must be named ``"local"`` or ``"average"``.
"""

from __future__ import annotations

import fnmatch
import hashlib
from typing import Any, Dict, List, Mapping, Optional, Union

import numpy as np
import torch

from ebb.errors import Refused
from ebb.torch import contents
from ebb.torch.checksums import checksum, is_due
from ebb.torch.statistics import Averaged

Choice = Union[None, str, Mapping[str, str]]

#: The share of a batch in the average of a buffer of the caller's own.
_SHARE = 0.1
_HELD = (torch.float32, torch.float16, torch.bfloat16)

_WITH_STATISTICS = (
    torch.nn.BatchNorm1d,
    torch.nn.BatchNorm2d,
    torch.nn.BatchNorm3d,
    torch.nn.InstanceNorm1d,
    torch.nn.InstanceNorm2d,
    torch.nn.InstanceNorm3d,
)

_STATISTICS = ("running_mean", "running_var")


class Buffers:
    """Knows which buffers of a model may change, and notices others that do."""

    def __init__(self, model: torch.nn.Module, choice: Choice = None) -> None:
        self._model = model
        self._counters: Dict[str, int] = {}
        chosen = self._chosen(choice)
        self._local = [name for name, what in chosen.items() if what == "local"]
        self._averaged = self._statistics()
        for name, what in chosen.items():
            if what == "average" and name not in self._averaged:
                self._averaged[name] = self._of_the_callers(name)
        self._check_averaged()
        self.watch()

    @property
    def local(self) -> List[str]:
        """The buffers that each worker has for itself."""
        return sorted(self._local)

    @property
    def averaged(self) -> Dict[str, Averaged]:
        """The buffers that the servers average, by the names of their tables."""
        return self._averaged

    @property
    def counters(self) -> Dict[str, int]:
        """The counters of averaged batches, and the numbers that they began with."""
        return self._counters

    def tables(self) -> Dict[str, torch.Tensor]:
        """Returns the buffers that are tables of the job, as they are at present."""
        return {name: one.tensor for name, one in self._averaged.items()}

    def constants(self) -> Dict[str, torch.Tensor]:
        """Returns what every program must have alike: constants, and frozen
        parameters."""
        buffers = {
            name: buffer.detach()
            for name, buffer in self._model.named_buffers()
            if name not in self._local
            and name not in self._averaged
            and not _counts(buffer)
        }
        return {**self._frozen(), **buffers}

    def _frozen(self) -> Dict[str, torch.Tensor]:
        return {
            name: parameter.detach()
            for name, parameter in self._model.named_parameters()
            if not parameter.requires_grad
        }

    def watch(self) -> None:
        """Begins to look for constants that are written."""
        self._scans = 0
        self._seen = self._traces()

    def changed(self, at_end: bool = False) -> Optional[str]:
        """Returns the name of a constant that was written since watch(), if any.

        It looks at the first batches, later now and then, and at the end.
        """
        self._scans += 1
        if at_end or is_due(self._scans):
            for name, trace in self._traces().items():
                if trace != self._seen.get(name):
                    return name
        return None

    def check(self, at_end: bool = False) -> None:
        """Raises Refused if there is one."""
        name = self.changed(at_end)
        if name is None:
            return
        refuse_frozen(self._model, name)
        local = f'buffers={{"{name}": "local"}} keeps it in each worker and out of the servers'
        average = '; with "average" the servers average what it is after each batch'
        floats = self._model.get_buffer(name).dtype in _HELD
        raise Refused(
            f"buffer {name} changes while training", local + (average if floats else "")
        )

    def _chosen(self, choice: Choice) -> Dict[str, str]:
        """Returns what the caller said, by buffer."""
        names = [name for name, _ in self._model.named_buffers()]
        if choice is None:
            return {}
        rules = {"*": choice} if isinstance(choice, str) else dict(choice)
        chosen: Dict[str, str] = {}
        for pattern, what in rules.items():
            if what not in ("local", "average"):
                raise Refused(
                    f'buffers: {pattern} is "{what}"; only "local" and "average" are known'
                )
            matching = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
            if not matching and pattern != "*":
                raise Refused(f"buffers: the model has no buffer {pattern}")
            chosen.update({name: what for name in matching})
        return {
            name: what
            for name, what in chosen.items()
            if what == "local" or not _counts(self._model.get_buffer(name))
        }

    def _statistics(self) -> Dict[str, Averaged]:
        """Returns the statistics of the model's norms that are not local."""
        found: Dict[str, Averaged] = {}
        for prefix, module in self._model.named_modules():
            if isinstance(module, torch.nn.SyncBatchNorm):
                raise Refused(
                    f"{prefix or 'the model'}: SyncBatchNorm needs a process group",
                    "a BatchNorm, whose statistics are those of the job, or a GroupNorm",
                )
            if not isinstance(module, _WITH_STATISTICS) or module.running_mean is None:
                continue
            dot = f"{prefix}." if prefix else ""
            names = {attribute: dot + attribute for attribute in _STATISTICS}
            if all(name in self._local for name in names.values()):
                continue
            if any(name in self._local for name in names.values()):
                raise Refused(
                    f"buffers: only one of {' and '.join(names.values())} is local, and a norm "
                    "averages both or none",
                    f'buffers={{"{dot}running_*": "local"}}',
                )
            if module.momentum is None:
                raise Refused(
                    f"{names['running_mean']} is the mean of all batches (momentum=None), and "
                    "servers average with a fixed share of each batch",
                    'momentum=0.1, or buffers={"*running_*": "local"}',
                )
            if module.momentum == 0:
                continue  # Constants.
            for attribute, name in names.items():
                found[name] = Averaged(module, attribute, float(module.momentum), True)
            frozen = self._model.training and not module.training
            if not frozen and f"{dot}num_batches_tracked" not in self._local:
                counter = module.num_batches_tracked
                assert counter is not None
                self._counters[f"{dot}num_batches_tracked"] = int(counter)
        return found

    def _of_the_callers(self, name: str) -> Averaged:
        prefix, _, attribute = name.rpartition(".")
        return Averaged(self._model.get_submodule(prefix), attribute, _SHARE, False)

    def _check_averaged(self) -> None:
        for name, one in self._averaged.items():
            if one.tensor.dtype not in _HELD:
                word = str(one.tensor.dtype).replace("torch.", "")
                raise Refused(f"{name} is {word}; servers hold float32: model.float()")
            if one.tensor.dim() == 0:
                raise Refused(
                    f"{name} has no dimension, and a table has one",
                    f'buffers={{"{name}": "local"}}, or a tensor of one element',
                )

    def _traces(self) -> Dict[str, Any]:
        return {name: checksum(tensor) for name, tensor in self.constants().items()}


def refuse_frozen(model: torch.nn.Module, name: str) -> None:
    """Raises Refused if this constant, which changes, is a parameter."""
    if name in dict(model.named_parameters()):
        raise Refused(
            f"{name} changes while training, and requires no gradient",
            f"{name}.requires_grad = True trains it",
        )


def has_batch_norm(model: torch.nn.Module) -> Optional[str]:
    """Returns the name of a BatchNorm1d that takes its statistics from the batch.

    Others have several values for a channel of a single example.
    """
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm1d) and module.training:
            return name or type(module).__name__
    return None


def digest(tensors: Mapping[str, torch.Tensor], others: Any = ()) -> str:
    """Returns a short text that differs where tensors or others differ."""
    total = hashlib.blake2b(digest_size=8)
    for name in sorted(tensors, key=str.encode):
        tensor = tensors[name]
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        try:
            for array in contents.arrays_of(tensor):
                total.update(np.ascontiguousarray(array).tobytes())
        except contents.NoContents as error:
            raise Refused(
                f"{name} ({contents.form_of(tensor)}) cannot be compared between copies: {error}",
                "give it values before ebb.torch.job, or keep it out of the model's buffers",
            ) from error
    total.update(repr(others).encode())
    return total.hexdigest()


def _counts(buffer: torch.Tensor) -> bool:
    return buffer.dim() == 0 and not buffer.is_floating_point() and not buffer.is_complex()
