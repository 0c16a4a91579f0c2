"""The optimizer that stands in the place of the program's."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional

import torch

from ebb.errors import Refused
from ebb.torch.work import Work


class HandIn(torch.optim.Optimizer):
    """Takes the optimizer's place in the loop: ``step()`` hands the batch in.

    The servers step, by the rule that was read from the user's optimizer; or the user's
    optimizer does, in runs (ebb.torch.DiLoCo).
    """

    def __init__(
        self,
        work: Work,
        theirs: Any,
        tables: Mapping[str, Any],
        read: Callable[[], Any],
        shared: bool = False,
    ) -> None:
        self._is_made = False
        self._shared = shared
        self._read = read
        self._work = work
        #: Learning-rate schedulers write to the program's own optimizer.
        self._theirs = theirs if isinstance(theirs, torch.optim.Optimizer) else None
        self._rates: List[float] = []
        if isinstance(theirs, torch.optim.Optimizer):
            # With `shared` theirs steps, by the rates that are shown here.
            groups: List[Dict[str, Any]] = [
                group if shared else {**group, "params": list(group["params"])}
                for group in theirs.param_groups
            ]
            super().__init__(groups, dict(theirs.defaults))
        else:
            super().__init__(list(tables.values()), {})
        self._rates = self._now()
        self._first = [group.get("lr") for group in self.param_groups]
        self._settings = self._other_settings()
        self._is_made = True

    def add_param_group(self, param_group: Dict[str, Any]) -> None:
        """Refuses: the groups are those of the optimizer that was given to the job."""
        if self._is_made:
            raise Refused(
                "add_param_group(): the parameters of a job are those that it began with",
                "add the group to your optimizer before ebb.torch.job",
            )
        super().add_param_group(param_group)

    def state_dict(self) -> Dict[str, Any]:
        """Returns the servers' state after the loop, as the optimizer given to the job has it.

        ``torch.optim.Adam.load_state_dict()`` takes it, so that a plain loop goes
        on from there. Rows of embeddings have their state on the servers only.
        Raises Refused before the end of the loop.
        """
        state = self._read()
        made: Dict[str, Any] = super().state_dict()
        made["state"] = state
        return made

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Refuses: the state is the servers'."""
        raise Refused(
            "load_state_dict(): the optimizer's state is the servers', which keep it",
            "leave it out: a script that starts again finds the job as it is. A new job goes on "
            "from the state that your optimizer loaded before ebb.torch.job",
        )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients. ``step()`` does so, too."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        self._work.forget_rows()

    def gradients(self) -> List[torch.Tensor]:
        """Returns the gradients of the piece that is out, of embeddings too."""
        of_parameters = [
            parameter.grad
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        return of_parameters + self._work.row_gradients()

    #: torch's GradScaler calls step(grad_scaler=…) because of this.
    _step_supports_amp_scaling = True

    def step(
        self, closure: Any = None, *, loss: Any = None, grad_scaler: Any = None
    ) -> Any:
        """Hands in the batch, or the piece of it, that the loader yielded last.

        closure: computes the loss and calls ``backward()``, as in PyTorch.
        loss: what the job shows as the loss, instead of what ``backward()`` was
            called on.
        """
        if grad_scaler is not None:
            raise Refused(
                "GradScaler leaves out batches that overflow, so examples would be lost",
                "ebb.torch.GradScaler() yields such a batch again",
            )
        made = None
        if closure is not None:
            with torch.enable_grad():
                made = closure()
        if self._now() != self._rates:
            self._rates = self._now()
            whose = "follows from the place in the data" if self._shared else "is the servers'"
            raise Refused(
                f"the rate {whose}, and the loop changed it",
                "give the schedule to ebb.torch.job(schedule=…), and take scheduler.step() away",
            )
        if self._shared and self._other_settings() != self._settings:
            raise Refused(
                "the loop changed a setting of the optimizer, which other copies do not hear of",
                "settings that stay; the rate follows schedule= of ebb.torch.job",
            )
        self._work.hand_in(loss)
        if self._shared:
            self._settings = self._other_settings()
        return made

    def show_rates(self, rates: Optional[List[float]]) -> None:
        """Shows the servers' rate of each group; None: those of the optimizer that was given.

        After the loop ``state_dict()`` is based on the latter.
        """
        if self._shared and rates is not None and self._now() != self._rates:
            return  # The loop wrote to them, which its next step() refuses.
        for group, rate in zip(self.param_groups, self._first if rates is None else rates):
            group["lr"] = rate
        self._rates = self._now()

    def again(self) -> None:
        """Asks for the batch that is out once more."""
        self._work.again()

    def piece(self) -> Any:
        """Returns what names the piece of a batch that is out."""
        return self._work.piece()

    def mark_gradients(self) -> None:
        """Takes the gradients as they are for untouched by the loop."""
        self._work.mark_gradients()

    def seen_loss(self) -> Optional[float]:
        """Returns what ``backward()`` was called on since the last piece; None: nothing."""
        return self._work.seen_loss()

    def _other_settings(self) -> List[Dict[str, str]]:
        return [
            {key: repr(group[key]) for key in group if key not in ("params", "lr", "initial_lr")}
            for group in self.param_groups
        ]

    def _now(self) -> List[float]:
        groups = list(self.param_groups)
        if self._theirs is not None:
            groups += self._theirs.param_groups
        return [float(group["lr"]) for group in groups if "lr" in group]


if not hasattr(torch.optim.Optimizer, "register_step_pre_hook"):
    # Older PyTorch would wrap step() only to name it in profiles, which takes
    # 60 us a batch.
    setattr(HandIn.step, "hooked", True)
