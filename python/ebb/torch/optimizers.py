"""Reads optimizers of PyTorch: what the servers do instead of them.

The optimizer that the user made is read and never runs. A rule that servers do
not have, or have with other mathematics, is refused.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Mapping, Optional, Union

import torch

from ebb.errors import Refused

_MOST_NAMES = 8
RULES = "sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw"


@dataclasses.dataclass(frozen=True)
class Rule:
    """The rule of the servers, and what this process adds to gradients."""

    #: The key ``optimizer`` of the job file.
    settings: Dict[str, Any]
    #: For each parameter by name, the factor of its values that is added to
    #: its mean gradient (L2), where it is not 0.
    decay: Dict[str, float]
    #: Of parameters whose group has other settings, by name: the same.
    tables: Dict[str, Dict[str, Any]] = dataclasses.field(default_factory=dict)


def read(
    optimizer: Union[torch.optim.Optimizer, Mapping[str, Any], str, None],
    parameters: Mapping[str, torch.nn.Parameter],
    rates: Optional[List[float]] = None,
    scheduled: bool = False,
) -> Rule:
    """Returns the rule of the servers that does what the optimizer would do.

    Instead of an optimizer, the words of a job file will do, such as
    ``"adam"`` or ``{"kind": "adam", "rate": 0.001}``. Raises Refused.

    rates: those of the groups, if a schedule says what they are.
    scheduled: whether the job has a schedule. Else an optimizer with a scheduler
        is refused, whose rates the servers would not follow.
    """
    if optimizer is None:
        return Rule({}, {})
    if isinstance(optimizer, str):
        return Rule({"kind": optimizer}, {})
    if isinstance(optimizer, Mapping):
        return Rule(dict(optimizer), {})
    if isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer):
        raise Refused(
            f"optimizer: {optimizer.__name__} is a class, and names no parameters and no rate",
            f"optimizer=torch.optim.{optimizer.__name__}(model.parameters(), …)",
        )
    if isinstance(optimizer, (list, tuple)):
        raise Refused(
            f"optimizer: {len(optimizer)} of them, and a job has one, which steps once a batch",
            "one optimizer with a group for each part, [{\"params\": a.parameters()}, …]: "
            "docs/python.md, \"Two networks\"",
        )
    kind = type(optimizer)
    reader = _READERS.get(kind)
    if reader is None:
        word = getattr(kind, "__name__", str(kind))
        raise Refused(
            f"{word} is not on the servers: {RULES}",
            "give torch.optim.SGD, Adagrad, RMSprop, Adam or AdamW as optimizer=",
        )
    groups = optimizer.param_groups
    check_parameters(optimizer, parameters)
    if not scheduled:
        refuse_scheduler(groups, "is the servers'")
    settings = [
        _setting(reader, group, None if rates is None else rates[place])
        for place, group in enumerate(groups)
    ]
    decoupled = [_is_decoupled(kind, group) for group in groups]
    if any(group["weight_decay"] for group, is_so in zip(groups, decoupled) if is_so):
        for group, setting, is_so in zip(groups, settings, decoupled):
            taken = float(group["weight_decay"]) if is_so else 0.0
            setting.update(kind="adamw", weight_decay=taken)
    names = {id(parameter): name for name, parameter in parameters.items()}
    decay: Dict[str, float] = {}
    tables: Dict[str, Dict[str, Any]] = {}
    for group, setting, is_decoupled in zip(groups, settings, decoupled):
        for parameter in group["params"]:
            name = names.get(id(parameter))
            if name is None:
                continue
            if setting != settings[0]:
                tables[name] = setting
            if group.get("weight_decay", 0) and not is_decoupled:
                decay[name] = float(group["weight_decay"])
    return Rule(settings[0], decay, tables)


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


def _is_decoupled(kind: Any, group: Mapping[str, Any]) -> bool:
    return kind is torch.optim.AdamW or bool(group.get("decoupled_weight_decay"))


def _setting(
    reader: Any, group: Mapping[str, Any], rate: Optional[float]
) -> Dict[str, Any]:
    settings: Dict[str, Any] = reader(group)
    if group.get("maximize"):
        raise Refused("optimizer: maximize=True is not on the servers", "negate the loss")
    if rate is not None:
        settings["rate"] = rate
        return settings
    settings["rate"] = float(group["lr"])
    begins = float(group.get("initial_lr", settings["rate"]))
    if begins != settings["rate"]:
        raise Refused(
            f"optimizer: a scheduler changed lr from {begins} to {settings['rate']}, and the "
            "rate is the servers'",
            _SCHEDULER_HINT,
        )
    if not settings["rate"] > 0:
        raise Refused(f"optimizer: lr is {settings['rate']}, and must be above 0")
    return settings


_SCHEDULER_HINT = (
    'give the scheduler to ebb.torch.job as schedule=; schedule={"kind": "constant"} keeps the '
    "rate as it is"
)


def refuse_scheduler(groups: List[Dict[str, Any]], whose: str) -> None:
    """Raises Refused for an optimizer that has a scheduler.

    whose: completes "the rate …".
    """
    for group in groups:
        begins, rate = group.get("initial_lr"), group["lr"]
        # A rate that has changed is refused in other words.
        if begins is not None and float(begins) == float(rate):
            raise Refused(
                f"optimizer: it has a scheduler, and the rate {whose}", _SCHEDULER_HINT
            )


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


def check_parameters(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, torch.Tensor]
) -> None:
    """Raises Refused if the optimizer has not exactly the model's parameters."""
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
