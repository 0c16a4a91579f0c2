"""Submits a PyTorch job, or joins the one of this name that is there."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple

import torch

from ebb.errors import Refused
from ebb.torch import clipping, data, meeting, optimizer_state, parameters
from ebb.torch.buffers import digest
from ebb.torch.inputs import Inputs, read
from ebb.torch.job import TorchJob
from ebb.torch.job_keys import keys_of, merged, rules_by_table
from ebb.torch.job_rates import constant_rates, scheduled, scheduled_steps
from ebb.torch.local import described as described_steps
from ebb.torch.optimizers import Rule
from ebb.torch.options import Chosen, Options, check_given, check_known, show_options
from ebb.torch.parts import Parts, Reduction
from ebb.torch.rates import Scheduled

if TYPE_CHECKING:
    from typing_extensions import Unpack


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
    - optimizer: read and never run, but with ``local``. The servers step by its rule. If it has stepped,
      a job that begins now goes on from its state; with ``local`` it must not have.
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
    - local: ``ebb.torch.DiLoCo(steps=50)``: each copy steps by the optimizer itself, and hands
      in how far it came after so many batches. Any optimizer will do that keeps all in its
      ``state``. The loop stays as it is.
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
    check_given("job", options)
    parts, description, access = prepared(name, model, dataset, **options)
    place = meeting.find_or_submit(access, description, _run_of(options))
    return _joined(parts, place)


def submit(
    name: str, model: torch.nn.Module, dataset: Any, **options: Unpack[Options]
) -> Any:
    """Does the same as ``job`` without working at it; returns the ``ebb.Job``."""
    check_given("submit", options)
    _, description, access = prepared(name, model, dataset, **options)
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
    check_known("join", options)
    parts, description, access = prepared(name, model, dataset, **options)
    parts.fingerprint = dataclasses.replace(parts.fingerprint, whole=False)
    return _joined(parts, meeting.find(access, description, timeout))


def _joined(parts: Parts, place: meeting.Place) -> TorchJob:
    # On a cluster of its own there is no other copy, and the values are close at hand.
    prefetch = not place.own if parts.prefetch is None else parts.prefetch
    steps = parts.local is not None
    join = place.join(
        evaluates=parts.evaluate is not None,
        prefetch=prefetch,
        look_ahead=prefetch and parts.look_ahead and not steps,
        steps=steps,
    )
    made = TorchJob(parts, join, place.remote)
    if place.own and sys.stderr.isatty():
        made.tell_progress()
    if place.found:
        made._compare()
    return made


def prepared(
    name: str, model: torch.nn.Module, dataset: Any, **given: Unpack[Options]
) -> Tuple[Parts, meeting.Description, meeting.Access]:
    """Returns what the program brings, the job to submit, and the way to its cluster."""
    options = Chosen(**given)
    options.check()
    inputs = read(model, dataset, options)
    keys = keys_of(name, inputs, options)
    fingerprint = _fingerprint(dataset, inputs, options, keys)
    keys = merged({"data": {"train": {"positions": {"fingerprint": str(fingerprint)}}}}, keys)
    parts = Parts(
        name=name,
        model=model,
        dataset=dataset,
        optimizer=options.optimizer,
        tables=inputs.tables,
        buffers=inputs.buffers,
        rule=inputs.rule,
        fingerprint=fingerprint,
        plan=options.given("epochs", "batch", "seed"),
        reduction=options.reduction,
        evaluate=options.evaluate,
        stop_when=options.stop_when,
        evaluate_every=options.evaluate_every,
        ends_early="stop" in keys or "keep_best" in keys,
        scheduled=_scheduled(inputs, options, keys),
        local=options.local,
        grows="batch_growth" in keys["train"],
        seeds=options.seeds,
        device=inputs.device,
        unused=options.unused,
        clip_norm=clipping.limit_of(keys),
        prefetch=options.prefetch,
        look_ahead=options.look_ahead,
        rates=constant_rates(keys, inputs.tables),
        embeddings=inputs.rows,
    )

    def initial() -> Dict[str, Any]:
        made = parameters.initial_values(inputs.all_tables())
        # A copy's optimizer begins anew in each run.
        state = {} if options.local else _initial_state(options.optimizer, inputs, keys)
        return {**made, **inputs.first_rows, **state}

    description = meeting.Description(keys, initial)
    access = meeting.Access(
        options.scheduler, options.tls, options.token_file, options.insecure
    )
    return parts, description, access


def _scheduled(inputs: Inputs, options: Chosen, keys: Mapping[str, Any]) -> Optional[Scheduled]:
    if options.local is not None:
        return scheduled_steps(options.optimizer, inputs.schedule, options.schedule)
    return scheduled(options.optimizer, options.schedule, keys, inputs.tables)


def _fingerprint(
    dataset: Any, inputs: Inputs, options: Chosen, keys: Mapping[str, Any]
) -> data.Fingerprint:
    constants = digest(inputs.buffers.constants())
    return dataclasses.replace(
        data.fingerprint(dataset, options.seed, constants, options.fingerprint),
        description=data.described(
            {
                **keys,
                "tables": sorted(keys.get("tables", {}).items()),
                **_named_run(meeting.run_of(options.rerun)),
                "reduction": _word_of(options.reduction),
                "weight_decay": _decay(inputs.rule, inputs.tables),
                **_steps_of(options, inputs),
            }
        ),
    )


def _steps_of(options: Chosen, inputs: Inputs) -> Dict[str, str]:
    """Names what the steps of a copy depend on, beside the keys of the job."""
    if options.local is None:
        return {}
    schedule = None if inputs.schedule is None else inputs.schedule.settings
    return {"steps": f"{described_steps(options.optimizer, inputs.tables)} {schedule}"}


def _initial_state(
    optimizer: Any, inputs: Inputs, keys: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Returns the state of the optimizer that the job begins with, mostly none."""
    rules = rules_by_table(keys, inputs.tables)
    own = optimizer_state.initial_state(optimizer, inputs.tables, rules)
    given, of_rows = optimizer_state.of_file(inputs.init or {}, inputs.rows)
    if own and given:
        raise Refused(
            "init: it has the state of an optimizer (slots/…), and optimizer= has stepped, too",
            "give a new optimizer, or an init without slots/…: checkpoint(PATH) writes one",
        )
    return {**(own or given), **of_rows}


def _word_of(reduction: Reduction) -> str:
    return reduction if isinstance(reduction, str) else "a function"


def _named_run(run: meeting.Rerun) -> Dict[str, str]:
    return {"rerun": run} if isinstance(run, str) else {}


def _decay(rule: Rule, tables: Mapping[str, Any]) -> Any:
    """Returns the weight decay: a number, or a list by table where it differs."""
    each = [rule.decay.get(name, 0.0) for name in tables]
    return each[0] if len(set(each)) == 1 else each


for _function in (job, submit, join):
    show_options(_function)
