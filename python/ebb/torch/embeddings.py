"""Embeddings whose rows are in sparse tables on the servers.

A key is any number of 64 bits. A row is made when its key comes, so a table has
no size. A batch brings the rows of its keys with it, as one matrix with a row
for each distinct key.
"""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union

import numpy as np
import torch
import torch.nn.functional as F

import ebb
from ebb.arrays import Array
from ebb.errors import ModelDiffers, Refused
from ebb.torch.contents import as_array
from ebb.torch.keys import Keys

#: Gives a module the rows for keys, and for each key the place of its row.
Source = Callable[["RowModule", Keys], Tuple[torch.Tensor, torch.Tensor]]


class RowModule(torch.nn.Module):
    """The parts that ``EmbeddingBag`` and ``Embedding`` have in common."""

    def __init__(
        self,
        table: str,
        dim: int,
        *,
        optimizer: Optional[Mapping[str, Any]] = None,
        init: Optional[Mapping[str, Any]] = None,
        admit: Union[int, Mapping[str, Any], None] = None,
        expire_after: Optional[int] = None,
        max_rows: Optional[int] = None,
        at_limit: str = "refuse",
        cache: Optional[Mapping[str, int]] = None,
        consistency: Any = None,
    ) -> None:
        super().__init__()
        if not isinstance(table, str) or not table:
            raise Refused("an embedding begins with the name of its table: a text")
        if not 1 <= dim <= 4096:
            raise Refused(f"{table}: dim={dim}; from 1 to 4096 are possible")
        self.table = table
        self.dim = dim
        #: The table's part of a job file.
        self.settings = _settings(
            optimizer, init, admit, expire_after, max_rows, at_limit, cache, consistency
        )
        #: Gives rows while a loop over a job is under way.
        self.source: Optional[Source] = None
        #: True if a loop over a job began, and the rows have not come back.
        self._on_servers = False
        self._keys: Optional[Array] = None  # Ascending.
        self._rows: Optional[torch.Tensor] = None
        # Gives this module its rows; None: it has them, or nothing does.
        self._fetch: Optional[Callable[[], None]] = None
        # Moves with the module.
        self._anchor = torch.empty(0)

    def extra_repr(self) -> str:
        return f"{self.table}, dim={self.dim}"

    @property
    def device(self) -> torch.device:
        """The device on which the module computes."""
        device: torch.device = self._anchor.device
        return device

    def _apply(self, fn: Any, *others: Any) -> Any:
        super()._apply(fn, *others)  # type: ignore[no-untyped-call, unused-ignore]
        self._anchor = fn(self._anchor)
        if self._rows is not None:
            self._rows = fn(self._rows)
        return self

    def __getstate__(self) -> Dict[str, Any]:
        self._come()
        return {**self.__dict__, "source": None}

    def _found(self, keys: Any) -> Tuple[torch.Tensor, torch.Tensor]:
        if not isinstance(keys, Keys):
            raise Refused(
                f"{self.table}(keys): it takes ebb.torch.Keys, not a {type(keys).__name__}",
                f'ebb.torch.Keys.of(lists, table="{self.table}") in collate_fn',
            )
        if keys.table != self.table:
            raise Refused(f"{self.table}(keys): these keys are of table {keys.table}")
        if self.source is not None:
            return self.source(self, keys)
        return self._own(keys)

    def attach(self, source: Source) -> None:
        """A loop begins: rows come from there, and no longer from this module."""
        self.source, self._on_servers = source, True
        self._keys = self._rows = self._fetch = None

    # --- Rows of its own ------------------------------------------------------

    @property
    def has_rows(self) -> bool:
        """True if rows were given to this module."""
        return self._fetch is not None or (self._keys is not None and len(self._keys) > 0)

    def come_later(self, fetch: Callable[[], None]) -> None:
        """``fetch`` sets the rows, and is called when they are first used."""
        self._fetch = fetch

    def _come(self) -> None:
        if self._fetch is not None:
            self._fetch()

    def set_rows(self, keys: Array, rows: Array) -> None:
        """Keeps rows under ascending keys, for use without a job."""
        if rows.ndim != 2 or rows.shape[1] != self.dim or len(rows) != len(keys):
            raise ModelDiffers(
                f"rows of {self.table} are {tuple(rows.shape)} for {len(keys)} keys; "
                f"dim is {self.dim}"
            )
        self._on_servers, self._fetch = False, None
        self._keys = keys
        self._rows = torch.from_numpy(np.ascontiguousarray(rows, np.float32)).to(self.device)

    def own_rows(self) -> Tuple[Array, Array]:
        """Returns its keys and rows, of which ``has_rows`` says that there are some."""
        self._come()
        assert self._keys is not None and self._rows is not None
        return self._keys, self._rows.detach().to("cpu", torch.float32).numpy()

    def _own(self, keys: Keys) -> Tuple[torch.Tensor, torch.Tensor]:
        """Without a job: a key without a row has zeros, which stand behind the rows."""
        self._come()
        if self._keys is None or self._rows is None:
            raise Refused(
                f"{self.table}(keys): the rows are on the servers",
                "use the model in the loop, or after it; or load a state_dict() of the job",
            )
        wanted = keys.keys
        places = np.searchsorted(self._keys, wanted)
        found = places < len(self._keys)
        found[found] = self._keys[places[found]] == wanted[found]
        used, places_of = np.unique(np.where(found, places, len(self._keys)), return_inverse=True)
        rows = torch.zeros((len(used), self.dim), device=self.device, dtype=self._rows.dtype)
        there = torch.from_numpy(used < len(self._keys)).to(self.device)
        rows[there] = self._rows[torch.from_numpy(used[used < len(self._keys)]).to(self.device)]
        return rows, torch.from_numpy(places_of.reshape(-1)).to(self.device)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(  # type: ignore[no-untyped-call, unused-ignore]
            destination, prefix, keep_vars
        )
        if self._on_servers:
            self._come()
        if self._on_servers:
            raise Refused(
                f"{self.table}: the rows are on the servers, and not in model.state_dict()",
                "job.state_dict() has them; or job.load() after the loop",
            )
        keys, rows = self._keys, self._rows
        if keys is None or rows is None:
            keys, rows = np.zeros(0, np.uint64), torch.zeros(0, self.dim)
        destination.update(state_of(self, prefix, keys, rows))

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, *others: Any
    ) -> None:
        keys, rows = (state_dict.get(name) for name in _names(prefix))
        super()._load_from_state_dict(  # type: ignore[no-untyped-call, unused-ignore]
            state_dict, prefix, *others
        )
        _, strict, missing, unexpected, _ = others
        unexpected[:] = [name for name in unexpected if name not in _names(prefix)]
        if strict:
            missing += [name for name in _names(prefix) if name not in state_dict]
        if keys is not None and rows is not None:
            self.set_rows(keys.cpu().numpy().view(np.uint64), rows.cpu().numpy())


class EmbeddingBag(RowModule):
    """The sum, or the mean, of the rows under the keys of each example.

    It is ``nn.EmbeddingBag``, but with ``ebb.torch.Keys`` and rows on the servers.

    - table: the name of the sparse table.
    - dim: values of a row.
    - mode: "sum" or "mean". An example without keys gets zeros.
    - optimizer: the rule for rows, such as ``ebb.Adagrad(0.05)``; None: the job's.
    - init: how rows begin, such as ``ebb.Zeros()``; None: ``ebb.Normal(0.01)``.
    - admit: a key gets its row at its n-th batch; None: at the first.
    - expire_after: a row vanishes after so many examples without its key.
    - max_rows: the most rows of the table; ``at_limit="evict"`` replaces old ones.
    - cache, consistency: as in a job file, under ``tables``.
    """

    def __init__(self, table: str, dim: int, *, mode: str = "sum", **settings: Any) -> None:
        super().__init__(table, dim, **settings)
        if mode not in ("sum", "mean"):
            raise Refused(f'{table}: mode={mode!r}; it is "sum" or "mean"')
        self.mode = mode

    def forward(self, keys: Keys) -> torch.Tensor:
        """Returns examples x dim."""
        rows, places = self._found(keys)
        made: torch.Tensor
        if len(places) == 0:  # A batch without any key.
            made = rows.new_zeros((len(keys), self.dim)) + rows.sum() * 0
            return made
        offsets = keys.offsets.to(places.device, places.dtype)
        made = F.embedding_bag(places, rows, offsets, mode=self.mode)
        return made


class Embedding(RowModule):
    """A row for each key.

    It is ``nn.Embedding``, but with ``ebb.torch.Keys`` and rows on the servers. The
    arguments are those of ``EmbeddingBag``.
    """

    def forward(self, keys: Keys) -> torch.Tensor:
        """Returns keys x dim, example after example."""
        rows, places = self._found(keys)
        made: torch.Tensor = F.embedding(places, rows)
        return made


def _names(prefix: str) -> Tuple[str, str]:
    return prefix + "keys", prefix + "rows"


def drawn(module: RowModule, keys: Keys) -> Tuple[torch.Tensor, torch.Tensor]:
    """Gives small rows that follow from their keys: for a look without servers."""
    used, places = np.unique(keys.keys, return_inverse=True)
    rows = [np.random.default_rng(int(key)).normal(0, 0.01, module.dim) for key in used]
    values = np.array(rows, np.float32).reshape(len(used), module.dim)
    return (
        torch.from_numpy(values).to(module.device).requires_grad_(),
        torch.from_numpy(places.reshape(-1)).to(module.device),
    )


def state_of(
    module: RowModule, prefix: str, keys: Array, rows: torch.Tensor
) -> Dict[str, torch.Tensor]:
    """Returns the module's part of a state_dict: its keys, int64, and their rows."""
    names = _names(prefix)
    return {
        names[0]: torch.from_numpy(keys.view(np.int64).copy()),
        names[1]: rows.detach().clone(),
    }


@contextlib.contextmanager
def rows_elsewhere(model: torch.nn.Module) -> Iterator[None]:
    """Lets ``model.state_dict()`` give no rows for those that are on the servers."""
    absent = [m for m in model.modules() if isinstance(m, RowModule) and m._on_servers]
    for module in absent:
        module._on_servers = False
    try:
        yield
    finally:
        for module in absent:
            module._on_servers = True


def initial_rows(
    model: torch.nn.Module, modules: Mapping[str, List[RowModule]], init: Optional[Mapping[str, Any]]
) -> Dict[str, Array]:
    """Returns the rows with which a job begins, in the names of an export.

    They are those of ``init``, or else of a module. A table may have none.
    Raises Refused for rows of another form.
    """
    made: Dict[str, Array] = {}
    for table, each in modules.items():
        found = _rows_of_init(model, table, each, init or {})
        if found is None:
            found = next((module.own_rows() for module in each if module.has_rows), None)
            state = [
                name
                for name in init or {}
                if name.startswith("slots/") and name.endswith(f"/{table}/rows")
            ]
            if found is not None and state:
                raise Refused(
                    f"init has {state[0]}, but not the rows of the table {table}, whose"
                    f" keys may be others in the model: give {table}/keys and {table}/rows,"
                    " too, or leave the state out"
                )
        if found is None or not len(found[0]):
            continue
        made[f"{table}/keys"], made[f"{table}/rows"] = found
    return made


def _rows_of_init(
    model: torch.nn.Module, table: str, modules: List[RowModule], init: Mapping[str, Any]
) -> Optional[Tuple[Array, Array]]:
    """Returns keys and rows of a table; None: the values have none."""
    names = {id(module): name for name, module in model.named_modules()}
    pairs = [(f"{table}/keys", f"{table}/rows")]
    pairs += [_names(f"{name}." if name else "") for name in map(names.get, map(id, modules))]
    for of_keys, of_rows in pairs:
        there = [name for name in (of_keys, of_rows) if name in init]
        if not there:
            continue
        if len(there) == 1:
            raise Refused(f"init: it has {there[0]} alone", f"give {of_keys} and {of_rows}, or none")
        keys = as_array(f"init: {of_keys}", init[of_keys])
        rows = as_array(f"init: {of_rows}", init[of_rows]).astype(np.float32, copy=False)
        if keys.ndim != 1 or keys.dtype not in (np.int64, np.uint64):
            raise Refused(
                f"init: {of_keys} is {keys.dtype} of the shape {keys.shape}; keys are one list of "
                "int64 or uint64"
            )
        if rows.shape != (len(keys), modules[0].dim):
            raise Refused(
                f"init: {of_rows} is {rows.shape} there, for {len(keys)} keys and "
                f"dim={modules[0].dim}"
            )
        return keys.view(np.uint64), rows
    return None


def modules_of(model: torch.nn.Module) -> Dict[str, List[RowModule]]:
    """Returns the embeddings of a model by table. Raises Refused."""
    found: Dict[str, List[RowModule]] = {}
    for module in model.modules():
        if not isinstance(module, RowModule):
            continue
        others = found.setdefault(module.table, [])
        others.append(module)
        first = others[0]
        if (first.dim, first.settings) != (module.dim, module.settings):
            raise Refused(
                f"two embeddings share the table {module.table}, with other settings",
                "give them the same settings, or tables of their own",
            )
    return {table: found[table] for table in sorted(found, key=str.encode)}


def tables_of(modules: Mapping[str, List[RowModule]]) -> Dict[str, Any]:
    """Returns the keys of a job file that the embeddings need."""
    return {
        "model": {
            "sparse_tables": {
                table: {"width": each[0].dim} for table, each in modules.items()
            }
        },
        "tables": {table: each[0].settings for table, each in modules.items()},
    }


def check_tables(job: str, modules: Mapping[str, List[RowModule]], theirs: Any) -> None:
    """Compares the embeddings with the sparse tables of a job. Raises ModelDiffers."""
    another = "another model. Another job: rerun=True, or another name"
    widths = {table.name: table.width for table in theirs}
    for table, each in modules.items():
        if table not in widths:
            raise ModelDiffers(f"{table} is no sparse table of job {job}: {another}")
        if widths[table] != each[0].dim:
            raise ModelDiffers(
                f"{table} has dim={each[0].dim} here, {widths[table]} in job {job}: {another}"
            )
    for table in widths:
        if table not in modules:
            raise ModelDiffers(
                f"job {job} has the sparse table {table}, which is not in this model: {another}"
            )


def _settings(
    optimizer: Optional[Mapping[str, Any]],
    init: Optional[Mapping[str, Any]],
    admit: Union[int, Mapping[str, Any], None],
    expire_after: Optional[int],
    max_rows: Optional[int],
    at_limit: str,
    cache: Optional[Mapping[str, int]],
    consistency: Any,
) -> Dict[str, Any]:
    if isinstance(admit, int):
        admit = None if admit <= 1 else {"kind": "count", "count": admit}
    settings = {
        "optimizer": dict(optimizer) if optimizer is not None else None,
        "init": dict(init if init is not None else ebb.Normal(0.01)),
        "admit": admit,
        "expire_after": expire_after,
        "max_rows": max_rows,
        "at_limit": at_limit if max_rows is not None else None,
        "cache": cache,
        "consistency": consistency,
    }
    return {key: value for key, value in settings.items() if value is not None}
