#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "rpc/convert.h"
#include "rpc/internal/check.h"
#include "rpc/internal/message_reader.h"

// One direction of a stream abbreviates the job records it repeats.
namespace ebb::rpc {

using internal::Named;

namespace {

// How many jobs of a stream may be abbreviated; part of the protocol.
constexpr size_t kMaxAbbreviatedJobs = 256;

}  // namespace

void RecordSender::Put(const JobRecordPtr& record, v1::JobRecord* message) {
  const auto it = sent_.find(record->id);
  if (it != sent_.end() && it->second == record) {
    message->set_id(record->id.value());
    return;
  }
  *message = ToProto(*record);
  if (it != sent_.end()) {
    it->second = record;
  } else if (sent_.size() < kMaxAbbreviatedJobs) {
    sent_.emplace(record->id, record);
  }
}

absl::StatusOr<JobRecordPtr> RecordReceiver::Take(v1::JobRecord* message) {
  EBB_RETURN_IF_ERROR(Named("JobRecord.id", message->id()));
  const JobId job(message->id());
  if (!message->has_plan()) {
    const auto it = received_.find(job);
    if (it != received_.end()) return it->second;
    return absl::InvalidArgumentError(
        absl::StrCat("JobRecord of job ", job.value(),
                     " has no plan, and none was sent before in this stream"));
  }
  EBB_ASSIGN_OR_RETURN(JobRecord read,
                       internal::ReadReceived<JobRecord>(*message, nullptr));
  auto record = std::make_shared<const JobRecord>(std::move(read));
  if (received_.size() < kMaxAbbreviatedJobs || received_.contains(job)) {
    received_[job] = record;
  }
  return record;
}

}  // namespace ebb::rpc
