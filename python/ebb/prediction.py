"""Predictions of an exported model with NumPy alone (docs/export.md)."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping

import numpy as np

from ebb import frames
from ebb.arrays import Array, Tensors
from ebb.errors import Refused


def _shares(x: Array) -> Array:
    y = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(y / y.sum(axis=1, keepdims=True))


_FUNCTIONS: Dict[str, Callable[[Array], Array]] = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: np.asarray(1 / (1 + np.exp(-x))),
    "softmax": _shares,
}


def outputs(model: Mapping[str, Any], tensors: Tensors, x: Any) -> Array:
    """Returns float64 outputs, examples x outputs of the model.

    model: the text "ebb.model" of an export, parsed.
    x: examples x features, as the data file has them; NaN: missing. Columns of a frame
        go by their names, if the model knows names.

    An output is a value, the probability of the second of two classes, or the
    probability of each class. Raises Refused for a model that has no layers, and
    for another number of features.
    """
    layers = model.get("layers")
    if model.get("model") == "program":
        raise Refused(
            "the model is a program's, and only the program has its class",
            "load job.state_dict() into your model, and call that. After the loop over "
            "job.loader() it has the values already",
        )
    if not layers:
        raise Refused(
            "this model has no layers, so NumPy alone cannot predict",
            "give predict() the path of a file with examples instead, in the format of the "
            "training data",
        )
    about = model["features"]
    if frames.is_frame(x):
        x = _numbers_of(x, about)
    x = np.asarray(x, dtype=np.float64)
    x = x.reshape(1, -1) if x.ndim == 1 else x.reshape(len(x), -1)
    if x.shape[1] != about["count"]:
        raise Refused(
            f"the examples have {x.shape[1]} features, the model {about['count']}"
        )
    # ebb keeps features as float32.
    x = x * about["scale"] - np.asarray(about.get("origin", 0.0))
    x = np.float32(x).astype(np.float64)
    if about.get("missing") is not None:
        x = np.where(np.isnan(x), about["missing"], x)
    if about.get("mean") is not None:
        deviation = np.array(about["deviation"])
        x = np.where(
            deviation > 0, (x - about["mean"]) / np.maximum(deviation, 1e-300), 0
        )
    for layer in layers:
        x = x @ tensors[layer["weights"]] + tensors[layer["bias"]]
        x = _FUNCTIONS[layer["function"]](x)
    labels = model["labels"]
    if labels["kind"] == "values":
        x = x * labels["deviation"] + labels["mean"]
    return np.asarray(x)


def _numbers_of(frame: Any, about: Mapping[str, Any]) -> Array:
    if any(column["kind"] != "number" for column in about.get("columns", ())):
        raise Refused(
            "the model is of a table with text, dates or yes and no, which NumPy alone cannot read",
            "job.predict(frame) does",
        )
    return frames.numbers_of(frame, about.get("names"))


def predictions(model: Mapping[str, Any], tensors: Tensors, x: Any) -> Array:
    """Returns a prediction per example: its class, or its value."""
    y = outputs(model, tensors, x)
    if model["labels"]["kind"] == "values":
        return np.asarray(y[:, 0] if y.shape[1] == 1 else y)
    classes = np.array(model["labels"]["classes"])
    places = y.argmax(axis=1) if y.shape[1] > 1 else (y[:, 0] > 0.5).astype(int)
    return np.asarray(classes[places])


def column(texts: List[str]) -> Array:
    """Returns what texts say: whole numbers if all are, else numbers, else texts."""
    for kind in (int, float):
        try:
            return np.array([kind(text) for text in texts])
        except ValueError:
            pass
    return np.array(texts)


def columns(rows: List[List[str]]) -> Array:
    """Returns the numbers that rows of texts say."""
    return np.array(rows, dtype=np.float64)
