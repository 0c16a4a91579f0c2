"""The parts that a program brings to a job, once they are looked through."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

import torch

from ebb.torch import data, embeddings
from ebb.torch.buffers import Buffers
from ebb.torch.local import DiLoCo
from ebb.torch.optimizers import Rule
from ebb.torch.rates import Scheduled
from ebb.torch.stopping import StopWhen

Reduction = Union[str, Callable[[Any], float]]
Evaluate = Callable[[torch.nn.Module], Any]


@dataclasses.dataclass
class Parts:
    """The parts that a program brings to a job, looked through and found good."""

    name: str
    model: torch.nn.Module
    dataset: Any
    optimizer: Any
    tables: Mapping[str, torch.nn.Parameter]
    buffers: Buffers
    rule: Rule
    fingerprint: data.Fingerprint
    #: ``epochs``, ``batch`` and ``seed`` of the job.
    plan: Mapping[str, int]
    reduction: Reduction = "mean"
    evaluate: Optional[Evaluate] = None
    stop_when: Optional[StopWhen] = None
    #: Epochs between two evaluations.
    evaluate_every: int = 1
    #: True if the job may end with fewer epochs than it began with.
    ends_early: bool = False
    #: How the rates change; None: they do not, or the optimizer is in words.
    scheduled: Optional[Scheduled] = None
    #: True if batches become larger from epoch to epoch.
    grows: bool = False
    seeds: bool = True
    #: How copies step by themselves; None: the servers step for each batch.
    local: Optional[DiLoCo] = None
    #: The loader moves its batches here; None: they stay where they are.
    device: Optional[torch.device] = None
    unused: str = "error"
    #: ``train.clip_norm`` of the job.
    clip_norm: Optional[float] = None
    #: True: the next values are pulled while a batch is computed; None: if the
    #: job is on a cluster that others may join.
    prefetch: Optional[bool] = None
    #: True: prefetched values are moved on by the momentum.
    look_ahead: bool = True
    #: The rate of each table; None: they change in the course of the job.
    rates: Optional[Mapping[str, float]] = None
    #: By sparse table.
    embeddings: Mapping[str, List[embeddings.RowModule]] = dataclasses.field(
        default_factory=dict
    )

    @property
    def seed(self) -> int:
        """The seed of the job."""
        return self.plan["seed"]

    def all_tables(self) -> Dict[str, torch.Tensor]:
        """Returns all tables of the job: parameters, and buffers that are averaged."""
        return {**self.tables, **self.buffers.tables()}
