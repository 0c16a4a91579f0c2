// The audit of what is stored, where no server answers for it any more.
#ifndef EBB_TOOLS_EBB_STORED_STORED_AUDIT_H_
#define EBB_TOOLS_EBB_STORED_STORED_AUDIT_H_

#include "absl/status/statusor.h"
#include "tools/ebb/cluster/audit.h"
#include "tools/ebb/stored/checkpoint_source.h"

namespace ebb::tools {

// Of the newest version of each partition, which are read whole: where the job
// would go on from, and what is left of one that is complete. NotFound: a
// partition has none. DataLoss: a version is damaged. Unimplemented: `source`
// is a job that runs (FetchAudit asks its servers).
absl::StatusOr<AuditReport> AuditVersions(CheckpointSource* source);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STORED_STORED_AUDIT_H_
