"""A mock of an engine whose job has sparse tables, for tests of embeddings.

Rows step by SGD, begin at zeros, and are pulled for the keys that were told.
"""

import numpy as np
import torch
import torch_mock

import ebb
import ebb.torch
from ebb.batches import Wanted
from ebb.rows import Rows, RowTable, as_keys
from ebb.torch import submission
from ebb.torch.job import TorchJob


class Cluster(torch_mock.Cluster):
    def __init__(self, initial, row_tables, **options):
        super().__init__(initial, **options)
        self.row_tables = row_tables
        self.rows = {table.name: {} for table in row_tables}
        self.wanted, self.unreadable, self.looked_up = [], [], 0
        self.lose_look_up = False

    def join(self, ahead: int = 0):
        return Engine(self)

    def row(self, table, key):
        found = self.rows[table.name].get(key)
        return np.zeros(table.width, np.float32) if found is None else found


class Engine(torch_mock.Engine):
    def __init__(self, cluster):
        super().__init__(cluster)
        self.row_tables = cluster.row_tables
        self.told = {}

    def next(self, timeout=None):
        todo = self.cluster.todo
        due = len(self.cluster.pushed) in self.cluster.evaluate_after
        if todo and not due and self._key(todo[0]) not in self.told:
            self._pull()
            self.cluster.wanted.append(self._key(todo[0]))
            return Wanted(*todo[0])
        out = super().next(timeout)
        if isinstance(out, torch_mock.Batch):
            out = RowBatch(*out)
            out.rows = self._rows(self.told.pop(self._key(out)))
            self.out = out
        return out

    def ahead(self, most=6):
        return list(self.cluster.todo)[:most]

    def tell(self, place, keys):
        self.told[self._key(place)] = {name: as_keys(keys[name], name) for name in keys}

    def unreadable(self, place, why):
        self.cluster.unreadable.append(why)

    def look_up(self, evaluation, keys):
        self.cluster.looked_up += 1
        if self.cluster.lose_look_up:
            raise ebb.EvaluationLost("lost")
        return self._rows({name: as_keys(keys[name], name) for name in keys})

    def push(self, batch, loss_sum, wait=True, factor=1.0):
        rows = batch.rows
        if not all(np.isfinite(one.sums).all() for one in rows.values()):
            self.sums[:] = np.nan
        super().push(batch, loss_sum, factor=factor)
        for table in self.row_tables:
            for key, row in self._distinct(rows[table.name].keys):
                step = np.float32(self.cluster.rate) * rows[table.name].sums[row]
                before = self.cluster.row(table, key)
                self.cluster.rows[table.name][key] = before - step / np.float32(
                    len(batch.examples)
                )

    def again(self, batch):
        super().again(batch)
        for rows in batch.rows.values():
            rows.sums[:] = 0

    def evaluated(self, evaluation, **answer):
        super().evaluated(evaluation, **answer)

    @staticmethod
    def _key(place):
        return (place.epoch, place.shard, place.begin, place.end)

    @staticmethod
    def _distinct(keys):
        return [(int(key), row) for row, key in enumerate(np.unique(keys))]

    def _rows(self, told):
        made = {}
        for table in self.row_tables:
            keys = told.get(table.name, np.zeros(0, np.uint64))
            distinct, places = np.unique(keys, return_inverse=True)
            values = np.array(
                [self.cluster.row(table, int(key)) for key in distinct], np.float32
            ).reshape(len(distinct), table.width)
            rows = KeyedRows(places.astype(np.int32), values, np.zeros_like(values))
            rows.keys = keys
            made[table.name] = rows
        return made


class KeyedRows(Rows):
    keys = None


class RowBatch(torch_mock.Batch):
    rows = None


def job(model, dataset, *, optimizer=None, epochs=1, batch=8, evaluate_after=(), **options):
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1)
    parts, description, _ = submission.prepared(
        "job", model, dataset, optimizer=optimizer, epochs=epochs, batch=batch, **options
    )
    tables = [RowTable(name, each[0].dim) for name, each in parts.embeddings.items()]
    cluster = Cluster(
        description.initial(), tables,
        examples=len(dataset), epochs=epochs, batch=batch, seed=options.get("seed", 1),
        rate=parts.rule.settings["rate"], fingerprint=str(parts.fingerprint),
        evaluate_after=evaluate_after,
    )
    return TorchJob(parts, cluster.join, cluster.remote), cluster, description


def plain(model, optimizer, dataset, collate, loss_of, *, epochs, batch, seed=1):
    for place in torch_mock.places(seed, epochs, len(dataset), batch):
        optimizer.zero_grad()
        loss_of(model, collate([dataset[int(i)] for i in place.examples])).backward()
        optimizer.step()
