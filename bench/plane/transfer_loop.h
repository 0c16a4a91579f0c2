// A worker that only pushes and pulls: the production client's pusher and
// puller over the production transport, without a computation.
#ifndef EBB_BENCH_PLANE_TRANSFER_LOOP_H_
#define EBB_BENCH_PLANE_TRANSFER_LOOP_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/plane/data_plane.h"
#include "client/actions.h"
#include "client/leased_items.h"
#include "client/options.h"
#include "client/puller.h"
#include "client/pusher.h"
#include "client/routes.h"
#include "common/mutex.h"
#include "protocol/messages.h"
#include "rpc/grpc_transport.h"
#include "rpc/transport.h"

namespace ebb::bench {

// The record of a job that is pushed to one example at a time, from a record
// as of job::MakeJobRecord: one item, which never ends.
absl::StatusOr<JobRecordPtr> EndlessJob(JobId id, JobRecord record);

// The transport's options as a worker on the server's machine has them, with a
// heap if it shares memory and the system has room for one.
rpc::TransportOptions WorkerNetwork(DataPlane plane, int streams = 1);

// Works on one job on one server. Thread-compatible: one call at a time.
class TransferLoop {
 public:
  // The transport is not owned and outlives this. Another worker pushed the
  // first `pushed` examples of the only item.
  TransferLoop(rpc::Transport* transport, JobRecordPtr record,
               const Placement& placement, int64_t pushed = 0);
  ~TransferLoop();

  // A thread with an answer calls the functions below, as with the core of a
  // client: the waiting thread would be a third one on two cores. Each is
  // called by one thread at a time, and does not call this.

  // Returns the content of the push with this number, from 0, without its
  // ledger, which is set here; it may be the same again and again.
  using ResultOf = absl::FunctionRef<client::ComputeResult*(int64_t)>;
  // Which rows are pulled with this number; null: there are no sparse tables.
  using RowsOf = absl::FunctionRef<client::BatchRowsPtr(int64_t)>;
  // Told of each pull in its order.
  using OnPulled =
      absl::FunctionRef<absl::Status(int64_t, const client::PulledValues&)>;

  // Sends this many pushes (pulls), with `in_flight` of them outstanding.
  // Blocks until all are answered. Internal: a push was not applied, or a pull
  // brought nothing. Else the error of the transport or OnPulled. Do not use it
  // after an error.
  absl::Status Push(int64_t operations, int in_flight, ResultOf result_of);
  absl::Status Pull(int64_t operations, int in_flight, RowsOf rows_of,
                    OnPulled on_pulled);

  // Latencies of pushes with nothing else in flight, since the last call:
  // seconds until each was acknowledged.
  std::vector<double> TakeLatencies();

  const JobRecord& record() const { return *record_; }
  // Examples, one each, of the first item.
  int64_t pushed() const {
    MutexLock lock(&mu_);
    return pushed_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  // A call of Push or Pull.
  struct Pushes {
    int64_t operations = 0;
    size_t in_flight = 0;
    ResultOf result_of;
    int64_t sent = 0;
  };
  struct Pulls {
    int64_t operations = 0;
    int64_t in_flight = 0;
    RowsOf rows_of;
    OnPulled on_pulled;
    int64_t sent = 0;
    int64_t taken = 0;
    int64_t told = 0;
    std::deque<client::PulledValuesPtr> untold;
    bool telling = false;
  };

  // Sends as many as may be under way.
  void SendPushesLocked(client::ClientActions* out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes those that are there, in their order, and begins as many.
  void SendPullsLocked(client::ClientActions* out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Reports the pulls that were taken, unless another thread does so.
  void TellPulled();
  // Requests missing parts of the pull.
  void AskLocked(client::Puller* puller, client::ClientActions* out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Carries out what the pusher or a puller asked for, in its order, on one
  // thread at a time, as the client's shell does.
  void CarryOut(client::ClientActions actions);
  void Do(client::SendPush action);
  void Do(client::SendPull action);
  void OnPushReply(const client::PushId& id, absl::StatusOr<PushReply> reply);
  void OnPullReply(const client::PullId& id, absl::StatusOr<PullReply> reply);
  void FailLocked(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const JobRecordPtr record_;
  const ItemId item_{0, 0};
  const WorkerStamp stamp_;
  const client::ClientOptions options_;

  mutable Mutex mu_;
  CondVar changed_;
  client::Routes routes_ ABSL_GUARDED_BY(mu_);
  client::LeasedItem held_ ABSL_GUARDED_BY(mu_);
  client::Pusher pusher_ ABSL_GUARDED_BY(mu_);
  // Each with one pull on its way, or that is there.
  std::vector<std::unique_ptr<client::Puller>> pullers_ ABSL_GUARDED_BY(mu_);
  std::map<int64_t, client::Puller*> puller_of_request_ ABSL_GUARDED_BY(mu_);
  int64_t next_request_ ABSL_GUARDED_BY(mu_) = 1;
  int64_t pushed_ ABSL_GUARDED_BY(mu_) = 0;
  // The caller's that waits; null: none does.
  Pushes* pushes_ ABSL_GUARDED_BY(mu_) = nullptr;
  Pulls* pulls_ ABSL_GUARDED_BY(mu_) = nullptr;
  // When the only batch on its way was sent.
  Clock::time_point begun_ ABSL_GUARDED_BY(mu_);
  std::vector<double> latencies_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  std::deque<client::ClientAction> outgoing_ ABSL_GUARDED_BY(mu_);
  bool carrying_out_ ABSL_GUARDED_BY(mu_) = false;

  // Last: its destructor ends the callbacks.
  std::unique_ptr<rpc::PsChannel> channel_;
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_PLANE_TRANSFER_LOOP_H_
