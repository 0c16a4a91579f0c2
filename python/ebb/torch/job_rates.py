"""The rates of a job, by the keys of its job file."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

import torch

from ebb.torch.job_keys import rules_by_table
from ebb.torch.rates import Scheduled
from ebb.torch.schedules import Schedule


def constant_rates(
    keys: Mapping[str, Any], tables: Mapping[str, Any]
) -> Optional[Dict[str, float]]:
    """Returns the rate of each table, if none changes in the course of the job."""
    if "optimizer" not in keys:
        return None  # Copies step by themselves.
    rates = {}
    for name, rule in rules_by_table(keys, tables).items():
        if rule.get("schedule") not in ("constant", {"kind": "constant"}) or "rate" not in rule:
            return None
        rates[name] = float(rule["rate"])
    return rates


def scheduled_steps(optimizer: Any, schedule: Optional[Schedule], given: Any) -> Scheduled:
    """Returns how the rates of an optimizer change that a copy steps by.

    given: the option ``schedule``, of which ``schedule`` was read.
    """
    if schedule is None:  # Rollbacks may multiply them.
        return Scheduled({}, [float(group["lr"]) for group in optimizer.param_groups])
    rates = schedule.rates or [float(group["lr"]) for group in optimizer.param_groups]
    theirs = None if isinstance(given, (str, Mapping)) else given
    return Scheduled(schedule.settings, rates, theirs)


def scheduled(
    optimizer: Any, schedule: Any, keys: Mapping[str, Any], tables: Mapping[str, Any]
) -> Optional[Scheduled]:
    """Returns how the rates change that a loop shows, if they do."""
    words = keys.get("optimizer", {})
    how = words.get("schedule", {}) if isinstance(words, Mapping) else {}
    how = {"kind": how} if isinstance(how, str) else how
    constant = how.get("kind", "constant") == "constant" and not how.get("warm_up_epochs")
    if constant or not isinstance(optimizer, torch.optim.Optimizer):
        return None
    names = {id(parameter): name for name, parameter in tables.items()}
    rules = rules_by_table(keys, tables)
    rates = []
    for group in optimizer.param_groups:
        of_group = [names[id(p)] for p in group["params"] if id(p) in names]
        rule = rules[of_group[0]] if of_group else {}
        rates.append(float(rule.get("rate", group["lr"])))
    theirs = None if isinstance(schedule, (str, Mapping)) else schedule
    return Scheduled(how, rates, theirs)
