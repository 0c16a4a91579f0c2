"""The inputs of a job: a model, a data set and options, read before anything is submitted."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Dict, List, Mapping, Optional

import torch

import ebb
from ebb.arrays import Array
from ebb.torch import (
    arguments,
    data,
    devices,
    embeddings,
    local,
    optimizers,
    parameters,
    schedules,
)
from ebb.torch.buffers import Buffers
from ebb.torch.options import Chosen


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The findings of ``read``."""

    #: Where the model computes; None: it stays where it is.
    device: Optional[torch.device]
    tables: Mapping[str, torch.nn.Parameter]
    #: The modules with rows, by sparse table.
    rows: Mapping[str, List[embeddings.RowModule]]
    #: What ``data.train.positions`` says but for the fingerprint.
    positions: Mapping[str, int]
    buffers: Buffers
    schedule: Optional[schedules.Schedule]
    rule: optimizers.Rule
    #: The tensors of ``init=`` by name; None: there are none.
    init: Any
    first_rows: Mapping[str, Array]

    def all_tables(self) -> Dict[str, torch.Tensor]:
        """Returns all tables of the job: parameters, and buffers that are averaged."""
        return {**self.tables, **self.buffers.tables()}


def read(model: torch.nn.Module, dataset: Any, options: Chosen) -> Inputs:
    """Looks through what a program brings. Raises Refused.

    It moves the model to its device, and gives it the values of ``init=``.
    """
    arguments.check_model(model)
    device = devices.moved_there(model, options.device)
    tables = parameters.tables_of(model)
    rows = embeddings.modules_of(model)
    examples = data.check_map_style(dataset)
    train = (options.settings or {}).get("train", {})
    arguments.check_batch_norm(model, options.batch, examples, train)
    buffers = Buffers(model, options.buffers)
    schedule = _schedule(options, examples)
    rates = schedule.rates if schedule else None
    if options.local is None:
        rule = optimizers.read(options.optimizer, tables, rates, schedule is not None)
    else:
        local.check(options.local, options.optimizer, tables, schedule is not None)
        local.check_model(buffers.averaged, rows)
        rule = optimizers.Rule({}, {})
    init = ebb.load(options.init) if _is_path(options.init) else options.init
    first_rows = embeddings.initial_rows(model, rows, init)
    if init is not None:
        parameters.set_initial(tables, init)
        averages = {n: t for n, t in buffers.tables().items() if n in init}
        parameters.set_initial(averages, init)
    positions = data.positions_of(dataset)
    return Inputs(device, tables, rows, positions, buffers, schedule, rule, init, first_rows)


def _schedule(options: Chosen, examples: int) -> Optional[schedules.Schedule]:
    if options.schedule is None:
        return None
    epochs, batch = options.epochs, options.batch
    plan = schedules.Plan(epochs, batch, examples) if epochs and batch else None
    return schedules.read(options.schedule, options.optimizer, options.schedule_every, plan)


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))
