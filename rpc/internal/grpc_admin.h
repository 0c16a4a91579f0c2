// Runs admin handlers on the threads of an AdminPool.
#ifndef EBB_RPC_INTERNAL_GRPC_ADMIN_H_
#define EBB_RPC_INTERNAL_GRPC_ADMIN_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/admin_pool.h"
#include "rpc/internal/guard.h"
#include "rpc/internal/token_messages.h"

namespace ebb::rpc::internal {

inline absl::Status NoAdmin() {
  return absl::UnimplementedError("this address serves no admin calls");
}

inline absl::Status TooManyAdminCalls() {
  return absl::ResourceExhaustedError("too many admin calls: try again later");
}

// The caller's value of the key; empty: none.
inline std::string ShownIn(const grpc::CallbackServerContext& context,
                           const char* key) {
  const auto& metadata = context.client_metadata();
  const auto it = metadata.find(key);
  return it == metadata.end()
             ? ""
             : std::string(it->second.data(), it->second.size());
}

// The record of the job; null: the handler knows none. PermissionDenied:
// `shown` is not its token. May block. The job is named by its number, or, if
// that is 0, by its name.
template <typename Handler>
absl::StatusOr<JobRecordPtr> CheckOwner(const Guard& guard, Handler* handler,
                                        uint64_t job, const std::string& name,
                                        absl::string_view shown) {
  if (guard.tokens == nullptr) return JobRecordPtr();
  EBB_ASSIGN_OR_RETURN(JobRecordPtr record, handler->FindRecord(job, name));
  if (record == nullptr) return record;
  absl::Status status = JobTokens::CheckOwner(*record, shown);
  if (!status.ok()) {
    guard.Count(Refusal::kToken);
    return status;
  }
  return record;
}

// With tokens, the handler is not asked about an unknown job: the job might be
// there by then.
inline absl::Status NoSuchJob(uint64_t job, const std::string& name) {
  return absl::NotFoundError(job == 0 && !name.empty()
                                 ? absl::StrCat("there is no job ", name)
                                 : absl::StrCat("there is no job ", job));
}

template <typename Request>
std::string NameIn(const Request& request) {
  if constexpr (std::is_same_v<Request, v1::GetJobRequest>) {
    return request.name();
  }
  return "";
}

// The request, about the very job whose token was shown: a name may be another
// job's a moment later.
template <typename Request>
Request ByNumber(const Request& request, const JobRecord& record) {
  Request by_number = request;
  if constexpr (std::is_same_v<Request, v1::GetJobRequest>) {
    by_number.set_job(record.id.value());
  }
  return by_number;
}

// The token that a caller shows for the request's job (admin_rpcs.h).
enum class AdminToken { kNoToken, kJobToken };

// Runs `method` of `handler`, which may be null.
template <typename Handler, typename Request, typename Response>
grpc::ServerUnaryReactor* RunAdmin(
    AdminPool* pool, Handler* handler, grpc::CallbackServerContext* context,
    const Request* request, Response* response,
    absl::Status (Handler::*method)(const Request&, Response*),
    AdminToken token, const Guard& guard) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (handler == nullptr) {
    reactor->Finish(ToGrpc(NoAdmin()));
    return reactor;
  }
  // Request, response and reactor live until Finish.
  const bool posted = pool->Post([=] {
    if (context->IsCancelled()) {
      reactor->Finish(grpc::Status::CANCELLED);
      return;
    }
    const auto answer = [&]() -> absl::Status {
      if (token == AdminToken::kNoToken || guard.tokens == nullptr) {
        return (handler->*method)(*request, response);
      }
      const uint64_t job = JobOf(*request).value();
      const std::string name = NameIn(*request);
      EBB_ASSIGN_OR_RETURN(const JobRecordPtr record,
                           CheckOwner(guard, handler, job, name,
                                      ShownIn(*context, kJobTokenKey)));
      if (record == nullptr) return NoSuchJob(job, name);
      return (handler->*method)(ByNumber(*request, *record), response);
    };
    reactor->Finish(ToGrpc(answer()));
  });
  if (!posted) {
    guard.Count(Refusal::kAdminCalls);
    reactor->Finish(ToGrpc(TooManyAdminCalls()));
  }
  return reactor;
}

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_GRPC_ADMIN_H_
