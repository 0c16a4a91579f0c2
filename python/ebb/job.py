"""A job of a cluster: what it does, and what can be done to it."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ebb import command, display, frames, history, prediction, tensors
from ebb.arrays import Array, Tensors
from ebb.command import Access
from ebb.errors import JobFailed, NotFound, Refused, Unavailable
from ebb.history import History
from ebb.model import Model
from ebb.progress import Progress, Reached

# How often wait() asks, in seconds, from the first time to later ones.
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 1.0


@dataclass(frozen=True)
class Audit:
    """The proof of the servers' ledgers; true if every example counts once.

    ``expected``, ``applied`` and ``skipped`` are examples of the partition that
    is worst off, over all epochs; ``missing`` and ``doubled`` are sums over all
    partitions. While a server does not answer, they have no value.
    """

    exact: bool
    expected: Optional[int]
    applied: Optional[int]
    missing: Optional[int]
    doubled: Optional[int]
    skipped: Optional[int]
    partitions: int
    problems: Tuple[str, ...]
    all: Mapping[str, Any]  # Everything that `ebb audit --json` says.

    def __bool__(self) -> bool:
        return self.exact

    @staticmethod
    def of_json(answer: Mapping[str, Any]) -> "Audit":
        """Reads what ``ebb audit --json`` prints."""
        return Audit(
            exact=answer["exact"],
            expected=answer.get("expected"),
            applied=answer.get("applied"),
            missing=answer.get("missing"),
            doubled=answer.get("doubled"),
            skipped=answer.get("skipped"),
            partitions=answer["partitions"],
            problems=tuple(answer.get("problems") or ()),
            all=answer,
        )


# An export says so of a model that is not the result.
_NOT_COMPLETE = "examples are in this model"


class Job:
    """A job of a cluster. ``ebb.connect()`` and ``Cluster.submit()`` return it.

    Every method asks the scheduler anew, and raises Unavailable if none
    answers, or NotFound if it does not know the job.
    """

    def __init__(self, access: Access, number: int, name: str) -> None:
        self._access = access
        self._plugins: Sequence[str] = ()  # Folders from which its model may be loaded.
        self._number = number
        self._name = name

    # --- What it is, and how far ----------------------------------------------

    @property
    def name(self) -> str:
        """The name that its job file gives it."""
        return self._name

    @property
    def number(self) -> int:
        """Its number, which no other job of the cluster has."""
        return self._number

    @property
    def state(self) -> str:
        """"waiting", "running", "paused", "flushing", "complete" or "cancelled".

        A job that is flushing has applied all examples, and stores them.
        """
        return str(self.status()["state"])

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress.of_status(self.status())

    @property
    def history(self) -> History:
        """Losses and test figures, a dict for each epoch that began."""
        return history.of_status(self.status())

    def status(self) -> Dict[str, Any]:
        """Returns what ``ebb status --json`` says of the job."""
        answer = self._ask_json(["status"])
        jobs: List[Dict[str, Any]] = answer["jobs"]
        if not jobs:
            raise NotFound(f"there is no job {self._name} at {self._access.address}")
        return jobs[0]

    def explain(self) -> Dict[str, Any]:
        """Returns why the job does not advance, as ``ebb explain --json`` does.

        ``advancing`` is true or false; ``reasons`` has ``kind`` and ``text``.
        """
        answer: Dict[str, Any] = self._ask_json(["explain"])
        return answer

    def audit(self) -> Audit:
        """Compares the servers' ledgers with the data."""
        return Audit.of_json(self._ask_json(["audit"], answers=(0, 1)))

    def versions(self) -> List[Dict[str, Any]]:
        """Returns the stored versions of every partition, oldest first."""
        answer = self._ask_json(["checkpoint", "list"], answers=(0, 1))
        versions: List[Dict[str, Any]] = answer["versions"]
        return versions

    def wait(
        self, timeout: Optional[float] = None, *, progress: Optional[bool] = None
    ) -> "Job":
        """Blocks until the job is complete, and returns it.

        timeout: seconds; None: without limit.
        progress: show a live line; None: in a terminal and in a notebook.

        Interrupting it ends the waiting, and not the job. A scheduler that is
        away for a while is waited for. Raises TimeoutError, or JobFailed if the
        job is cancelled or waits for a decision about failing examples.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_PAUSE_S
        reached = Reached()
        with display.live(progress) as shown:
            while True:
                job = self._status_or_none()
                if job is not None:
                    shown.show(self._name, reached.by(job), job["state"])
                    if job["state"] == "complete":
                        return self
                    self._check_goes_on(job)
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError(
                        f"{self._name} is not complete after {timeout:g} s"
                    )
                time.sleep(pause if left is None else min(pause, left))
                pause = min(pause * 1.5, _LONGEST_PAUSE_S)

    # --- What can be done to it -----------------------------------------------

    def pause(self) -> None:
        """Stops the training until resume(). Its workers are free for others."""
        self._ask(["pause"])

    def resume(self, skip: bool = False) -> None:
        """Lets a job go on that is paused.

        skip: leave out the batches that keep failing, instead of trying again.
        """
        self._ask(["resume"], ["--skip"] if skip else [])

    def scale(
        self, workers: Optional[int] = None, servers: Optional[int] = None
    ) -> None:
        """Changes how many workers and servers it takes at most; 0: no limit."""
        flags: List[str] = []
        if workers is not None:
            flags += ["--workers", str(workers)]
        if servers is not None:
            flags += ["--servers", str(servers)]
        if not flags:
            raise Refused("scale() without workers= or servers= changes nothing")
        self._ask(["scale"], flags)

    def cancel(self) -> None:
        """Ends the job for good. Its stored versions stay."""
        self._ask(["cancel"])

    def rollback(
        self,
        versions_ago: Optional[int] = None,
        *,
        to: Optional[str] = None,
        to_round: Optional[int] = None,
        rate_factor: Optional[float] = None,
    ) -> Dict[str, Any]:
        """Takes the job back to older versions, from which it trains again.

        versions_ago: as many before each partition's newest; 1 if nothing else
            says how far.
        to: the newest that were stored by then: "10m" (ago), "14:03".
        to_round: in rounds, the newest stored round up to this one.
        rate_factor: factor of the job file's rates from there on.

        Returns what was done, as ``ebb checkpoint rollback --json`` does.
        """
        flags: List[str] = []
        if to is not None:
            flags += ["--to", to]
        if to_round is not None:
            flags += ["--to-round", str(to_round)]
        if versions_ago is not None or not flags:
            flags += ["--versions-ago", str(1 if versions_ago is None else versions_ago)]
        if rate_factor is not None:
            flags += ["--rate-factor", repr(float(rate_factor))]
        answer: Dict[str, Any] = self._ask_json(["checkpoint", "rollback"], flags)
        return answer

    # --- Its model ------------------------------------------------------------

    def checkpoint(
        self,
        path: str,
        *,
        fold: bool = False,
        averages: bool = False,
        with_slots: bool = False,
        rows: bool = True,
    ) -> str:
        """Writes the newest stored model to a file, and returns the path.

        path: ends with .safetensors; or a folder, for a .npy file per tensor. An
            existing file is replaced.
        fold: fold the scaling of features into the first layer.
        averages: write averages of the weights in the place of the values, of a job
            with optimizer.ema or swa. Else they are beside them, as averages/TENSOR.
        with_slots: also write the optimizer's state.
        rows: also write the rows of sparse tables, of which there may be many.
        """
        flags = ["-o", path, "--force", "--incomplete"]
        if fold:
            flags.append("--fold")
        if averages:
            flags.append("--averages")
        if with_slots:
            flags.append("--with-slots")
        if not rows:
            flags.append("--without-rows")
        told = f"{_NOT_COMPLETE}, the newest stored version. For the result {self._way_on()}"
        self._ask(["checkpoint", "export"], flags, [(_NOT_COMPLETE, told)])
        return path

    def state_dict(self, version: str = "newest", **options: bool) -> Tensors:
        """Returns the newest stored model: arrays by name.

        Dense tables are float32 in their own shape. A sparse table has two
        tensors: NAME/keys (uint64) and NAME/rows (float32, keys x width).
        Options are those of checkpoint().
        """
        if version != "newest":
            raise Refused(
                f'version="{version}": only the newest version can be read',
                "rollback() makes an older version the newest",
            )
        return self._export(**options)[0]

    @property
    def model(self) -> Any:
        """The newest stored model, ready to predict: what ``read_model()`` returns."""
        return self.read_model()

    def read_model(self, *, plugins: Sequence[str] = ()) -> Any:
        """Returns the newest stored model as an object that computes without ebb.

        plugins: folders where the module of ``kind: python`` may lie. Absent, those
            with which the job was submitted or run by this object.

        For ``kind: python`` it is the module's own torch.nn.Module, in ``eval()``. The
        file must be the one that was submitted, and PyTorch is needed. For ebb's own
        kinds it is an ``ebb.Model``, which has ``predict()``.

        Raises Refused for the model of a program, whose class only the program has,
        and NotFound without PyTorch or the module's file.
        """
        state, about = self._export()
        if about["model"] == "program":
            raise Refused(
                f"{self.name}: the model is a program's, and only the program has its class",
                "job.state_dict() has its values; in the program ebb.torch.job(…) puts them into "
                "the model",
            )
        if about["model"] != "python":
            return Model(about, state)
        import ebb.torch.trained

        return ebb.torch.trained.model_of(self.name, about, state, plugins or self._plugins)

    def predict(self, x: Any, *, plugins: Sequence[str] = ()) -> Array:
        """Returns a prediction for each example: a class or a value.

        x: examples x features, as numbers of the data file (NaN: missing), for
            models of layers; or the path of a file with examples without labels,
            in the format of the training data, for all models.
        plugins: folders from which the model may be loaded, if it is a plugin or of
            ``kind: python``. Absent, those with which the job was submitted or run
            by this object.

        For models of tables ``x`` may be a frame of pandas. Its columns go by their
        names, if the training data had some. Others are left out, as its index is.
        """
        rows = self._rows_of(x, plugins)
        if rows is not None:
            return prediction.column([row[0] for row in rows])
        state, about = self._export()
        return prediction.predictions(about, state, x)

    def predict_proba(self, x: Any, *, plugins: Sequence[str] = ()) -> Array:
        """Returns the outputs, examples x outputs. Arguments are those of predict().

        For a file each class has its probability. For an array, the one output of a
        model of two classes is the probability of the second.
        """
        rows = self._rows_of(x, plugins)
        if rows is not None:
            return prediction.columns([row[1:] or row for row in rows])
        state, about = self._export()
        return prediction.outputs(about, state, x)

    def plot(self, axes: Any = None) -> Any:
        """Draws the history: see History.plot()."""
        return self.history.plot(axes)

    def __repr__(self) -> str:
        return f"<ebb.Job {self._name} ({self._number}) at {self._access.address}>"

    def _repr_html_(self) -> str:
        job = self._status_or_none()
        if job is None:
            return display.html_note(self._name, "the scheduler does not answer")
        return display.html(self._name, Progress.of_status(job), job["state"])

    # --- Asking ---------------------------------------------------------------

    def _target(self) -> str:
        """Returns the job's name for commands."""
        return str(self._number)

    def _access_flags(self) -> Sequence[str]:
        return self._access.flags(of_job=True)

    def _way_on(self) -> str:
        """Returns the request that makes a model the result."""
        return "let the loop end, or call wait()"

    def _arguments(self, words: Sequence[str], flags: Sequence[str]) -> List[str]:
        return [*words, self._target(), *flags, *self._access_flags()]

    def _ask(
        self,
        words: Sequence[str],
        flags: Sequence[str] = (),
        names: Sequence[Tuple[str, str]] = (),
    ) -> str:
        return command.call(
            self._arguments(words, flags),
            names=[*self._names(), *names],
            environment=self._access.environment(),
            patience_s=self._access.patience_s,
        )

    def _ask_json(
        self,
        words: Sequence[str],
        flags: Sequence[str] = (),
        answers: Sequence[int] = (0,),
    ) -> Any:
        return command.call_json(
            self._arguments(words, flags),
            answers=answers,
            names=self._names(),
            environment=self._access.environment(),
            patience_s=self._access.patience_s,
        )

    def _names(self) -> Sequence[Tuple[str, str]]:
        return ((re.escape(f"job {self._target()} at"), f"job {self._name} at"),)

    def _status_or_none(self) -> Optional[Dict[str, Any]]:
        try:
            return self.status()
        except Unavailable:
            return None

    def _check_goes_on(self, job: Mapping[str, Any]) -> None:
        if job["state"] == "cancelled":
            raise JobFailed(f"{self._name} is cancelled")
        if job["state"] == "paused" and not job["paused_by_operator"]:
            reasons = [reason["text"] for reason in self.explain()["reasons"]]
            raise JobFailed(
                f"{self._name} is paused and waits for a decision: "
                + ("; ".join(reasons) or "see ebb explain"),
                "job.resume() tries again, job.resume(skip=True) leaves the batch out",
            )

    def _export(self, **options: bool) -> Tuple[Tensors, Dict[str, Any]]:
        with tempfile.TemporaryDirectory(prefix="ebb-") as folder:
            path = self.checkpoint(os.path.join(folder, "m.safetensors"), **options)
            state, texts = tensors.load_with_metadata(path)
        return state, json.loads(texts.get("ebb.model", "{}"))

    def _rows_of(self, x: Any, plugins: Sequence[str]) -> Optional[List[List[str]]]:
        """The rows that ``ebb predict`` writes for a file, or for a frame of a model of
        tables; None: these are numbers that NumPy computes."""
        if isinstance(x, (str, os.PathLike)):
            return self._predicted(os.fspath(x), plugins)
        if not frames.is_frame(x):
            return None
        features = self._export()[1].get("features", {})
        if features.get("source") != "csv":
            return None
        with tempfile.TemporaryDirectory(prefix="ebb-") as folder:
            path = os.path.join(folder, "frame.csv")
            # Columns without names go by their places.
            frames.write_table(x, path, header="names" in features)
            return self._predicted(path, plugins, [(re.escape(path), "the frame")])

    def _predicted(
        self, path: str, plugins: Sequence[str], names: Sequence[Tuple[str, str]] = ()
    ) -> List[List[str]]:
        """The rows that ``ebb predict`` writes for the examples of a file."""
        environment = dict(self._access.environment() or os.environ)
        # A model of Python is computed by the interpreter of this process.
        environment.setdefault("EBB_PYTHON", sys.executable)
        text = command.call(
            ["predict", self._target(), path, "--incomplete", *self._access_flags()]
            + command.flags_of_plugins(plugins or self._plugins),
            names=[*self._names(), *names],
            environment=environment,
            patience_s=self._access.patience_s,
        )
        return list(csv.reader(text.splitlines()))[1:]


