"""The optimizer's state as servers have it, in the form of PyTorch."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

import torch

from ebb.errors import Refused
from ebb.tensors import Tensors

# What PyTorch calls the slots of the servers (server/optimizer/optimizer.cc).
_NAMES: Dict[Any, Dict[str, str]] = {
    torch.optim.SGD: {"velocity": "momentum_buffer"},
    torch.optim.Adagrad: {"squares": "sum"},
    torch.optim.RMSprop: {"mean_square": "square_avg"},
    torch.optim.Adam: {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"},
    torch.optim.AdamW: {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"},
}
_PREFIX = "slots/"


def state_of(
    kind: Any,
    groups: List[Dict[str, Any]],
    tables: Mapping[str, torch.nn.Parameter],
    exported: Tensors,
    steps: int,
    rates: Optional[Mapping[str, float]],
) -> Dict[int, Dict[str, torch.Tensor]]:
    """Returns the ``state`` of a ``state_dict()`` of such an optimizer.

    exported: a checkpoint with the optimizer's state.
    steps: how many the servers took.
    rates: by table; None: they change, and a velocity, which has the rate in
        itself, is refused.
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
            for slot, name in _NAMES[kind].items():
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
                if rates is None:
                    raise Refused(
                        "the rate changes with the schedule, and momentum of PyTorch has none in "
                        "itself",
                        "job.checkpoint(PATH, with_slots=True) has the velocity of the servers",
                    )
                own["momentum_buffer"].div_(-rates[of])
            else:
                own["step"] = torch.tensor(float(steps))
            state[place] = own
    return state
