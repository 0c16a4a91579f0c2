// The messages that are converted by their lists of fields.
#include <algorithm>
#include <string>

#include "absl/status/statusor.h"
#include "common/utf8.h"
#include "rpc/convert.h"
#include "rpc/internal/check.h"
#include "rpc/internal/message_reader.h"
#include "rpc/internal/message_writer.h"

namespace ebb::rpc {

namespace internal {

std::string ValidUtf8(absl::string_view text) {
  std::string out(text);
  for (size_t i = 0; i < out.size();) {
    const size_t length = Utf8Length(absl::string_view(out).substr(i));
    if (length == 0) out[i] = '?';
    i += std::max<size_t>(length, 1);
  }
  return out;
}

}  // namespace internal

// A struct that also travels outside the streams, in the message of its name.
#define EBB_CONVERT(NAME)                                   \
  v1::NAME ToProto(const NAME& value) {                     \
    v1::NAME message;                                       \
    internal::Write(value, &message, nullptr);              \
    return message;                                         \
  }                                                         \
  absl::StatusOr<NAME> FromProto(const v1::NAME& message) { \
    return internal::ReadReceived<NAME>(message, nullptr);  \
  }
EBB_CONVERT(ItemId)
EBB_CONVERT(LedgerRow)
EBB_CONVERT(SkippedRange)
EBB_CONVERT(ItemMark)
EBB_CONVERT(VersionKey)
EBB_CONVERT(RoundVersion)
EBB_CONVERT(RollbackRecord)
EBB_CONVERT(JobRecord)
EBB_CONVERT(Placement)
EBB_CONVERT(Traffic)
EBB_CONVERT(ScaledUpdates)
EBB_CONVERT(StoreDamage)
EBB_CONVERT(Figures)
EBB_CONVERT(PeerTrouble)
#undef EBB_CONVERT

v1::Plan ToProto(const JobPlan& plan) {
  v1::Plan message;
  internal::Write(plan, &message, nullptr);
  return message;
}

absl::StatusOr<JobPlan> FromProto(const v1::Plan& message) {
  return internal::ReadReceived<JobPlan>(message, nullptr);
}

#define EBB_CONVERT_STREAM(NAME)                                 \
  v1::NAME ToProto(const NAME& message, RecordSender* records) { \
    return internal::WriteStream<v1::NAME>(message, records);    \
  }                                                              \
  absl::StatusOr<NAME> FromProto(v1::NAME&& message,             \
                                 RecordReceiver* records) {      \
    return internal::ReadStream<NAME>(message, records);         \
  }
EBB_CONVERT_STREAM(ServerToScheduler)
EBB_CONVERT_STREAM(SchedulerToServer)
EBB_CONVERT_STREAM(WorkerToScheduler)
EBB_CONVERT_STREAM(SchedulerToWorker)
#undef EBB_CONVERT_STREAM

}  // namespace ebb::rpc
