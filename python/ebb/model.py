"""A trained model of ebb's own kinds, which NumPy computes."""

from __future__ import annotations

import os
from typing import Any, Mapping

from ebb import prediction
from ebb.arrays import Array, Tensors
from ebb.errors import Refused


class Model:
    """A model as a job has trained it: ``Job.model``. It does not change any more."""

    def __init__(self, about: Mapping[str, Any], tensors: Tensors) -> None:
        #: The ``model.json`` of an export (docs/export.md).
        self.about = about
        self._tensors = tensors

    @property
    def kind(self) -> str:
        """``model.kind`` of the job, such as "mlp"."""
        return str(self.about["model"])

    def state_dict(self) -> Tensors:
        """Returns its arrays by name, as ``Job.state_dict()`` does."""
        return dict(self._tensors)

    def predict(self, x: Any) -> Array:
        """Returns a prediction for each example: a class or a value.

        x: examples x features, as numbers of the data file (NaN: missing); or a frame
            of pandas with columns of these names. Raises Refused for a model without
            layers, such as one of keys or of trees, and for columns of text.
        """
        self._check(x)
        return prediction.predictions(self.about, self._tensors, x)

    def predict_proba(self, x: Any) -> Array:
        """Returns the outputs, examples x outputs. The argument is that of predict().

        The one output of a model of two classes is the probability of the second.
        """
        self._check(x)
        return prediction.outputs(self.about, self._tensors, x)

    def __repr__(self) -> str:
        return f"<ebb.Model {self.kind} of {self.about['name']}>"

    def _check(self, x: Any) -> None:
        hint = "job.predict(PATH) predicts the examples of a file, in the format of the training data"
        if isinstance(x, (str, os.PathLike)):
            raise Refused(f"a model takes arrays, and {os.fspath(x)!r} is a path", hint)
        if not self.about.get("layers"):
            raise Refused(f"{self.kind}: this model has no layers, so NumPy alone cannot predict", hint)
