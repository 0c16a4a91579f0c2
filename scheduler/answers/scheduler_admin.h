// Answers people and tools that ask the scheduler, and carries out their
// orders.
#ifndef EBB_SCHEDULER_ANSWERS_SCHEDULER_ADMIN_H_
#define EBB_SCHEDULER_ANSWERS_SCHEDULER_ADMIN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/admin.h"
#include "scheduler/answers/request_ids.h"
#include "scheduler/initial_values.h"
#include "scheduler/scheduler_shell.h"

namespace ebb::scheduler {

// Why GetJob finds no job. Unavailable while the scheduler gathers what servers
// know, if the request has a number: its sender knows of the job from before,
// and servers may bring it back. NotFound otherwise.
absl::Status WhyNoJob(const v1::GetJobRequest& request, bool gathering);

// Thread-safe.
class SchedulerAdmin final : public rpc::SchedulerAdminHandler {
 public:
  // Neither is owned; both outlive the handler's calls. `initial` may be null:
  // jobs that begin with the values of a file are refused.
  SchedulerAdmin(SchedulerShell* shell, InitialValues* initial)
      : shell_(*shell),
        initial_(initial),
        request_ids_(std::make_shared<RequestIds>()) {}

  // The ids of the files that jobs begin with; nothing while some jobs may be
  // unknown, or have a specification that this release cannot read.
  std::optional<std::set<std::string>> InitialValuesOfJobs();

  // Unavailable: as WhyNoJob says.
  absl::StatusOr<JobRecordPtr> FindRecord(uint64_t job,
                                          const std::string& name) override;
  absl::Status SubmitJob(const v1::SubmitJobRequest& request,
                         v1::SubmitJobResponse* response) override;
  absl::Status ListJobs(const v1::ListJobsRequest& request,
                        v1::ListJobsResponse* response) override;
  absl::Status GetStatus(const v1::GetStatusRequest& request,
                         v1::GetStatusResponse* response) override;
  absl::Status Explain(const v1::ExplainRequest& request,
                       v1::ExplainResponse* response) override;
  absl::Status GetJob(const v1::GetJobRequest& request,
                      v1::GetJobResponse* response) override;
  absl::Status CheckpointNow(const v1::CheckpointNowRequest& request,
                             v1::CheckpointNowResponse* response) override;
  absl::Status CancelJob(const v1::CancelJobRequest& request,
                         v1::CancelJobResponse* response) override;
  absl::Status ForgetJob(const v1::ForgetJobRequest& request,
                         v1::ForgetJobResponse* response) override;
  absl::Status PauseJob(const v1::PauseJobRequest& request,
                        v1::PauseJobResponse* response) override;
  absl::Status ResumeJob(const v1::ResumeJobRequest& request,
                         v1::ResumeJobResponse* response) override;
  absl::Status FinishJob(const v1::FinishJobRequest& request,
                         v1::FinishJobResponse* response) override;
  absl::Status ScaleJob(const v1::ScaleJobRequest& request,
                        v1::ScaleJobResponse* response) override;
  absl::Status RollbackJob(const v1::RollbackJobRequest& request,
                           v1::RollbackJobResponse* response) override;
  absl::Status ResolveItem(const v1::ResolveItemRequest& request,
                           v1::ResolveItemResponse* response) override;

 private:
  // Checks that the values that it begins with are here.
  absl::Status CheckInitialValues(const JobRecord& record) const;

  SchedulerShell& shell_;
  InitialValues* const initial_;
  // Used by changes, which come one after the other and may outlive a call.
  const std::shared_ptr<RequestIds> request_ids_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_ANSWERS_SCHEDULER_ADMIN_H_
