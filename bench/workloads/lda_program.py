"""Finds topics: "SIDE DOCUMENTS SEED". The side is ebb or sklearn, which learn online,
or ebb_gibbs or sklearn_batch, which take many passes over the data.

It prints one line of JSON. The perplexity is that of every second word of the test
documents, whose other words tell their topics.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_TOPICS, _VOCABULARY, _BATCH, _EPOCHS = 20, 2000, 128, 3
_SWEEPS = 50
_EBB = str(Path(os.environ.get("EBB_BIN", "build/bin")) / "ebb")


def generate(documents, folder):
    subprocess.run(
        [_EBB, "generate", "documents", "news", "--rows", str(documents), "--test-rows", "1000"]
        + ["--topics", str(_TOPICS), "--vocabulary", str(_VOCABULARY)],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def by_ebb(folder, seed, epochs=_EPOCHS, algorithm="staleness_aware"):
    Path(folder, "news.yaml").write_text(f"""
name: news
model: {{kind: lda, topics: {_TOPICS}}}
algorithm: {algorithm}
data:
  train: {{bags: {{path: news.train.bags, vocabulary: news.train.words}}}}
  test: {{bags: news.test.bags}}
train: {{batch: {_BATCH}, epochs: {epochs}}}
evaluate: {epochs} epochs
seed: {seed}
""")
    subprocess.run(
        [_EBB, "run", "news.yaml", "--workers", "2", "--report", "report.json"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    report = json.loads(Path(folder, "report.json").read_text())
    assert report["audit"]["exact"]
    return {"s": report["seconds"], "perplexity": report["evaluations"][-1]["perplexity"]}


def read(path):
    import numpy as np
    import scipy.sparse

    rows, columns, counts = [], [], []
    lines = Path(path).read_text().splitlines()
    for row, line in enumerate(lines):
        for pair in line.split()[1:]:
            word, count = pair.split(":")
            rows.append(row)
            columns.append(int(word))
            counts.append(int(count))
    return scipy.sparse.csr_matrix(
        (np.array(counts, float), (rows, columns)), shape=(len(lines), _VOCABULARY)
    )


def halves(documents):
    """The first, third, … of all words of each document in their order, and the others."""
    seen, unseen = documents.copy(), documents.copy()
    for row in range(documents.shape[0]):
        odd = 0
        for at in range(documents.indptr[row], documents.indptr[row + 1]):
            count = int(documents.data[at])
            seen.data[at] = (count + 1 - odd) // 2
            unseen.data[at] = count - seen.data[at]
            odd = (odd + count) % 2
    return seen, unseen


def perplexity(model, test):
    import numpy as np

    seen, unseen = halves(test)
    shares = model.transform(seen)
    topics = model.components_ / model.components_.sum(axis=1)[:, None]
    logs = 0.0
    for row in range(test.shape[0]):
        begin, end = unseen.indptr[row], unseen.indptr[row + 1]
        words = unseen.indices[begin:end]
        logs += unseen.data[begin:end] @ np.log(shares[row] @ topics[:, words])
    return float(np.exp(-logs / unseen.sum()))


def by_sklearn(folder, seed, epochs=_EPOCHS, method="online"):
    from sklearn.decomposition import LatentDirichletAllocation

    train, test = read(f"{folder}/news.train.bags"), read(f"{folder}/news.test.bags")
    model = LatentDirichletAllocation(
        _TOPICS, learning_method=method, batch_size=_BATCH, max_iter=epochs, random_state=seed
    )
    begin = time.perf_counter()
    model.fit(train)
    return {"s": time.perf_counter() - begin, "perplexity": perplexity(model, test)}


if __name__ == "__main__":
    who, documents, seed = sys.argv[1], int(sys.argv[2]), int((sys.argv[3:] or ["1"])[0])
    with tempfile.TemporaryDirectory() as made:
        generate(documents, made)
        sides = {
            "ebb": lambda: by_ebb(made, seed),
            "ebb_gibbs": lambda: by_ebb(made, seed, _SWEEPS, "gibbs"),
            "sklearn": lambda: by_sklearn(made, seed),
            "sklearn_batch": lambda: by_sklearn(made, seed, _SWEEPS, "batch"),
        }
        print(json.dumps(sides[who]()))
