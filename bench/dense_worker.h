// A worker that only pushes and pulls: the production client's pusher and
// puller over the production transport, without a computation.
#ifndef EBB_BENCH_DENSE_WORKER_H_
#define EBB_BENCH_DENSE_WORKER_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/transfer.h"
#include "client/actions.h"
#include "client/float_pool.h"
#include "client/leased_items.h"
#include "client/puller.h"
#include "client/pusher.h"
#include "client/routes.h"
#include "common/mutex.h"
#include "common/protocol/messages.h"
#include "common/rpc/transport.h"

namespace ebb::bench {

struct DenseJobOptions {
  // As in a job file; with plain SGD at kTransferRate what is pulled can be
  // verified.
  std::string optimizer;
  std::string checkpoint_every = "24h";  // At the beginning only.
};
// A job of one dense table of `bytes`, zeros at first, one example a batch, and
// more examples than anybody pushes. Its partitions are as many as a job has
// that does not say.
absl::StatusOr<JobRecordPtr> DenseJob(JobId id, int64_t bytes,
                                      DenseJobOptions options = {});

// Of one job on one server. Thread-compatible: one transfer at a time.
class DenseWorker {
 public:
  // The transport is not owned and outlives this. Of the only item, `pushed`
  // examples were pushed by another. `heap` is the transport's, if it has one.
  DenseWorker(rpc::Transport* transport, JobRecordPtr record,
              const Placement& placement, int64_t pushed = 0,
              std::shared_ptr<shm::SharedHeap> heap = nullptr);
  ~DenseWorker();

  // Everything but the server's CPU seconds. Blocks. Internal: a push was not
  // applied, or a pull brought other values than were pushed. Else what the
  // transport says.
  absl::StatusOr<TransferSample> Run(const Transfer& transfer);

  const JobRecord& record() const { return *record_; }
  // Examples, one each, of the first item.
  int64_t pushed() const {
    MutexLock lock(&mu_);
    return pushed_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  // One pull on its way, or there.
  struct Pull {
    explicit Pull(const JobPlan& plan) : puller(plan) {}
    client::Puller puller;
    bool under_way = false;
  };

  void MakeGradient();
  void PushAll(const Transfer& transfer);
  void PullAll(const Transfer& transfer);
  // For what is missing of the pull.
  void AskLocked(Pull* pull, client::ClientActions* out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Carries out what the pusher or a puller asked for, in its order, on one
  // thread at a time, as the client's shell does.
  void CarryOut(client::ClientActions actions);
  void Do(client::SendPush action);
  void Do(client::SendPull action);
  void OnPushed(const client::PushId& id, absl::StatusOr<PushReply> reply);
  void OnPulled(const client::PullId& id, absl::StatusOr<PullReply> reply);
  void FailLocked(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status CheckPulled(const client::PulledValues& values) const;

  const JobRecordPtr record_;
  client::FloatPool pool_;
  const ItemId item_{0, 0};
  const WorkerStamp stamp_;
  const client::ClientOptions options_;
  client::ComputeResult result_;  // Pushed again and again.

  mutable Mutex mu_;
  CondVar changed_;
  client::Routes routes_ ABSL_GUARDED_BY(mu_);
  client::LeasedItem held_ ABSL_GUARDED_BY(mu_);
  client::Pusher pusher_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Pull>> pulls_ ABSL_GUARDED_BY(mu_);
  std::map<int64_t, Pull*> pull_of_request_ ABSL_GUARDED_BY(mu_);
  int64_t next_request_ ABSL_GUARDED_BY(mu_) = 1;
  int64_t pushed_ ABSL_GUARDED_BY(mu_) = 0;
  // When the only batch on its way was answered.
  Clock::time_point answered_ ABSL_GUARDED_BY(mu_);
  std::vector<double> latencies_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  std::deque<client::ClientAction> outgoing_ ABSL_GUARDED_BY(mu_);
  bool carrying_out_ ABSL_GUARDED_BY(mu_) = false;

  // Last: its destructor ends the callbacks.
  std::unique_ptr<rpc::PsChannel> channel_;
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_DENSE_WORKER_H_
