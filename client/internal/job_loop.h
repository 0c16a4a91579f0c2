// The hand-over between the library's threads and the user's loop: the shell's
// computing thread offers a batch and waits; the loop takes it and hands in a
// gradient.
//
//   offered ──Take──> out ──Hand──> done, and the next is offered
//                      └──Abandon─> back to others, as a failure
//
// Leave() takes back a batch that is offered or out, without a failure.
#ifndef EBB_CLIENT_INTERNAL_JOB_LOOP_H_
#define EBB_CLIENT_INTERNAL_JOB_LOOP_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/client_shell.h"
#include "client/float_pool.h"
#include "client/item_orders.h"
#include "client/job_computer.h"
#include "common/mutex.h"
#include "ebb/client.h"
#include "rpc/transport.h"

namespace ebb::client {

struct JobLoopOptions {
  ClientShellOptions shell;
  JobRecordPtr record;  // The job to join; must be given.
  int64_t window = 0;   // Its examples have such windows (data::ShardLayout).
  // The same as in the public ClientOptions.
  absl::Duration grace = absl::Seconds(5);
  // Asked while there is no batch: whether there will be no more. Blocks.
  std::function<absl::StatusOr<bool>()> finished;
  // The pause between two such questions. Default 500 ms: a program ends so
  // much later than its job.
  absl::Duration ask_every = absl::Milliseconds(500);
  // Absent: others evaluate.
  std::function<absl::StatusOr<Evaluation>(std::span<const float>)> evaluate;
};

// Thread-safe, but for Take, Ahead and ExamplesAt, which one thread calls.
class JobLoop : private JobComputer {
 public:
  // A batch to compute, as the user sees it.
  struct Work {
    uint64_t ticket = 0;  // Never twice.
    Place place;
    std::span<const int64_t> examples;  // Valid until the next Take.
  };

  // `transport` outlives the loop.
  JobLoop(JobLoopOptions options, std::shared_ptr<rpc::Transport> transport);
  ~JobLoop() override;

  const JobRecord& record() const { return *options_.record; }

  // The next batch, or nothing when the job is finished or left. Blocks. The
  // errors of JoinedJob::Next.
  absl::StatusOr<std::optional<Work>> Take();

  // The functions of Batch, for the batch with this ticket.
  absl::Status Pull(uint64_t ticket, std::span<float> model);
  absl::Status Hand(uint64_t ticket, std::span<const float> gradient,
                    double loss_sum);
  void Abandon(uint64_t ticket, absl::string_view why);

  // The functions of JoinedJob.
  std::vector<Place> Ahead(size_t most) const;
  absl::StatusOr<std::vector<int64_t>> ExamplesAt(const Place& place) {
    return orders_.ExamplesAt({place.epoch, place.shard}, place.begin,
                              place.end);
  }

  absl::Status Leave();

 private:
  absl::Status Prepare(const JobRecordPtr& record) override;
  ComputeResult Compute(const ComputeTask& task) override;
  std::optional<EvaluationResult> Evaluate(const EvaluateTask& task) override;

  absl::Status CheckOutLocked(uint64_t ticket) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FinishLocked(ComputeResult result) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Constant after construction, or with locks of their own.
  const JobLoopOptions options_;
  const std::shared_ptr<rpc::Transport> transport_;
  FloatPool pool_;

  // Only the thread that calls Take uses these.
  ItemOrders orders_;
  std::vector<int64_t> examples_;

  mutable Mutex mu_;
  CondVar changed_;
  std::optional<ComputeTask> offered_ ABSL_GUARDED_BY(mu_);
  bool out_ ABSL_GUARDED_BY(mu_) = false;  // The loop has it.
  uint64_t ticket_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<ComputeResult> result_ ABSL_GUARDED_BY(mu_);
  bool leaving_ ABSL_GUARDED_BY(mu_) = false;

  // Last: its threads use the rest.
  std::unique_ptr<ClientShell> shell_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_INTERNAL_JOB_LOOP_H_
