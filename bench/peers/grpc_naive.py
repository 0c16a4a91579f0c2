"""Trains the main job with the plainest parameter server on gRPC: whole vectors
as `repeated float`, a unary call to fetch and one to push."""

import concurrent.futures
import multiprocessing
import threading

import google.protobuf.descriptor_pb2
import google.protobuf.descriptor_pool
import google.protobuf.message_factory
import grpc
import torch

import fashion

FETCH = "/naive.Parameters/Fetch"
PUSH = "/naive.Parameters/Push"
OPTIONS = [("grpc.max_send_message_length", -1),
           ("grpc.max_receive_message_length", -1)]


def vector_type():
    """message Vector { repeated float values = 1; float rate = 2; }"""
    file = google.protobuf.descriptor_pb2.FileDescriptorProto(
        name="naive.proto", package="naive", syntax="proto3")
    message = file.message_type.add(name="Vector")
    field = google.protobuf.descriptor_pb2.FieldDescriptorProto
    message.field.add(name="values", number=1, type=field.TYPE_FLOAT,
                      label=field.LABEL_REPEATED)
    message.field.add(name="rate", number=2, type=field.TYPE_FLOAT,
                      label=field.LABEL_OPTIONAL)
    pool = google.protobuf.descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = google.protobuf.message_factory.MessageFactory(pool)
    return factory.GetPrototype(pool.FindMessageTypeByName("naive.Vector"))


VECTOR = vector_type()


def flat(tensors):
    return torch.cat([t.detach().reshape(-1) for t in tensors])


def spread(vector, tensors):
    """The vector's floats, each tensor its part."""
    sizes = [t.numel() for t in tensors]
    return [part.reshape(t.shape)
            for part, t in zip(torch.split(vector, sizes), tensors)]


class Service(grpc.GenericRpcHandler):

    def __init__(self, flags):
        self._lock = threading.Lock()
        self.net = fashion.model(flags.seed)
        self._rule = fashion.optimizer(flags, self.net.parameters())

    def service(self, details):
        methods = {FETCH: self._fetch, PUSH: self._push}
        return grpc.unary_unary_rpc_method_handler(
            methods[details.method], VECTOR.FromString,
            VECTOR.SerializeToString)

    def _fetch(self, _request, _context):
        with self._lock:
            return VECTOR(values=flat(self.net.parameters()).tolist())

    def _push(self, request, _context):
        parameters = list(self.net.parameters())
        gradient = torch.tensor(request.values)
        with self._lock:
            for p, one in zip(parameters, spread(gradient, parameters)):
                p.grad = one
            self._rule.param_groups[0]["lr"] = request.rate
            self._rule.step()
        return VECTOR()


def serve(flags, ready, end, results):
    torch.set_num_threads(1)
    service = Service(flags)
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(flags.workers), options=OPTIONS)
    server.add_generic_rpc_handlers((service,))
    ready.put(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    clock = fashion.Clock()
    end.wait()
    cpu = clock.stop()[1]
    server.stop(None).wait()
    reached = fashion.accuracy(service.net, *fashion.load(flags.data, "t10k"))
    results.put((0, cpu, reached))


def work(flags, worker, port, start, results):
    torch.set_num_threads(1)
    images, labels = fashion.load(flags.data, "train")
    net = fashion.model(flags.seed)
    parameters = list(net.parameters())
    loss = torch.nn.CrossEntropyLoss()
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS)
    fetch = channel.unary_unary(FETCH, VECTOR.SerializeToString,
                                VECTOR.FromString)
    push = channel.unary_unary(PUSH, VECTOR.SerializeToString,
                               VECTOR.FromString)
    steps = flags.epochs * (len(images) // flags.workers // flags.batch)
    step = 0
    start.wait()
    clock = fashion.Clock()
    for epoch in range(flags.epochs):
        for places in fashion.batches(flags, len(images), epoch, worker,
                                      flags.workers):
            values = torch.tensor(fetch(VECTOR()).values)
            with torch.no_grad():
                for p, value in zip(parameters, spread(values, parameters)):
                    p.copy_(value)
            net.zero_grad(set_to_none=True)
            loss(net(images[places]), labels[places]).backward()
            push(VECTOR(values=flat([p.grad for p in parameters]).tolist(),
                        rate=fashion.cosine(flags, step / steps)))
            step += 1
    results.put((step * flags.batch, clock.stop()[1], None))


def main():
    parser = fashion.parser(__doc__)
    parser.add_argument("--workers", type=int, default=2)
    flags = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    ready, end, results = context.Queue(), context.Event(), context.Queue()
    start = context.Barrier(flags.workers + 1)
    server = context.Process(target=serve, args=(flags, ready, end, results))
    server.start()
    port = ready.get()
    workers = [context.Process(target=work,
                               args=(flags, w, port, start, results))
               for w in range(flags.workers)]
    for worker in workers:
        worker.start()
    start.wait()
    clock = fashion.Clock()
    done = [results.get() for _ in workers]
    seconds = clock.stop()[0]
    end.set()
    done.append(results.get())
    for process in workers + [server]:
        process.join()
    fashion.report("grpc_naive", flags.workers + 1,
                   sum(one[0] for one in done), seconds,
                   sum(one[1] for one in done), done[-1][2])


if __name__ == "__main__":
    main()
