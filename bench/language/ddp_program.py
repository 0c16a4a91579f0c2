"""Trains by DistributedDataParallel over gloo: ddp_program.py SETTINGS FOLDER.

A step averages the gradients of a batch of each process. Each process logs in FOLDER
which sequences it used, and their losses.
"""

import json
import os
import sys
from pathlib import Path

import line_log
import loss_curve
import small_gpt
import torch
import torch.distributed
import torch.multiprocessing


def run(rank, settings, folder, results):
    study = small_gpt.Study(settings)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=settings["workers"]
    )
    parallel = torch.nn.parallel.DistributedDataParallel(study.model)
    log = line_log.Log(Path(folder, f"copy-{rank}.used"))
    losses = loss_curve.Log(Path(folder, f"copy-{rank}.losses"))
    order = study.order()
    torch.distributed.barrier()
    clock = small_gpt.Clock()
    for first in range(0, len(order), settings["workers"]):
        study.set_rate(first + (settings["workers"] - 1) / 2, settings["rate_factor"])
        mine = order[first + rank]
        loss = study.backward(mine, parallel)
        study.step()
        log.add(mine.tolist())
        losses.add(loss)
    torch.distributed.barrier()
    took = clock.read()
    results.put((took, study.result() if rank == 0 else None))
    torch.distributed.destroy_process_group()


def main():
    settings, folder = json.loads(sys.argv[1]), sys.argv[2]
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    context = torch.multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    torch.multiprocessing.spawn(run, (settings, folder, results), settings["workers"])
    done = [results.get() for _ in range(settings["workers"])]
    result = next(found for _, found in done if found)
    result["seconds"] = max(took["seconds"] for took, _ in done)
    result["cpu_seconds"] = sum(took["cpu_seconds"] for took, _ in done)
    small_gpt.tell(result)


if __name__ == "__main__":
    main()
