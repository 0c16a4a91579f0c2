// Handlers for tests: they know no job, and answer every RPC with an empty
// response. A test overrides the RPCs that it is about.
#ifndef EBB_RPC_TESTING_ADMIN_ANSWERS_H_
#define EBB_RPC_TESTING_ADMIN_ANSWERS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/admin.h"
#include "rpc/admin_rpcs.h"

namespace ebb::rpc {

#define EBB_ANSWER(Name, roles, token)                                        \
  absl::Status Name(const v1::Name##Request&, v1::Name##Response*) override { \
    return absl::OkStatus();                                                  \
  }

class EmptySchedulerAdmin : public SchedulerAdminHandler {
 public:
  absl::StatusOr<JobRecordPtr> FindRecord(uint64_t,
                                          const std::string&) override {
    return nullptr;
  }
  EBB_SCHEDULER_ADMIN_RPCS(EBB_ANSWER)
};

class EmptyPsAdmin : public PsAdminHandler {
 public:
  absl::StatusOr<JobRecordPtr> FindRecord(uint64_t,
                                          const std::string&) override {
    return nullptr;
  }
  EBB_PS_ADMIN_RPCS(EBB_ANSWER)
  absl::Status ReadVersion(const v1::ReadVersionRequest&,
                           const Emit&) override {
    return absl::OkStatus();
  }
};

#undef EBB_ANSWER

}  // namespace ebb::rpc

#endif  // EBB_RPC_TESTING_ADMIN_ANSWERS_H_
