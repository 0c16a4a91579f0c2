"""The common part of both models: workers, messages, faults and skips.

A worker begins a run at min(sent) of its item, makes its batches one by one, and
pushes it to the partitions whose `sent` is there. A partition judges a push by its
mark. asp.py and rounds.py say what a partition has, what may be leased and pulled,
and what a push must be. README.md has the invariants, plants.py the weaker rules.
"""

import dataclasses
from functools import partial
from typing import NamedTuple

from blame import Blame
from explore import Violation
import plants


@dataclasses.dataclass(frozen=True)
class Bounds:
    """How large a model is, and which faults it has."""
    partitions: int = 1
    workers: int = 2
    # By item, the examples of its batches.
    items: tuple[tuple[int, ...], ...] = ((2, 2, 1),)
    period: int = 2  # asp: batches of a whole run.
    round_items: int = 1  # Rounds: items of each but the last.
    poison: int = -1  # The batch of item 0 that kills its worker.
    luck: bool = False  # The poisonous batch can be computed, too.
    # asp: a worker pulls beside its own push, and not after its answer.
    beside: bool = False
    deaths: int = 0
    notices: int = 0
    crashes: int = 0  # A partition comes back with what was stored.
    losses: int = 0  # A stream breaks.


class Push(NamedTuple):
    """A push to one partition, and what is really in it."""
    partition: int
    term: int
    item: int
    begin: int
    end: int
    skip: bool = False
    computed: tuple[int, int] = (0, 0)  # The batches that are in it.
    weight: int = 0  # The number of examples that it counts for.
    moments: bool = False  # It depends on moments that another run left.
    twice: bool = False  # It has the way of the run before it once more.
    values: tuple = ()  # Rounds: from which it was computed, by partition.


#: The verdicts of a Reply, by number. MOVED: the push was of another term.
VERDICTS = ("applied", "duplicate", "gap", "overlap", "moved", "not open")
APPLIED, DUPLICATE, GAP, OVERLAP, MOVED, NOT_OPEN = range(len(VERDICTS))


class Reply(NamedTuple):
    verdict: int
    mark: int
    term: int


class Run(NamedTuple):
    begin: int
    at: int  # The batch in work.
    end: int
    moments: bool = False  # This and the next are for its Push.
    twice: bool = False
    values: tuple = ()


class Own(NamedTuple):
    """The last run that was pushed to a partition, while it may count there."""
    begin: int
    end: int
    term: int


class Worker(NamedTuple):
    """A worker. Its tuples are by partition, and () is nothing."""
    item: int = -1  # -1: it has none, and the rest means nothing.
    fences: int = 0  # So many skips had been wanted before its lease.
    careful: bool = False
    terms: tuple[int, ...] = ()
    sent: tuple[int, ...] = ()
    mark: tuple[int, ...] = ()
    out: tuple = ()  # A Push on its way, or its Reply.
    pulled: tuple = ()
    own: tuple = ()
    run: tuple = ()
    leaving: bool = False
    # Its machine has moments of a run that did not end. The right rule has no
    # use for them, so only a plant sets it.
    moments: bool = False


class State(NamedTuple):
    parts: tuple  # Partitions, which have a `term`.
    workers: tuple[Worker, ...]
    late: tuple[Push, ...]  # Pushes on their way whose answers go nowhere.
    blame: Blame
    # How many faults there may still be.
    deaths: int
    notices: int
    crashes: int
    losses: int


def put(values, at, value):
    return values[:at] + (value,) + values[at + 1:]


class Runs:
    """A model for explore.py. Both kinds of consistency derive from it."""

    def __init__(self, bounds, plant=""):
        plants.check(plant)
        self.bounds = bounds
        self.plant = plant
        self.places = range(bounds.partitions)

    # --- What a consistency says -----------------------------------------------

    def first_part(self):
        raise NotImplementedError

    def marks(self, state, item):
        """The marks of the item, by partition."""
        raise NotImplementedError

    def open_items(self, state):
        raise NotImplementedError

    def may_pull(self, state, worker, p):
        raise NotImplementedError

    def read(self, state, worker, p):
        """Returns what a pull brings of the values of `p`."""
        raise NotImplementedError

    def run_from(self, worker, begin, end):
        """The Run that begins with what was pulled."""
        raise NotImplementedError

    def planned_end(self, item, begin):
        """Returns where a run ends that begins there and meets no skip."""
        raise NotImplementedError

    def keeps_part(self):
        """Returns whether a worker that leaves pushes the part that it has."""
        raise NotImplementedError

    def is_over(self, state, worker):
        """Returns whether the scheduler takes the item from the worker."""
        raise NotImplementedError

    def judge(self, state, push):
        """Returns the state and the Reply."""
        raise NotImplementedError

    def stored(self, part):
        """The partition as it comes back after a crash, but for its term."""
        raise NotImplementedError

    def store(self, part):
        raise NotImplementedError

    # --- explore.py ------------------------------------------------------------

    def initial(self):
        b = self.bounds
        return State((self.first_part(),) * b.partitions,
                     (Worker(),) * b.workers, (), Blame(), b.deaths, b.notices,
                     b.crashes, b.losses)

    def done(self, state):
        return not self.open_items(state)

    def actions(self, state):
        for number, worker in enumerate(state.workers):
            if number and worker == state.workers[number - 1]:
                continue  # The same again.
            name = f"worker {number}"
            of = self.held if worker.item >= 0 else self.free
            for label, fault, act in of(state, worker):
                yield f"{name} {label}", fault, partial(self.after, act, state,
                                                        number)
        for push in sorted(set(state.late)):
            yield (f"a late push {push.begin}..{push.end} of item {push.item} "
                   f"arrives at {push.partition}", True,
                   partial(self.after, self.arrive, state, push))
        for p in self.places if state.crashes else ():
            if self.store(state.parts[p]) != state.parts[p]:
                yield (f"partition {p} is stored", False,
                       partial(self.after, self.change, state, p, self.store))
            yield (f"partition {p} crashes", True,
                   partial(self.after, self.crash, state, p))
        if state.blame.wanted:
            yield ("the scheduler settles the skip", False,
                   partial(self.after, self.settle, state))

    @staticmethod
    def after(act, *arguments):
        """Workers are alike: states that differ in their order are one."""
        state = act(*arguments)
        return state._replace(workers=tuple(sorted(state.workers)),
                              late=tuple(sorted(state.late)))

    # --- What a worker can do --------------------------------------------------

    def free(self, state, worker):
        del worker
        if not state.blame.wanted:
            for item in self.open_items(state):
                yield f"leases item {item}", False, partial(self.lease, item=item)

    def held(self, state, worker):
        for p in self.places:
            yield from self.with_partition(state, worker, p)
        if worker.run:
            if self.may_compute(worker):
                yield from self.batch(worker)
        elif not worker.leaving and min(worker.sent) < self.size(worker.item):
            if self.skips(state, worker):
                if self.due_are_free(worker, min(worker.sent)):
                    yield "pushes the skip", False, self.push_skip
            elif all(worker.pulled):
                yield "begins a run", False, self.begin
        if self.is_over(state, worker):
            yield "loses the item", False, self.leave
        idle = not worker.run and not any(worker.out)
        if idle and (worker.leaving
                     or min(worker.mark) == self.size(worker.item)):
            yield "gives the item back", False, self.give_back
        if state.deaths:
            yield "dies", True, self.die
        if state.notices and not worker.leaving:
            yield "gets notice", True, self.notice

    def with_partition(self, state, worker, p):
        out = worker.out[p]
        if worker.terms[p] != state.parts[p].term:
            yield f"learns the term of {p}", False, partial(self.learn, p=p)
        if isinstance(out, Push):
            yield (f"is judged by {p}: {out.begin}..{out.end} of item {out.item}",
                   False, partial(self.judged, p=p))
        elif out:
            yield (f"hears from {p}: {VERDICTS[out.verdict]}", False,
                   partial(self.hear, p=p))
        if out and state.losses:
            yield f"loses its stream to {p}", True, partial(self.lose, p=p)
        if (not worker.pulled[p] and not worker.leaving
                and worker.terms[p] == state.parts[p].term
                and min(worker.sent) < self.size(worker.item)
                and self.may_pull(state, worker, p)):
            yield f"pulls {p}", False, partial(self.pull, p=p)

    def batch(self, worker):
        at = worker.run.at
        poisonous = worker.item == 0 and at == self.bounds.poison
        if poisonous:
            yield f"is killed by batch {at}", False, self.killed
        if not poisonous or self.bounds.luck:
            yield f"computes batch {at} of item {worker.item}", False, self.compute

    def size(self, item):
        return len(self.bounds.items[item])

    def examples(self, item, begin, end):
        return sum(self.bounds.items[item][begin:end])

    def due_are_free(self, worker, begin):
        return not any(worker.out[p] for p in self.places
                       if worker.sent[p] == begin)

    def may_compute(self, worker):
        """The last batch of a run waits until the push before it is answered."""
        run = worker.run
        return run.at + 1 < run.end or self.due_are_free(worker, run.begin)

    def known_skip(self, state, worker):
        """The skip that the lease names, or None."""
        heard = worker.item == 0 and worker.fences == state.blame.fences
        return state.blame.skipped if heard else None

    def skips(self, state, worker):
        skip = self.known_skip(state, worker)
        return skip and skip[0] <= min(worker.sent) < skip[1]

    # --- What a worker does ----------------------------------------------------

    def nothing(self):
        return ((),) * self.bounds.partitions

    def set_worker(self, state, number, worker):
        return state._replace(workers=put(state.workers, number, worker))

    def lease(self, state, number, item):
        marks = self.marks(state, item)
        return self.set_worker(state, number, Worker(
            item=item, fences=state.blame.fences, careful=state.blame.careful,
            terms=tuple(part.term for part in state.parts), sent=marks,
            mark=marks, out=self.nothing(), pulled=self.nothing(),
            own=self.nothing(), moments=state.workers[number].moments))

    def give_back(self, state, number):
        return self.leave(state, number)

    def leave(self, state, number, moments=None):
        """The worker has no item any more; its pushes may still arrive."""
        worker = state.workers[number]
        late = tuple(out for out in worker.out if isinstance(out, Push))
        left = worker.moments if moments is None else moments
        return self.set_worker(state._replace(late=state.late + late), number,
                               Worker(moments=left))

    def step_back(self, state, number, p):
        """What was sent to the partition may be lost, or may still arrive."""
        worker = state.workers[number]
        if isinstance(worker.out[p], Push):
            state = state._replace(late=state.late + (worker.out[p],))
        return self.set_worker(state, number, worker._replace(
            sent=put(worker.sent, p, worker.mark[p]),
            out=put(worker.out, p, ()), own=put(worker.own, p, ())))

    def pull(self, state, number, p):
        worker = state.workers[number]
        return self.set_worker(state, number, worker._replace(
            pulled=put(worker.pulled, p, self.read(state, worker, p))))

    def begin(self, state, number):
        worker = state.workers[number]
        begin = min(worker.sent)
        end = self.planned_end(worker.item, begin)
        skip = self.known_skip(state, worker)
        if skip and begin < skip[0]:
            end = min(end, skip[0])
        run = self.run_from(worker, begin, end)
        return self.set_worker(state, number, worker._replace(
            run=run, pulled=self.nothing()))

    def compute(self, state, number):
        worker = state.workers[number]
        run = worker.run._replace(at=worker.run.at + 1)
        if run.at == run.end:
            return self.push(state, number, run, run.end)
        return self.set_worker(state, number, worker._replace(run=run))

    def push(self, state, number, run, named):
        """Pushes what was computed of the run as the batches up to `named`."""
        worker = state.workers[number]
        weight = self.examples(worker.item, run.begin, named)
        if self.plant == "short_run_weighs_as_a_whole":
            weight = self.whole_run()
        return self.send(state, number, Push(
            0, 0, worker.item, run.begin, named, computed=(run.begin, run.at),
            weight=weight, moments=run.moments, twice=run.twice,
            values=run.values))

    def whole_run(self):
        return max(sum(item[:self.bounds.period]) for item in self.bounds.items)

    def push_skip(self, state, number):
        worker = state.workers[number]
        begin = min(worker.sent)
        return self.send(state, number, Push(0, 0, worker.item, begin, begin + 1,
                                             skip=True))

    def send(self, state, number, push):
        """Sends the push to the partitions that are where it begins."""
        worker = state.workers[number]
        out, sent, own = worker.out, worker.sent, worker.own
        for p in self.places:
            if worker.sent[p] != push.begin:
                continue
            term = worker.terms[p]
            out = put(out, p, push._replace(partition=p, term=term))
            sent = put(sent, p, push.end)
            own = put(own, p, () if push.skip else Own(push.begin, push.end, term))
        return self.set_worker(state, number, worker._replace(
            run=(), out=out, sent=sent, own=own))

    def hear(self, state, number, p):
        worker = state.workers[number]
        reply = worker.out[p]
        if reply.verdict == NOT_OPEN:
            return self.leave(state, number)
        if reply.verdict == MOVED or reply.term != worker.terms[p]:
            return self.step_back(state, number, p)
        mark, sent = put(worker.mark, p, reply.mark), worker.sent
        if reply.verdict in (APPLIED, DUPLICATE):
            mark = put(mark, p, max(worker.mark[p], reply.mark))
            sent = put(sent, p, max(sent[p], mark[p]))
        else:
            sent = put(sent, p, reply.mark)
        own = worker.own
        if reply.verdict != APPLIED:
            own = put(own, p, ())
        return self.set_worker(state, number, worker._replace(
            sent=sent, mark=mark, own=own, out=put(worker.out, p, ())))

    def learn(self, state, number, p):
        """A worker hears what a skip ended before it hears of the new terms."""
        worker = state.workers[number]
        if worker.fences < state.blame.fences and self.ends_lease(worker):
            return self.leave(state, number)
        state = self.step_back(state, number, p)
        worker = state.workers[number]
        run = worker.run
        return self.set_worker(state, number, worker._replace(
            terms=put(worker.terms, p, state.parts[p].term),
            run=run if run and run.begin <= min(worker.sent) else ()))

    def ends_lease(self, worker):
        """Returns whether a skip that is wanted ends the worker's lease."""
        del worker
        return self.plant != "skip_is_not_heard_with_the_terms"

    # --- Faults ----------------------------------------------------------------

    def lose(self, state, number, p):
        state = state._replace(losses=state.losses - 1)
        return self.step_back(state, number, p)

    def die(self, state, number):
        return self.killed(state._replace(deaths=state.deaths - 1), number)

    def killed(self, state, number):
        worker = state.workers[number]
        run, blame = worker.run, state.blame
        if run and worker.item == 0:
            blame = blame.died(worker.careful, run.at, (run.begin, run.end),
                               self.plant)
        left = bool(run) and run.at > run.begin
        state = self.leave(
            state, number,
            moments=left and self.plant == "moment_of_a_dead_worker_counts")
        if (blame.fences > state.blame.fences
                and self.plant != "skip_without_new_terms"):
            for p in self.places:
                state = self.change(state, p, self.new_term)
        return state._replace(blame=blame)

    def notice(self, state, number):
        worker = state.workers[number]._replace(leaving=True)
        state = self.set_worker(state._replace(notices=state.notices - 1), number,
                                worker)
        run = worker.run
        if not run:
            return state
        if (run.at == run.begin or not self.keeps_part()
                or not self.due_are_free(worker, run.begin)):
            return self.set_worker(state, number, worker._replace(run=()))
        tail = self.plant == "run_counts_without_its_tail"
        return self.push(state, number, run, run.end if tail else run.at)

    def crash(self, state, p):
        state = state._replace(crashes=state.crashes - 1)
        return self.change(self.change(state, p, self.stored), p, self.new_term)

    # --- Partitions and the scheduler ------------------------------------------

    @staticmethod
    def new_term(part):
        return part._replace(term=part.term + 1)

    @staticmethod
    def change(state, p, how):
        return state._replace(parts=put(state.parts, p, how(state.parts[p])))

    def judged(self, state, number, p):
        worker = state.workers[number]
        state, reply = self.judge(state, worker.out[p])
        return self.set_worker(state, number, worker._replace(
            out=put(worker.out, p, reply)))

    def arrive(self, state, push):
        late = list(state.late)
        late.remove(push)
        return self.judge(state._replace(late=tuple(late)), push)[0]

    @staticmethod
    def verdict(push, mark):
        """The table of a push and a mark (docs/protocol.md)."""
        if push.begin == mark:
            return APPLIED
        if push.end <= mark:
            return DUPLICATE
        return GAP if push.begin > mark else OVERLAP

    def settle(self, state):
        begin = state.blame.wanted[0]
        applied = any(mark > begin for mark in self.marks(state, 0))
        return state._replace(
            blame=state.blame.settled(applied, self.bounds.poison))

    def check_applied(self, state, push):
        """I1, I2: the effect of a push is that of the examples that it names."""
        named = (push.begin, push.end)
        where = (f"{push.begin}..{push.end} of item {push.item} on partition "
                 f"{push.partition}")
        skipped = state.blame.skipped if push.item == 0 else None
        if push.skip:
            if named != skipped:
                raise Violation(f"skip: {where} was not decided")
            return
        if push.computed != named:
            raise Violation(f"I1: {where} is applied, and has {push.computed}")
        if push.weight != self.examples(push.item, *named):
            raise Violation(f"weight: {where} counts for {push.weight} examples")
        if push.moments:
            raise Violation(f"function: {where} depends on moments of another run")
        if push.twice:
            raise Violation(f"I1: {where} has the run before it once more")
        if skipped and push.begin < skipped[1] and skipped[0] < push.end:
            raise Violation(f"skip: {where} has a batch that is left out")
