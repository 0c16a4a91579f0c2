// The rules of messages of the scheduler's streams that neither the lists of
// fields (protocol/message_fields.h) nor the bounds (bounds.proto) can say.
#ifndef EBB_RPC_INTERNAL_MESSAGE_RULES_H_
#define EBB_RPC_INTERNAL_MESSAGE_RULES_H_

#include "absl/status/status.h"
#include "ebb/v1/common.pb.h"
#include "ebb/v1/session.pb.h"
#include "protocol/messages.h"

namespace ebb::rpc::internal {

// --- Rules that no single field can break ------------------------------------

// Judges a message before its fields are read. InvalidArgument.
template <typename Message>
absl::Status JudgeMessage(const Message& /*message*/) {
  return absl::OkStatus();
}
absl::Status JudgeMessage(const v1::Plan& message);
absl::Status JudgeMessage(const v1::ApplyOperation& message);

// Judges a struct whose fields are all good. InvalidArgument.
template <typename Struct>
absl::Status Judge(const Struct& /*value*/) {
  return absl::OkStatus();
}
absl::Status Judge(const SkippedRange& range);
absl::Status Judge(const RoundVersion& version);
absl::Status Judge(const RollbackRecord& record);
absl::Status Judge(const JobPlan& plan);
absl::Status Judge(const ScaledUpdates& scaled);
absl::Status Judge(const Figures& figures);
absl::Status Judge(const PartitionRegistration& partition);
absl::Status Judge(const JobRegistration& job);
absl::Status Judge(const PartitionMarkReport& partition);
absl::Status Judge(const MovedIn& moved);
absl::Status Judge(const Grant& grant);
absl::Status Judge(const MoveIn& move);
absl::Status Judge(const RoundStatus& status);
absl::Status Judge(const EvaluationResult& result);
absl::Status Judge(const Lease& lease);

// --- Structs that stay out of a message --------------------------------------

// Returns whether the sender leaves the struct out: absent means the same.
template <typename Struct>
bool StaysOut(const Struct& /*value*/) {
  return false;
}
inline bool StaysOut(const StoreDamage& damage) { return !damage.any(); }
inline bool StaysOut(const ScaledUpdates& scaled) {
  return scaled.updates <= 0;
}
inline bool StaysOut(const Figures& figures) { return figures == Figures(); }
inline bool StaysOut(const AlgorithmPlan& plan) {
  return plan == AlgorithmPlan();
}
inline bool StaysOut(const NonfiniteRollback& rollback) {
  return rollback == NonfiniteRollback();
}

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_MESSAGE_RULES_H_
