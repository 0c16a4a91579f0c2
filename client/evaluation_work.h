// The one evaluation that a worker may have on lease: a snapshot of a job's
// values is pulled, tried on the test data, and the figures are reported.
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

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/job_work.h"
#include "client/puller.h"
#include "client/worker_state.h"
#include "common/ids.h"
#include "common/protocol/messages.h"

namespace ebb::client {

class EvaluationWork {
 public:
  // `worker` is not owned and outlives this.
  explicit EvaluationWork(WorkerState* worker) : worker_(worker) {}

  void Take(EvaluationLease lease);
  // It is another's now: nothing of it is reported.
  void Forget();

  // The job that is to be evaluated; empty: none is.
  std::optional<JobId> job() const;

  // Pulls, computes or gives up, whatever can be done; `work` is of job().
  void Advance(JobWork* work, absl::Time now, ClientActions* out);

  // False: the pull was not this evaluation's.
  bool OnPullReply(const PullId& id, const PullReply& reply, JobWork* work);
  bool OnPullFailed(const PullId& id);
  void OnEvaluated(const EvaluationResult& result, ClientActions* out);

 private:
  struct Pending {
    EvaluationLease lease;
    Puller puller;
    bool computing = false;
  };

  // Reports the result; nothing is pending any more.
  void Report(EvaluationResult result, ClientActions* out);
  void Fail(absl::string_view why, ClientActions* out);

  WorkerState* const worker_;  // Not owned.
  std::optional<Pending> pending_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_EVALUATION_WORK_H_
