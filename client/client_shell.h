// TrainingCore in the real world: threads round the core, connections to the
// scheduler and the servers, time, and a thread that computes.
//
//   rpc::GrpcTransport transport;
//   MyComputer computer;
//   ClientShell shell({.core = {.session = session}, .scheduler = "host:7000"},
//                     &transport, &computer);
//   ...                              // It works.
//   shell.Drain(absl::Seconds(20));  // Leaves in good order.
//
// Thread-safe. It has three threads of its own. One computes. One finds the
// rows of the next batch meanwhile. One keeps time, reconnects, and closes
// unused connections (this may block, so no thread of the transport does it).
//
// One lock, mu_, protects the core; nothing is sent under it. The core's
// actions are carried out without it, by one thread at a time
// (common/outbox.h).
#ifndef EBB_CLIENT_CLIENT_SHELL_H_
#define EBB_CLIENT_CLIENT_SHELL_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/gradient_filter.h"
#include "client/job_computer.h"
#include "client/leased_items.h"
#include "client/local_training.h"
#include "client/options.h"
#include "client/trained_gradient.h"
#include "client/training_core.h"
#include "common/kill_point.h"
#include "common/mutex.h"
#include "common/outbox.h"
#include "common/rare_telling.h"
#include "rpc/transport.h"

namespace ebb::client {

struct ClientShellOptions {
  // Options of the core, which knows no threads and no network.
  ClientOptions core;
  // HOST:PORT of the scheduler; must be given.
  std::string scheduler;
  // The first pause before the scheduler is tried again; it doubles with each
  // failure up to the longest, less a random part of up to half. Defaults 20 ms
  // and 2 s: many workers may return at once. Shorter ones are for tests.
  absl::Duration first_pause = absl::Milliseconds(20);
  absl::Duration longest_pause = absl::Seconds(2);
  // A connection to a server that was unused for this long is closed. So is the
  // one unused longest, if there are more than most_channels. Defaults 30 s and
  // 1024; give more channels than a job has servers.
  absl::Duration channel_idle = absl::Seconds(30);
  size_t most_channels = 1024;
  // Makes the local rules of jobs whose algorithm has one. Absent: only those
  // of ebb's own algorithms.
  LocalTraining::Maker local_mathematics;
  // Called with one line per event that an operator should know, on any thread,
  // one call at a time; it must not call the shell. Absent: the lines are
  // dropped.
  std::function<void(absl::string_view)> log;
  // For tests: where this process kills itself. Default: nowhere.
  KillPoints kill_points;
};

// The points at which tests may kill a worker (KillPoints).
std::span<const absl::string_view> ClientKillPoints();

class ClientShell {
 public:
  struct Status {
    bool connected = false;  // A session with the scheduler is open.
    // And the scheduler has said something in it, or would long have been
    // found away.
    bool ready = false;
    bool computing = false;  // A call of the computer has not returned.
    int64_t batches = 0;
    int64_t examples = 0;
    LocalSteps local_steps;
    CachedRowCounts cached_rows;
    FailedCalls failed_calls{};
    int64_t unreached_servers = 0;
  };

  // Works from now on. Neither is owned; both outlive the shell.
  ClientShell(ClientShellOptions options, rpc::Transport* transport,
              JobComputer* computer);
  // Leaves at once, as a crash would, but for the computer's call, which it
  // waits for.
  ~ClientShell();
  ClientShell(const ClientShell&) = delete;
  ClientShell& operator=(const ClientShell&) = delete;

  // Begins to leave: finishes the batch, delivers its pushes, returns the
  // items, says goodbye. Does not block.
  void BeginDrain();
  // Does that too, and blocks until it is done (true), or for `limit`.
  bool Drain(absl::Duration limit);

  Status status() const;
  // See TrainingCore.
  std::vector<LeasedItems::Run> Ahead(JobId job, size_t most) const;

 private:
  class Connection;
  struct Channel {
    std::shared_ptr<rpc::PsChannel> channel;
    absl::Time used;
  };
  using Task = std::variant<PrepareJob, Compute, Evaluate, LoseEvaluation>;
  struct Outgoing {
    ClientAction action;
    int64_t connection = 0;  // The one it was meant for.
  };

  // Gives the core one event, `handle(core, now, actions)`, then carries out
  // what follows, unless another thread does so.
  template <typename Handle>
  void Step(Handle handle);
  void QueueLocked(ClientActions actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CarryOut(std::vector<Outgoing>* batch);
  void Do(SendScheduler action, int64_t connection);
  void Do(SendPush action);
  void Do(SendPull action);
  void Do(SendClock action);
  void Do(LogEvent action);
  void Do(FindRows action);
  void Do(Expect action);
  void Do(LookForData action);
  void Assign(Task task);
  // Returns the connection to a server; makes it if there is none. For the
  // carrying thread only.
  std::shared_ptr<rpc::PsChannel> ChannelTo(const std::string& address);

  void OnMessage(int64_t connection, SchedulerToWorker message);
  void OnClosed(int64_t connection, const absl::Status& status);

  void Work();         // The computing thread.
  void WorkOnRows();   // The one that finds rows.
  void WorkOnLooks();  // The one that looks for data.
  // Looks again and again, until there is more or it is time to answer.
  void Look(const LookForData& look);
  void KeepTime();  // The other one.
  // Computes a batch, and applies the job's algorithm and filter.
  ComputeResult ComputeBatch(const ComputeTask& task);
  void Connect();
  void SweepChannelsLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Duration PauseLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Log(absl::string_view text);
  // A call failed in a way that trying again will not mend.
  void Complain(const std::string& address, const absl::Status& status);

  // Constant after construction.
  const ClientShellOptions options_;
  rpc::Transport* const transport_;  // Not owned.
  JobComputer* const computer_;      // Not owned.
  // Used by the computing thread only.
  LocalTraining local_training_;
  TrainedGradient trained_gradient_;
  GradientFilter filter_;

  mutable Mutex mu_;
  CondVar timer_;  // Wakes KeepTime.
  CondVar work_;   // Wakes Work.
  // Signalled after an event: outbox_ may be idle. And when a session closed.
  CondVar settled_;
  TrainingCore core_ ABSL_GUARDED_BY(mu_);
  Outbox<Outgoing> outbox_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mu_);
  bool computing_ ABSL_GUARDED_BY(mu_) = false;
  CondVar rows_wanted_;  // Wakes WorkOnRows.
  // A batch of each job, and one of test data.
  std::deque<FindRows> rows_tasks_ ABSL_GUARDED_BY(mu_);

  CondVar look_wanted_;  // Wakes LookForData.
  std::optional<LookForData> look_ ABSL_GUARDED_BY(mu_);

  // When the core wants a tick, and when KeepTime will look next.
  absl::Time next_tick_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  absl::Time wakes_at_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  absl::Time no_tick_before_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();

  // The session with the scheduler. Connections are counted; `closed_` is the
  // last that closed, perhaps before Connect() could publish it.
  std::shared_ptr<Connection> connection_ ABSL_GUARDED_BY(mu_);
  int64_t connections_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t closed_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Time connected_at_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  int64_t heard_ ABSL_GUARDED_BY(mu_) = 0;  // The last connection that spoke.
  bool leased_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time reconnect_at_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  int failures_ ABSL_GUARDED_BY(mu_) = 0;
  RareTelling logged_failure_ ABSL_GUARDED_BY(mu_);
  RareTelling logged_look_ ABSL_GUARDED_BY(mu_);
  bool leaving_ ABSL_GUARDED_BY(mu_) = false;

  std::map<std::string, Channel> channels_ ABSL_GUARDED_BY(mu_);
  absl::Time next_sweep_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  // KeepTime destroys them when it has the last reference.
  std::vector<std::shared_ptr<void>> retired_ ABSL_GUARDED_BY(mu_);
  absl::Time next_complaint_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();

  Mutex log_mu_;  // Round options_.log; taken with no other lock held.

  std::thread time_thread_;
  std::thread work_thread_;
  std::thread rows_thread_;
  std::thread look_thread_ ABSL_GUARDED_BY(mu_);  // From the first look on.
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_CLIENT_SHELL_H_
