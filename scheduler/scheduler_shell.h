// A scheduler: one event thread, transport and store around a SchedulerCore.
//
//   sessions, operators ──> queue ──> event thread: core, then its actions:
//   time ─────────────────────────/     store (waits), messages, log lines
//
// Events are handled one at a time, and whatever an event must store is durable
// before its next action begins. The core's lock is held while it decides and
// while another thread reads it (status), never for I/O.
//
// So it has no Outbox, as servers and workers do. With one, other threads bring
// the core events while the actions of an earlier event are carried out. Here
// the next event waits until all of them are: a decision could otherwise rest
// on state that is not durable yet.
//
// While the store cannot be written, nothing is decided and status says so;
// training goes on with the items in hand.
#ifndef EBB_SCHEDULER_SCHEDULER_SHELL_H_
#define EBB_SCHEDULER_SCHEDULER_SHELL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/kill_point.h"
#include "common/mutex.h"
#include "rpc/transport.h"
#include "scheduler/scheduler_core.h"
#include "scheduler/store/scheduler_store.h"
#include "scheduler/watch.h"

namespace ebb::scheduler {

struct SchedulerShellOptions {
  SchedulerOptions core;
  // "host:port"; port 0 picks one. Default: for this machine alone. Give
  // "0.0.0.0:PORT" if other daemons are on others.
  std::string listen = "127.0.0.1:0";
  // Messages of one session that wait to be handled; beyond it the session is
  // closed, and its daemon connects again. Default 4096: more than a daemon
  // says while the scheduler writes to its disk.
  int link_queue = 4096;
  // Operators' changes that wait; beyond it they are refused. Default 256: more
  // than scripts send at once.
  int change_queue = 256;
  // True if the program that started the scheduler starts daemons that end
  // again, as `ebb run` does. Default: people do.
  bool of_a_run = false;
  // For tests: where this process kills itself. Default: nowhere.
  KillPoints kill_points;

  // InvalidArgument naming the option.
  absl::Status Validate() const;
};

// Returns the places where a scheduler may be killed in tests (KillPoints); or
// those that every job comes by, also one whose rounds no operation closes.
std::span<const absl::string_view> SchedulerKillPoints(bool operated = true);

// Thread-safe.
class SchedulerShell final : public rpc::SchedulerHandler {
 public:
  // `options` are valid. `transport` is not owned and outlives the shell.
  SchedulerShell(SchedulerShellOptions options, rpc::Transport* transport,
                 std::unique_ptr<SchedulerStore> store);
  // Stops at once: all that matters is durable.
  ~SchedulerShell() override;

  // Loads the store and listens. `admin`, which may be null, may use the
  // shell. Call once. DataLoss: the store is damaged.
  absl::Status Start(std::shared_ptr<rpc::SchedulerAdminHandler> admin);
  // The shell must have been started.
  const std::string& address() const { return listener_->address(); }

  // Makes a change on the event thread. OK only once it is durable. Blocks;
  // Unavailable: not durable after `limit`, but it may become so.
  using ChangeFunction = std::function<absl::Status(
      SchedulerCore* core, absl::Time now, SchedulerActions* out)>;
  absl::Status Change(ChangeFunction change, absl::Duration limit);

  struct Picture {
    const SchedulerCore& core;
    const Watch& watch;
    absl::Time now;
    std::string store_problem;  // Empty: none.
    bool of_a_run = false;      // SchedulerShellOptions::of_a_run.

    // False while it cannot write: then it takes no messages, so that all
    // daemons seem silent.
    bool hears() const { return store_problem.empty(); }
  };
  // Calls `look` under the core's lock: be short, do no I/O.
  void Inspect(absl::FunctionRef<void(const Picture&)> look);

  std::unique_ptr<rpc::WorkerLinkHandler> OnWorkerConnected(
      std::shared_ptr<rpc::WorkerLink> link) override;
  std::unique_ptr<rpc::ServerLinkHandler> OnServerConnected(
      std::shared_ptr<rpc::ServerLink> link) override;

  const KillPoints& kill_points() const { return options_.kill_points; }

 private:
  template <typename In, typename Out>
  class LinkHandler;

  // The end of a worker's or a server's session.
  struct WorkerClosed {};
  struct ServerClosed {};
  struct PendingChange;
  struct Event {
    LinkId link;
    std::variant<std::shared_ptr<rpc::WorkerLink>,
                 std::shared_ptr<rpc::ServerLink>, WorkerToScheduler,
                 ServerToScheduler, WorkerClosed, ServerClosed,
                 std::shared_ptr<PendingChange>>
        what;
  };

  LinkId NewLink();
  void Enqueue(Event event);
  // False: too many messages of this link wait, so it should not be read.
  bool EnqueueMessage(Event event);
  void Run();
  void Handle(Event* event);
  // False as for CarryOut.
  template <typename Function>
  bool Decide(Function decide);
  // False: it is stopping, and data may not have been stored.
  bool CarryOut(SchedulerActions* actions);
  bool Store(const std::vector<StoreWrite>& writes);
  void Stop();

  // Constant.
  const SchedulerShellOptions options_;
  rpc::Transport* const transport_;

  // Used by the event thread alone.
  const std::unique_ptr<SchedulerStore> store_;
  std::map<LinkId, std::shared_ptr<rpc::WorkerLink>> worker_links_;
  std::map<LinkId, std::shared_ptr<rpc::ServerLink>> server_links_;
  absl::Time tick_at_ = absl::InfinitePast();
  absl::Time look_at_ = absl::InfinitePast();

  Mutex mu_;
  std::unique_ptr<SchedulerCore> core_ ABSL_GUARDED_BY(mu_);
  Watch watch_ ABSL_GUARDED_BY(mu_);
  std::string store_problem_ ABSL_GUARDED_BY(mu_);

  Mutex queue_mu_;  // Never held together with mu_.
  CondVar queue_changed_;
  std::vector<Event> queue_ ABSL_GUARDED_BY(queue_mu_);
  absl::flat_hash_map<LinkId, int> messages_waiting_ ABSL_GUARDED_BY(queue_mu_);
  int changes_waiting_ ABSL_GUARDED_BY(queue_mu_) = 0;
  uint64_t last_link_ ABSL_GUARDED_BY(queue_mu_) = 0;
  bool stopping_ ABSL_GUARDED_BY(queue_mu_) = false;

  // Own synchronization.
  // Shared, for its type is not known here.
  std::shared_ptr<rpc::SchedulerAdminHandler> admin_;
  std::unique_ptr<rpc::Listener> listener_;
  std::thread thread_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_SCHEDULER_SHELL_H_
