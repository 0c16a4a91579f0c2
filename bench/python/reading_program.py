"""Reads examples that take 5 ms each: reading_program.py EXAMPLES [alone].

"alone" is PyTorch's DataLoader without a job. It prints one line of JSON.
"""

import json
import sys
import time

import torch

import ebb.torch

_BATCH, _READERS = 16, 2
torch.set_num_threads(1)


class Slow(torch.utils.data.Dataset):
    def __init__(self, examples):
        self._examples = examples

    def __len__(self):
        return self._examples

    def __getitem__(self, number):
        time.sleep(0.005)
        return torch.tensor([number / self._examples]), torch.tensor([1.0])


def main():
    dataset = Slow(int(sys.argv[1]))
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    if sys.argv[2:] == ["alone"]:
        loader = torch.utils.data.DataLoader(
            dataset, batch_size=_BATCH, shuffle=True, num_workers=_READERS
        )
    else:
        job = ebb.torch.job(
            "reading", model, dataset, optimizer=optimizer, epochs=1, batch=_BATCH
        )
        optimizer = job.optimizer
        loader = job.loader(num_workers=_READERS)
    times = []
    for x, y in loader:
        times.append(time.monotonic())
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    # From the first batch on: neither processes that start nor a cluster that stores.
    examples = (len(times) - 1) * _BATCH
    print(json.dumps({"examples/s": examples / (times[-1] - times[0])}))


if __name__ == "__main__":
    main()
