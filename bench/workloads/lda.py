"""Topics of generated documents beside scikit-learn's: the same topics and priors. Both
learn online, with the same batches and passes over the data; or by many passes, ebb by
Gibbs sampling and scikit-learn by variational Bayes of all documents at once."""

import functools
from pathlib import Path
from typing import Any, Dict, List

from figures import Comparison, Contest, Sample, at_most
from processes import run

TITLE = "Topics"
_PROGRAM = str(Path(__file__).resolve().parent / "lda_program.py")


def _side(who: str, documents: int, seed: int = 1) -> Dict[str, Any]:
    return run([_PROGRAM, who, str(documents), str(seed)])


def contests(quick: bool = False) -> List[Contest]:
    documents = 2_000 if quick else 20_000
    what = f"{documents:,} documents, 20 topics, 2 workers / scikit-learn"
    return [
        Contest(
            "lda",
            {
                who: functools.partial(_side, who, documents)
                for who in ("ebb", "sklearn")
            },
            [
                Comparison(what, "perplexity", "ebb", "sklearn", at_most(1.01), means=True),
                Comparison(what, "s", "ebb", "sklearn", at_most(1)),
            ],
            settings=str(documents),
            seeded=True,
            # Either finds some of the topics twice, and the seed decides which.
            least_rounds=1 if quick else 10,
        ),
        Contest(
            "lda by Gibbs sampling",
            {
                who: functools.partial(_side, who, documents)
                for who in ("ebb_gibbs", "sklearn_batch")
            },
            [
                Comparison(
                    f"Gibbs sampling, {what}",
                    "perplexity",
                    "ebb_gibbs",
                    "sklearn_batch",
                    at_most(1),
                    means=True,
                ),
            ],
            settings=str(documents),
            seeded=True,
        ),
    ]
