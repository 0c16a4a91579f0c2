"""A copy that trains by runs of local steps of ebb.torch: diloco_program.py SETTINGS FOLDER.

It joins the cluster of EBB_SCHEDULER. It logs in FOLDER which sequences it computed, and
their losses, unless "logs" is false, and copy-0 writes the result there.
"""

import json
import os
import sys
import time
from pathlib import Path

import line_log
import loss_curve
import small_gpt
import torch

import ebb.torch


def main():
    settings, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
    name = os.environ["EBB_NAME"]
    study = small_gpt.Study(settings)
    job = ebb.torch.job(
        "language",
        study.model,
        study.train_set,
        optimizer=study.optimizer,
        schedule=study.schedule,
        epochs=settings["epochs"],
        batch=study.batch,
        seed=settings["seed"],
        workers=(1, settings["workers"]),
        local=ebb.torch.DiLoCo(
            settings["steps"],
            settings["outer_rate"],
            settings["outer_momentum"],
            settings["rounds"],
            settings["warm_up"],
        ),
        settings={"filters": settings["filters"]} if settings["filters"] else None,
    )
    logs = settings.get("logs", True)
    log = line_log.Log(folder / f"{name}.computed") if logs else None
    losses = loss_curve.Log(folder / f"{name}.losses") if logs else None
    clock, batches = None, 0
    for batch in job:
        clock = clock or small_gpt.Clock()
        begun = time.monotonic()
        numbers = torch.from_numpy(batch.examples)
        job.optimizer.zero_grad()
        loss = study.backward(numbers)
        study.clip()
        if log:
            log.add(numbers.tolist())
        time.sleep(max(0.0, settings["batch_time"] - (time.monotonic() - begun)))
        job.optimizer.step()
        if losses:
            losses.add(loss)
        batches += 1
        took = clock.read()
    if name == "copy-0":
        result = study.result()
        audit = job.audit()
        result["audit"] = {
            "exact": audit.exact,
            "expected": audit.expected,
            "missing": audit.missing,
            "doubled": audit.doubled,
        }
        result["status"] = job.status()
        if batches:
            result.update(took, own_batches=batches, timing=job.timing)
        file = folder / "result.json"
        file.with_suffix(".part").write_text(json.dumps(result))
        file.with_suffix(".part").rename(file)


if __name__ == "__main__":
    main()
