"""Tells a person at a terminal how far a job is that this program trains alone."""

from __future__ import annotations

import sys
import time
from typing import Any, Callable, Mapping, Optional, TextIO

from ebb import display
from ebb.progress import Progress

_EVERY_S = 5.0
#: Epochs that are shorter have no lines of their own.
_AT_LEAST_S = 1.0


class Lines:
    """Writes a line now and then, so that the program's own output stays readable."""

    def __init__(
        self,
        name: str,
        epochs: int,
        examples: int,
        out: Optional[TextIO] = None,
        clock: Callable[[], float] = time.monotonic,
        tokens: Optional[int] = None,
    ) -> None:
        """examples: of an epoch. out: None: standard error. tokens: of an example, if
        examples are sequences."""
        self._name, self._epochs, self._examples = name, epochs, examples
        self._tokens = tokens
        self._out = out
        self._clock = clock
        self._begun = self._told = clock()
        self._applied = self._since = 0
        self._loss_sum: Optional[float] = 0.0

    def handed_in(self, epoch: int, examples: int, loss_sum: Optional[float]) -> None:
        """A batch was handed in. loss_sum: None: it is not known."""
        self._applied += examples
        self._since += examples
        if loss_sum is None or self._loss_sum is None:
            self._loss_sum = None
        else:
            self._loss_sum += loss_sum
        passed = self._clock() - self._told
        ends = self._applied >= (epoch + 1) * self._examples
        if passed >= _EVERY_S or (ends and passed >= _AT_LEAST_S):
            self._tell("running")

    def evaluated(self, answer: Mapping[str, Any]) -> None:
        """answer: the arguments of ``Engine.evaluated``."""
        examples = max(1, answer["examples"])
        figures = {"loss": answer["loss_sum"] / examples}
        if answer["correct"] >= 0:
            figures["accuracy"] = answer["correct"] / examples
        figures.update(answer["figures"] or {})
        said = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        self._write(f"{self._name}  test {said}")

    def end(self, state: str) -> None:
        """The loop has ended."""
        if self._applied:
            self._tell(state)

    def _tell(self, state: str) -> None:
        now = self._clock()
        speed = self._applied / max(now - self._begun, 1e-9)
        whole = self._epochs * self._examples
        progress = Progress(
            applied=min(self._applied, whole),
            examples=whole,
            epoch=min(self._applied // self._examples + 1, self._epochs),
            epochs=self._epochs,
            examples_per_second=speed,
            eta_seconds=max(0, whole - self._applied) / speed if speed else None,
            loss=None if self._loss_sum is None or not self._since else self._loss_sum / self._since,
            workers=1,
        )
        self._write(display.line(self._name, progress, state, self._tokens))
        self._told = now
        self._since, self._loss_sum = 0, 0.0

    def _write(self, line: str) -> None:
        out = self._out or sys.stderr
        out.write(line + "\n")
        out.flush()
