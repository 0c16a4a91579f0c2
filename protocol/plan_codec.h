// The stored form of a job's record (docs/formats/job-record.md): the servers
// keep it with their checkpoints, the scheduler in its store.
#ifndef EBB_PROTOCOL_PLAN_CODEC_H_
#define EBB_PROTOCOL_PLAN_CODEC_H_

#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "protocol/plan.h"

namespace ebb {

// A sealed byte string (sealed.h).
std::string EncodeJobRecord(const JobRecord& record);

// DataLoss: `bytes` are not from EncodeJobRecord. FailedPrecondition: a newer
// ebb wrote them. InvalidArgument: the plan is not valid (JobPlan::Validate).
absl::StatusOr<JobRecordPtr> DecodeJobRecord(absl::string_view bytes);

// For records that contain these (field_codec.h).
template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, VersionKey>
void VisitFields(Struct& version, Visitor&& visit) {
  auto& [job, generation, partition, term, sequence] = version;
  visit(job, generation, partition, term, sequence);
}

// Its versions alone: the rest, which older records have not, comes behind
// everything else of what contains it.
template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, RollbackRecord>
void VisitFields(Struct& rollback, Visitor&& visit) {
  auto& [versions, rate_factor, nonfinite] = rollback;
  visit(versions);
  static_cast<void>(rate_factor);
  static_cast<void>(nonfinite);
}
// Checks stored bytes before they are trusted. DataLoss, beginning with `what`.
absl::Status CheckStored(absl::string_view what,
                         const RollbackRecord& rollback);

}  // namespace ebb

#endif  // EBB_PROTOCOL_PLAN_CODEC_H_
