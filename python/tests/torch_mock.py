"""A mock of the engine and of the cluster behind it, for tests of ebb.torch.

The mock has one job, and steps by SGD with momentum as the servers do in
rounds of one batch: each batch sees the values that the last one made.
"""

import collections
import dataclasses
import mmap

import numpy as np
import torch
import torch_models

import ebb
import ebb.torch
from ebb.torch import submission
from ebb.torch.job import TorchJob

Table = collections.namedtuple("Table", "name shape offset")
Place = collections.namedtuple("Place", "epoch shard begin end examples")
Batch = collections.namedtuple(
    "Batch", "ticket epoch shard begin end examples epochs rate_factor goes_on ends_run"
)
Evaluation = collections.namedtuple("Evaluation", "ticket")


def order(seed, epoch, count):
    return np.random.default_rng([seed, epoch]).permutation(count)


def places(seed, epochs, count, batch, shard=None):
    """Yields the places of all batches, in shards of so many examples."""
    shard = shard or count
    for epoch in range(epochs):
        numbers = order(seed, epoch, count)
        for number, first in enumerate(range(0, count, shard)):
            part = numbers[first : first + shard]
            for begin in range(0, len(part), batch):
                end = min(begin + batch, len(part))
                yield Place(epoch, number, begin, end, part[begin:end])


class Remote:
    """The cluster's knowledge of a job."""

    def __init__(self, name, values):
        self.name = name
        self.state = "running"
        self.values = values
        self.asked_for_rows = []
        self.about = {"name": name, "epochs": 1}

    def status(self):
        return self.about

    def wait(self, progress=None):
        if self.state == "cancelled":
            raise ebb.JobFailed(f"{self.name} is cancelled")

    def state_dict(self, version="newest", rows=True):
        self.asked_for_rows.append(rows)
        return {name: value.copy() for name, value in self.values.items()}


class Cluster:
    """A job at which one program at a time works."""

    def __init__(self, initial, *, examples, epochs, batch, seed=1, shard=None,
                 rate=0.05, momentum=0.0, fingerprint="", evaluate_after=(), by_batch=False):
        self.values = {name: value.copy() for name, value in initial.items()}
        self.velocity = {name: np.zeros_like(value) for name, value in initial.items()}
        self.plan = dict(examples=examples, epochs=epochs, batch=batch, seed=seed)
        self.rate_factor = 1.0
        self.steps = None  # Batches of a run, where the program steps by itself.
        self.rate, self.momentum, self.fingerprint = rate, momentum, fingerprint
        self.todo = collections.deque(places(seed, epochs, examples, batch, shard))
        self.batches = len(self.todo)
        self.shares = {}  # By averaged table.
        self.rates = {}  # By table that has its own.
        self.evaluate_after = set(evaluate_after)
        self.by_batch = by_batch  # Sums are divided by the size of a whole batch.
        self.pushed, self.failed, self.losses, self.evaluated = [], [], [], []
        self.waited = []  # For the verdict on sums, by push.
        self.factors = []  # The factor of the sums, by push.
        self.left = 0
        self.again = 0
        self.jump = None  # Called with the deque of places before each batch.
        self.shard_size = shard or examples
        self.remote = Remote("job", self.values)
        self.remote.about["epochs"] = epochs

    def join(self, ahead=0):
        return Engine(self)


class Engine:
    def __init__(self, cluster):
        self.cluster = cluster
        self.name, self.number = "mock-1", 1
        self.fingerprint = cluster.fingerprint
        for key, value in cluster.plan.items():
            setattr(self, key, value)
        self.tables, offset = [], 0
        for name in sorted(cluster.values, key=str.encode):
            value = cluster.values[name]
            self.tables.append(Table(name, value.shape or (1,), offset))
            offset += value.size
        self.halves = 2
        self.memory = mmap.mmap(-1, self.halves * 8 * offset)
        self._parts = np.frombuffer(self.memory, np.float32).reshape(self.halves, 2, offset)
        self._use(0)
        self.ticket = 0
        self.out = None
        self.run = []  # The batches that the program stepped for since it began.
        self.ended = None
        self.batches = cluster.batches
        self.divides_by_batch, self.shard_size = cluster.by_batch, cluster.shard_size

    def _use(self, half):
        self.half = half
        self.values, self.sums = self._parts[half]

    def next(self, timeout=None):
        assert self.out is None
        self._use(1 - self.half)  # Each batch has the other half.
        self._pull()
        handed_in = len(self.cluster.pushed) + len(self.run)
        if handed_in in self.cluster.evaluate_after:
            self.cluster.evaluate_after.discard(handed_in)
            return Evaluation(0)
        if self.cluster.jump:
            self.cluster.jump(self.cluster.todo)
        if not self.cluster.todo:
            if self.cluster.remote.state == "running":
                self.cluster.remote.state = "complete"
            self.ended = self.cluster.remote.state
            return None
        place = self.cluster.todo.popleft()
        self.ticket += 1
        epochs = self.cluster.plan["epochs"]
        todo = self.cluster.todo
        follows = (place.epoch, place.shard, place.end)
        rest = bool(todo) and (todo[0].epoch, todo[0].shard, todo[0].begin) == follows
        ends = self.cluster.steps is not None and (
            len(self.run) + 1 == self.cluster.steps or not rest
        )
        factor = self.cluster.rate_factor
        self.out = Batch(self.ticket, *place, epochs, factor, bool(self.run), ends)
        self.sums[:] = 0
        return self.out

    def ahead(self):
        return list(self.cluster.todo)[:6]

    def push(self, batch, loss_sum=None, wait=True, factor=1.0):
        assert batch is self.out
        self.cluster.factors.append(factor)
        self.sums *= np.float32(factor)
        self.out = None
        self.cluster.waited.append(wait)
        if not ((loss_sum is None or np.isfinite(loss_sum)) and np.isfinite(self.sums).all()):
            self.cluster.failed.append("not finite")
            raise ebb.NonFinite("a gradient or the loss is not finite")
        if self.cluster.steps is not None:
            self._step_of_run(batch)
            return
        self.cluster.pushed.append(tuple(batch[1:5]))
        self.cluster.losses.append(None if loss_sum is None else loss_sum / len(batch.examples))
        size = self.batch if self.cluster.by_batch else len(batch.examples)
        for table in self.tables:
            value = self.cluster.values[table.name]
            flat = self.sums[table.offset : table.offset + value.size]
            if table.name in self.cluster.shares:
                mean = flat.reshape(value.shape) / np.float32(len(batch.examples))
                value += np.float32(self.cluster.shares[table.name]) * (mean - value)
                continue
            gradient = flat.reshape(value.shape) / np.float32(size)
            velocity = self.cluster.velocity[table.name]
            velocity *= np.float32(self.cluster.momentum)
            rate = self.cluster.rates.get(table.name, self.cluster.rate)
            velocity -= np.float32(rate) * gradient
            value += velocity

    def _step_of_run(self, batch):
        self.run.append(batch)
        self.cluster.pushed += [tuple(one[1:5]) for one in self.run]
        examples = sum(len(one.examples) for one in self.run)
        self.run = []
        for table in self.tables:
            value = self.cluster.values[table.name]
            way = self.sums[table.offset : table.offset + value.size].reshape(value.shape)
            value -= way / np.float32(examples)

    def stepped(self, batch, loss_sum=None, *, not_finite=""):
        assert batch is self.out
        assert not_finite or not batch.ends_run
        self.out = None
        if not_finite:
            self._drop_run()
            self.cluster.failed.append(not_finite)
            raise ebb.NonFinite(not_finite)
        self.run.append(batch)

    def _drop_run(self):
        """Does not bring back the batch that is out."""
        self.cluster.todo.extendleft(Place(*one[1:6]) for one in reversed(self.run))
        self.run = []

    def fail(self, batch, why):
        assert batch is self.out
        self.out = None
        self._drop_run()
        self.cluster.failed.append(why)

    def again(self, batch):
        assert batch is self.out
        self.cluster.again += 1
        self.sums[:] = 0

    def evaluated(self, evaluation, **answer):
        self.cluster.evaluated.append(answer)

    def leave(self):
        self.cluster.left += 1
        if self.out is not None:
            self.cluster.todo.appendleft(Place(*self.out[1:6]))
            self.out = None
        self._drop_run()

    def _pull(self):
        for table in self.tables:
            value = self.cluster.values[table.name]
            self.values[table.offset : table.offset + value.size] = value.ravel()


def job(model, dataset, *, optimizer=None, epochs=1, batch=8, cluster=None, initial=None,
        shard=None, evaluate_after=(), joins=False, by_batch=False, **options):
    """Returns a job and the mock cluster that it is on; with a cluster, it joins that.

    joins: as ebb.torch.join() does, whose epochs and batch are the job's.
    by_batch: a push is a step, as without rounds.
    """
    optimizer = optimizer or torch_models.sgd(model)
    if joins:
        epochs = batch = None
    parts, description, _ = submission.prepared(
        "job", model, dataset, optimizer=optimizer, epochs=epochs, batch=batch, **options
    )
    there = cluster is not None
    if not there:
        cluster = Cluster(
            initial or description.initial(),
            examples=len(dataset), epochs=epochs, batch=batch, seed=options.get("seed", 1),
            shard=shard, rate=parts.rule.settings.get("rate", 0.0),
            momentum=parts.rule.settings.get("momentum", 0.0),
            fingerprint=str(parts.fingerprint), evaluate_after=evaluate_after,
            by_batch=by_batch,
        )
        cluster.shares = {name: one.share for name, one in parts.buffers.averaged.items()}
        if parts.local is not None:
            cluster.steps = parts.local.steps
        cluster.rates = {name: rule["rate"] for name, rule in parts.rule.tables.items()}
    if joins:
        parts.fingerprint = dataclasses.replace(parts.fingerprint, whole=False)
    made = TorchJob(parts, cluster.join, cluster.remote)
    if there:
        made._compare()
    return made, cluster


def one(examples=None, **options):
    """Returns a model, a job and its cluster, with what is usual."""
    model = options.pop("model", None) or torch_models.Net()
    options.setdefault("optimizer", torch_models.sgd(model))
    return (model, *job(model, examples or torch_models.Data(), **options))


def plain(
    model, optimizer, dataset, loss_of, *, epochs, batch, seed=1, shard=None,
    collate=torch.utils.data.default_collate
):  # fmt: skip
    """The plain loop over the same batches."""
    for place in places(seed, epochs, len(dataset), batch, shard):
        made = collate([dataset[int(i)] for i in place.examples])
        optimizer.zero_grad()
        loss_of(model, made).backward()
        optimizer.step()


def both(
    options, *, rule=None, dataset=None, loss=torch_models.loss_of, make=torch_models.Net, batch=8,
    **others
):  # fmt: skip
    """Trains by the plain loop and by ours; returns both models, cluster and loader."""
    dataset = dataset or torch_models.Data()
    a, b = make(), make()
    collate = options.get("collate_fn", torch.utils.data.default_collate)
    plain(
        a, torch_models.sgd(a, **(rule or {})), dataset, loss, epochs=2, batch=batch, collate=collate
    )
    made, cluster = job(
        b, dataset, optimizer=torch_models.sgd(b, **(rule or {})), epochs=2, batch=batch, **others
    )
    loader, _ = torch_models.work(made, loss, **options)
    return a, b, cluster, loader


__all__ = ["Cluster", "Engine", "both", "job", "one", "plain", "places"]
