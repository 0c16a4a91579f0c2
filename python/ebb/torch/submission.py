"""Submits a PyTorch job, or joins the one of this name that is there."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import os
import sys
from typing import (
    TYPE_CHECKING,
    Any,
    Collection,
    Dict,
    List,
    Mapping,
    Optional,
    Tuple,
    TypedDict,
    Union,
)

import torch

import ebb
from ebb.errors import Refused
from ebb.torch import (
    arguments,
    clipping,
    data,
    devices,
    embeddings,
    meeting,
    optimizer_state,
    optimizers,
    parameters,
    schedules,
)
from ebb.torch.buffers import Buffers, Choice, digest, has_batch_norm
from ebb.torch.job import TorchJob
from ebb.torch.parts import Evaluate, Parts, Reduction
from ebb.torch.rates import Scheduled
from ebb.torch.stopping import StopWhen, settings_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

Count = Union[int, Tuple[int, int], List[int], None]


class Options(TypedDict, total=False):
    """The options of ``job``, for type checkers; ``_prepared`` has their defaults."""

    optimizer: Any
    epochs: Optional[int]
    batch: Optional[int]
    scheduler: Optional[str]
    schedule: Any
    schedule_every: Optional[str]
    algorithm: Any
    consistency: Any
    reduction: Reduction
    buffers: Choice
    evaluate: Optional[Evaluate]
    evaluate_every: int
    stop_when: Optional[StopWhen]
    init: Any
    seeds: bool
    device: Any
    fingerprint: Optional[str]
    seed: int
    workers: Count
    unused: str
    prefetch: Optional[bool]
    look_ahead: bool
    rerun: meeting.Rerun
    settings: Optional[Mapping[str, Any]]
    tls: Any
    token_file: Optional[str]
    insecure: bool


def job(
    name: str, model: torch.nn.Module, dataset: Any, **options: Unpack[Options]
) -> TorchJob:
    """Submits a job, or joins the one of this name that is there.

    Without a cluster (``scheduler=``, EBB_SCHEDULER) one starts on this machine
    and ends with this process. Raises Refused, DataDiffers or ModelDiffers with
    what to change.

    These say what is trained, and on what:

    - model: its trainable parameters are the job's tables.
    - dataset: map-style. An example's index is its number in the job.
    - optimizer: read and never run. The servers step by its rule. If it has stepped,
      a job that begins now goes on from its state.
    - schedule: how the rate changes: ``{"kind": "cosine"}``, or a scheduler of the
      optimizer. It is run once, on a copy; the loop does not call its ``step()``.
    - schedule_every: "epoch" or "batch", after which the scheduler steps.
    - epochs, batch: passes through the data, and examples of a step.
    - reduction: "mean" or "sum", as the loss is one over a batch. A function gets
      what the loader yields, and returns the weight of its mean.
    - buffers: ``{"name": "local"}`` for those that each worker has for itself, and
      "average" for those that the servers average. BatchNorm's are averaged anyway.
    - unused: "zero" allows parameters without a gradient in some batches.
    - init: a file of ``ebb.save`` or ``checkpoint()``, or tensors by name, to begin with;
      those of ``slots/…`` are the state of the optimizer.
    - seed: of the order of the examples and of all random numbers.
    - seeds: whether random, numpy and torch are seeded for each batch.
    - device: where this copy computes, such as "cuda". The model is moved there, and
      what the loader yields. Absent, both stay where they are.
    - fingerprint: a text of your own that names the data. Absent, 64 examples
      are read.

    How it is evaluated and distributed:

    - evaluate: called with the model now and then. It returns the mean loss, or a
      dictionary with loss, correct, examples and figures of your own.
    - evaluate_every: epochs between two evaluations.
    - stop_when: ``ebb.torch.Patience(3)`` ends the job when it becomes no better, with its best
      version. Or a function that is called at each evaluation with the evaluated rows of
      ``job.history``: if it returns true, the job ends with the version that was evaluated.
    - algorithm, consistency: as in a job file. Absent, the job's defaults.
    - workers: the most that the job takes, or the least and the most.
    - prefetch: whether this copy pulls the next values while it computes a batch. This is
      faster, but they lack the batch. Without, a single copy makes the steps of a plain
      loop. Absent: not on a cluster that starts with this process.
    - look_ahead: whether values that lack a batch are moved on by their last step times the
      momentum of the optimizer, or Adam's first beta. The loop then loses less accuracy.
      False shows values as they are pulled.
    - settings: further keys of the job file. They go before all others.
    - rerun: begins another job if the last one of this name is over. True does so
      in a copy that is started late, too; a text, such as a date, names the run,
      and begins one job for each text.
    - scheduler, tls, token_file, insecure: as for ``ebb.connect``.
    """
    _check_given("job", options)
    parts, description, access = _prepared(name, model, dataset, **options)
    place = meeting.find_or_submit(access, description, _run_of(options))
    return _joined(parts, place)


def submit(
    name: str, model: torch.nn.Module, dataset: Any, **options: Unpack[Options]
) -> Any:
    """Does the same as ``job`` without working at it; returns the ``ebb.Job``."""
    _check_given("submit", options)
    _, description, access = _prepared(name, model, dataset, **options)
    return meeting.find_or_submit(access, description, _run_of(options)).remote


def _run_of(options: Mapping[str, Any]) -> meeting.Rerun:
    return meeting.run_of(options.get("rerun", False))


def join(
    name: str,
    model: torch.nn.Module,
    dataset: Any,
    *,
    timeout: Optional[float] = None,
    **options: Unpack[Options],
) -> TorchJob:
    """Joins a job that another program submits; waits until it is there.

    Options are those of ``job``. Epochs and batch are the job's. Raises
    NotFound after ``timeout`` seconds.
    """
    _check_known("join", options)
    parts, description, access = _prepared(name, model, dataset, **options)
    parts.fingerprint = dataclasses.replace(parts.fingerprint, whole=False)
    return _joined(parts, meeting.find(access, description, timeout))


def _joined(parts: Parts, place: meeting.Place) -> TorchJob:
    # On a cluster of its own there is no other copy, and the values are close at hand.
    prefetch = not place.own if parts.prefetch is None else parts.prefetch
    join = place.join(
        evaluates=parts.evaluate is not None,
        prefetch=prefetch,
        look_ahead=prefetch and parts.look_ahead,
    )
    made = TorchJob(parts, join, place.remote)
    if place.own and sys.stderr.isatty():
        made.tell_progress()
    if place.found:
        made._compare()
    return made


def _prepared(
    name: str,
    model: torch.nn.Module,
    dataset: Any,
    *,
    optimizer: Any = None,
    epochs: Optional[int] = None,
    batch: Optional[int] = None,
    scheduler: Optional[str] = None,
    schedule: Any = None,
    schedule_every: Optional[str] = None,
    algorithm: Any = None,
    consistency: Any = None,
    reduction: Reduction = "mean",
    buffers: Choice = None,
    evaluate: Optional[Evaluate] = None,
    evaluate_every: int = 1,
    stop_when: Optional[StopWhen] = None,
    init: Any = None,
    seeds: bool = True,
    device: Any = None,
    fingerprint: Optional[str] = None,
    seed: int = 1,
    workers: Count = None,
    unused: str = "error",
    prefetch: Optional[bool] = None,
    look_ahead: bool = True,
    rerun: meeting.Rerun = False,
    settings: Optional[Mapping[str, Any]] = None,
    tls: Any = None,
    token_file: Optional[str] = None,
    insecure: bool = False,
) -> Tuple[Parts, "meeting.Description", "meeting.Access"]:
    arguments.check_words(reduction, unused, evaluate, settings)
    arguments.check_stop(stop_when, evaluate)
    arguments.check_numbers(epochs=epochs, batch=batch, seed=seed, evaluate_every=evaluate_every)
    arguments.check_model(model)
    place = devices.moved_there(model, device)
    tables = parameters.tables_of(model)
    rows = embeddings.modules_of(model)
    examples = data.check_map_style(dataset)
    _check_batch_norm(model, batch, examples, (settings or {}).get("train", {}))
    known = Buffers(model, buffers)
    how = _schedule(schedule, optimizer, schedule_every, epochs, batch, examples)
    rule = optimizers.read(optimizer, tables, how.rates if how else None, how is not None)
    values = ebb.load(init) if _is_path(init) else init
    first_rows = embeddings.initial_rows(model, rows, values)
    if values is not None:
        parameters.set_initial(tables, values)
        averages = {n: t for n, t in known.tables().items() if n in values}
        parameters.set_initial(averages, values)
    keys: Dict[str, Any] = {
        "name": name,
        "model": {
            "kind": "program",
            "tables": {
                table: {"dims": list(tensor.shape) or [1]}
                for table, tensor in {**tables, **known.tables()}.items()
            },
        },
        "data": {
            "train": {"positions": {"examples": examples}},
        },
        "train": _given(epochs=epochs, batch=batch),
        "optimizer": dict(rule.settings),
        "seed": seed,
    }
    rules = _rules_of_tables(rule, known)
    if rules:
        keys["tables"] = rules
    if how is not None:
        keys["optimizer"]["schedule"] = dict(how.settings)
    elif isinstance(optimizer, torch.optim.Optimizer):
        # PyTorch has none. A job file's adam would have a cosine.
        keys["optimizer"]["schedule"] = {"kind": "constant"}
    if algorithm is not None:
        keys["algorithm"] = algorithm
    if consistency is not None:
        keys["consistency"] = consistency
    if evaluate is not None:
        word = "epoch" if evaluate_every == 1 else "epochs"
        keys["evaluate"] = {"every": f"{evaluate_every} {word}"}
        given = settings or {}
        keys.update(
            settings_of(stop_when, epochs, evaluate_every, given.get("on_nonfinite"))
        )
    if rows:
        keys = _merged(keys, embeddings.tables_of(rows))
    if workers is not None:
        least, most = (1, workers) if isinstance(workers, int) else workers
        keys["workers"] = {"min": least, "max": most}
    keys = _merged(keys, settings or {})
    print_of_job = dataclasses.replace(
        data.fingerprint(dataset, seed, digest(known.constants()), fingerprint),
        description=data.described(
            {
                **keys,
                "tables": sorted(keys.get("tables", {}).items()),
                **_named_run(meeting.run_of(rerun)),
                "reduction": _word_of(reduction),
                "weight_decay": _decay(rule, tables),
            }
        ),
    )
    print_of_data = {"positions": {"fingerprint": str(print_of_job)}}
    keys = _merged({"data": {"train": print_of_data}}, keys)
    parts = Parts(
        name=name,
        model=model,
        dataset=dataset,
        optimizer=optimizer,
        tables=tables,
        buffers=known,
        rule=rule,
        fingerprint=print_of_job,
        plan=_given(epochs=epochs, batch=batch, seed=seed),
        reduction=reduction,
        evaluate=evaluate,
        stop_when=stop_when,
        evaluate_every=evaluate_every,
        ends_early="stop" in keys or "keep_best" in keys,
        scheduled=_scheduled(optimizer, schedule, keys, tables),
        grows="batch_growth" in keys["train"],
        seeds=seeds,
        device=place,
        unused=unused,
        clip_norm=clipping.limit_of(keys),
        prefetch=prefetch,
        look_ahead=look_ahead,
        rates=_constant_rates(keys, tables),
        embeddings=rows,
    )

    def initial() -> Dict[str, Any]:
        made = parameters.initial_values({**tables, **known.tables()})
        state = _initial_state(optimizer, tables, rows, values, keys)
        return {**made, **first_rows, **state}

    description = meeting.Description(keys, initial)
    return parts, description, meeting.Access(scheduler, tls, token_file, insecure)


def _show_options(function: Any) -> None:
    """Gives help(), and editors, the options in the place of ``**options``."""
    own = inspect.signature(function)
    shown = {**inspect.signature(_prepared).parameters, **own.parameters}
    shown.pop("options")
    function.__signature__ = own.replace(parameters=list(shown.values()))


for _function in (job, submit, join):
    _show_options(_function)


def _check_known(function: str, options: Mapping[str, Any]) -> None:
    known = inspect.signature(_prepared).parameters
    for key in options:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            meant = f"; did you mean {near[0]}=?" if near else ""
            raise TypeError(
                f"ebb.torch.{function}() got an unexpected keyword argument {key!r}{meant}"
            )


def _check_given(function: str, options: Mapping[str, Any]) -> None:
    _check_known(function, options)
    for key, example in (
        ("optimizer", "optimizer=torch.optim.Adam(model.parameters(), lr=1e-3)"),
        ("epochs", "epochs=10"),
        ("batch", "batch=64"),
    ):
        if options.get(key) is None:
            raise Refused(f"ebb.torch.{function} needs {key}=", f"for example {example}")


def _check_batch_norm(
    model: torch.nn.Module, batch: Optional[int], examples: int, train: Mapping[str, Any]
) -> None:
    norm = has_batch_norm(model)
    if not norm or batch is None:
        return
    why = f"{norm} is a BatchNorm1d, which needs more than one example at a time"
    if batch == 1:
        raise Refused(f"batch=1: {why}")
    item = train.get("item_examples") or examples
    if not _leaves_one(examples, item, batch):
        return
    fits = [
        size for size in range(2, 4 * batch) if not _leaves_one(examples, item, size)
    ]
    nearest = min(fits, key=lambda size: abs(size - batch), default=None)
    raise Refused(
        f"batch={batch}: the last batch of {examples} examples would have one, and {why}",
        f"batch={nearest}" if nearest else "another number of examples",
    )


def _leaves_one(examples: int, item: int, batch: int) -> bool:
    """Returns whether a batch of an item has a single example; items end with a batch."""
    item = min(item, examples)
    return item % batch == 1 or (examples % item) % batch == 1


def _schedule(
    schedule: Any,
    optimizer: Any,
    every: Optional[str],
    epochs: Optional[int],
    batch: Optional[int],
    examples: int,
) -> Optional[schedules.Schedule]:
    if schedule is None:
        return None
    plan = schedules.Plan(epochs, batch, examples) if epochs and batch else None
    return schedules.read(schedule, optimizer, every, plan)


def _rules_of_tables(rule: optimizers.Rule, known: Buffers) -> Dict[str, Any]:
    """Returns the key ``tables`` of the job file."""
    made: Dict[str, Any] = {
        name: {"optimizer": dict(settings)} for name, settings in rule.tables.items()
    }
    for name, one in known.averaged.items():
        made[name] = {"optimizer": {"kind": "average", "share": one.share}}
    return made


def _initial_state(
    optimizer: Any,
    tables: Mapping[str, torch.nn.Parameter],
    row_tables: Collection[str],
    values: Any,
    keys: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Returns the state of the optimizer that the job begins with, mostly none."""
    own = optimizer_state.initial_state(optimizer, tables, _rules_by_table(keys, tables))
    given, of_rows = optimizer_state.of_file(values or {}, row_tables)
    if own and given:
        raise Refused(
            "init: it has the state of an optimizer (slots/…), and optimizer= has stepped, too",
            "give a new optimizer, or an init without slots/…: checkpoint(PATH) writes one",
        )
    return {**(own or given), **of_rows}


def _constant_rates(
    keys: Mapping[str, Any], tables: Mapping[str, Any]
) -> Optional[Dict[str, float]]:
    """Returns the rate of each table, if none changes in the course of the job."""
    rates = {}
    for name, rule in _rules_by_table(keys, tables).items():
        if rule.get("schedule") not in ("constant", {"kind": "constant"}) or "rate" not in rule:
            return None
        rates[name] = float(rule["rate"])
    return rates


def _scheduled(
    optimizer: Any, schedule: Any, keys: Mapping[str, Any], tables: Mapping[str, Any]
) -> Optional[Scheduled]:
    """Returns how the rates change that a loop shows, if they do."""
    words = keys["optimizer"]
    how = words.get("schedule", {}) if isinstance(words, Mapping) else {}
    how = {"kind": how} if isinstance(how, str) else how
    constant = how.get("kind", "constant") == "constant" and not how.get("warm_up_epochs")
    if constant or not isinstance(optimizer, torch.optim.Optimizer):
        return None
    names = {id(parameter): name for name, parameter in tables.items()}
    rules = _rules_by_table(keys, tables)
    rates = []
    for group in optimizer.param_groups:
        of_group = [names[id(p)] for p in group["params"] if id(p) in names]
        rule = rules[of_group[0]] if of_group else {}
        rates.append(float(rule.get("rate", group["lr"])))
    theirs = None if isinstance(schedule, (str, Mapping)) else schedule
    return Scheduled(how, rates, theirs)


def _rules_by_table(
    keys: Mapping[str, Any], tables: Mapping[str, Any]
) -> Dict[str, Dict[str, Any]]:
    """Returns the key ``optimizer`` of the job file as it is for each table."""

    def whole(rule: Any) -> Dict[str, Any]:
        return {"kind": rule} if isinstance(rule, str) else dict(rule)

    ours = whole(keys["optimizer"])
    own = {name: keys.get("tables", {}).get(name, {}).get("optimizer", {}) for name in tables}
    return {name: {**ours, **whole(own[name])} for name in tables}


def _word_of(reduction: Reduction) -> str:
    return reduction if isinstance(reduction, str) else "a function"


def _named_run(run: meeting.Rerun) -> Dict[str, str]:
    return {"rerun": run} if isinstance(run, str) else {}


def _decay(rule: optimizers.Rule, tables: Mapping[str, Any]) -> Any:
    """Returns the weight decay: a number, or a list by table where it differs."""
    each = [rule.decay.get(name, 0.0) for name in tables]
    return each[0] if len(set(each)) == 1 else each


def _given(**numbers: Optional[int]) -> Dict[str, int]:
    """Returns those that are not None."""
    return {key: number for key, number in numbers.items() if number is not None}


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _merged(keys: Dict[str, Any], more: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns the keys with others laid over them, message by message."""
    made = dict(keys)
    for key, value in more.items():
        old = made.get(key)
        both = isinstance(value, Mapping) and isinstance(old, dict)
        made[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return made
