"""A replica that trains by torchft's DiLoCo: torchft_program.py SETTINGS FOLDER NAME LIGHTHOUSE.

With the words "lighthouse N" it is the lighthouse of N replicas: it prints its address,
and serves until its standard input ends. A replica goes through its shard of each
epoch. After a restart it goes on in its shard at the outer step that the others
reached. It logs in FOLDER the sequences of each run that became part of the model.
"""

import datetime
import json
import os
import sys
import time
from pathlib import Path

import line_log
import small_gpt
import torch
import torch.distributed
from torchft.coordination import LighthouseServer
from torchft.data import DistributedSampler
from torchft.local_sgd import DiLoCo
from torchft.manager import Manager
from torchft.process_group import ProcessGroupGloo

_LOOK_S = 0.1
_TIMEOUT = datetime.timedelta(seconds=60)


def lighthouse(replicas):
    server = LighthouseServer(bind="127.0.0.1:0", min_replicas=max(1, replicas // 2))
    print(server.address(), flush=True)
    sys.stdin.read()
    server.shutdown()


def shard(study, number):
    """Returns the batches of a replica, epoch after epoch, as its sampler orders them."""
    sampler = DistributedSampler(
        study.train_set,
        replica_rank=number,
        num_replica_groups=study.settings["workers"],
        group_rank=0,
        num_replicas=1,
        shuffle=True,
        seed=study.settings["seed"],
    )
    epochs = []
    for epoch in range(study.settings["epochs"]):
        sampler.set_epoch(epoch)
        epochs.append(torch.tensor(list(sampler)))
    return torch.cat(epochs).view(-1, study.batch)


def meet(folder, name, workers):
    """Waits until each replica was started once, so that all make the first outer step."""
    (folder / f"{name}.here").touch()
    while len(list(folder.glob("*.here"))) < workers:
        time.sleep(_LOOK_S)  # No signal comes with a file.


def train(study, manager, folder, name):
    settings = study.settings
    steps, workers = settings["steps"], settings["workers"]
    order = shard(study, int(name.split("-")[1]))
    outer = torch.optim.SGD(
        study.model.parameters(),
        lr=settings["outer_rate"],
        momentum=settings["outer_momentum"],
        nesterov=settings["outer_momentum"] > 0,
    )
    log = line_log.Log(folder / f"{name}.used")
    rounds = len(order) // steps
    with DiLoCo(manager, [study.model], study.optimizer, outer, sync_every=steps):
        while manager.current_step() < rounds:
            begun = manager.current_step()
            if settings["moments"] == "anew":
                study.optimizer.state.clear()
            run = order[begun * steps : (begun + 1) * steps]
            for number, batch in enumerate(run):
                at = time.monotonic()
                study.set_rate((begun * steps + number) * workers)
                study.backward(batch)
                time.sleep(max(0.0, settings["batch_time"] - (time.monotonic() - at)))
                study.step()
            if manager.current_step() > begun and manager.is_participating():
                log.add(run.flatten().tolist())
    return rounds


def main():
    if sys.argv[1] == "lighthouse":
        return lighthouse(int(sys.argv[2]))
    settings, folder, name = json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    os.environ["TORCHFT_LIGHTHOUSE"] = sys.argv[4]
    study = small_gpt.Study(settings)
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    manager = Manager(
        pg=ProcessGroupGloo(timeout=_TIMEOUT),
        load_state_dict=lambda state: study.model.load_state_dict(state),
        state_dict=lambda: study.model.state_dict(),
        min_replica_size=1,
        use_async_quorum=False,
        timeout=_TIMEOUT,
        replica_id=name,
        store_addr="127.0.0.1",
        store_port=store.port,
        rank=0,
        world_size=1,
        hostname="127.0.0.1",
    )
    meet(folder, name, settings["workers"])
    clock = small_gpt.Clock()
    rounds = train(study, manager, folder, name)
    took = clock.read()
    manager.shutdown(wait=False)
    result = {**study.result(), **took, "outer_steps": rounds}
    (folder / f"{name}.result").write_text(json.dumps(result))
    os._exit(0)  # Its threads would wait for other replicas.


if __name__ == "__main__":
    main()
