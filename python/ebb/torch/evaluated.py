"""The figures that the program's ``evaluate`` returned, as the engine takes them."""

from __future__ import annotations

import math
from typing import Any, Dict, Mapping

from ebb.errors import Refused

_EVALUATE_HINT = (
    'return {"loss": mean, "correct": count, "examples": count, …}, or the mean loss'
)


def figures_of(answer: Any) -> Dict[str, Any]:
    """Returns the arguments of ``Engine.evaluated`` for what evaluate() returned."""
    if not isinstance(answer, Mapping):
        loss_sum = _number("", answer)
        return {"examples": 1, "loss_sum": loss_sum, "correct": -1, "figures": None}
    figures = {key: _number(f" as {key}", value) for key, value in answer.items()}
    for key in ("correct", "accuracy"):
        if key in figures and "examples" not in figures:
            raise Refused(
                f"evaluate(model) returned {key} without examples, so there is no share",
                'add "examples": count to what it returns',
            )
    examples = _count("examples", figures.pop("examples", 1))
    loss = figures.pop("loss", None)
    if loss is None:
        raise Refused(
            "evaluate(model) returned no loss",
            _EVALUATE_HINT,
        )
    correct = figures.pop("correct", None)
    right = -1 if correct is None else _count("correct", correct)
    accuracy = figures.get("accuracy")
    if accuracy is not None:
        _check_accuracy(accuracy, right, examples)
        if right >= 0 or _is_exact(accuracy, examples):
            right = round(figures.pop("accuracy") * examples)
    # A mean that its sum does not give back is told by itself.
    loss_sum = loss * examples
    if examples and math.isfinite(loss) and loss_sum / examples != loss:
        figures["loss"] = loss
    return {
        "examples": examples,
        "loss_sum": loss_sum,
        "correct": right,
        "figures": figures or None,
    }


def with_perplexity(answer: Dict[str, Any]) -> Dict[str, Any]:
    """Returns the arguments with e to the mean loss, unless the program told it itself."""
    figures = dict(answer["figures"] or {})
    if answer["examples"] == 0 or "perplexity" in figures:
        return answer
    loss = figures.get("loss", answer["loss_sum"] / answer["examples"])
    try:
        figures["perplexity"] = math.exp(loss)
    except OverflowError:
        figures["perplexity"] = math.inf
    return {**answer, "figures": figures}


def _count(name: str, value: float) -> int:
    if math.isfinite(value) and value >= 0 and value == round(value):
        return int(value)
    raise Refused(
        f"evaluate(model) returned {value:g} as {name}, which is a whole number",
        '"accuracy" is a share' if name == "correct" else None,
    )


def _check_accuracy(accuracy: float, right: int, examples: int) -> None:
    if accuracy < 0 or accuracy > 1:
        raise Refused(
            f"evaluate(model) returned {accuracy:g} as accuracy, which is a share from 0 to 1"
        )
    if right >= 0 and not abs(right - accuracy * examples) < 1e-3 * max(1, right):
        raise Refused(
            f"evaluate(model) returned an accuracy of {accuracy:g}, and {right} correct of "
            f"{examples}, which is another",
            "return one of them",
        )


def _is_exact(accuracy: float, examples: int) -> bool:
    """Returns whether a count of right examples gives back the accuracy."""
    if not math.isfinite(accuracy) or examples == 0:
        return False
    return round(accuracy * examples) / examples == accuracy


def _number(where: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        what = "None" if value is None else f"a {type(value).__name__}"
        raise Refused(
            f"evaluate(model) returned {what}{where}, where a number belongs", _EVALUATE_HINT
        ) from error
