"""Trains the main job in one PyTorch process with one thread, without servers."""

import torch

import fashion


def main():
    flags = fashion.parser(__doc__).parse_args()
    torch.set_num_threads(1)
    images, labels = fashion.load(flags.data, "train")
    net = fashion.model(flags.seed)
    loss = torch.nn.CrossEntropyLoss()
    rule = fashion.optimizer(flags, net.parameters())
    steps = flags.epochs * (len(images) // flags.batch)
    step = 0
    clock = fashion.Clock()
    for epoch in range(flags.epochs):
        for places in fashion.batches(flags, len(images), epoch):
            rule.param_groups[0]["lr"] = fashion.cosine(flags, step / steps)
            rule.zero_grad(set_to_none=True)
            loss(net(images[places]), labels[places]).backward()
            rule.step()
            step += 1
    seconds, cpu = clock.stop()
    fashion.report("torch_single", 1, step * flags.batch, seconds, cpu,
                   fashion.accuracy(net, *fashion.load(flags.data, "t10k")))


if __name__ == "__main__":
    main()
