// Requests of people and tools to daemons, with a method for each RPC of
// admin_rpcs.h: see the comments of the RPCs in proto/ebb/v1/. Served by the
// gRPC transport only.
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
#include "rpc/admin_rpcs.h"

namespace ebb::rpc {

class Security;

// A handler's method of an RPC.
#define EBB_HANDLED(Name, roles, token)                       \
  virtual absl::Status Name(const v1::Name##Request& request, \
                            v1::Name##Response* response) = 0;
// A client's.
#define EBB_ASKED(Name, roles, token)                                       \
  absl::StatusOr<v1::Name##Response> Name(const v1::Name##Request& request, \
                                          absl::Duration deadline);

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
  EBB_SCHEDULER_ADMIN_RPCS(EBB_HANDLED)
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
  EBB_PS_ADMIN_RPCS(EBB_HANDLED)
  virtual absl::Status ReadVersion(const v1::ReadVersionRequest& request,
                                   const Emit& emit) = 0;
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

  EBB_SCHEDULER_ADMIN_RPCS(EBB_ASKED)

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

  EBB_PS_ADMIN_RPCS(EBB_ASKED)

  // Calls `receive` for each piece, in order, on the calling thread. Its first
  // error ends the reading and is returned.
  using Receive = std::function<absl::Status(const v1::ReadVersionResponse&)>;
  absl::Status ReadVersion(const v1::ReadVersionRequest& request,
                           absl::Duration deadline, const Receive& receive);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

#undef EBB_ASKED
#undef EBB_HANDLED

}  // namespace ebb::rpc

#endif  // EBB_RPC_ADMIN_H_
