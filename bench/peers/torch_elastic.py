"""Trains the main job by DistributedDataParallel under torchrun, which starts all
processes anew when one dies. They go on after the last whole epoch.

    /usr/bin/python3 -m torch.distributed.run --standalone --nproc_per_node=2 \\
      --max_restarts=100 bench/peers/torch_elastic.py --checkpoint FILE
"""

import os

import torch
import torch.distributed

import fashion


def save(path, **state):
    torch.save(state, path + ".new")
    os.replace(path + ".new", path)


def main():
    parser = fashion.parser(__doc__)
    parser.add_argument("--checkpoint", required=True)
    flags = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.distributed.init_process_group("gloo")
    rank, processes = torch.distributed.get_rank(), torch.distributed.get_world_size()
    images, labels = fashion.load(flags.data, "train")
    net = fashion.model(flags.seed)
    rule = fashion.optimizer(flags, net.parameters())
    done = 0
    if os.path.exists(flags.checkpoint):
        state = torch.load(flags.checkpoint)
        net.load_state_dict(state["net"])
        rule.load_state_dict(state["rule"])
        done = state["done"]
    parallel = torch.nn.parallel.DistributedDataParallel(net)
    loss = torch.nn.CrossEntropyLoss()
    of_epoch = len(images) // processes // flags.batch
    clock = fashion.Clock()
    for epoch in range(done, flags.epochs):
        for i, places in enumerate(
                fashion.batches(flags, len(images), epoch, rank, processes)):
            part = (epoch * of_epoch + i) / (flags.epochs * of_epoch)
            rule.param_groups[0]["lr"] = fashion.cosine(flags, part)
            rule.zero_grad(set_to_none=True)
            loss(parallel(images[places]), labels[places]).backward()
            rule.step()
        if rank == 0:
            save(flags.checkpoint, net=net.state_dict(),
                 rule=rule.state_dict(), done=epoch + 1)
    torch.distributed.barrier()
    if rank == 0:
        seconds, cpu = clock.stop()
        # The processes are alike. One that was started again counts from there.
        examples = (flags.epochs - done) * of_epoch * flags.batch * processes
        fashion.report("torch_elastic", processes, max(1, examples), seconds,
                       processes * cpu,
                       fashion.accuracy(net, *fashion.load(flags.data, "t10k")))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
