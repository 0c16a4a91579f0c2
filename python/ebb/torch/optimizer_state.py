"""The optimizer's state as servers have it, in the form of PyTorch."""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Mapping, Optional, Tuple

import numpy as np
import torch

from ebb.arrays import Tensors
from ebb.errors import Refused
from ebb.torch.contents import as_array

_PREFIX = "slots/"
_STEP = "step"
# The names that PyTorch has for the slots of the servers (optimizer/optimizer.cc), by the
# rule of the servers.
_NAMES: Dict[str, Dict[str, str]] = {
    "sgd": {},
    "average": {},
    "momentum": {"velocity": "momentum_buffer"},
    "nesterov": {"velocity": "momentum_buffer"},
    "adagrad": {"squares": "sum"},
    "rmsprop": {"mean_square": "square_avg"},
    "adam": {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"},
    "adamw": {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"},
}
_RULES: Dict[Any, str] = {
    torch.optim.SGD: "momentum",
    torch.optim.Adagrad: "adagrad",
    torch.optim.RMSprop: "rmsprop",
    torch.optim.Adam: "adam",
    torch.optim.AdamW: "adamw",
}


def of_file(values: Mapping[str, Any], row_tables: Collection[str]) -> Tuple[Tensors, Tensors]:
    """Returns the state of optimizers that is among such values.

    First that of dense tables, and then that of rows.
    """
    state: Tuple[Tensors, Tensors] = ({}, {})
    of_rows = {f"{table}/rows" for table in row_tables} | set(row_tables)
    for name, value in values.items():
        if name.startswith(_PREFIX):
            table = name[len(_PREFIX) :].split("/", 2)[-1]
            state[table in of_rows][name] = as_array(f"init: {name}", torch.as_tensor(value))
    return state


def has_stepped(optimizer: Any) -> bool:
    """Returns whether an optimizer of PyTorch has a state that a new one has not."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        return False
    for state in optimizer.state.values():
        if float(state.get("step", 1)) > 0 and any(value is not None for value in state.values()):
            # SGD without momentum has a state of None.
            return True
    return False


def initial_state(
    optimizer: Any,
    tables: Mapping[str, torch.nn.Parameter],
    rules: Mapping[str, Mapping[str, Any]],
) -> Tensors:
    """Returns the state of an optimizer of PyTorch, as a job begins with it.

    Empty if the optimizer has not stepped. Raises Refused if the servers keep
    another state.

    rules: by table, the key ``optimizer`` of the job file for it.
    """
    if not has_stepped(optimizer):
        return {}
    rates = {
        id(parameter): float(group["lr"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    made: Tensors = {}
    for table, parameter in tables.items():
        kind = rules[table].get("kind", "")
        names = _NAMES.get(kind, {})
        own = {
            name: value
            for name, value in optimizer.state.get(parameter, {}).items()
            if value is not None
        }
        others = set(own) - {_STEP} - set(names.values())
        if others or (own and any(name not in own for name in names.values())):
            raise Refused(
                f"optimizer: it has {', '.join(sorted(set(own) - {_STEP}))} of {table}, and the "
                f"servers step {table} by {kind or 'another rule'}",
                f"a new {type(optimizer).__name__} begins without a state",
            )
        for slot, name in names.items():
            if name in own:
                value = own[name].detach().to("cpu", torch.float32, copy=True)
            else:
                # It got no gradient yet.
                begin = rules[table]["initial_accumulator"] if kind == "adagrad" else 0
                value = torch.full(parameter.shape, float(begin))
            if slot == "velocity":
                # Servers have the rate in the velocity, PyTorch beside it.
                value.mul_(-rates[id(parameter)])
            shape = tuple(parameter.shape) or (1,)
            made[f"{_PREFIX}{kind}/{slot}/{table}"] = value.reshape(shape).numpy()
        if names:
            steps = int(float(own.get(_STEP, 0)))
            made[f"{_PREFIX}{kind}/{_STEP}/{table}"] = np.array([steps], np.int64)
    return made


def state_of(
    kind: Any,
    groups: List[Dict[str, Any]],
    tables: Mapping[str, torch.nn.Parameter],
    exported: Tensors,
    rates: Optional[Mapping[str, float]],
) -> Dict[int, Dict[str, torch.Tensor]]:
    """Returns the ``state`` of a ``state_dict()`` of such an optimizer.

    exported: a checkpoint with the optimizer's state.
    rates: by table; None: they change. A velocity, which has the rate in itself,
        becomes the momentum of a step at the ``lr`` of the group.
    """
    slots = {}
    for key, value in exported.items():
        if key.startswith(_PREFIX):
            _, slot, table = key[len(_PREFIX) :].split("/", 2)
            slots[slot, table] = value
    tables_by_id = {id(parameter): table for table, parameter in tables.items()}
    state: Dict[int, Dict[str, torch.Tensor]] = {}
    place = -1
    for group in groups:
        for parameter in group["params"]:
            place += 1
            of = tables_by_id.get(id(parameter))
            if of is None or kind is torch.optim.SGD and not group["momentum"]:
                continue
            own = {}
            for slot, name in _NAMES[_RULES[kind]].items():
                found = slots.get((slot, of))
                if found is None:
                    raise Refused(
                        f"{of}: the servers do not step it as {kind.__name__} does",
                        "job.checkpoint(PATH, with_slots=True) has the state that they have",
                    )
                tensor = torch.from_numpy(found).reshape(parameter.shape)
                own[name] = tensor.to(parameter.device, parameter.dtype, copy=True)
            if kind is torch.optim.SGD:
                # Servers have the rate in the velocity, PyTorch beside it.
                rate = float(group["lr"]) if rates is None else rates[of]
                if not rate:
                    raise Refused(
                        f"the lr of {of} is 0, and momentum of PyTorch has no rate in itself",
                        'give a group of job.optimizer.param_groups the "lr" with which you go on',
                    )
                own["momentum_buffer"].div_(-rate)
            else:
                own[_STEP] = torch.tensor(float(slots[_STEP, of].item()))
            state[place] = own
    return state
