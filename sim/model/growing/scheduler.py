"""The scheduler of plan.py: leases, the duty to look, and how a job ends."""

import dataclasses

from shape import BATCH, FIRST, Shape

EXPIRES = 60  # Steps without a sign of a worker.
SLOW = 25  # Steps without a mark, until a second worker may help.


@dataclasses.dataclass
class Lease:
    worker: int
    item: int
    heard: int
    moved: int  # When a mark was heard to rise.
    progress: int = -1


class Scheduler:

    def __init__(self, world):
        self.world = world
        self.stored_end = None  # These three are durable.
        self.complete = False
        self.term = 0
        self.number = 0  # The last lease has it; no life gives one twice.
        self.restart()

    def restart(self):
        """It forgets all but what it stored."""
        self.now = 0
        self.tail = FIRST  # A hint: numbers below are in the set.
        self.set_end = None
        self.leases = {}
        self.watch = None  # The worker that looks for data, and when it was heard.
        self.view = {}  # By worker, its clock.
        self.terms = {}
        self.marks = {}  # By partition, those registered in its present term.
        self.asked = None  # A decision to end is under way.
        self.unsaved = None  # A plant: told, and not stored yet.

    def lost(self, p):
        self.terms.pop(p, None)
        self.marks.pop(p, None)

    def is_whole(self):
        return len(self.marks) == len(self.world.partitions)

    # --- Steps -------------------------------------------------------------------

    def step(self):
        self.now += 1
        if self.unsaved is not None:
            self.store_end(self.unsaved)
            self.unsaved = None
        self.expire()
        for p, partition in enumerate(self.world.partitions):
            if p not in self.terms:
                if self.world.random.random() < 0.3:
                    self.term += 1
                    self.world.grant(p, self.term)
                    self.terms[p] = self.term
                    self.marks[p] = dict(partition.marks)
                if self.asked is not None and self.world.plant == (
                        "end_is_decided_without_an_away_partition"):
                    self.decide()
                return
            if partition.term == self.terms[p] and self.world.random.random() < 0.2:
                self.marks[p] = dict(partition.marks)
        if self.asked is not None:
            self.decide()  # Each partition is registered anew.
        elif (asked := self.wants_end()) is not None:
            self.begin_to_end(asked)
        elif self.world.finish_at is not None and self.stored_end is not None:
            self.tell(self.stored_end)
        self.look_complete()

    def expire(self):
        for number, lease in list(self.leases.items()):
            if self.now - lease.heard > EXPIRES:
                self.end_lease(number)
        if self.watch and self.now - self.watch[1] > EXPIRES and (
                self.world.plant != "watch_duty_is_lost"):
            self.watch = None

    def end_lease(self, number):
        lease = self.leases.pop(number)
        if self.world.plant != "idle_worker_stays_in_view":
            self.view.pop(lease.worker, None)

    # --- The end -----------------------------------------------------------------

    def wants_end(self):
        """Returns the number at which a decision to end is due, or None."""
        if self.set_end is not None:
            if self.stored_end is None or (
                    self.set_end < self.stored_end and self.world.plant
                    != "end_object_below_a_finish_is_ignored"):
                return self.set_end
        if self.world.finish_at is not None and self.stored_end is None:
            return self.world.finish_at
        return None

    def begin_to_end(self, asked):
        """Ends all leases and terms, so no push of an old one counts later."""
        self.asked = asked
        if self.world.plant != "end_keeps_old_leases":
            for number in list(self.leases):
                self.end_lease(number)
        if self.world.plant != "end_without_new_terms":
            self.terms, self.marks = {}, {}

    def decide(self):
        """Says where the job ends, in one durable write."""
        asked, self.asked = max(self.asked, FIRST), None
        end = asked
        if asked != self.set_end:
            end += -(asked - FIRST) % BATCH
        if self.world.plant == "end_is_not_on_the_grid":
            end = asked
        reach = [Shape(self.stored_end).reach(marks) for marks in self.marks.values()]
        if self.world.plant != "end_below_a_mark":
            end = max(end, *reach) if reach else end
        if self.world.plant == "end_told_before_it_is_durable":
            self.tell(end)
            self.unsaved = end
            return
        self.store_end(end)

    def store_end(self, end):
        """The shorter job is a new generation: servers hear of it first."""
        self.stored_end = end
        if self.world.plant != "workers_hear_of_the_end_before_servers":
            self.terms, self.marks = {}, {}

    def tell(self, end):
        if self.world.told is None and self.world.finish_at is not None:
            self.world.told = end

    def look_complete(self):
        end = self.stored_end
        if self.world.plant == "tail_completes_the_job" and self.tail > FIRST:
            end = self.tail if end is None else end
        if end is None or not self.is_whole() or self.asked is not None:
            return
        shape = Shape(end)
        for p, partition in enumerate(self.world.partitions):
            version = partition.versions[-1]
            if version.term != self.terms[p] or partition.term != self.terms[p]:
                return
            if any(version.marks.get(item, 0) < len(shape.numbers(item))
                   for item in shape.items_below(end)):
                return
        self.complete = True

    # --- What workers ask --------------------------------------------------------

    def lease(self, worker, tail, set_end):
        """Returns "watch", a lease's number, or None."""
        self.hear(tail, set_end)
        if self.asked is not None or not self.is_whole() or self.complete:
            return None
        item = self.open_item()
        if item is None:
            item = self.slow_item(worker)
        if item is not None:
            self.number += 1
            self.leases[self.number] = Lease(worker, item, self.now, self.now)
            self.view[worker] = min(self.view.values(), default=0)
            return self.number
        if self.watch is None and not self.complete:
            self.watch = (worker, self.now)
            return "watch"
        return None

    def hear(self, tail, set_end):
        self.tail = max(self.tail, tail)
        self.set_end = set_end if set_end is not None else self.set_end

    def mark(self, item):
        return min(marks.get(item, 0) for marks in self.marks.values())

    def has_data(self, item):
        """Returns whether a whole batch that is not applied is below the tail."""
        numbers = Shape(self.stored_end).batch(item, self.mark(item))
        short = (len(numbers) < BATCH and self.stored_end is None
                 and len(Shape(None).batch(item, self.mark(item))) == BATCH)
        return bool(numbers) and numbers[-1] < self.tail and not short

    def open_item(self):
        taken = {lease.item for lease in self.leases.values()}
        beyond = BATCH if self.world.plant == "leases_what_is_not_there" else 0
        for item in Shape(self.stored_end).items_below(self.tail + beyond):
            if item not in taken and (beyond or self.has_data(item)):
                if self.mark(item) < len(Shape(self.stored_end).numbers(item)):
                    return item
        return None

    def slow_item(self, worker):
        """Returns an item for a second worker, or None."""
        for lease in self.leases.values():
            progress = self.mark(lease.item)
            if progress > lease.progress:
                lease.progress, lease.moved = progress, self.now
            alone = [other.item for other in self.leases.values()].count(lease.item)
            if (self.now - lease.moved > SLOW and alone == 1
                    and lease.worker != worker):
                if self.has_data(lease.item):
                    return lease.item
                if self.world.plant == "waiting_item_gets_a_backup":
                    raise self.world.wrong("backup: its item waits for data")
        return None
