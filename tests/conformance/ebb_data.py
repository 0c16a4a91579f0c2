"""Reads what a job computes from: the order of its examples, their hashes, its
data and a linear model. Nothing here speaks to a cluster.

docs/data-order.md specifies the order and the hashes, and
docs/formats/data-index.md the index.
"""
from __future__ import annotations

import os
import struct
from typing import Sequence, Tuple

import numpy as np
import xxhash

from ebb.v1 import common_pb2, job_pb2, specification_pb2

ORDER_VERSION = 2
FORMAT = 7  # The newest of specifications that is understood here.
Plan = common_pb2.Plan
Item = Tuple[int, int]  # Epoch, shard. Items are worked on in this order.


class Refused(Exception):
    """The client cannot work on this job."""


# --- Hashes ------------------------------------------------------------------

def mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
    return x ^ (x >> np.uint64(31))


def append(hashes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Arrays of uint64, so that all arithmetic is modulo 2^64."""
    return mix(hashes + (values + np.uint64(1)) *
               np.uint64(0x9e3779b97f4a7c15))


def hash_of(*values: int) -> np.ndarray:
    """The hash of a sequence of numbers, as an array of one."""
    hashes = np.zeros(1, np.uint64)
    for value in values:
        hashes = append(hashes, np.array([value % 2**64], np.uint64))
    return hashes


def example_hashes(item: Item, begin: int, end: int) -> np.ndarray:
    """The names of the examples at the positions [begin, end) of an item."""
    return append(hash_of(*item), np.arange(begin, end, dtype=np.uint64))


def ledger_row(item: Item, begin: int, end: int) -> common_pb2.LedgerRow:
    hashes = example_hashes(item, begin, end)
    return common_pb2.LedgerRow(count=end - begin, hash=int(hashes.sum()))


def oracle_sums(plan: Plan, item: Item, begin: int, end: int) -> np.ndarray:
    """Returns what examples add to the integer table, by partition."""
    hashes = example_hashes(item, begin, end)
    index = np.arange(plan.partitions * plan.oracle_width, dtype=np.uint64)
    sums = append(hashes[:, None], index[None, :]).sum(axis=0, dtype=np.uint64)
    return sums.reshape(plan.partitions, plan.oracle_width)


# --- The grid ----------------------------------------------------------------

class Grid:
    """Items, batches, rounds and partitions of a plan (common.proto)."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.shards = -(-plan.examples // max(1, plan.shard_size))

    def size(self, item: Item) -> int:
        plan = self.plan
        return min(plan.shard_size, plan.examples - item[1] * plan.shard_size)

    def batch_end(self, item: Item, begin: int) -> int:
        sizes = self.plan.batch_by_epoch
        batch = sizes[min(item[0], len(sizes) - 1)]
        return min(begin + batch, self.size(item))

    def round_of(self, item: Item) -> int:
        """-1: the job has no rounds."""
        consistency = self.plan.consistency
        if consistency.kind != Plan.Consistency.KIND_ROUNDS:
            return -1
        per_epoch = -(-self.shards // consistency.round_items)
        return item[0] * per_epoch + item[1] // consistency.round_items

    def parameters(self, partition: int) -> slice:
        """The partition's part of the vector of all dense parameters."""
        plan = self.plan
        piece = plan.cut_floats or plan.block_floats
        pieces = -(-plan.parameters // piece)
        first = pieces * partition // plan.partitions * piece
        last = pieces * (partition + 1) // plan.partitions * piece
        return slice(min(first, plan.parameters), min(last, plan.parameters))

    def examples(self, item: Item, begin: int, end: int) -> np.ndarray:
        """The numbers of the examples at positions [begin, end) of an item:
        a permutation of all examples, of which each item has a part."""
        n, first = self.plan.examples, item[1] * self.plan.shard_size
        half = 1
        while 4**half < n:
            half += 1
        mask, shift = np.uint64(2**half - 1), np.uint64(half)
        key = hash_of(ORDER_VERSION, self.plan.seed, item[0], n)
        keys = [append(key, np.array([i], np.uint64)) for i in range(8)]
        x = np.arange(first + begin, first + end, dtype=np.uint64)
        outside = np.ones(len(x), bool)
        while outside.any():
            left, right = x[outside] >> shift, x[outside] & mask
            for one in keys:
                left, right = right, left ^ (append(one, right) & mask)
            x[outside] = (left << shift) | right
            outside = x >= n
        return x.astype(np.int64)

    def layout_hash(self, index_hash: int) -> int:
        """Returns the hash of Plan.layout_hash."""
        plan = self.plan
        return int(hash_of(index_hash, ORDER_VERSION, plan.seed, plan.epochs,
                           plan.examples, plan.shard_size,
                           *plan.batch_by_epoch)[0])


# --- The data ----------------------------------------------------------------

class DataIndex:
    """Describes what the data was when the job was submitted: a data index, as
    far as plain tables of numbers need it."""

    LABELS = 2  # The one tag of a section that is understood here.

    def __init__(self, encoded: bytes) -> None:
        if encoded[:8] != b"EBBINDEX" or xxhash.xxh64_intdigest(
                encoded[:-8]) != struct.unpack("<Q", encoded[-8:])[0]:
            raise Refused("the data index is damaged")
        self.hash = xxhash.xxh64_intdigest(encoded)
        self._bytes, self._at = encoded[:-8], 8
        version, _ = self._int(), self._int()
        self._take(self._int())  # The meaning, in words.
        self.files = [(self._int(), self._int() << 64 | self._int())
                      for _ in range(self._int())]
        self.examples, self.features = self._int(), self._int()
        self.classes = self._reals(self._int())
        moments = self._int()
        self.means = self._reals(moments)
        self.deviations = self._reals(moments)
        # Mean and unit of labels that are numbers.
        self.label_mean, self.label_unit = 0.0, 1.0
        while version == 3 and self._at < len(self._bytes):
            tag = self._int()
            if tag != self.LABELS or self._int() != 16:
                raise Refused(f"section {tag} of the data index: not a plain "
                              "table of numbers")
            mean, deviation = self._reals(2)
            self.label_mean, self.label_unit = mean, deviation or 1.0
        if self._at != len(self._bytes) or version not in (1, 3):
            raise Refused(f"version {version} of the data index")

    def _take(self, size: int) -> bytes:
        self._at += size
        return self._bytes[self._at - size:self._at]

    def _int(self) -> int:
        return struct.unpack("<Q", self._take(8))[0]

    def _reals(self, count: int) -> np.ndarray:
        return np.frombuffer(self._take(8 * count), "<f8")


class Table:
    """The training data of a job: a CSV file of numbers without a header,
    with the label in the last column."""

    def __init__(self, job: job_pb2.Job, index: DataIndex,
                 folder: str = "") -> None:
        data = job.data
        csv = data.train.csv
        plain = (data.train.HasField("csv") and csv.HasField("header")
                 and not csv.header and not data.HasField("split")
                 and not csv.HasField("label") and not csv.ignore
                 and data.on_bad_example != job_pb2.Data.BAD_EXAMPLE_SKIP
                 and data.train.scale in (0, 1) and not data.train.comment)
        if not plain or len(csv.path) != 1 or len(index.files) != 1:
            raise Refused("the data is not one plain table without a header")
        with open(os.path.join(folder, csv.path[0]), "rb") as file:
            text = file.read()
        if (len(text), xxhash.xxh3_128_intdigest(text)) != index.files[0]:
            raise Refused(f"{csv.path[0]} is not what was submitted")
        try:
            rows = np.array([line.split(b",") for line in text.splitlines()],
                            np.float32)
        except ValueError as error:
            raise Refused(f"{csv.path[0]}: {error}") from None
        x, labels = rows[:, :-1].astype(np.float64), rows[:, -1]
        if data.standardise:
            unit = np.where(index.deviations == 0, np.inf, index.deviations)
            x = (x - index.means) / unit
        self.x = x.astype(np.float32)
        self.loss_unit = 1.0  # A loss of 1 in the labels' own units.
        if len(index.classes):
            self.y = np.searchsorted(index.classes, labels).astype(np.float64)
        elif data.standardise_labels:
            self.y = (labels - index.label_mean) / index.label_unit
            self.loss_unit = index.label_unit**2
        else:
            self.y = labels.astype(np.float64)


# --- The model ---------------------------------------------------------------

class LinearModel:
    """`linear` and `logistic`: tables "weights" and "bias", one output."""

    def __init__(self, specification: specification_pb2.Specification) -> None:
        job = specification.job
        names = [table.name for table in specification.tables]
        if job.model.kind not in ("linear", "logistic") or \
                names != ["weights", "bias"]:
            raise Refused(f"model {job.model.kind}: linear and logistic only")
        if job.train.HasField("clip_norm"):
            raise Refused("train.clip_norm: the worker would have to clip")
        self.logistic = job.model.kind == "logistic"
        self.l2 = job.model.l2

    def gradient(self, parameters: np.ndarray, x: np.ndarray,
                 y: np.ndarray) -> Tuple[np.ndarray, float]:
        """Returns sums over the examples: the gradient with l2, and the loss
        without."""
        weights, bias = parameters[:-1].astype(np.float64), parameters[-1]
        scores = x @ weights + bias
        if self.logistic:
            loss = np.logaddexp(0, scores) - y * scores
            slope = 1 / (1 + np.exp(-scores)) - y
        else:
            loss = (scores - y)**2 / 2
            slope = scores - y
        gradient = np.append(slope @ x + len(y) * self.l2 * weights,
                             slope.sum())
        return gradient.astype(np.float32), float(loss.sum())


class Training:
    """A job's mathematics: sums over batches, named by item and positions."""

    def __init__(self, record: common_pb2.JobRecord, folder: str = "") -> None:
        plan = record.plan
        specification = specification_pb2.Specification.FromString(
            record.specification)
        algorithm = plan.algorithm
        if specification.format > FORMAT:
            raise Refused(f"format {specification.format} of a job")
        if plan.sparse_tables or specification.algorithm_adds or (
                plan.HasField("algorithm") and
                (algorithm.push_batches != 1 or algorithm.pull_batches != 1 or
                 algorithm.pulls_to_push or algorithm.worker_vectors or
                 algorithm.operated)):
            raise Refused("sparse tables and algorithms are not known here")
        self.grid = Grid(plan)
        index = DataIndex(specification.train_index)
        # The same data in another order would be other examples.
        if self.grid.layout_hash(index.hash) != plan.layout_hash:
            raise Refused("the job has another order of examples")
        self.model = LinearModel(specification)
        self.table = Table(specification.job, index, folder)
        if len(self.table.x) != plan.examples:
            raise Refused(f"{len(self.table.x)} examples, and the job has "
                          f"{plan.examples}")

    def compute(self, parameters: np.ndarray, item: Item, begin: int,
                end: int) -> Tuple[np.ndarray, float]:
        """Returns the sums of gradient and loss over the examples."""
        chosen = self.grid.examples(item, begin, end)
        gradient, loss = self.model.gradient(
            parameters, self.table.x[chosen], self.table.y[chosen])
        return gradient, loss * self.table.loss_unit


def joined(parts: Sequence[bytes]) -> np.ndarray:
    """One vector of the float32 values of all partitions, in their order."""
    return np.frombuffer(b"".join(parts), "<f4")
