// The one evaluation that a worker may have on lease. It pulls a snapshot of a
// job's values, evaluates them on the test data, and reports the figures. If
// the job has sparse tables, it takes the test data in parts: it finds, pulls
// and evaluates the rows of one part at a time.
//
// A later lease replaces an earlier one; results for the earlier one are not
// reported. A lease ends with the session in which it was given: a worker that
// reconnects gets another one.
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

  void Take(EvaluationLease lease, ClientActions* out);
  // Another worker has it now: results are not reported.
  void Lose(ClientActions* out);

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
  // Rows of the test data; null: they are asked for again. It ignores rows that
  // it no longer waits for.
  void OnRowsFound(const FindRows& batch,
                   const absl::StatusOr<BatchRowsPtr>& rows,
                   ClientActions* out);
  // A result that the scheduler would refuse fails the evaluation instead.
  // Nothing: the same part is pulled and evaluated again.
  void OnEvaluated(const std::optional<EvaluationResult>& result,
                   ClientActions* out);

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
  // The pull for the part that `rows` names; null: for all.
  static PullSpec SpecFor(const EvaluationLease& lease, BatchRowsPtr rows);
  // The rows of the next part are found, or asked for.
  void FindNext(ClientActions* out);

  // Reports the result; nothing is pending any more.
  void Report(EvaluationResult result, ClientActions* out);
  void Fail(absl::string_view why, ClientActions* out);
  void Forget();

  WorkerState* const worker_;  // Not owned.
  std::optional<Pending> pending_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_EVALUATION_WORK_H_
