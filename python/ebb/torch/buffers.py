"""The buffers of a model: what is neither a parameter nor pulled.

A buffer that training does not write is a constant: every program has the same
one, which the job's fingerprint shows. A counter (a single integer) may change
in each program. Any other that changes must be named ``"local"``.
"""

from __future__ import annotations

import fnmatch
import hashlib
from typing import Any, Dict, List, Mapping, Optional, Union

import torch

from ebb.errors import Refused
from ebb.torch.checksums import checksum, is_due

Choice = Union[None, str, Mapping[str, str]]

_WITH_STATISTICS = (
    torch.nn.BatchNorm1d,
    torch.nn.BatchNorm2d,
    torch.nn.BatchNorm3d,
    torch.nn.InstanceNorm1d,
    torch.nn.InstanceNorm2d,
    torch.nn.InstanceNorm3d,
)


class Buffers:
    """Knows which buffers of a model may change, and notices others that do."""

    def __init__(self, model: torch.nn.Module, choice: Choice = None) -> None:
        self._model = model
        self._local = self._chosen(choice)
        self._refuse_statistics()
        self.watch()

    @property
    def local(self) -> List[str]:
        """The buffers that each worker has for itself."""
        return sorted(self._local)

    def constants(self) -> Dict[str, torch.Tensor]:
        """Returns what every program must have alike: constants, and frozen
        parameters."""
        buffers = {
            name: buffer.detach()
            for name, buffer in self._model.named_buffers()
            if name not in self._local and not _counts(buffer)
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

    def check(self) -> None:
        """Raises Refused if a constant was written since watch().

        It looks at the first batches, and later now and then.
        """
        self._scans += 1
        if not is_due(self._scans):
            return
        now = self._traces()
        for name, trace in now.items():
            if trace == self._seen.get(name):
                continue
            if name in self._frozen():
                raise Refused(
                    f"{name} changes while training, and requires no gradient",
                    f"{name}.requires_grad = True trains it",
                )
            raise Refused(
                f"buffer {name} changes while training",
                f'buffers={{"{name}": "local"}} keeps it in each worker and out of the '
                "servers",
            )

    def _chosen(self, choice: Choice) -> List[str]:
        names = [name for name, _ in self._model.named_buffers()]
        if choice is None:
            return []
        rules = {"*": choice} if isinstance(choice, str) else dict(choice)
        chosen = []
        for pattern, what in rules.items():
            if what == "average":
                raise Refused(
                    f'buffers: servers have no rule "average" yet ({pattern})',
                    'only "local"',
                )
            if what != "local":
                raise Refused(f'buffers: {pattern} is "{what}"; only "local" is known')
            matching = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
            if not matching and pattern != "*":
                raise Refused(f"buffers: the model has no buffer {pattern}")
            chosen += matching
        return chosen

    def _refuse_statistics(self) -> None:
        for prefix, module in self._model.named_modules():
            if isinstance(module, torch.nn.SyncBatchNorm):
                raise Refused(
                    f"{prefix or 'the model'}: SyncBatchNorm needs a process group",
                    'a BatchNorm with buffers="local", or a GroupNorm',
                )
            if not isinstance(module, _WITH_STATISTICS) or module.running_mean is None:
                continue
            name = f"{prefix}.running_mean" if prefix else "running_mean"
            if name not in self._local:
                raise Refused(
                    f"{name} is a statistic of {type(module).__name__}: each worker would "
                    "have its own, and servers have no rule that averages it yet",
                    'buffers={"*running_*": "local"} keeps them in each worker (the result '
                    "has those of the program that asks); GroupNorm has none",
                )

    def _traces(self) -> Dict[str, Any]:
        return {name: checksum(tensor) for name, tensor in self.constants().items()}


def has_batch_norm(model: torch.nn.Module) -> Optional[str]:
    """Returns the name of a BatchNorm that takes its statistics from the batch."""
    for name, module in model.named_modules():
        if isinstance(module, _WITH_STATISTICS[:3]) and module.training:
            return name or type(module).__name__
    return None


def digest(tensors: Mapping[str, torch.Tensor], others: Any = ()) -> str:
    """Returns a short text that differs where tensors or others differ."""
    total = hashlib.blake2b(digest_size=8)
    for name in sorted(tensors, key=str.encode):
        tensor = tensors[name]
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    total.update(repr(others).encode())
    return total.hexdigest()


def _counts(buffer: torch.Tensor) -> bool:
    return buffer.dim() == 0 and not buffer.is_floating_point() and not buffer.is_complex()
