"""Computes the gradient of a perceptron's batch on a GPU, by PyTorch.

`ebb bench gpu` compares its own gradient with this. PyTorch copies examples and
parameters to the device for each batch, and the gradient back, all from and to
pinned memory. A worker that keeps nothing on the device does the same.
"""

import argparse
import json
import sys
import time

import torch


def parse():
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--layers", default="4096,4096,4096,1000")
    flags.add_argument("--batch", type=int, default=8192)
    flags.add_argument("--precision", default="fp32",
                       choices=("fp32", "tf32", "bf16"))
    flags.add_argument("--device", type=int, default=0)
    flags.add_argument("--seconds", type=float, default=2)
    return flags.parse_args()


def perceptron(layers):
    parts = []
    for inputs, outputs in zip(layers, layers[1:]):
        parts += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


def main():
    flags = parse()
    if not torch.cuda.is_available():
        sys.exit("this PyTorch sees no CUDA device")
    torch.backends.cuda.matmul.allow_tf32 = flags.precision == "tf32"
    device = torch.device("cuda", flags.device)
    layers = [int(units) for units in flags.layers.split(",")]
    torch.manual_seed(1)
    net = perceptron(layers).to(device)
    loss = torch.nn.CrossEntropyLoss(reduction="sum")
    examples = torch.rand(flags.batch, layers[0]).pin_memory()
    labels = torch.arange(flags.batch).remainder(layers[-1]).pin_memory()
    params = [p.detach().cpu().pin_memory() for p in net.parameters()]
    grads = [torch.empty_like(p).pin_memory() for p in params]

    def step():
        with torch.no_grad():
            for local, host in zip(net.parameters(), params):
                local.copy_(host, non_blocking=True)
        rows = examples.to(device, non_blocking=True)
        wanted = labels.to(device, non_blocking=True)
        net.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16,
                            enabled=flags.precision == "bf16"):
            loss(net(rows), wanted).backward()
        for host, local in zip(grads, net.parameters()):
            host.copy_(local.grad, non_blocking=True)
        torch.cuda.synchronize(device)

    for _ in range(3):
        step()
    steps, start = 0, time.monotonic()
    while time.monotonic() - start < flags.seconds:
        step()
        steps += 1
    seconds = time.monotonic() - start
    print(json.dumps({"peer": "torch_gpu", "torch": torch.__version__,
                      "examples_per_s": steps * flags.batch / seconds}))


if __name__ == "__main__":
    main()
