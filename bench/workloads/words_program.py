#!/usr/bin/env python3
"""Word vectors in one process with NumPy: what ``ebb run`` is compared with.

    words_program.py TRAIN TEST [--epochs=5] [--dim=64] ...

The text, the vocabulary, the pairs and the loss are those of ebb's ``word_vectors``
(docs/workloads.md), with random numbers of NumPy's. Prints a line of JSON.
"""

import argparse
import json
import re
import time
from collections import Counter
from typing import Dict, List, Tuple

import numpy as np
from scipy.sparse import csr_matrix

LONGEST = 64  # Words of an example.


def documents(path: str, lines: bool) -> List[List[str]]:
    with open(path, encoding="utf-8") as file:
        text = file.read().lower().replace("\u2019", "'")
    parts = text.split("\n") if lines else re.split(r"\n\s*\n", text)
    words = re.compile(r"[^\W_]+(?:'+[^\W_]+)*")
    return [words.findall(part) for part in parts]


def examples(texts: List[List[str]], numbers: Dict[str, int]) -> List[np.ndarray]:
    found = []
    for text in texts:
        words = [numbers[word] for word in text if word in numbers]
        if words:
            pieces = -(-len(words) // LONGEST)
            found += np.array_split(np.array(words), pieces)
    return found


class Pairs:
    def __init__(self, counts: np.ndarray, flags: argparse.Namespace) -> None:
        self.flags = flags
        excess = counts / (flags.subsample * counts.sum()) if flags.subsample else counts
        self.keep = np.minimum(1, (np.sqrt(excess) + 1) / excess)
        if not flags.subsample:
            self.keep[:] = 1
        self.ends = np.cumsum(counts**0.75)

    def draw(
        self, batch: List[np.ndarray], random: np.random.Generator
    ) -> Tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Centres, words, whether they are of the context, and the number of pairs."""
        centres, contexts = [], []
        for words in batch:
            words = words[random.random(len(words)) < self.keep[words]]
            widths = random.integers(1, self.flags.window + 1, len(words))
            for offset in range(1, self.flags.window + 1):
                wide = widths >= offset
                before = np.flatnonzero(wide[offset:]) + offset
                after = np.flatnonzero(wide[: max(0, len(words) - offset)])
                centres += [words[before], words[after]]
                contexts += [words[before - offset], words[after + offset]]
        centre, context = np.concatenate(centres), np.concatenate(contexts)
        pairs = len(centre)
        negatives = self.flags.negatives
        drawn = np.searchsorted(
            self.ends, random.random(pairs * negatives) * self.ends[-1], side="right"
        )
        other = drawn != np.repeat(context, negatives)
        centres_drawn = np.repeat(centre, negatives)[other]
        together = np.concatenate([np.ones(pairs), np.zeros(other.sum())])
        return (
            np.concatenate([centre, centres_drawn]),
            np.concatenate([context, drawn[other]]),
            together.astype(np.float32),
            pairs,
        )


def learn(
    train: List[np.ndarray], test: List[np.ndarray], counts: np.ndarray, flags: argparse.Namespace
) -> Dict[str, object]:
    random = np.random.default_rng(flags.seed)
    size = len(counts)
    spread = 0.5 / flags.dim
    v, u = (random.uniform(-spread, spread, (size, flags.dim)).astype(np.float32) for _ in "vu")
    sums = [np.full((size, flags.dim), flags.accumulator, np.float32) for _ in "vu"]
    pairs = Pairs(counts, flags)

    def loss(batches: List[List[np.ndarray]]) -> float:
        total, number = 0.0, 0
        fixed = np.random.default_rng(0)
        for batch in batches:
            centre, word, together, count = pairs.draw(batch, fixed)
            score = np.einsum("ij,ij->i", v[centre], u[word])
            total += np.logaddexp(0, np.where(together, -score, score)).sum()
            number += count
        return total / number

    def step(batch: List[np.ndarray], rate: float) -> None:
        centre, word, together, count = pairs.draw(batch, random)
        if not count:
            return
        score = np.einsum("ij,ij->i", v[centre], u[word])
        delta = (1 / (1 + np.exp(-score)) - together) / count
        gradients = []
        for rows, columns, other in ((centre, word, u), (word, centre, v)):
            names, places = np.unique(rows, return_inverse=True)
            sparse = csr_matrix((delta, (places, columns)), (len(names), size))
            gradients.append((names, (sparse @ other).astype(np.float32)))
        for (names, gradient), values, squares in zip(gradients, (v, u), sums):
            if flags.optimizer == "sgd":
                values[names] -= rate * gradient
                continue
            squares[names] += gradient**2
            values[names] -= rate * gradient / (np.sqrt(squares[names]) + 1e-8)

    def batches(order: np.ndarray, source: List[np.ndarray]) -> List[List[np.ndarray]]:
        return [
            [source[i] for i in order[begin : begin + flags.batch]]
            for begin in range(0, len(order), flags.batch)
        ]

    tests = batches(np.arange(len(test)), test)
    losses = [loss(tests)]
    start = time.monotonic()
    spent = 0.0
    for epoch in range(flags.epochs):
        begun = time.monotonic()
        cut = batches(random.permutation(len(train)), train)
        for number, batch in enumerate(cut):
            done = (epoch + number / len(cut)) / flags.epochs
            fall = 1 - done if flags.falls else 1
            step(batch, flags.rate * max(fall, 1e-4))
        spent += time.monotonic() - begun
        losses.append(loss(tests))
    return {
        "loss": losses[-1],
        "losses": losses,
        "seconds": spent,
        "words": size,
        "words/s": flags.epochs * sum(len(e) for e in train) / spent,
        "vectors": v,
        "elapsed": time.monotonic() - start,
    }


def found(path: str, numbers: Dict[str, int], vectors: np.ndarray) -> float:
    """The share of analogies "a b c d" of which d is nearest to b - a + c."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.maximum(length, 1e-9)
    right = asked = 0
    for line in open(path, encoding="utf-8"):
        words = [numbers.get(word, -1) for word in line.split()]
        if len(words) != 4 or min(words) < 0:
            continue
        a, b, c, d = words
        scores = vectors @ (vectors[b] - vectors[a] + vectors[c])
        scores[[a, b, c]] = -np.inf
        asked += 1
        right += scores.argmax() == d
    return right / asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--negatives", type=int, default=5)
    parser.add_argument("--subsample", type=float, default=1e-3)
    parser.add_argument("--least-count", type=int, default=5)
    parser.add_argument("--lines", action="store_true", help="documents are lines")
    parser.add_argument("--optimizer", default="adagrad")
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--falls", action="store_true", help="the rate falls to 0")
    parser.add_argument("--accumulator", type=float, default=1e-12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--questions", help="analogies to find")
    flags = parser.parse_args()
    texts = documents(flags.train, flags.lines)
    counted = Counter(word for text in texts for word in text)
    chosen = sorted((-n, word) for word, n in counted.items() if n >= flags.least_count)
    numbers = {word: i for i, (_, word) in enumerate(chosen)}
    counts = np.array([-n for n, _ in chosen], np.float64)
    answer = learn(
        examples(texts, numbers),
        examples(documents(flags.test, flags.lines), numbers),
        counts,
        flags,
    )
    vectors = answer.pop("vectors")
    if flags.questions:
        answer["found"] = found(flags.questions, numbers, vectors)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
