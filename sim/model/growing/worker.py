"""A worker of plan.py: it computes whole batches below the tail, or looks for data."""

from shape import FIRST, ITEM, Push, Shape

MAX_WAIT = 60  # Steps that it waits for data with an item.
BOUND = 0  # SSP: batches that it may be ahead of the slowest in the view.


class Worker:

    def __init__(self, world, number):
        self.world = world
        self.number = number
        self.die()

    def die(self):
        self.lease = None  # A number, or "watch".
        self.asleep = 0

    def step(self):
        scheduler = self.world.scheduler
        if self.world.trouble and self.world.random.random() < 0.02:
            self.asleep = self.world.random.choice((5, 40, 90))
        if self.asleep:
            self.asleep -= self.world.trouble or self.asleep
        elif self.lease is None:
            self.take(scheduler)
        elif self.lease == "watch":
            self.look(scheduler)
        elif self.terms is None:
            self.learn(scheduler)
        else:
            self.work(scheduler)

    def take(self, scheduler):
        lease = scheduler.lease(self.number, FIRST, None)
        if lease is None:
            return
        self.lease, self.waits = lease, 0
        if lease != "watch":
            self.begin(scheduler)

    def begin(self, scheduler):
        lease = scheduler.leases[self.lease]
        self.item, self.end = lease.item, scheduler.stored_end
        self.terms = dict(scheduler.terms)
        self.sent = [marks.get(self.item, 0)
                     for _, marks in sorted(scheduler.marks.items())]

    def look(self, scheduler):
        """The duty to look at the next name, which it has till there is one."""
        if scheduler.watch is None or scheduler.watch[0] != self.number:
            self.lease = None
            return
        scheduler.watch = (self.number, scheduler.now)
        if self.world.tail > scheduler.tail or self.world.set_end is not None:
            scheduler.hear(self.world.tail, self.world.set_end)
            scheduler.watch = self.lease = None

    def learn(self, scheduler):
        """It asks for the terms, and hears whether its lease was ended."""
        keeps = self.world.plant == "end_keeps_old_leases"
        if self.lease not in scheduler.leases and not keeps:
            self.lease = None
        elif len(scheduler.terms) == len(self.sent):
            self.terms = dict(scheduler.terms)

    def give_back(self, scheduler):
        if self.lease in scheduler.leases:
            scheduler.end_lease(self.lease)
        scheduler.hear(self.world.tail, self.world.set_end)
        self.lease = None

    def work(self, scheduler):
        lease = scheduler.leases.get(self.lease)
        if lease:
            lease.heard = scheduler.now
        mark = min(self.sent)
        numbers = Shape(self.end).batch(self.item, mark)
        if not numbers:
            self.give_back(scheduler)
        elif numbers[-1] >= self.world.tail:
            self.waits += 1
            if self.waits > MAX_WAIT:
                self.give_back(scheduler)
        elif not self.is_ahead(scheduler):
            self.push(scheduler, mark, numbers)

    def is_ahead(self, scheduler):
        clock = scheduler.view.get(self.number)
        return clock is not None and clock > min(scheduler.view.values()) + BOUND

    def push(self, scheduler, mark, numbers):
        self.waits = 0
        if self.world.plant == "order_of_the_wrong_epoch":
            begin = FIRST + self.item * ITEM + mark
            numbers = range(begin, begin + len(numbers))
        for p in range(len(self.sent)):
            if self.sent[p] != mark:
                continue
            answer = self.world.push(Push(p, self.terms[p], self.item, mark,
                                          tuple(numbers)))
            if answer is None:
                self.terms = None
                return
            self.sent[p] = answer
        if self.number in scheduler.view:
            scheduler.view[self.number] += 1
