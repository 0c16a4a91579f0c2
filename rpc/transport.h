// How scheduler, servers and workers reach each other: interfaces that know
// neither gRPC nor sockets. grpc_transport.h is the real one; tests and
// in-process clusters use inprocess_transport.h. Both pass
// transport_contract.h.
//
//   auto listener = transport->ListenPs("127.0.0.1:0", {.data = &shard});
//   auto channel = transport->ConnectPs((*listener)->address());
//   channel->Push(request, absl::Seconds(5), [](auto reply) { ... });
//
// Threads: every method may be called from any thread and none blocks, except
// destructors. Callbacks and handlers run on threads of the transport, which
// are few: they hand over to threads of their own, and never block.
//
// Destructors cancel outstanding calls, wait for running callbacks, and prevent
// later ones. So do not destroy a channel, session or listener on a thread of
// the transport, nor while holding a lock that callbacks take.
#ifndef EBB_RPC_TRANSPORT_H_
#define EBB_RPC_TRANSPORT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protocol/messages.h"

namespace ebb::shm {
class FileTable;
class SharedHeap;
}  // namespace ebb::shm

namespace ebb::rpc {

// Served beside the data and the sessions by transports that have a network
// (rpc/admin.h).
class PsAdminHandler;
class SchedulerAdminHandler;

inline constexpr int kMostBulkStreams = 16;

struct TransportOptions {
  // Bytes of one message, both sides, both directions (--message-limit). Pushes
  // and answers to pulls that are larger travel in pieces. Give all daemons the
  // same. Default 512 MiB; less bounds the memory that one message takes.
  int64_t max_message_bytes = int64_t{512} << 20;
  // Bytes of one push, or of one answer to a pull, in however many pieces.
  // Default 64 GiB: more than any partition should have.
  int64_t max_assembled_bytes = int64_t{64} << 30;
  // A connection that is silent for keepalive_time is asked for a sign of
  // life, and given up after keepalive_timeout more, at least 10 ms each.
  // Defaults 2 s each; a killed process is noticed at once in any case. Raise
  // them for networks that are away for longer now and then.
  absl::Duration keepalive_time = absl::Seconds(2);
  absl::Duration keepalive_timeout = absl::Seconds(2);
  // How long one attempt to connect may take. Default 2 s; at least several
  // round trips.
  absl::Duration connect_timeout = absl::Seconds(2);
  // Messages waiting to be sent in one session; beyond it the other side does
  // not read, and the session is closed. Default 16384: more than a session
  // says in a second. Lower it in tests only.
  int session_queue_messages = 16384;
  // Calls being answered at once by one listener; beyond it, calls are refused
  // with kResourceExhausted. Default 16384; give at least the pulls and pushes
  // that all workers have under way.
  int max_calls = 16384;
  // How long a listener that is destroyed lets calls finish. Default 1 s: their
  // callers try again elsewhere in any case.
  absl::Duration shutdown_grace = absl::Seconds(1);
  // True: a worker and a server of one machine and one user reach each other
  // through shared memory, if both allow it (docs/decisions/0009). The messages
  // are the same, except for Fetch, which takes no shared memory. Default:
  // false, for tests; daemons set it unless --shared-memory is off.
  bool shared_memory = false;
  // The heap of a worker's gradients, which such servers read in place;
  // gradients elsewhere are copied. Default: none.
  std::shared_ptr<shm::SharedHeap> heap;
  // True: a worker and a server move pushes and pulls over a TCP connection
  // of their own where they do not share memory, and two servers the partitions
  // that move, if both allow it (docs/decisions/0034). Default: false, for
  // tests; daemons set it unless --bulk is off.
  bool bulk_stream = false;
  // Such connections to each server, 1 to kMostBulkStreams. Default 1; more
  // help only where a link is faster than one of them.
  int bulk_streams = 1;
  // The server's port for them. Default 0: a free one, which callers are told.
  // Give one where a firewall lets single ports through.
  int bulk_port = 0;
  // Threads that run the admin handlers of one listener, and calls that may
  // wait for one; beyond, calls are refused. Defaults 2 and 64: people and
  // scrapers ask seldom.
  int admin_threads = 2;
  int admin_queue = 64;

  absl::Status Validate() const;
};

// --- The data plane ----------------------------------------------------------

// A parameter server's handler of requests. It is called from any thread,
// several at once. `done` may be called from any thread, at any time, within
// the call or long after; at most once. Destroying it uncalled answers the
// caller with kUnavailable. Calling it when the caller or the listener is gone
// has no effect.
class PsHandler {
 public:
  using PushDone = std::function<void(PushReply)>;
  using PullDone = std::function<void(PullReply)>;
  using FetchDone = std::function<void(FetchReply)>;

  virtual ~PsHandler() = default;
  virtual void Push(PushRequest request, PushDone done) = 0;
  virtual void Pull(PullRequest request, PullDone done) = 0;
  virtual void Clock(ClockUpdate update) = 0;
  // From another server, to which a partition moves.
  virtual void Fetch(FetchRequest request, FetchDone done) = 0;
};

// The way to one parameter server. It connects by itself, again and again;
// calls meanwhile fail with kUnavailable.
//
// Each `done` is called exactly once, with one of
//   kUnavailable         the server is not there, or went away: unknown effect
//   kDeadlineExceeded    unknown effect
//   kResourceExhausted   the server has too many calls, or no room for the
//                        message now: no effect, back off
//   kOutOfRange          a message is over a limit, which the text names: the
//                        same call never succeeds; a push had no effect
//   kInvalidArgument     the server refused to read the message: a bug
//   kCancelled           the channel is being destroyed; for a call that is
//   made
//                        meanwhile, within it
class PsChannel {
 public:
  using PushDone = std::function<void(absl::StatusOr<PushReply>)>;
  using PullDone = std::function<void(absl::StatusOr<PullReply>)>;
  using FetchDone = std::function<void(absl::StatusOr<FetchReply>)>;

  virtual ~PsChannel() = default;
  // The payloads are kept until they are sent, or until the call is over.
  virtual void Push(PushRequest request, absl::Duration deadline,
                    PushDone done) = 0;
  virtual void Pull(const PullRequest& request, absl::Duration deadline,
                    PullDone done) = 0;
  // Arrives or does not.
  virtual void Clock(const ClockUpdate& update) = 0;
  // For a server to which a partition moves. kInvalidArgument also says that
  // the answer cannot be read, as one whose manifest is too long (wire.h).
  virtual void Fetch(const FetchRequest& request, absl::Duration deadline,
                     FetchDone done) = 0;
};

// --- Sessions ----------------------------------------------------------------

// One end of a stream of messages between a daemon and the scheduler: `Out`
// is sent. Messages arrive in the order sent, none twice, none missing but at
// the end.
template <typename Out>
class Session {
 public:
  virtual ~Session() = default;
  // Queues. False: the session is closed, now or before, and the message is
  // dropped. Over TransportOptions::session_queue_messages it is closed with
  // kResourceExhausted.
  virtual bool Send(Out message) = 0;
  // Sends queued messages, then closes; OnClosed follows, on both sides, with
  // OK. If the other side does not read, nothing follows until it is given up.
  virtual void Close() = 0;
};

// Handles the messages at one end. Calls come one after the other.
template <typename In>
class SessionHandler {
 public:
  virtual ~SessionHandler() = default;
  virtual void OnMessage(In message) = 0;
  // Exactly once, and last. OK: one side called Close(). Unavailable: the
  // other side cannot be reached, refused, is gone, or gave this one up.
  // InvalidArgument: a message could not be read. ResourceExhausted: the
  // other side does not read fast enough. Cancelled: this end was destroyed.
  virtual void OnClosed(absl::Status status) = 0;
};

using WorkerSession = Session<WorkerToScheduler>;  // A worker's end …
using WorkerLink = Session<SchedulerToWorker>;     // … the scheduler's.
using ServerSession = Session<ServerToScheduler>;  // A server's end …
using ServerLink = Session<SchedulerToServer>;     // … the scheduler's.
using WorkerSessionHandler = SessionHandler<SchedulerToWorker>;
using WorkerLinkHandler = SessionHandler<WorkerToScheduler>;
using ServerSessionHandler = SessionHandler<SchedulerToServer>;
using ServerLinkHandler = SessionHandler<ServerToScheduler>;

// Accepts the streams that reach the scheduler. `link` may be kept for as long
// as wanted, also beyond OnClosed (hence shared): sending to it then does
// nothing. Dropping it closes nothing. The returned handler is destroyed after
// its OnClosed. Returning null refuses the stream with kUnavailable.
class SchedulerHandler {
 public:
  virtual ~SchedulerHandler() = default;
  virtual std::unique_ptr<WorkerLinkHandler> OnWorkerConnected(
      std::shared_ptr<WorkerLink> link) = 0;
  virtual std::unique_ptr<ServerLinkHandler> OnServerConnected(
      std::shared_ptr<ServerLink> link) = 0;
};

// --- Transport ---------------------------------------------------------------

// An address being served. The destructor closes all sessions (kUnavailable at
// the other side), lets calls finish for shutdown_grace, ends the rest, and
// returns when no handler runs or will run.
class Listener {
 public:
  virtual ~Listener() = default;
  // With the port that was picked where 0 was asked for.
  virtual const std::string& address() const = 0;
  // The answer of the health service. True at first; set it to false when
  // draining begins.
  virtual void SetServing(bool serving) = 0;
};

// None is owned; all outlive the listener. Null: there is none.
struct PsServices {
  PsHandler* data = nullptr;
  PsAdminHandler* admin = nullptr;
  // The memory files that values of pulls lie in, if any: workers that may read
  // them need no copy.
  shm::FileTable* files = nullptr;
};
struct SchedulerServices {
  SchedulerHandler* sessions = nullptr;
  SchedulerAdminHandler* admin = nullptr;
};

// Outlives everything made by it.
class Transport {
 public:
  virtual ~Transport() = default;

  // kUnavailable: the address cannot be bound. Port 0 picks a free one. Calls
  // may arrive before this returns.
  virtual absl::StatusOr<std::unique_ptr<Listener>> ListenPs(
      const std::string& address, PsServices services) = 0;
  virtual absl::StatusOr<std::unique_ptr<Listener>> ListenScheduler(
      const std::string& address, SchedulerServices services) = 0;

  virtual std::unique_ptr<PsChannel> ConnectPs(const std::string& address) = 0;

  // Messages may be sent at once, and calls to the handler may come before this
  // returns. OnClosed(kUnavailable) reports an address that cannot be reached.
  // A session never connects twice. The handler is not owned and outlives the
  // session. Destroying a session closes it without sending queued messages;
  // the other side sees kUnavailable. To leave in good order, Close() and wait
  // for OnClosed.
  virtual std::unique_ptr<WorkerSession> ConnectWorkerSession(
      const std::string& address, WorkerSessionHandler* handler) = 0;
  virtual std::unique_ptr<ServerSession> ConnectServerSession(
      const std::string& address, ServerSessionHandler* handler) = 0;
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_TRANSPORT_H_
