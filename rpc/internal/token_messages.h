// Which jobs the messages are about that carry tokens, or need one.
#ifndef EBB_RPC_INTERNAL_TOKEN_MESSAGES_H_
#define EBB_RPC_INTERNAL_TOKEN_MESSAGES_H_

#include "common/ids.h"
#include "ebb/v1/parameter_server.pb.h"
#include "ebb/v1/scheduler.pb.h"

namespace ebb::rpc::internal {

// 0: it is about none, or gives nothing to do for it.
inline JobId JobOf(const v1::SchedulerToWorker& message) {
  using M = v1::SchedulerToWorker;
  switch (message.message_case()) {
    case M::kLease:
      return JobId(message.lease().record().id());
    case M::kEvaluation:
      return JobId(message.evaluation().record().id());
    case M::kPlacement:
      return JobId(message.placement().job());
    case M::kLost:
    case M::kWatchData:
    case M::MESSAGE_NOT_SET:
      break;
  }
  return JobId();
}

// A question or an order about a job. 0: about none, or it has only a name.
template <typename Request>
concept NamesJob = requires(const Request& request) {
  request.job();
};
template <NamesJob Request>
JobId JobOf(const Request& request) {
  return JobId(request.job());
}
inline JobId JobOf(const v1::ReadVersionRequest& request) {
  return JobId(request.key().job());
}
template <typename Request>
requires(!NamesJob<Request>) JobId JobOf(const Request& /*request*/) {
  return JobId();
}

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_TOKEN_MESSAGES_H_
