"""A copy of a program that trains the main job's perceptron on a cluster.

It is the loop of bench/peers/torch_single.py with the lines of ebb.torch, and
joins the cluster of EBB_SCHEDULER. It prints one line of JSON.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "peers"))

import fashion  # noqa: E402
import torch  # noqa: E402

import ebb.torch  # noqa: E402


def main():
    parser = fashion.parser(__doc__)
    parser.add_argument("--no-prefetch", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    flags = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = fashion.load(flags.data, "train")
    net = fashion.model(flags.seed)
    loss_of = torch.nn.CrossEntropyLoss()
    job = ebb.torch.job(
        "perceptron",
        net,
        torch.utils.data.TensorDataset(images, labels),
        optimizer=fashion.optimizer(flags, net.parameters()),
        schedule={"kind": "cosine"},
        epochs=flags.epochs,
        batch=flags.batch,
        workers=(flags.workers, flags.workers),
        seed=flags.seed,
        prefetch=not flags.no_prefetch,
    )
    # One that comes when all is done meets no batch.
    begin, examples, clock, end = None, 0, fashion.Clock(), None
    for batch in job:
        if begin is None:
            begin, clock = time.monotonic(), fashion.Clock()
        places = torch.from_numpy(batch.examples)
        job.optimizer.zero_grad()
        loss_of(net(images[places]), labels[places]).backward()
        job.optimizer.step()
        examples += len(places)
        end = time.monotonic()
    _, cpu = clock.stop()
    reached = fashion.accuracy(net, *fashion.load(flags.data, "t10k"))
    print(
        json.dumps(
            {
                "begin": begin,
                "end": end,
                "examples": examples,
                "cpu_seconds": cpu,
                "accuracy": reached,
                "exact": job.audit().exact,
                "timing": job.timing,
            }
        )
    )


if __name__ == "__main__":
    main()
