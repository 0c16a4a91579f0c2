"""Does what every client of ebb does, by the protos alone: it finds the
servers of a job, pulls values, and pushes what ranges of examples contribute.
README.md explains it step by step, for authors of clients in other languages.

Viewer reads parameters; ebb_worker.py trains.
"""
from __future__ import annotations

import dataclasses
import random
import threading
import time
from typing import Callable, Dict, List, Optional, Tuple

import grpc
import numpy as np

from ebb.v1 import (common_pb2, parameter_server_pb2, parameter_server_pb2_grpc,
                    scheduler_pb2, scheduler_pb2_grpc, session_pb2)
from ebb_data import Grid, Item, Refused, joined, ledger_row, oracle_sums

ps = parameter_server_pb2
Stub = parameter_server_pb2_grpc.ParameterServerStub

CALL_S = 10.0          # A push or pull without an answer counts as lost.
WORTH_TELLING_S = 1.0  # How long a server is away before the scheduler hears.


def proto(item: Item) -> common_pb2.ItemId:
    return common_pb2.ItemId(epoch=item[0], shard=item[1])


def new_session() -> int:
    """Names one life of this process: never used again, and not 0."""
    return random.SystemRandom().randrange(1, 2**64)


# --- Connections -------------------------------------------------------------

class Channels:
    """Stubs by address, in plain text."""

    OPTIONS = [("grpc.max_send_message_length", 512 << 20),
               ("grpc.max_receive_message_length", 512 << 20),
               # gRPC's own pause grows to two minutes.
               ("grpc.use_local_subchannel_pool", 1),
               ("grpc.initial_reconnect_backoff_ms", 50),
               ("grpc.max_reconnect_backoff_ms", 500),
               # A machine that vanished does not close its connections.
               ("grpc.keepalive_time_ms", 2000),
               ("grpc.keepalive_timeout_ms", 2000),
               ("grpc.keepalive_permit_without_calls", 1),
               ("grpc.http2.max_pings_without_data", 0),
               ("grpc.enable_http_proxy", 0)]

    def __init__(self) -> None:
        self._servers: Dict[str, Tuple[grpc.Channel, Stub]] = {}

    def _to(self, address: str) -> grpc.Channel:
        return grpc.insecure_channel(address, options=self.OPTIONS)

    def scheduler(self, address: str) -> scheduler_pb2_grpc.SchedulerStub:
        return scheduler_pb2_grpc.SchedulerStub(self._to(address))

    def server(self, address: str) -> Stub:
        if address not in self._servers:
            channel = self._to(address)
            self._servers[address] = channel, Stub(channel)
        return self._servers[address][1]

    def drop(self, address: str) -> None:
        """After a call failed: a channel of Python connects anew only while a
        call waits for it, so a new channel finds the server sooner."""
        channel, _ = self._servers.pop(address, (None, None))
        if channel is not None:
            channel.close()


def asked(call: Callable, request: object) -> object:
    """The answer to a question that changes nothing. It is repeated while
    no answer comes, as when a scheduler or server restarts."""
    until = time.monotonic() + 3 * CALL_S
    while True:
        try:
            return call(request, timeout=CALL_S, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE,
                                    grpc.StatusCode.DEADLINE_EXCEEDED) or \
                    time.monotonic() > until:
                raise
        time.sleep(0.1)


def finished(calls: List[grpc.Future], go_on: Callable[[], bool]) -> bool:
    """Waits for all calls, and asks `go_on` meanwhile. False: it said no, and
    the calls are cancelled."""
    done = threading.Semaphore(0)
    for call in calls:
        call.add_done_callback(lambda _: done.release())
    for _ in calls:
        while not done.acquire(timeout=0.02):
            if not go_on():
                for call in calls:
                    call.cancel()
                return False
    return True


# --- Where partitions are ----------------------------------------------------

@dataclasses.dataclass
class Server:
    """A parameter server, as this worker knows it."""
    number: int
    session: int = 0
    address: str = ""
    # Pushes are numbered from 0 in each incarnation.
    incarnation: int = 0
    sequence: int = 0
    # Since when calls fail, how many in a row, and when to try again.
    broken_since: float = 0.0
    failures: int = 0
    retry_at: float = 0.0
    why: str = ""

    def new_incarnation(self) -> None:
        """Begins a new one: what was sent before may be lost."""
        self.incarnation += 1
        self.sequence = 0

    def broke(self, why: str) -> None:
        now = time.monotonic()
        if self.failures == 0:
            self.broken_since = now
        self.why = why
        self.retry_at = now + 0.02 * 2**min(self.failures, 5)
        self.failures += 1

    def answered(self) -> None:
        self.failures, self.retry_at = 0, 0.0


class Routes:
    """Which server has which partition, in which term."""

    def __init__(self, partitions: int) -> None:
        self.terms = [0] * partitions           # The newest heard of.
        self._owners: List[Optional[int]] = [None] * partitions
        self.servers: Dict[int, Server] = {}

    def update(self, placement: session_pb2.Placement) -> None:
        for place in placement.partitions:
            if place.term < self.terms[place.partition]:
                continue  # An old message.
            self.terms[place.partition] = place.term
            self._owners[place.partition] = place.server
            server = self.servers.setdefault(place.server,
                                             Server(place.server))
            if server.session != place.server_session:
                server.session = place.server_session
                server.new_incarnation()
                server.answered()
        for address in placement.servers:
            if address.server in self.servers:
                self.servers[address.server].address = address.address

    def forget(self, partition: int) -> None:
        self._owners[partition] = None

    def owners(self, partitions: List[int]
               ) -> Optional[List[Tuple[Server, List[int]]]]:
        """The servers of these partitions. None: one of the partitions has no
        server now, or its server did not answer a moment ago."""
        found: Dict[int, List[int]] = {}
        for partition in partitions:
            owner = self._owners[partition]
            if owner is None or \
                    self.servers[owner].retry_at > time.monotonic():
                return None
            found.setdefault(owner, []).append(partition)
        return [(self.servers[owner], parts)
                for owner, parts in found.items()]

    def unreached(self) -> List[session_pb2.PeerTrouble]:
        now = time.monotonic()
        return [session_pb2.PeerTrouble(
            server=server.number, session=server.session,
            address=server.address, attempts=server.failures,
            lasts_ms=int((now - server.broken_since) * 1000),
            cause=session_pb2.PeerTrouble.CAUSE_NO_ANSWER, text=server.why)
                for server in self.servers.values()
                if server.number in self._owners and server.failures
                and now - server.broken_since >= WORTH_TELLING_S]


# --- What is leased ----------------------------------------------------------

class LeasedItem:
    """An item on lease: the mark of each partition, as it last said. A worker
    that awaits all answers to a batch before the next needs no more."""

    def __init__(self, lease: session_pb2.Lease, size: int,
                 partitions: int) -> None:
        self.item: Item = (lease.item.epoch, lease.item.shard)
        self.size = size
        hints = list(lease.hints) + [0] * partitions
        self.marks = [min(hint, size) for hint in hints[:partitions]]
        self.take_skips(lease)

    def take_skips(self, lease: session_pb2.Lease) -> None:
        self._skipped = [(skip.begin, skip.end) for skip in lease.skipped]

    def next(self) -> int:
        """Returns where the next batch begins; the size: there is none."""
        return min(self.marks)

    def skips(self, begin: int) -> bool:
        return any(first <= begin < end for first, end in self._skipped)

    def judged(self, partition: int, verdict: int, mark: int) -> bool:
        """Takes over what a partition says; returns whether it has the push."""
        mark = min(mark, self.size)
        if verdict in (ps.VERDICT_APPLIED, ps.VERDICT_DUPLICATE):
            self.marks[partition] = max(self.marks[partition], mark)
            return True
        if verdict in (ps.VERDICT_GAP, ps.VERDICT_OVERLAP):
            self.marks[partition] = mark  # Also downwards.
        return False


@dataclasses.dataclass
class Trouble:
    """Why a batch did not come through, for Worker to act on."""
    ask_placement: bool = False
    generation: int = 0         # A newer one was met.
    round_over: bool = False    # The round is not the open one.
    join_at: Optional[int] = None  # SSP: join the view, at this clock.
    fail: str = ""              # It cannot succeed.
    over_limit: bool = False


class JobState:
    """The knowledge that a worker has of its job. It dies with the process:
    the servers' marks say all that another worker needs."""

    def __init__(self, session: int, channels: Channels) -> None:
        self.session = session
        self.channels = channels
        self.record = common_pb2.JobRecord()
        self.generation = 0
        self.grid = Grid(self.record.plan)
        self.routes = Routes(0)
        self.items: List[LeasedItem] = []  # Lowest first.
        # SSP: the view in which the worker joined, and its clock there.
        self.joined = 0
        self.clock = 0

    def take(self, record: common_pb2.JobRecord) -> None:
        """A change of the job, as to more epochs, keeps its partitions."""
        self.record.CopyFrom(record)
        self.grid = Grid(self.record.plan)
        if len(self.routes.terms) != record.plan.partitions:
            self.routes = Routes(record.plan.partitions)

    @property
    def plan(self) -> common_pb2.Plan:
        return self.record.plan

    def stamp(self) -> ps.WorkerStamp:
        return ps.WorkerStamp(worker=self.session, joined=self.joined,
                              clock=self.clock)

    def stub(self, server: Server) -> Stub:
        return self.channels.server(server.address)

    def call_failed(self, server: Server, error: grpc.RpcError,
                    trouble: Trouble) -> None:
        code, text = error.code(), error.details() or ""
        if code == grpc.StatusCode.OUT_OF_RANGE or (
                code == grpc.StatusCode.RESOURCE_EXHAUSTED and
                "larger than max" in text):
            trouble.fail, trouble.over_limit = text, True
        elif code == grpc.StatusCode.INVALID_ARGUMENT:
            trouble.fail = text
        else:
            server.broke(text)
            self.channels.drop(server.address)
            trouble.ask_placement = True


# --- Pull and push -----------------------------------------------------------

class Puller:
    """Reads the values of all partitions."""

    def __init__(self, job: JobState) -> None:
        self._job = job
        self._requests = 0
        self.parked = False
        # By partition: the number of updates in what was pulled last.
        self.updates: List[int] = []

    def pull(self, item: Item, go_on: Callable[[], bool],
             trouble: Trouble) -> Optional[np.ndarray]:
        """None: not now."""
        job = self._job
        owners = job.routes.owners(list(range(job.plan.partitions)))
        if owners is None:
            trouble.ask_placement = True
            return None
        calls = []
        for server, partitions in owners:
            self._requests += 1
            calls.append(job.stub(server).Pull.future(ps.PullRequest(
                job=job.record.id, generation=job.generation,
                stamp=job.stamp(), request=self._requests,
                target_clock=job.clock, round=job.grid.round_of(item),
                segments=[ps.PullSegmentRequest(partition=p,
                                                term=job.routes.terms[p])
                          for p in partitions]), timeout=CALL_S))
        if not finished(calls, go_on):
            return None
        parts: List[Optional[bytes]] = [None] * job.plan.partitions
        self.updates = [0] * job.plan.partitions
        self.parked = False
        for (server, _), call in zip(owners, calls):
            try:
                self._take(call.result(), parts, trouble)
                server.answered()
            except grpc.RpcError as error:
                job.call_failed(server, error, trouble)
        return None if None in parts else joined(parts)

    def _take(self, reply: ps.PullResponse, parts: List[Optional[bytes]],
              trouble: Trouble) -> None:
        at = 0
        for segment in reply.segments:
            values = reply.values[at:at + segment.values_bytes]
            at += segment.values_bytes
            if segment.result == ps.PULL_RESULT_VALUES:
                parts[segment.partition] = values
                self.updates[segment.partition] = segment.updates
            elif segment.result == ps.PULL_RESULT_WAIT:
                self.parked = True  # Pulled again at once.
            elif segment.result == ps.PULL_RESULT_CLOSED:
                trouble.round_over = True
            elif segment.result == ps.PULL_RESULT_NOT_IN_VIEW:
                trouble.join_at = reply.view_clock
            elif segment.result == ps.PULL_RESULT_WRONG_PLACEMENT:
                self._job.routes.forget(segment.partition)
                trouble.ask_placement = True
            elif segment.result == ps.PULL_RESULT_WRONG_GENERATION:
                trouble.generation = reply.generation
                trouble.ask_placement = True
            else:
                trouble.fail = "a server found the pull malformed"


class Pusher:
    """Hands in what a range of examples contributes to partitions."""

    def __init__(self, job: JobState) -> None:
        self._job = job

    def push(self, held: LeasedItem, end: int, trouble: Trouble,
             gradient: Optional[np.ndarray] = None, loss: float = 0.0,
             updates: Optional[List[int]] = None) -> None:
        """Pushes [held.next(), end) to the partitions whose mark is there, and
        takes over what they answer. Without a gradient the range is skipped, as
        the scheduler decided."""
        job, begin, item = self._job, held.next(), held.item
        owners = job.routes.owners(
            [p for p, mark in enumerate(held.marks) if mark == begin])
        if owners is None:
            trouble.ask_placement = True
            return
        oracle = oracle_sums(job.plan, item, begin, end)
        calls = []
        for server, partitions in owners:
            request = ps.PushRequest(
                job=job.record.id, generation=job.generation,
                stamp=job.stamp(), incarnation=server.incarnation,
                sequence=server.sequence, server_session=server.session,
                layout_hash=job.plan.layout_hash, item=proto(item),
                begin=begin, end=end, ledger=ledger_row(item, begin, end),
                loss_sum=loss, skip=gradient is None)
            server.sequence += 1
            values = b""
            for p in partitions:
                segment = request.segments.add(partition=p,
                                               term=job.routes.terms[p])
                if gradient is None:
                    continue
                part = gradient[job.grid.parameters(p)].tobytes()
                sums = oracle[p].tobytes()
                segment.pulled_updates = updates[p]
                segment.gradient_bytes = len(part)
                segment.oracle_bytes = len(sums)
                values += part + sums
            request.values = values
            calls.append((server, request, job.stub(server).Push.future(
                request, timeout=CALL_S)))
        finished([call for _, _, call in calls], lambda: True)
        everywhere = True
        for server, request, call in calls:
            try:
                reply = call.result()
            except grpc.RpcError as error:
                # It may be applied or not: the marks will say.
                server.new_incarnation()
                job.call_failed(server, error, trouble)
                everywhere = False
                continue
            if not self._answers(reply, request):
                server.new_incarnation()
                server.broke("an answer to another push")
                everywhere = False
                continue
            server.answered()
            everywhere &= self._judge(held, server, request, reply, trouble)
        if everywhere:
            job.clock += 1

    @staticmethod
    def _answers(reply: ps.PushResponse, request: ps.PushRequest) -> bool:
        return (reply.job, reply.worker, reply.incarnation, reply.sequence,
                len(reply.segments)) == (
                    request.job, request.stamp.worker, request.incarnation,
                    request.sequence, len(request.segments))

    def _judge(self, held: LeasedItem, server: Server,
               request: ps.PushRequest, reply: ps.PushResponse,
               trouble: Trouble) -> bool:
        """Returns whether all partitions have it."""
        everywhere = True
        again = False
        for sent, answer in zip(request.segments, reply.segments):
            verdict = answer.verdict
            if held.judged(sent.partition, verdict, answer.mark):
                continue
            everywhere = False
            if verdict in (ps.VERDICT_WRONG_PLACEMENT,
                           ps.VERDICT_WRONG_GENERATION):
                trouble.ask_placement = True
                again |= verdict == ps.VERDICT_WRONG_GENERATION
                if answer.term != sent.term:
                    self._job.routes.forget(sent.partition)
            elif verdict == ps.VERDICT_SUPERSEDED:
                again = True
            elif verdict == ps.VERDICT_BUSY:
                again = True
                server.broke("it has no room")
            elif verdict in (ps.VERDICT_NOT_OPEN, ps.VERDICT_CLOSED):
                trouble.round_over = True
            elif verdict == ps.VERDICT_INVALID:
                trouble.fail = "a server found the push malformed"
        trouble.generation = max(trouble.generation, reply.generation)
        if again:
            server.new_incarnation()
        return everywhere


# --- The viewer --------------------------------------------------------------

class Viewer:
    """Reads the parameters of a job, and trains nothing. It has no lease, is in
    no view, and the scheduler does not hear of it."""

    def __init__(self, scheduler: str, job: str) -> None:
        self._channels = Channels()
        self._scheduler = self._channels.scheduler(scheduler)
        self._name = job
        self._session = new_session()

    def job(self) -> scheduler_pb2.GetJobResponse:
        return asked(self._scheduler.GetJob,
                     scheduler_pb2.GetJobRequest(name=self._name))

    def pull(self) -> Tuple[np.ndarray, int]:
        """The live values of all partitions, and how many updates are in each
        at least. In ASP only. Waits while a server is away."""
        until = time.monotonic() + CALL_S
        while True:
            job = self.job()
            state = JobState(self._session, self._channels)
            state.take(job.record)
            if state.plan.consistency.kind != \
                    common_pb2.Plan.Consistency.KIND_ASP:
                raise Refused("live values can be read outside the view in asp "
                              "only; take stored ones")
            state.generation = job.summary.generation
            state.routes.update(job.placement)
            puller, trouble = Puller(state), Trouble()
            values = puller.pull((0, 0), lambda: True, trouble)
            if values is not None:
                return values, min(puller.updates)
            if time.monotonic() > until:
                raise Refused(f"a partition cannot be read: {trouble}")
            time.sleep(0.1)

    def stored(self) -> np.ndarray:
        """The values of the newest durable version of each partition."""
        job = self.job()
        generation = job.summary.generation
        # After a rollback, the versions from which the generation began.
        newest = {key.partition: key for key in job.rollback.versions}
        holders = {}
        stubs = [self._channels.server(server.address)
                 for server in job.placement.servers]
        for stub in stubs:
            for version in asked(stub.ListVersions, ps.ListVersionsRequest(
                    job=job.record.id)).versions:
                key = version.key
                holders.setdefault(key.SerializeToString(), stub)
                known = newest.get(key.partition)
                if version.durable and key.generation == generation and (
                        known is None or known.generation != generation or
                        (known.term, known.sequence) <
                        (key.term, key.sequence)):
                    newest[key.partition] = key
        values = np.zeros(job.record.plan.parameters, np.float32)
        for key in newest.values():
            stub = holders[key.SerializeToString()]
            for piece in stub.ReadVersion(ps.ReadVersionRequest(
                    key=key, names=["values"]), timeout=CALL_S):
                at = piece.first + piece.offset
                part = np.frombuffer(piece.values, "<f4")
                values[at:at + len(part)] = part
        return values
