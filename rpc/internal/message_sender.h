// Which worker a push or a pull is from, by the first bytes of its message.
#ifndef EBB_RPC_INTERNAL_MESSAGE_SENDER_H_
#define EBB_RPC_INTERNAL_MESSAGE_SENDER_H_

#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/payload.h"

namespace ebb::rpc::internal {

// The fields of a request that Guard::CheckWorker reads.
struct MessageSender {
  struct Stamp {
    SessionId worker;
  };
  JobId job;
  Stamp stamp;
};

// `beginning`: of an encoded PushRequest or PullRequest, 1 KiB or all of it.
// InvalidArgument: its first fields do not say it.
absl::StatusOr<MessageSender> SenderOf(const Payload& beginning);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_MESSAGE_SENDER_H_
