"""Trains the main job with an asynchronous parameter server on
torch.distributed.rpc: workers fetch the parameters, compute a gradient, and
the server applies each as it comes."""

import os
import threading

import torch
import torch.distributed.rpc as rpc
import torch.multiprocessing

import fashion


class Server:
    """Owns the parameters; its methods run on the threads of rpc."""

    def __init__(self, flags):
        self._lock = threading.Lock()
        self._net = fashion.model(flags.seed)
        self._rule = fashion.optimizer(flags, self._net.parameters())

    def fetch(self):
        with self._lock:
            return [p.detach().clone() for p in self._net.parameters()]

    def push(self, gradients, rate):
        with self._lock:
            for p, gradient in zip(self._net.parameters(), gradients):
                p.grad = gradient
            self._rule.param_groups[0]["lr"] = rate
            self._rule.step()
            return [p.detach().clone() for p in self._net.parameters()]

    def accuracy(self, images, labels):
        with self._lock:
            return fashion.accuracy(self._net, images, labels)


def train(server, flags, worker):
    images, labels = fashion.load(flags.data, "train")
    net = fashion.model(flags.seed)
    loss = torch.nn.CrossEntropyLoss()
    steps = flags.epochs * (len(images) // flags.workers // flags.batch)
    step = 0
    values = server.rpc_sync().fetch()
    for epoch in range(flags.epochs):
        for places in fashion.batches(flags, len(images), epoch, worker,
                                      flags.workers):
            with torch.no_grad():
                for p, value in zip(net.parameters(), values):
                    p.copy_(value)
            net.zero_grad(set_to_none=True)
            loss(net(images[places]), labels[places]).backward()
            values = server.rpc_sync().push(
                [p.grad for p in net.parameters()],
                fashion.cosine(flags, step / steps))
            step += 1
    return step * flags.batch


def run(rank, flags, results):
    torch.set_num_threads(1)
    name = "server" if rank == 0 else f"worker{rank - 1}"
    rpc.init_rpc(name, rank=rank, world_size=flags.workers + 1,
                 rpc_backend_options=rpc.TensorPipeRpcBackendOptions(
                     num_worker_threads=flags.workers + 1,
                     init_method=f"tcp://127.0.0.1:{flags.port}",
                     rpc_timeout=0))
    clock = fashion.Clock()
    if rank == 0:
        server = rpc.RRef(Server(flags))
        done = [rpc.rpc_async(f"worker{w}", train, (server, flags, w))
                for w in range(flags.workers)]
        examples = sum(one.wait() for one in done)
        seconds = clock.stop()[0]
        reached = server.local_value().accuracy(
            *fashion.load(flags.data, "t10k"))
        results.put(("server", examples, seconds, reached))
    rpc.shutdown()
    results.put(("cpu", clock.stop()[1]))


def main():
    parser = fashion.parser(__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--port", type=int, default=29512)
    flags = parser.parse_args()
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    os.environ.setdefault("TP_SOCKET_IFNAME", "lo")
    context = torch.multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    torch.multiprocessing.spawn(run, (flags, results), flags.workers + 1)
    got = [results.get() for _ in range(flags.workers + 2)]
    _, examples, seconds, reached = next(g for g in got if g[0] == "server")
    fashion.report("torch_rpc", flags.workers + 1, examples, seconds,
                   sum(one[1] for one in got if one[0] == "cpu"), reached)


if __name__ == "__main__":
    main()
