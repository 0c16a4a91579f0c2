// The job of a run, on the run's own scheduler.
#ifndef EBB_TOOLS_EBB_RUN_RUN_JOB_H_
#define EBB_TOOLS_EBB_RUN_RUN_JOB_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ebb/v1/scheduler.pb.h"
#include "rpc/security.h"
#include "tools/ebb/cluster/audit.h"
#include "tools/ebb/job/submission.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/ebb/rollback/rollback_request.h"

namespace ebb::tools {

// Not thread-safe.
class RunJob {
 public:
  // The scheduler serves. `security` is how a client reaches it; null: without
  // TLS.
  RunJob(std::string scheduler, rpc::SecurityPtr security)
      : scheduler_(std::move(scheduler)), security_(std::move(security)) {}

  // Begins it. With TLS it gets a token of its own, which is kept in the
  // folder. FailedPrecondition: the scheduler does not take it.
  absl::Status Submit(const PreparedJob& prepared, const RunFolder& folder);
  // Finds the job that the run began. If it is paused for a batch, that is
  // tried again or, with `skip`, left out. False: there is no such batch.
  // Permitted changes of the job hold from then on: once its servers are there,
  // from the newest versions or the wished ones. InvalidArgument: this job may
  // not follow the run's. NotFound: it has no version that is so old.
  absl::StatusOr<bool> GoOn(const PreparedJob& prepared,
                            const RunFolder& folder, bool skip,
                            const std::optional<RollbackWish>& back);

  // From now on it is the job of this number, which a program submitted.
  void Follow(uint64_t id) { id_ = id; }
  // If the job of this status is paused for a batch, that is tried again or,
  // with `skip`, left out; a pause because its loss diverges ends. An
  // operator's pause stays.
  absl::Status Reopen(const v1::JobStatus& status, bool skip) const;

  // The scheduler's number for it. 0: it has not begun.
  uint64_t id() const { return id_; }
  // Asks what the scheduler has stored of it.
  absl::StatusOr<v1::GetJobResponse> Stored() const;
  // Asks for the status of all jobs of the scheduler.
  absl::StatusOr<v1::GetStatusResponse> All() const;
  // Audits what its servers have applied now.
  absl::StatusOr<AuditReport> Audit() const;

 private:
  // Begins a generation in which the job's keys have the new values, if there
  // are any; waits for the servers.
  absl::Status Change(const v1::GetJobResponse& stored,
                      const PreparedJob& prepared,
                      const std::vector<std::string>& keys, RollbackWish wish);
  // True if its servers serve every partition.
  bool AllServed() const;
  // Whatever is asked from then on shows it.
  absl::StatusOr<std::string> TakeToken(const RunFolder& folder);

  const std::string scheduler_;
  const rpc::SecurityPtr security_;
  uint64_t id_ = 0;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_RUN_JOB_H_
