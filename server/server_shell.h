// A parameter server: threads, transport and storage around a ServerCore.
//
//   workers ──push, pull──> transport ──┐            ┌──> compute threads
//   scheduler ── session ── connection ─┼─> core ────┼──> storage thread
//   time ── timer thread ───────────────┘ (one lock) └──> replies, messages
//
// Every event takes the core's lock for a moment; only decisions happen under
// it. The resulting actions are carried out without the lock, by one thread at
// a time (common/outbox.h).
//
// Pushes take turns before that (SerialTasks). The work after a push takes
// longest, and the transport's few threads must not wait for it with the next
// push.
//
// It knows no gRPC: the ThreadSanitizer test runs it over the in-process
// transport.
#ifndef EBB_SERVER_SERVER_SHELL_H_
#define EBB_SERVER_SERVER_SHELL_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/kill_point.h"
#include "common/mutex.h"
#include "common/outbox.h"
#include "common/shm/file_table.h"
#include "datasets/target.h"
#include "rpc/transport.h"
#include "server/call_metrics.h"
#include "server/initial_reader.h"
#include "server/peer_reader.h"
#include "server/scheduler_connection.h"
#include "server/serial_tasks.h"
#include "server/server_core.h"
#include "server/storage_thread.h"
#include "server/store/checkpoint_store.h"
#include "server/task_threads.h"
#include "server/update_groups.h"

namespace ebb::server {

struct ServerShellOptions {
  // Options of the core; the shell fills in address and resources.
  ServerOptions core;
  // "host:port"; port 0 picks one. Default: for this machine alone. Give
  // "0.0.0.0:PORT" if workers are on others.
  std::string listen = "127.0.0.1:0";
  // The address where workers reach this server, if not at the address listened
  // on: "host:port", or "host" with the port listened on.
  std::string advertise;
  SchedulerConnectionOptions scheduler;
  // Threads that compute updates. Default 0: one per core; give fewer where
  // workers compute on the same cores.
  int compute_threads = 0;
  // Most bytes of the values of all jobs, with those that pulls, cuts and
  // snapshots hold. Default 0: half of the machine's memory. Give less than the
  // limit of a container, which has pushes and the store beside them.
  int64_t value_bytes = 0;
  // Bytes of all pushes not yet answered, with what applying their rows takes;
  // further ones are refused. Default 1 GiB; raise it where a push of every
  // worker does not fit.
  int64_t push_bytes = int64_t{1} << 30;
  // For tests: where this process kills itself. Default: nowhere.
  KillPoints kill_points;
  // The place of the files with whose values jobs begin. Not owned; null: such
  // jobs wait here.
  datasets::Source* initial_values = nullptr;
  // Called once, on any thread, when another process has taken this server's
  // place: the process should end. Null: no call.
  std::function<void(const std::string& why)> displaced;

  // InvalidArgument naming the option.
  absl::Status Validate() const;
};

// Returns the places where a server may be killed in tests (KillPoints); or
// those that every job comes by, also one whose rounds no operation closes.
std::span<const absl::string_view> ServerKillPoints(bool operated = true);

// Thread-safe.
class ServerShell final : public rpc::PsHandler {
 public:
  // `options` are valid. `transport` is not owned and outlives the shell.
  ServerShell(ServerShellOptions options, rpc::Transport* transport,
              std::unique_ptr<CheckpointStore> store);
  // Stops at once, as a kill would but in good order for the process.
  ~ServerShell() override;

  // Reads the store's inventory, listens, and begins to look for the
  // scheduler. `admin`, which may be null, may use the shell. Call once.
  absl::Status Start(std::shared_ptr<rpc::PsAdminHandler> admin);
  // The shell must have been started.
  const std::string& address() const { return listener_->address(); }
  // Returns the address where others reach it, as it tells the scheduler.
  std::string advertised() const;
  // The scheduler knows this server, and it does not leave. The shell must have
  // been started.
  bool Ready();

  // Leaves in good order. It lets other servers take its partitions, for at
  // most half of `limit`; then takes no more pushes, writes what is not
  // durable, and says goodbye. Blocks at most `limit`. DeadlineExceeded: some
  // data is not durable yet, or the scheduler did not take the goodbye; workers
  // will recompute what is lost.
  absl::Status Drain(absl::Duration limit);

  // Returns the content of the server's own disk, as the server knows it. Waits
  // for the storage thread, at most `limit`: then Unavailable.
  absl::StatusOr<Inventory> Stored(absl::Duration limit);

  // Figures of its present work.
  struct Figures {
    // Requests of workers that are not answered yet; the bytes include what
    // applying rows takes.
    int64_t pushes = 0;
    int64_t push_bytes = 0;
    int64_t pulls = 0;
    // Memory of the blocks that hold values.
    int64_t used_bytes = 0;
    int64_t free_bytes = 0;
    int64_t most_bytes = 0;
    // Versions that were written in its life, and those that could not be.
    int64_t versions = 0;
    int64_t versions_failed = 0;
    int64_t version_bytes = 0;  // Bytes of values that were new in them.
    absl::Time last_version = absl::InfinitePast();
  };
  Figures figures();
  // Metrics of all calls of workers.
  const CallMetrics& calls() const { return calls_; }

  // Calls ServerCore's, for versions to be kept for this long.
  std::vector<RoundVersion> KeepVersions(JobId job, absl::Duration time);

  // Calls `look` under the core's lock: be short, do no I/O.
  void Inspect(absl::FunctionRef<void(const ServerCore&)> look);

  void Push(PushRequest request, PushDone done) override;
  void Pull(PullRequest request, PullDone done) override;
  void Clock(ClockUpdate update) override;
  void Fetch(FetchRequest request, FetchDone done) override;

 private:
  struct PendingPush {
    PushDone done;
    int64_t bytes = 0;  // Its part of pushed_bytes_.
  };
  // Actions of the core, with the callers that wait for its replies.
  struct Output {
    ServerActions actions;
    std::vector<PushDone> pushes;  // One for each ReplyPush, in order.
    std::vector<PullDone> pulls;
    std::vector<FetchDone> fetches;
  };

  absl::StatusOr<JobResources> MakeResources(const JobRecord& record,
                                             const RollbackRecord& rollback);
  // Gives the core an event, then carries out what follows (or leaves it to
  // the thread that is at it).
  template <typename Event>
  void Do(Event event);
  void OnPush(PushRequest request, const absl::Status& room,
              PendingPush pending);
  bool AtOnceLocked(const UpdateTask& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool ReadyLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return core_.has_value() && !stopping_;
  }
  // Ends an event: carries out what follows, without the lock.
  void AfterEventLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Output OutputLocked(ServerActions actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CarryOut(Output* output);
  void CountVersion(const absl::Status& status, int64_t bytes);
  // Runs small updates on this thread, and the rest on the compute threads.
  void RunUpdates(std::vector<UpdateTask> tasks);
  void RunUpdatesHere(std::span<UpdateTask> tasks);
  void RunTimer();
  // Waits until the other servers have taken partitions, or until `until`.
  void HandOver(absl::Time until);
  void Stop();

  // Constant.
  const ServerShellOptions options_;
  rpc::Transport* const transport_;

  Mutex mu_;
  CondVar timer_changed_;
  CondVar carried_out_;  // After an event: outbox_ may be idle.
  std::optional<ServerCore> core_ ABSL_GUARDED_BY(mu_);
  Outbox<ServerAction> outbox_ ABSL_GUARDED_BY(mu_);
  uint64_t next_token_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<uint64_t, PendingPush> pushes_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<uint64_t, PullDone> pulls_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<uint64_t, FetchDone> fetches_ ABSL_GUARDED_BY(mu_);
  absl::Time timer_at_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  Figures versions_ ABSL_GUARDED_BY(mu_);  // Only the figures of versions.
  // Bytes that this event may still compute on; see ServerOptions::at_once.
  int64_t in_event_left_ ABSL_GUARDED_BY(mu_) = kUpdatesInEventBytes;
  bool leaving_ ABSL_GUARDED_BY(mu_) = false;
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  // Bytes of pushes that came and are not answered yet, with what applying
  // their rows takes. For refused pushes it is what is left without their
  // values.
  std::atomic<int64_t> pushed_bytes_ = 0;
  CallMetrics calls_;  // Outlives the listener.

  // Workers of this machine read pulled values in place. Outlives the answers
  // to the workers, and the listener.
  shm::FileTable files_;

  Mutex pools_mu_;  // Taken after mu_.
  // By the size of their blocks, which all jobs of this version share, so that
  // a job can use memory that another leaves. Kept for good: the store knows
  // contents by them.
  std::map<int64_t, std::shared_ptr<BlockPool>> pools_
      ABSL_GUARDED_BY(pools_mu_);

  // Own synchronization. Stop() ends them in their order.
  std::unique_ptr<CheckpointStore> store_;  // Until Start().
  // Shared, for its type is not known here.
  std::shared_ptr<rpc::PsAdminHandler> admin_;
  SerialTasks arrived_pushes_;
  std::unique_ptr<rpc::Listener> listener_;
  std::optional<SchedulerConnection> scheduler_;
  std::optional<TaskThreads> compute_;
  std::optional<PeerReader> peers_;
  std::optional<InitialReader> initial_;
  std::optional<StorageThread> storage_;
  std::thread timer_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_SERVER_SHELL_H_
