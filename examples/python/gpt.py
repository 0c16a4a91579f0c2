"""Trains a small GPT on a text, by runs of local steps, and continues a sentence.

Each copy makes STEPS steps of AdamW by itself and hands in how far it came (DiLoCo,
Douillard et al. 2023). The text is ebb's own documentation, or TEXT: a file, or a folder
of `ebb data pack --tokens 64 FILE FOLDER --split 0.1`, which may be in a bucket.
"""

import math
import os
import pathlib

import ebb.torch
import torch
import torch.nn.functional as F
import torch.utils.data
from torch import nn

TEXT = os.environ.get("TEXT")
EPOCHS = int(os.environ.get("EPOCHS", "2"))
STEPS = int(os.environ.get("STEPS", "0")) or None  # None: as the data asks for.
COPIES = int(os.environ.get("COPIES", "4"))
LAYERS = int(os.environ.get("LAYERS", "3"))
WIDTH = int(os.environ.get("WIDTH", "96"))
CONTEXT = int(os.environ.get("CONTEXT", "64"))
HEADS = 4
torch.set_num_threads(1)


def read():
    """Returns the text: a file's, or all pages of docs/."""
    if TEXT:
        return pathlib.Path(TEXT).read_text()
    docs = pathlib.Path(__file__).resolve().parents[2] / "docs"
    return "\n".join(path.read_text() for path in sorted(docs.rglob("*.md")))


class Sequences(torch.utils.data.Dataset):
    """Each example is CONTEXT characters, and the ones that follow them."""

    def __init__(self, tokens):
        self.tokens = tokens

    def __len__(self):
        return (len(self.tokens) - 1) // CONTEXT

    def __getitem__(self, number):
        part = self.tokens[number * CONTEXT : (number + 1) * CONTEXT + 1]
        return part[:-1], part[1:]


class Block(nn.Module):
    """Attention to what came before, and a perceptron."""

    def __init__(self):
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attend, self.join = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        batch, length, _ = x.shape
        parts = self.attend(self.before(x)).view(batch, length, 3, HEADS, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        scores = scores.masked_fill(later, float("-inf")).softmax(-1)
        x = x + self.join((scores @ value).transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.narrow(F.gelu(self.widen(self.between(x))))


class GPT(nn.Module):
    def __init__(self, tokens):
        super().__init__()
        self.token, self.place = nn.Embedding(tokens, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        for table in (self.token, self.place):
            nn.init.normal_(table.weight, std=0.02)  # Else the first loss is three times as high.
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.end = nn.LayerNorm(WIDTH)

    def forward(self, x):
        x = self.token(x) + self.place(torch.arange(x.shape[1], device=x.device))
        return self.end(self.blocks(x)) @ self.token.weight.T  # Tied with the input.


def loss_of(model, x, y):
    return F.cross_entropy(model(x).flatten(0, 1), y.flatten())


def mean_loss(model, sequences):
    """Returns the mean loss of a character."""
    with torch.no_grad():
        parts = torch.utils.data.DataLoader(sequences, 64)
        return sum(float(loss_of(model, x, y)) * len(x) for x, y in parts) / len(sequences)


def parts_of(text):
    """Returns the letters, and the sequences to train with and those to test with."""
    letters = sorted(set(text))
    index = {letter: number for number, letter in enumerate(letters)}
    tokens = torch.tensor([index[letter] for letter in text])
    cut = len(tokens) - min(len(tokens) // 10, 100_000)
    return letters, Sequences(tokens[:cut]), Sequences(tokens[cut:])


def sets():
    """Returns the same of TEXT, which may be packed tokens, or of docs/."""
    if TEXT and ("://" in TEXT or os.path.isdir(TEXT)):
        train, test = (ebb.torch.Tokens(f"{TEXT}/{part}") for part in ("train", "test"))
        return [chr(byte) for byte in range(train.vocabulary)], train, test
    return parts_of(read())


def continued(model, letters, start, length=300):
    index = {letter: number for number, letter in enumerate(letters)}
    tokens = [index[letter] for letter in start if letter in index] or [0]
    model.eval()
    with torch.no_grad():
        for _ in range(length):
            scores = model(torch.tensor([tokens[-CONTEXT:]]))[0, -1]
            tokens.append(int(torch.multinomial((scores / 0.7).softmax(-1), 1)))
    return "".join(letters[token] for token in tokens)


def main():
    global CONTEXT
    letters, train_set, held_out = sets()
    CONTEXT = getattr(train_set, "length", CONTEXT)

    def perplexity(model):
        """Returns that of the held-out text, e to the mean loss of a character."""
        loss = mean_loss(model, held_out)
        return {"loss": loss, "examples": len(held_out), "perplexity": math.exp(loss)}

    torch.manual_seed(1)
    model = GPT(len(letters))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.99))
    job = ebb.torch.job(
        "gpt",
        model,
        train_set,
        optimizer=optimizer,
        schedule={"kind": "cosine", "warm_up_epochs": EPOCHS / 20},
        epochs=EPOCHS,
        batch=16,
        workers=COPIES,
        local=ebb.torch.DiLoCo(steps=STEPS),
        evaluate=perplexity,
    )
    optimizer = job.optimizer
    for x, y in job.loader():
        optimizer.zero_grad()
        loss = loss_of(model, x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    torch.save(model.state_dict(), f"gpt.pt.{os.getpid()}")  # Each copy comes here.
    os.replace(f"gpt.pt.{os.getpid()}", "gpt.pt")
    print(f"perplexity {perplexity(model)['perplexity']:.2f}")
    print(continued(model, letters, "A worker that dies "))


if __name__ == "__main__":
    main()
