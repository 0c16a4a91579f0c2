// The one evaluation that a worker may have on lease: a snapshot of a job's
// values is pulled, tried on the test data, and the figures are reported. Where
// the job has sparse tables, a part of the test data at a time: its rows are
// found, pulled and tried.
//
// A later lease replaces an earlier one; what the computer still finds for the
// earlier is not reported. None outlives the session in which it was leased:
// who reconnects is leased another.
//
// Thread-compatible.
#ifndef EBB_CLIENT_EVALUATION_WORK_H_
#define EBB_CLIENT_EVALUATION_WORK_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/job_work.h"
#include "client/puller.h"
#include "client/worker_state.h"
#include "common/ids.h"
#include "protocol/messages.h"

namespace ebb::client {

class EvaluationWork {
 public:
  // `worker` is not owned and outlives this.
  explicit EvaluationWork(WorkerState* worker) : worker_(worker) {}

  void Take(EvaluationLease lease);
  // It is another's now: nothing of it is reported.
  void Forget();

  // The job that is to be evaluated; empty: none is.
  std::optional<JobId> job() const { return worker_->evaluates; }

  // Pulls, computes or gives up, whatever can be done; `work` is of job().
  void Advance(JobWork* work, absl::Time now, ClientActions* out);

  // False: the pull was not this evaluation's.
  bool OnPullReply(const PullId& id, const PullReply& reply, JobWork* work);
  bool OnPullFailed(const PullId& id);
  // It is given up: the same pull would fail again.
  bool OnPullOverLimit(const PullId& id, const absl::Status& why,
                       ClientActions* out);
  // Of the test data; what nobody waits for any more is passed over.
  void OnRowsFound(const FindRows& batch,
                   const absl::StatusOr<BatchRowsPtr>& rows,
                   ClientActions* out);
  void OnEvaluated(const EvaluationResult& result, ClientActions* out);

 private:
  struct Pending {
    EvaluationLease lease;
    Puller puller;
    bool computing = false;
    // Sparse tables: where the next part of the test data begins, whether its
    // rows are asked for, these, and the figures of the parts before it.
    int64_t begin = 0;
    bool asked = false;
    BatchRowsPtr rows;
    EvaluationResult sums;
  };
  static bool IsSparse(const Pending& pending) {
    return pending.lease.record->plan.trained_tables() > 0;
  }
  // What to pull for the part that `rows` names; null: for all.
  static PullSpec SpecFor(const EvaluationLease& lease, BatchRowsPtr rows);
  // The rows of the next part are found, or asked for.
  void FindNext(ClientActions* out);

  // Reports the result; nothing is pending any more.
  void Report(EvaluationResult result, ClientActions* out);
  void Fail(absl::string_view why, ClientActions* out);

  WorkerState* const worker_;  // Not owned.
  std::optional<Pending> pending_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_EVALUATION_WORK_H_
