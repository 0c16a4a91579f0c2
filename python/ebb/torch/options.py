"""The options of ``ebb.torch.job``, their defaults, and how ``help()`` shows them."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from typing import Any, Dict, List, Mapping, Optional, Tuple, TypedDict, Union

from ebb.errors import Refused
from ebb.torch import arguments, meeting
from ebb.torch.buffers import Choice
from ebb.torch.local import DiLoCo
from ebb.torch.parts import Evaluate, Reduction
from ebb.torch.stopping import StopWhen

# The arguments before the options.
_FIRST = ("name", "model", "dataset")

Count = Union[int, Tuple[int, int], List[int], None]


class Options(TypedDict, total=False):
    """The options of ``job``, for type checkers; ``Chosen`` has their defaults."""

    optimizer: Any
    epochs: Optional[int]
    batch: Optional[int]
    scheduler: Optional[str]
    schedule: Any
    schedule_every: Optional[str]
    local: Optional[DiLoCo]
    algorithm: Any
    consistency: Any
    reduction: Reduction
    buffers: Choice
    evaluate: Optional[Evaluate]
    evaluate_every: int
    stop_when: Optional[StopWhen]
    init: Any
    seeds: bool
    device: Any
    fingerprint: Optional[str]
    seed: int
    workers: Count
    unused: str
    prefetch: Optional[bool]
    look_ahead: bool
    rerun: meeting.Rerun
    settings: Optional[Mapping[str, Any]]
    tls: Any
    token_file: Optional[str]
    insecure: bool


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The options of a call, with the default of each that was not given."""

    optimizer: Any = None
    epochs: Optional[int] = None
    batch: Optional[int] = None
    scheduler: Optional[str] = None
    schedule: Any = None
    schedule_every: Optional[str] = None
    local: Optional[DiLoCo] = None
    algorithm: Any = None
    consistency: Any = None
    reduction: Reduction = "mean"
    buffers: Choice = None
    evaluate: Optional[Evaluate] = None
    evaluate_every: int = 1
    stop_when: Optional[StopWhen] = None
    init: Any = None
    seeds: bool = True
    device: Any = None
    fingerprint: Optional[str] = None
    seed: int = 1
    workers: Count = None
    unused: str = "error"
    prefetch: Optional[bool] = None
    look_ahead: bool = True
    rerun: meeting.Rerun = False
    settings: Optional[Mapping[str, Any]] = None
    tls: Any = None
    token_file: Optional[str] = None
    insecure: bool = False

    def check(self) -> None:
        """Raises Refused for what is wrong whatever the model is."""
        arguments.check_words(self.reduction, self.unused, self.evaluate, self.settings)
        arguments.check_stop(self.stop_when, self.evaluate)
        for key in ("algorithm", "consistency"):
            if self.local is not None and getattr(self, key) is not None:
                raise Refused(
                    f"{key}= and local=: what copies do by themselves is the {key}",
                    "leave it out: local=ebb.torch.DiLoCo(steps=50, rounds=True)",
                )
        arguments.check_numbers(
            epochs=self.epochs,
            batch=self.batch,
            seed=self.seed,
            evaluate_every=self.evaluate_every,
        )

    def given(self, *names: str) -> Dict[str, Any]:
        """Returns those of these options that are not None, by name."""
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


def show_options(function: Any) -> None:
    """Gives help(), and editors, the options in the place of ``**options``."""
    own = inspect.signature(function)
    first = {name: own.parameters[name] for name in _FIRST}
    options = {
        name: one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, one in inspect.signature(Chosen).parameters.items()
    }
    shown = {**first, **options, **own.parameters}
    shown.pop("options")
    function.__signature__ = own.replace(parameters=list(shown.values()))


def check_known(function: str, options: Mapping[str, Any]) -> None:
    """Raises TypeError for a name that is none of the options."""
    known = [*_FIRST, *(field.name for field in dataclasses.fields(Chosen))]
    for key in options:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            meant = f"; did you mean {near[0]}=?" if near else ""
            raise TypeError(
                f"ebb.torch.{function}() got an unexpected keyword argument {key!r}{meant}"
            )


def check_given(function: str, options: Mapping[str, Any]) -> None:
    """The same; and Refused if an option is missing that a submission needs."""
    check_known(function, options)
    for key, example in (
        ("optimizer", "optimizer=torch.optim.Adam(model.parameters(), lr=1e-3)"),
        ("epochs", "epochs=10"),
        ("batch", "batch=64"),
    ):
        if options.get(key) is None:
            raise Refused(f"ebb.torch.{function} needs {key}=", f"for example {example}")
