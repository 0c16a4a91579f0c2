// A listener at one address of the in-process transport, and the calls that one
// channel has under way.
#ifndef EBB_RPC_INTERNAL_INPROCESS_ENDPOINT_H_
#define EBB_RPC_INTERNAL_INPROCESS_ENDPOINT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "rpc/internal/inprocess_pipe.h"
#include "rpc/internal/mailbox.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

// The calls of one channel, and the thread that answers them. Thread-safe.
class Calls {
 public:
  using Done = std::variant<PsChannel::PushDone, PsChannel::PullDone,
                            PsChannel::FetchDone>;

  // Fails with kDeadlineExceeded when nothing else happens before; at once,
  // with kCancelled, when Finish was called.
  uint64_t Add(Done done, absl::Duration deadline);
  // These do nothing when the call is over.
  template <typename Reply>
  void Complete(uint64_t call, Reply reply);
  void Fail(uint64_t call, absl::Status status);
  // Fails all with kCancelled. No callback comes later.
  void Finish();

 private:
  struct Call {
    Done done;
    bool timed = false;
    Mailbox::Timer timer;
  };
  bool Take(uint64_t call, Call* taken);

  Mutex mu_;
  bool finishing_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t next_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<uint64_t, Call> calls_ ABSL_GUARDED_BY(mu_);
  Mailbox box_;
};

// Thread-safe. The lock is held while those of pipes and mailboxes are taken,
// never while a handler or a callback is called.
class Endpoint : public std::enable_shared_from_this<Endpoint> {
 public:
  // One of the handlers is null.
  Endpoint(PsHandler* ps, SchedulerHandler* scheduler,
           const TransportOptions& options)
      : ps_(ps),
        scheduler_(scheduler),
        options_(options),
        box_(std::make_shared<Mailbox>()) {}

  void Push(std::shared_ptr<Calls> calls, uint64_t call, PushRequest request);
  void Pull(std::shared_ptr<Calls> calls, uint64_t call, PullRequest request);
  void Fetch(std::shared_ptr<Calls> calls, uint64_t call, FetchRequest request);
  void Clock(const ClockUpdate& update);
  // False: sessions of this kind are not accepted here.
  bool Accept(std::shared_ptr<Pipe<WorkerToScheduler, SchedulerToWorker>> pipe);
  bool Accept(std::shared_ptr<Pipe<ServerToScheduler, SchedulerToServer>> pipe);

  void Unplug();
  // Lets calls finish for `grace`, and ends the rest. No handler is called
  // later.
  void Finish(absl::Duration grace);

 private:
  template <typename Reply>
  class Ticket;
  struct Caller {
    std::shared_ptr<Calls> calls;
    uint64_t call = 0;
  };

  template <typename Reply>
  std::shared_ptr<Ticket<Reply>> Begin(std::shared_ptr<Calls> calls,
                                       uint64_t call);
  template <typename Request, typename Reply>
  void Serve(std::shared_ptr<Calls> calls, uint64_t call, Request request,
             void (PsHandler::*method)(Request, std::function<void(Reply)>));
  // False: it is over.
  bool Running(uint64_t key);
  bool End(uint64_t key);
  void Remember(const std::shared_ptr<PipeBase>& pipe)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<Caller> TakeCalls() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<std::shared_ptr<PipeBase>> TakePipes()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  PsHandler* const ps_;                // Not owned.
  SchedulerHandler* const scheduler_;  // Not owned.
  const TransportOptions options_;
  const std::shared_ptr<Mailbox> box_;
  Mutex mu_;
  CondVar idle_;
  bool accepting_ ABSL_GUARDED_BY(mu_) = true;
  int clocks_ ABSL_GUARDED_BY(mu_) = 0;  // In the mailbox.
  uint64_t next_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<uint64_t, Caller> calls_ ABSL_GUARDED_BY(mu_);
  std::vector<std::weak_ptr<PipeBase>> pipes_ ABSL_GUARDED_BY(mu_);
  // Kept alive: their servers' ends must still hear OnClosed.
  std::vector<std::shared_ptr<PipeBase>> unplugged_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_INPROCESS_ENDPOINT_H_
