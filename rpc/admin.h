// Requests of people and tools to daemons: see the comments of the RPCs in
// proto/ebb/v1/. Served by the gRPC transport only.
//
//   auto client = SchedulerAdminClient("localhost:7000");
//   absl::StatusOr<v1::GetStatusResponse> status =
//       client.GetStatus({}, absl::Seconds(5));
#ifndef EBB_RPC_ADMIN_H_
#define EBB_RPC_ADMIN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ebb/v1/parameter_server.pb.h"
#include "ebb/v1/scheduler.pb.h"
#include "protocol/plan.h"

namespace ebb::rpc {

class Security;

// The scheduler's side. Called from a few threads of the listener's own, which
// may be blocked for a while.
class SchedulerAdminHandler {
 public:
  virtual ~SchedulerAdminHandler() = default;
  // The record of the job of this number; of number 0, of the newest of this
  // name. Null: there is none. Also called from threads of gRPC: does not
  // block for long.
  virtual absl::StatusOr<JobRecordPtr> FindRecord(uint64_t job,
                                                  const std::string& name) = 0;
  virtual absl::Status SubmitJob(const v1::SubmitJobRequest& request,
                                 v1::SubmitJobResponse* response) = 0;
  virtual absl::Status ListJobs(const v1::ListJobsRequest& request,
                                v1::ListJobsResponse* response) = 0;
  virtual absl::Status GetStatus(const v1::GetStatusRequest& request,
                                 v1::GetStatusResponse* response) = 0;
  virtual absl::Status Explain(const v1::ExplainRequest& request,
                               v1::ExplainResponse* response) = 0;
  virtual absl::Status GetJob(const v1::GetJobRequest& request,
                              v1::GetJobResponse* response) = 0;
  virtual absl::Status CheckpointNow(const v1::CheckpointNowRequest& request,
                                     v1::CheckpointNowResponse* response) = 0;
  virtual absl::Status CancelJob(const v1::CancelJobRequest& request,
                                 v1::CancelJobResponse* response) = 0;
  virtual absl::Status ForgetJob(const v1::ForgetJobRequest& request,
                                 v1::ForgetJobResponse* response) = 0;
  virtual absl::Status PauseJob(const v1::PauseJobRequest& request,
                                v1::PauseJobResponse* response) = 0;
  virtual absl::Status ResumeJob(const v1::ResumeJobRequest& request,
                                 v1::ResumeJobResponse* response) = 0;
  virtual absl::Status ScaleJob(const v1::ScaleJobRequest& request,
                                v1::ScaleJobResponse* response) = 0;
  virtual absl::Status RollbackJob(const v1::RollbackJobRequest& request,
                                   v1::RollbackJobResponse* response) = 0;
  virtual absl::Status ResolveItem(const v1::ResolveItemRequest& request,
                                   v1::ResolveItemResponse* response) = 0;
};

// A server's side; threads as above.
class PsAdminHandler {
 public:
  // Sends one piece and waits until it is on its way. An error: the caller is
  // gone; return it.
  using Emit = std::function<absl::Status(const v1::ReadVersionResponse&)>;

  virtual ~PsAdminHandler() = default;
  // The record of the job of this number; null: there is none here. An error:
  // that cannot be told now.
  virtual absl::StatusOr<JobRecordPtr> FindRecord(uint64_t job,
                                                  const std::string& name) = 0;
  virtual absl::Status GetLedgers(const v1::GetLedgersRequest& request,
                                  v1::GetLedgersResponse* response) = 0;
  virtual absl::Status ListVersions(const v1::ListVersionsRequest& request,
                                    v1::ListVersionsResponse* response) = 0;
  virtual absl::Status ReadVersion(const v1::ReadVersionRequest& request,
                                   const Emit& emit) = 0;
  virtual absl::Status VerifyVersions(const v1::VerifyVersionsRequest& request,
                                      v1::VerifyVersionsResponse* response) = 0;
};

// For a command, which says itself what went wrong: gRPC logs nothing.
// Before any client.
void SilenceGrpc();

// Asks a scheduler, and waits for the answer at most `deadline`. Thread-safe.
// An address that cannot be reached is kUnavailable. A scheduler of another
// machine that could be spoken to in plain text only is kInvalidArgument,
// unless `security` is insecure.
class SchedulerAdminClient {
 public:
  explicit SchedulerAdminClient(
      const std::string& address,
      std::shared_ptr<const Security> security = nullptr);
  ~SchedulerAdminClient();
  SchedulerAdminClient(SchedulerAdminClient&&) noexcept;

  absl::StatusOr<v1::SubmitJobResponse> SubmitJob(
      const v1::SubmitJobRequest& request, absl::Duration deadline);
  absl::StatusOr<v1::ListJobsResponse> ListJobs(
      const v1::ListJobsRequest& request, absl::Duration deadline);
  absl::StatusOr<v1::GetStatusResponse> GetStatus(
      const v1::GetStatusRequest& request, absl::Duration deadline);
  absl::StatusOr<v1::ExplainResponse> Explain(const v1::ExplainRequest& request,
                                              absl::Duration deadline);
  absl::StatusOr<v1::GetJobResponse> GetJob(const v1::GetJobRequest& request,
                                            absl::Duration deadline);
  absl::StatusOr<v1::CheckpointNowResponse> CheckpointNow(
      const v1::CheckpointNowRequest& request, absl::Duration deadline);
  absl::StatusOr<v1::CancelJobResponse> CancelJob(
      const v1::CancelJobRequest& request, absl::Duration deadline);
  absl::StatusOr<v1::ForgetJobResponse> ForgetJob(
      const v1::ForgetJobRequest& request, absl::Duration deadline);
  absl::StatusOr<v1::PauseJobResponse> PauseJob(
      const v1::PauseJobRequest& request, absl::Duration deadline);
  absl::StatusOr<v1::ResumeJobResponse> ResumeJob(
      const v1::ResumeJobRequest& request, absl::Duration deadline);
  absl::StatusOr<v1::ScaleJobResponse> ScaleJob(
      const v1::ScaleJobRequest& request, absl::Duration deadline);
  absl::StatusOr<v1::RollbackJobResponse> RollbackJob(
      const v1::RollbackJobRequest& request, absl::Duration deadline);
  absl::StatusOr<v1::ResolveItemResponse> ResolveItem(
      const v1::ResolveItemRequest& request, absl::Duration deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Asks a parameter server; as above.
class PsAdminClient {
 public:
  explicit PsAdminClient(const std::string& address,
                         std::shared_ptr<const Security> security = nullptr);
  ~PsAdminClient();
  PsAdminClient(PsAdminClient&&) noexcept;

  absl::StatusOr<v1::GetLedgersResponse> GetLedgers(
      const v1::GetLedgersRequest& request, absl::Duration deadline);
  absl::StatusOr<v1::ListVersionsResponse> ListVersions(
      const v1::ListVersionsRequest& request, absl::Duration deadline);
  absl::StatusOr<v1::VerifyVersionsResponse> VerifyVersions(
      const v1::VerifyVersionsRequest& request, absl::Duration deadline);

  // Calls `receive` for each piece, in order, on the calling thread. Its first
  // error ends the reading and is returned.
  using Receive = std::function<absl::Status(const v1::ReadVersionResponse&)>;
  absl::Status ReadVersion(const v1::ReadVersionRequest& request,
                           absl::Duration deadline, const Receive& receive);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_ADMIN_H_
