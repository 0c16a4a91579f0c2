"""Trains in one process: one_process_program.py SETTINGS.

With "steps" it emulates rounds: "workers" take turns at runs of local steps that begin
at the same values, and an outer step of Nesterov follows. One worker is AdamW with an
outer step (SNOO, arXiv:2510.15830). "moments": "anew" in each run, "kept" by each
worker, or the "mean" of all workers' after each round. The rate of a run grows in its
first "warm_up" batches. With "accumulated" a step has so many batches, as data-parallel
steps have that make as few exchanges.
"""

import copy
import json
import sys

import small_gpt
import torch
from torch.nn.utils import vector_to_parameters


def plain(study, most, each):
    """Makes a step of ``each`` batches, of ``most`` of them at most, or of all."""
    order = study.order()[: most or None]
    for begin in range(0, len(order), each):
        part = order[begin : begin + each]
        study.set_rate(begin + (len(part) - 1) / 2)
        for sequences in part:
            study.backward(sequences)
        if len(part) > 1:
            for parameter in study.model.parameters():
                parameter.grad /= len(part)
        study.step()


def rounds(study, workers, steps, rate, momentum, moments, warm_up):
    """Trains by rounds of one run of each worker."""
    parameters = list(study.model.parameters())
    values = torch.nn.Parameter(study.values())
    outer = torch.optim.SGD([values], lr=rate, momentum=momentum, nesterov=momentum > 0)
    states = [{} for _ in range(workers)]
    order = study.order()
    each = len(order) // study.settings["epochs"]
    begin = 0
    while begin < len(order):
        # No round reaches into the next epoch; its last one is shorter, and weighs less.
        end = min(begin + workers * steps, (begin // each + 1) * each)
        share = -(-(end - begin) // workers)
        way = torch.zeros_like(values)
        trained = []  # States, of the workers that had a run.
        for worker in range(workers):
            run = range(begin + worker * share, min(begin + (worker + 1) * share, end))
            vector_to_parameters(values.data.clone(), parameters)
            study.optimizer.state.clear()
            study.optimizer.state.update(states[worker])
            for place, number in enumerate(run):
                study.set_rate(number, min(1.0, (place + 1) / max(1, warm_up)))
                study.backward(order[number])
                study.step()
            if moments != "anew":
                states[worker] = copy.copy(dict(study.optimizer.state))
            if run and moments == "mean":
                trained.append(states[worker])
            way += (values.data - study.values()) * len(run)
        values.grad = way / min(workers * steps, each)
        outer.step()
        if moments == "mean":
            states = [mean_of(trained) for _ in range(workers)]  # Each run changes its own.
        begin = end
    vector_to_parameters(values.data, parameters)


def mean_of(states):
    """Returns the state of an optimizer whose moments are the means of these states'."""
    return {
        parameter: {
            key: torch.stack([state[parameter][key] for state in states]).mean(0)
            for key in states[0][parameter]
        }
        for parameter in states[0]
    }


def main():
    settings = json.loads(sys.argv[1])
    study = small_gpt.Study(settings)
    clock = small_gpt.Clock()
    if settings.get("steps"):
        rounds(
            study,
            settings["workers"],
            settings["steps"],
            settings["outer_rate"],
            settings["outer_momentum"],
            settings["moments"],
            settings["warm_up"],
        )
    else:
        plain(study, settings.get("most_batches"), settings.get("accumulated", 1))
    took = clock.read()
    most = settings.get("most_batches")
    small_gpt.tell({**(study.sizes(most) if most else study.result()), **took})


if __name__ == "__main__":
    main()
