"""The model, the text and the steps that all programs of the study share.

The model is that of examples/python/gpt.py. A program gets its settings as one text
of JSON, and prints its result as a line of JSON.
"""

import hashlib
import importlib.util
import json
import os
import time
from pathlib import Path

import torch
from torch.nn.utils import clip_grad_norm_, parameters_to_vector

from ebb.torch.rates import factor_at

_EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "python" / "gpt.py"
#: The text has so many whole groups of batches that each number of workers divides them.
GROUP = 32
_BETAS = (0.9, 0.99)
_MOST_NORM = 1.0


class Study:
    """A model, its text and its optimizer, as the settings say."""

    def __init__(self, settings):
        os.environ.update(
            TEXT=settings["text"],
            LAYERS=str(settings["layers"]),
            WIDTH=str(settings["width"]),
            CONTEXT=str(settings["context"]),
        )
        spec = importlib.util.spec_from_file_location("gpt", _EXAMPLE)
        gpt = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(gpt)
        torch.set_num_threads(1)
        self.settings = settings
        self.batch, self.context = settings["batch"], settings["context"]
        text = gpt.read()
        letters, train, self.held_out = gpt.parts_of(text[: settings["characters"] or None])
        whole = len(train) // (GROUP * self.batch) * GROUP * self.batch
        self.train_set = gpt.Sequences(train.tokens[: whole * self.context + 1])
        torch.manual_seed(settings["seed"])
        self.model = gpt.GPT(len(letters))
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=settings["rate"], betas=_BETAS
        )
        self._gpt = gpt
        self._places = torch.arange(self.context + 1)

    @property
    def batches(self):
        """Returns how many batches all epochs have."""
        return self.settings["epochs"] * len(self.train_set) // self.batch

    @property
    def schedule(self):
        return {"kind": "cosine", "warm_up_epochs": self.settings["epochs"] / 20}

    def order(self):
        """Returns the sequences of all batches, for those that go by no order of ebb."""
        made = torch.Generator()
        epochs = []
        for epoch in range(self.settings["epochs"]):
            made.manual_seed(self.settings["seed"] * 1000 + epoch)
            epochs.append(torch.randperm(len(self.train_set), generator=made))
        return torch.cat(epochs).view(-1, self.batch)

    def set_rate(self, batch, factor=1.0):
        """Sets the rate for the place of a batch in the data."""
        epochs = self.settings["epochs"]
        position = (batch + 0.5) * epochs / self.batches
        rate = factor * self.settings["rate"] * factor_at(self.schedule, position, epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def backward(self, numbers, model=None):
        """Computes the gradient of the sequences with these numbers. Returns their loss."""
        offsets = numbers[:, None] * self.context + self._places
        part = self.train_set.tokens[offsets]
        loss = self._gpt.loss_of(model or self.model, part[:, :-1], part[:, 1:])
        loss.backward()
        return loss.item()

    def step(self):
        self.clip()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def clip(self):
        clip_grad_norm_(self.model.parameters(), _MOST_NORM)

    def values(self):
        with torch.no_grad():
            return parameters_to_vector(self.model.parameters()).clone()

    def result(self):
        """Returns the held-out loss, and what names the values to the bit."""
        self.model.eval()
        values = self.values().contiguous().numpy().tobytes()
        return {
            "loss": self._gpt.mean_loss(self.model, self.held_out),
            "digest": hashlib.sha256(values).hexdigest(),
            **self.sizes(self.batches),
        }

    def sizes(self, batches):
        """Returns how large the study is, and how many batches were computed."""
        return {
            "parameters": len(self.values()),
            "sequences": len(self.train_set),
            "all_batches": self.batches,
            "batches": batches,
            "tokens": batches * self.batch * self.context,
        }


class Clock:
    """Seconds, and seconds of this process's CPU, since it was made."""

    def __init__(self):
        self._begun, self._cpu = time.monotonic(), time.process_time()

    def read(self):
        return {
            "seconds": time.monotonic() - self._begun,
            "cpu_seconds": time.process_time() - self._cpu,
        }


def tell(result):
    print(json.dumps(result), flush=True)
