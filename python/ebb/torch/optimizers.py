"""Reads optimizers of PyTorch: what the servers do instead of them.

The optimizer that the user made is read and never runs. A rule that servers do
not have, or have with other mathematics, is refused.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Mapping, Union

import torch

from ebb.errors import Refused

_MOST_NAMES = 8
RULES = "sgd, momentum, nesterov, adagrad, rmsprop, adam"


@dataclasses.dataclass(frozen=True)
class Rule:
    """The rule of the servers, and what this process adds to gradients."""

    #: The key ``optimizer`` of the job file.
    settings: Dict[str, Any]
    #: For each parameter by name, the factor of its values that is added to
    #: its mean gradient (L2), where it is not 0.
    decay: Dict[str, float]


def read(
    optimizer: Union[torch.optim.Optimizer, Mapping[str, Any], str, None],
    parameters: Mapping[str, torch.nn.Parameter],
) -> Rule:
    """Returns the rule of the servers that does what the optimizer would do.

    Instead of an optimizer, the words of a job file will do, such as
    ``"adam"`` or ``{"kind": "adam", "rate": 0.001}``. Raises Refused.
    """
    if optimizer is None:
        return Rule({}, {})
    if isinstance(optimizer, str):
        return Rule({"kind": optimizer}, {})
    if isinstance(optimizer, Mapping):
        return Rule(dict(optimizer), {})
    kind = type(optimizer)
    reader = _READERS.get(kind)
    if reader is None:
        word = getattr(kind, "__name__", str(kind))
        raise Refused(
            f"{word} is not on the servers: {RULES}",
            "give torch.optim.SGD, Adagrad, RMSprop or Adam as optimizer=",
        )
    groups = optimizer.param_groups
    _check_parameters(optimizer, parameters)
    settings = [_setting(reader, group) for group in groups]
    for other in settings[1:]:
        for key in other:
            if other[key] != settings[0].get(key):
                raise Refused(
                    f"optimizer: groups of parameters differ in {key} "
                    f"({settings[0].get(key)} and {other[key]}): servers have one rule "
                    "for all dense tables",
                    "give all groups the same settings; only weight_decay may differ",
                )
    names = {id(parameter): name for name, parameter in parameters.items()}
    decay = {
        names[id(parameter)]: float(group["weight_decay"])
        for group in groups
        for parameter in group["params"]
        if id(parameter) in names and group.get("weight_decay", 0)
    }
    if kind is torch.optim.AdamW and decay:
        _refuse_decoupled("AdamW")
    return Rule(settings[0], decay)


def schedule_of(schedule: Any) -> Dict[str, Any]:
    """Returns the key ``optimizer.schedule`` of the job file. Raises Refused."""
    if isinstance(schedule, str):
        return {"kind": schedule}
    if isinstance(schedule, Mapping):
        return dict(schedule)
    if isinstance(schedule, torch.optim.lr_scheduler.StepLR):
        return {"kind": "step", "step_epochs": schedule.step_size, "factor": schedule.gamma}
    raise Refused(
        f"schedule: {type(schedule).__name__} is not on the servers",
        'a StepLR, or in the words of the job file: schedule={"kind": "cosine", '
        '"warm_up_epochs": 1}',
    )


def _sgd(group: Mapping[str, Any]) -> Dict[str, Any]:
    _only(group, "SGD", dampening=0)
    momentum = float(group["momentum"])
    if momentum == 0:
        return {"kind": "sgd"}
    return {"kind": "nesterov" if group["nesterov"] else "momentum", "momentum": momentum}


def _adagrad(group: Mapping[str, Any]) -> Dict[str, Any]:
    _only(group, "Adagrad", lr_decay=0)
    return {
        "kind": "adagrad",
        "initial_accumulator": float(group["initial_accumulator_value"]),
        "epsilon": _epsilon(group, "Adagrad"),
    }


def _rmsprop(group: Mapping[str, Any]) -> Dict[str, Any]:
    _only(group, "RMSprop", centered=False, momentum=0)
    return {
        "kind": "rmsprop",
        "decay": float(group["alpha"]),
        "epsilon": _epsilon(group, "RMSprop"),
    }


def _adam(group: Mapping[str, Any]) -> Dict[str, Any]:
    _only(group, "Adam", amsgrad=False)
    if group.get("decoupled_weight_decay") and group["weight_decay"]:
        _refuse_decoupled("Adam(decoupled_weight_decay=True)")
    beta1, beta2 = group["betas"]
    return {
        "kind": "adam",
        "beta1": float(beta1),
        "beta2": float(beta2),
        "epsilon": _epsilon(group, "Adam"),
    }


_READERS = {
    torch.optim.SGD: _sgd,
    torch.optim.Adagrad: _adagrad,
    torch.optim.RMSprop: _rmsprop,
    torch.optim.Adam: _adam,
    torch.optim.AdamW: _adam,
}


def _setting(reader: Any, group: Mapping[str, Any]) -> Dict[str, Any]:
    settings: Dict[str, Any] = reader(group)
    if group.get("maximize"):
        raise Refused("optimizer: maximize=True is not on the servers", "negate the loss")
    settings["rate"] = float(group["lr"])
    begins = float(group.get("initial_lr", settings["rate"]))
    if begins != settings["rate"]:
        raise Refused(
            f"optimizer: a scheduler changed lr from {begins} to {settings['rate']}, and the "
            "rate is the servers'",
            "give the schedule to ebb.torch.job(schedule=…), and make no scheduler",
        )
    if not settings["rate"] > 0:
        raise Refused(f"optimizer: lr is {settings['rate']}, and must be above 0")
    return settings


def _epsilon(group: Mapping[str, Any], name: str) -> float:
    epsilon = float(group["eps"])
    if not epsilon > 0:
        raise Refused(f"{name}: eps is {epsilon}; servers need one above 0")
    return epsilon


def _only(group: Mapping[str, Any], name: str, **wanted: Any) -> None:
    for key, value in wanted.items():
        if group.get(key, value) != value:
            raise Refused(
                f"{name}: {key}={group[key]} is not on the servers",
                f"{key}={value} is",
            )


def _refuse_decoupled(name: str) -> None:
    raise Refused(
        f"{name}: servers have no rule with decoupled weight decay yet",
        "weight_decay=0, or torch.optim.Adam(weight_decay=…), which adds the decay to "
        "the gradient (L2) and is another rule",
    )


def _check_parameters(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, torch.nn.Parameter]
) -> None:
    given: List[torch.Tensor] = [p for group in optimizer.param_groups for p in group["params"]]
    theirs = {id(parameter) for parameter in given}
    ours = {id(parameter) for parameter in parameters.values()}
    absent = [name for name, parameter in parameters.items() if id(parameter) not in theirs]
    if absent:
        more = f" and {len(absent) - _MOST_NAMES} more" if len(absent) > _MOST_NAMES else ""
        raise Refused(
            f"optimizer: it lacks {', '.join(absent[:_MOST_NAMES])}{more}, which the model trains "
            "(requires_grad=True)",
            f"give it model.parameters(), or freeze: {absent[0]}.requires_grad = False",
        )
    for parameter in given:
        if id(parameter) not in ours and parameter.requires_grad:
            raise Refused(
                f"optimizer: it has a parameter of shape {tuple(parameter.shape)} that the "
                "model does not have",
                "make the optimizer of this model's parameters(), after all changes to it",
            )
