"""Trains the main job by PyTorch's DistributedDataParallel over gloo. It is
synchronous: each step averages the gradients over all processes."""

import os

import torch
import torch.distributed
import torch.multiprocessing

import fashion


def run(rank, flags, results):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{flags.port}", rank=rank,
        world_size=flags.processes)
    images, labels = fashion.load(flags.data, "train")
    net = fashion.model(flags.seed)
    parallel = torch.nn.parallel.DistributedDataParallel(net)
    loss = torch.nn.CrossEntropyLoss()
    rule = fashion.optimizer(flags, parallel.parameters())
    steps = flags.epochs * (
        len(images) // flags.processes // flags.batch)
    step = 0
    torch.distributed.barrier()
    clock = fashion.Clock()
    for epoch in range(flags.epochs):
        for places in fashion.batches(flags, len(images), epoch, rank,
                                      flags.processes):
            rule.param_groups[0]["lr"] = fashion.cosine(flags, step / steps)
            rule.zero_grad(set_to_none=True)
            loss(parallel(images[places]), labels[places]).backward()
            rule.step()
            step += 1
    torch.distributed.barrier()
    seconds, cpu = clock.stop()
    reached = None
    if rank == 0:
        reached = fashion.accuracy(net, *fashion.load(flags.data, "t10k"))
    results.put((step * flags.batch, seconds, cpu, reached))
    torch.distributed.destroy_process_group()


def main():
    parser = fashion.parser(__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--port", type=int, default=29511)
    flags = parser.parse_args()
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    context = torch.multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    torch.multiprocessing.spawn(run, (flags, results), flags.processes)
    done = [results.get() for _ in range(flags.processes)]
    fashion.report("torch_ddp", flags.processes, sum(one[0] for one in done),
                   max(one[1] for one in done), sum(one[2] for one in done),
                   next(one[3] for one in done if one[3] is not None))


if __name__ == "__main__":
    main()
