#!/usr/bin/env python3
"""A worker of ebb in Python: it trains linear and logistic jobs beside the
workers of ebb, and each example counts once, whatever is killed.

  ebb_worker.py SCHEDULER JOB [--name NAME] [--folder FOLDER]

It works until the job is over, or until SIGTERM. --folder is the one in which
the job was submitted: paths of the data begin there. --batch-time SECONDS
emulates a slower machine.
"""
from __future__ import annotations

import argparse
import os
import queue
import random
import signal
import sys
import threading
import time
from typing import Dict, Iterator, Optional

import grpc
import numpy as np

from ebb.v1 import (common_pb2, parameter_server_pb2, scheduler_pb2,
                    session_pb2)
from ebb_client import (CALL_S, Channels, JobState, LeasedItem, Puller, Pusher,
                        Trouble, asked, new_session, proto)
from ebb_data import Item, Refused, Training

ps = parameter_server_pb2
End = session_pb2.ItemEnd

HELD_ITEMS = 2      # One to work on, and the next.
ASK_AGAIN_S = 0.05  # Between two questions for the same thing.
CLOCK_S = 0.1       # How often a waiting worker repeats its clock.


class SchedulerStream:
    """The stream to the scheduler. A stream is a connection, not a life: when
    it breaks, another is opened, which begins with a registration."""

    PAUSE_S = 0.2

    def __init__(self, channels: Channels, address: str) -> None:
        self._stub = channels.scheduler(address)
        self._inbox: queue.SimpleQueue = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue = queue.SimpleQueue()
        self._records: Dict[int, common_pb2.JobRecord] = {}
        self._number = 0
        self._open_at = 0.0
        self.connected = False

    def open(self, register: session_pb2.RegisterWorker) -> None:
        self._number += 1
        self._outbox = queue.SimpleQueue()
        self._records = {}
        self.connected = True
        call = self._stub.WorkerSession(iter(self._outbox.get, None),
                                        wait_for_ready=True)
        threading.Thread(target=self._read, args=(self._number, call),
                         daemon=True).start()
        self.send(register_worker=register)

    def due(self) -> bool:
        """The stream is to be opened."""
        return not self.connected and time.monotonic() >= self._open_at

    def _read(self, number: int, call: Iterator) -> None:
        try:
            for message in call:
                self._inbox.put((number, message))
        except grpc.RpcError:
            pass
        self._inbox.put((number, None))

    def send(self, **message: object) -> None:
        """Sends, but loses what is sent while there is no stream. The
        registration repeats what matters."""
        if self.connected:
            self._outbox.put(session_pb2.WorkerToScheduler(**message))

    def receive(self, timeout: float
                ) -> Optional[session_pb2.SchedulerToWorker]:
        """None: no message came in time."""
        try:
            number, message = self._inbox.get(timeout=timeout)
        except queue.Empty:
            return None
        if number != self._number:
            return None
        if message is None:
            self._outbox.put(None)  # Ends the thread that sends.
            self.connected = False
            self._open_at = time.monotonic() + self.PAUSE_S * random.uniform(
                0.5, 1)
            return None
        if message.HasField("lease"):
            self._complete(message.lease.record)
        return message

    def _complete(self, record: common_pb2.JobRecord) -> None:
        """A record that was sent before is abbreviated to its id."""
        if record.HasField("plan"):
            self._records[record.id] = common_pb2.JobRecord()
            self._records[record.id].CopyFrom(record)
        else:
            record.CopyFrom(self._records[record.id])

    def close(self, timeout: float) -> None:
        """Half-closes, and waits until the scheduler has read everything."""
        self._outbox.put(None)
        until = time.monotonic() + timeout
        while self.connected and time.monotonic() < until:
            self.receive(0.05)


class Worker:
    """Leases items of one job and trains them, one batch after the other."""

    def __init__(self, scheduler: str, job: str, name: str,
                 folder: str = "", batch_s: float = 0.0) -> None:
        self._name, self._folder, self._batch_s = name, folder, batch_s
        self._channels = Channels()
        self._admin = self._channels.scheduler(scheduler)
        self._job_name = job
        self._job = JobState(new_session(), self._channels)
        self._training: Optional[Training] = None
        self._stream = SchedulerStream(self._channels, scheduler)
        self._puller, self._pusher = Puller(self._job), Pusher(self._job)
        self._leaving = False
        self.refused = ""        # Why it cannot work on the job.
        self._asked = 0          # Items asked for, and not yet leased.
        self._examples = 0       # Computed so far.
        self._ttl = 3.0
        self._advanced = 0.0     # When something last advanced.
        self._due = {"progress": 0.0, "placement": 0.0, "clock": 0.0,
                     "state": 0.0}
        self._told_unreached = False

    def leave(self) -> None:
        """Makes run() end in good order; a signal handler may call it."""
        self._leaving = True

    def run(self) -> None:
        self._job.record.id = asked(
            self._admin.GetJob,
            scheduler_pb2.GetJobRequest(name=self._job_name)).record.id
        advances = False
        while not self._leaving and not self._over():
            self._listen(0 if advances else 0.01)
            self._end_done()
            advances = bool(self._job.items) and self._train(
                self._job.items[0])
        self._leave()

    # --- The scheduler ---

    def _over(self) -> bool:
        """The scheduler does not tell workers that a job is over."""
        if self._job.items or not self._is_due("state", 0.3):
            return False
        try:
            summary = self._admin.GetJob(scheduler_pb2.GetJobRequest(
                job=self._job.record.id), timeout=CALL_S).summary
        except grpc.RpcError as error:  # It may be forgotten.
            return error.code() == grpc.StatusCode.NOT_FOUND
        return summary.state in (scheduler_pb2.JOB_STATE_COMPLETE,
                                 scheduler_pb2.JOB_STATE_CANCELLED)

    def _is_due(self, what: str, pause: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + pause
        return True

    def _listen(self, timeout: float) -> None:
        """Takes what the scheduler says, and tells it what is due."""
        job = self._job
        if self._stream.due():
            self._register()
        message = self._stream.receive(timeout)
        while message is not None:
            kind = message.WhichOneof("message")
            if kind == "lease":
                self._on_lease(message.lease)
            elif kind == "lost" and message.lost.generation >= job.generation:
                self._drop((message.lost.item.epoch, message.lost.item.shard))
            elif kind == "placement":
                self._on_placement(message.placement)
            message = self._stream.receive(0)
        wanted = HELD_ITEMS - len(job.items)
        if self._stream.connected and wanted > 0 and wanted != self._asked:
            self._asked = wanted
            self._stream.send(lease_request=session_pb2.LeaseRequest(
                session=job.session, items=wanted))
        self._renew()
        self._tell_unreached()

    def _register(self) -> None:
        job = self._job
        self._asked = 0
        self._told_unreached = False
        self._stream.open(session_pb2.RegisterWorker(
            session=job.session, name=self._name, process_id=os.getpid(),
            held=[session_pb2.HeldItem(job=job.record.id,
                                       generation=job.generation,
                                       item=proto(held.item))
                  for held in job.items],
            clock=job.clock if job.joined else -1, only_job=job.record.id,
            no_evaluations=True, examples=self._examples))

    def _on_lease(self, lease: session_pb2.Lease) -> None:
        job = self._job
        item = (lease.item.epoch, lease.item.shard)
        self._asked = max(0, self._asked - 1)
        if lease.generation != job.generation:
            self._go_over(lease.generation)
        if lease.record.specification != job.record.specification:
            job.take(lease.record)
            if not self._prepare(item):
                return
        if lease.joined != job.joined:
            job.joined, job.clock = lease.joined, lease.start_clock
        self._ttl = lease.ttl_ms / 1000
        self._advanced = time.monotonic()
        for held in job.items:
            if held.item == item:
                held.take_skips(lease)
                return
        job.items.append(LeasedItem(lease, job.grid.size(item),
                                    job.plan.partitions))
        job.items.sort(key=lambda held: held.item)

    def _prepare(self, item: Item) -> bool:
        job = self._job
        try:
            self._training = Training(job.record, self._folder)
        except (Refused, OSError) as error:
            # No batch is to blame: no other worker is kept from the item.
            self._send_end(item, End.REASON_FAILED, error=str(error))
            self.refused = str(error)
            self._leaving = True
            return False
        return True

    def _on_placement(self, placement: session_pb2.Placement) -> None:
        job = self._job
        if placement.job != job.record.id or self._training is None:
            return  # The first lease is still to come.
        if placement.generation != job.generation:
            self._go_over(placement.generation)
        job.routes.update(placement)

    def _go_over(self, generation: int) -> None:
        """The job has another history: what is held of the old one is void."""
        job = self._job
        for held in job.items:
            self._send_end(held.item, End.REASON_RETURNED)
        job.items.clear()
        job.generation = generation
        for server in job.routes.servers.values():
            server.new_incarnation()

    def _ask_placement(self) -> None:
        if self._is_due("placement", ASK_AGAIN_S):
            unreached = self._job.routes.unreached()
            self._told_unreached = bool(unreached)
            self._stream.send(placement_request=session_pb2.PlacementRequest(
                session=self._job.session, job=self._job.record.id,
                unreached=unreached))

    def _tell_unreached(self) -> None:
        """The scheduler leases no item of the job to a worker that does not
        reach a server, so it must hear when that is over."""
        if not self._told_unreached:
            return
        if not self._job.items:
            self._probe()
        if not self._job.routes.unreached():
            self._ask_placement()

    def _probe(self) -> None:
        """A pull of nothing: whatever the server answers, it answers."""
        job = self._job
        for server in job.routes.servers.values():
            if not server.failures or server.retry_at > time.monotonic():
                continue
            try:
                job.stub(server).Pull(ps.PullRequest(
                    job=job.record.id, generation=job.generation,
                    stamp=job.stamp(), round=-1), timeout=1)
                server.answered()
            except grpc.RpcError as error:
                job.call_failed(server, error, Trouble())

    def _renew(self, join_at: Optional[int] = None) -> None:
        """Leases are renewed by progress, not by being alive."""
        job, now = self._job, time.monotonic()
        if not job.items or now - self._advanced >= self._ttl:
            return
        if join_at is None and not self._is_due("progress", self._ttl / 5):
            return
        held = job.items[0]
        self._stream.send(progress=session_pb2.Progress(
            session=job.session, job=job.record.id,
            generation=job.generation, item=proto(held.item),
            position=held.next(), clock=job.clock, examples=self._examples,
            parked=self._puller.parked, not_in_view=join_at is not None,
            view_clock=join_at or 0))

    # --- Items ---

    def _send_end(self, item: Item, reason: int, **more: object) -> None:
        job = self._job
        self._stream.send(item_end=End(
            session=job.session, job=job.record.id,
            generation=job.generation, item=proto(item), end=reason,
            examples=self._examples, **more))

    def _end(self, held: LeasedItem, reason: int, **more: object) -> None:
        more.setdefault("position", held.next())
        self._send_end(held.item, reason, **more)
        self._drop(held.item)

    def _drop(self, item: Item) -> None:
        self._job.items = [held for held in self._job.items
                           if held.item != item]

    def _end_done(self) -> None:
        for held in list(self._job.items):
            if held.next() == held.size:
                self._end(held, End.REASON_DONE)

    def _train(self, held: LeasedItem) -> bool:
        """One batch; false: it is not to be had just now."""
        job, trouble = self._job, Trouble()
        begin = held.next()
        end = job.grid.batch_end(held.item, begin)
        before = list(held.marks)
        if held.skips(begin):
            self._pusher.push(held, end, trouble)
        else:
            parameters = self._puller.pull(
                held.item, lambda: self._may_wait(held), trouble)
            if parameters is not None or self._puller.parked:
                self._advanced = time.monotonic()
            # Meanwhile it may be lost, or the batch is to be skipped.
            if parameters is not None and held in job.items and \
                    not held.skips(begin):
                with np.errstate(all="ignore"):
                    gradient, loss = self._training.compute(
                        parameters, held.item, begin, end)
                self._examples += end - begin
                time.sleep(self._batch_s)
                if not np.isfinite(loss) or not np.isfinite(gradient).all():
                    self._end(held, End.REASON_FAILED,
                              position=begin, failed_end=end, non_finite=True,
                              error="the gradient is not finite")
                    return True
                self._pusher.push(held, end, trouble, gradient, loss,
                                  self._puller.updates)
        self._act(held, begin, end, trouble)
        if held.marks != before:
            self._advanced = time.monotonic()
        return held.marks != before

    def _may_wait(self, held: LeasedItem) -> bool:
        """While a server holds a pull; false: the pull is not wanted now."""
        job = self._job
        self._listen(0)
        if job.plan.consistency.kind == \
                common_pb2.Plan.Consistency.KIND_SSP and \
                self._is_due("clock", CLOCK_S):
            # A server that restarts has forgotten it, and others wait for it.
            for server in job.routes.servers.values():
                job.stub(server).Clock.future(ps.ClockRequest(
                    job=job.record.id, generation=job.generation,
                    stamp=job.stamp()), timeout=1)
        return not self._leaving and bool(job.items) and job.items[0] is held

    def _act(self, held: LeasedItem, begin: int, end: int,
             trouble: Trouble) -> None:
        job = self._job
        if held not in job.items:
            return
        if trouble.over_limit:  # No batch is to blame.
            self._end(held, End.REASON_FAILED, error=trouble.fail,
                      over_limit=True)
        elif trouble.fail:
            self._end(held, End.REASON_FAILED, position=begin,
                      failed_end=end, error=trouble.fail)
        elif trouble.round_over:
            over = job.grid.round_of(held.item)
            for other in list(job.items):
                if job.grid.round_of(other.item) == over:
                    self._end(other, End.REASON_REFUSED)
        if trouble.generation > job.generation:
            self._go_over(trouble.generation)
        if trouble.join_at is not None:
            self._renew(trouble.join_at)
            time.sleep(ASK_AGAIN_S)
        if trouble.ask_placement:
            self._ask_placement()

    def _leave(self) -> None:
        """No batch is under way: gives the items back, and says goodbye."""
        session = self._job.session
        self._stream.send(lease_request=session_pb2.LeaseRequest(
            session=session, items=0))
        for held in list(self._job.items):
            self._end(held, End.REASON_RETURNED)
        self._stream.send(goodbye=session_pb2.WorkerGoodbye(session=session))
        self._stream.close(timeout=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scheduler")
    parser.add_argument("job")
    parser.add_argument("--name", default=f"python-{os.getpid()}")
    parser.add_argument("--folder", default="")
    parser.add_argument("--batch-time", type=float, default=0.0)
    flags = parser.parse_args()
    worker = Worker(flags.scheduler, flags.job, flags.name, flags.folder,
                    flags.batch_time)
    signal.signal(signal.SIGTERM, lambda *_: worker.leave())
    worker.run()
    if worker.refused:
        sys.exit(f"job {flags.job}: {worker.refused}")


if __name__ == "__main__":
    main()
