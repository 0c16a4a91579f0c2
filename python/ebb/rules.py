"""How servers step the rows of a sparse table, and how rows begin.

    ebb.torch.EmbeddingBag("ids", 16, optimizer=ebb.Adagrad(0.05),
                           init=ebb.Normal(0.01))

Each is a part of a job file; ``docs/job-file.md`` explains its keys.
"""

from __future__ import annotations

from typing import Any, ClassVar, Dict, Optional


class Rule(Dict[str, Any]):
    """A rule by which servers step: the job file's ``optimizer``."""

    kind: ClassVar[str] = ""

    def __init__(self, rate: Optional[float] = None, **keys: Any) -> None:
        super().__init__(kind=self.kind, **keys)
        if rate is not None:
            self["rate"] = rate


class SGD(Rule):
    """Plain steps against the gradient.

    rate: the learning rate; None: that of the rule.
    The others are keys of the job file's ``optimizer``.
    """

    kind = "sgd"


class Adagrad(Rule):
    """Steps that shrink with the sum of the squared gradients of each value.

    rate: the learning rate; None: that of the rule.
    The others are keys of the job file's ``optimizer``.
    """

    kind = "adagrad"


class RMSprop(Rule):
    """Steps by the mean of recent squared gradients.

    rate: the learning rate; None: that of the rule.
    The others are keys of the job file's ``optimizer``.
    """

    kind = "rmsprop"


class Adam(Rule):
    """Steps by the means of recent gradients and of their squares.

    rate: the learning rate; None: that of the rule.
    The others are keys of the job file's ``optimizer``.
    """

    kind = "adam"


class Ftrl(Rule):
    """Follows the regularised leader: many values stay exactly 0.

    rate: the learning rate; None: that of the rule.
    The others are keys of the job file's ``optimizer``.
    """

    kind = "ftrl"


class Init(Dict[str, Any]):
    """How a row begins: the job file's ``tables.NAME.init``."""


class Zeros(Init):
    """Rows begin at 0."""

    def __init__(self) -> None:
        super().__init__(kind="zeros")


class Uniform(Init):
    """Values are drawn evenly from ``-spread`` to ``spread``."""

    def __init__(self, spread: float = 0.01) -> None:
        super().__init__(kind="uniform", spread=spread)


class Normal(Init):
    """Values are drawn with mean 0 and the standard deviation ``spread``."""

    def __init__(self, spread: float = 0.01) -> None:
        super().__init__(kind="normal", spread=spread)
