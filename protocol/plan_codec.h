// The stored form of a job's record (docs/formats/job-record.md): the servers
// keep it with their checkpoints, the scheduler in its store. Records that
// contain a VersionKey or a RollbackRecord find their fields here, too.
#ifndef EBB_PROTOCOL_PLAN_CODEC_H_
#define EBB_PROTOCOL_PLAN_CODEC_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "protocol/message_fields.h"  // IWYU pragma: export
#include "protocol/plan.h"

namespace ebb {

// A sealed byte string (sealed.h).
std::string EncodeJobRecord(const JobRecord& record);

// DataLoss: `bytes` are not from EncodeJobRecord. FailedPrecondition: a newer
// ebb wrote them. InvalidArgument: the plan is not valid (JobPlan::Validate).
absl::StatusOr<JobRecordPtr> DecodeJobRecord(absl::string_view bytes);

// Checks stored bytes before they are trusted. DataLoss, beginning with `what`.
absl::Status CheckStored(absl::string_view what,
                         const RollbackRecord& rollback);

}  // namespace ebb

#endif  // EBB_PROTOCOL_PLAN_CODEC_H_
