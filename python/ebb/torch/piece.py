"""A piece of a batch that the program works at, and what may be wrong with it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, List, Optional

from ebb.batches import name_of
from ebb.errors import NonFinite, Refused
from ebb.torch.arguments import weight_of
from ebb.torch.parts import Reduction

CHANGED = "parameters changed outside of a pull ({})"
CHANGED_HINT = (
    "your own optimizer stepped? use job.optimizer. Limits and masks of weights belong into "
    "the model (torch.nn.utils.parametrize): the servers step, and a write here is lost"
)

WRITTEN_LATE = (
    "{} was written to after the step that ends a run, when the run was handed in: the write "
    "would be in no value"
)
WRITTEN_LATE_HINT = (
    "write before job.optimizer.step(), or at the begin of the loop's body; limits and masks of "
    "weights belong into the model (torch.nn.utils.parametrize)"
)

CLIPPED = (
    "the loop changed the gradient of {} after backward(), and this is a piece of a batch "
    "(micro): a clip of each piece makes another step than that of the batch"
)
CLIPPED_HINT = (
    'to clip, take clip_grad_norm_() away, and give settings={"train": {"clip_norm": 1.0}} to '
    "ebb.torch.job: ebb clips the gradient of the whole batch. To scale gradients, scale the loss"
)

NO_GRADIENT_HINT = (
    'is it detached, or backward() missing? If it is unused at times: unused="zero"'
)
FROZEN_HINT = (
    "it was frozen (requires_grad=False) after ebb.torch.job: freeze it before, or in another job "
    "with init=job.state_dict()"
)

_WORDS = {"handed": "handed in", "again": "asked for again", "failed": "failed"}


@dataclasses.dataclass
class Out:
    """A piece of a batch that the program works at."""

    batch: Any
    begin: int
    examples: int
    #: The factor of its gradients in the sums.
    weight: float
    last: bool
    value: Any = None  # The loop sees this.
    state: str = "out"  # then handed, again or failed

    @property
    def is_whole(self) -> bool:
        """True if it is all of its batch."""
        return self.examples == len(self.batch.examples)

    def __str__(self) -> str:
        return name_of(self.batch)

    def refuse_answered(self, what: str) -> None:
        """Raises Refused if the program has answered it already."""
        if self.state != "out":
            raise Refused(
                f"{what}: {self} was {_WORDS[self.state]} already",
                "call optimizer.step() once a batch",
            )


def weights_of(reduction: Reduction, pieces: Any) -> List[float]:
    """Returns the factors of the pieces' gradients in the sums.

    If servers divided the sums by the examples of the batch, what remains would
    be the gradient of the program's own loss over the batch.
    """
    whole = sum(examples for _, examples, _ in pieces)
    if reduction == "mean":
        return [float(examples) for _, examples, _ in pieces]
    if isinstance(reduction, str) or len(pieces) == 1:
        return [float(whole)] * len(pieces)
    parts = [weight_of(reduction, value) for _, _, value in pieces]
    total = math.fsum(parts) or 1.0  # All are 0, and so is the gradient.
    return [whole * part / total for part in parts]


def not_finite(out: Out, loss_sum: Optional[float], why: str) -> NonFinite:
    """Returns the error of the engine with the batch, its loss, and what to do."""
    mean = None if loss_sum is None else loss_sum / len(out.batch.examples)
    silent = mean is None or why.startswith("the loss is ")
    loss = "" if silent else f"; the loss is {mean:g}"
    finite = mean is None or math.isfinite(mean)
    first = "try" if finite else "NaN in the data, or a loss of log(0)? Else"
    error = NonFinite(
        f"{why} in {out}{loss}; it has the data set's examples {_listed(out.batch.examples)}",
        f"{first} a smaller rate, or clip_grad_norm_() before step(). "
        'To leave such batches out: settings={"on_nonfinite": "skip"}, and a try around '
        "step() with except ebb.NonFinite as error: error.examples has all their numbers",
    )
    error.examples = out.batch.examples
    return error


def _listed(numbers: Any) -> str:
    """Returns the first few, and how many more there are."""
    first = ", ".join(str(int(number)) for number in numbers[:4])
    more = len(numbers) - 4
    return f"{first} and {more} more" if more > 0 else first
