// The audit of stored versions, when no server answers for them any more.
#ifndef EBB_TOOLS_EBB_AUDIT_STORED_AUDIT_H_
#define EBB_TOOLS_EBB_AUDIT_STORED_AUDIT_H_

#include "absl/status/statusor.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/ebb/cluster/audit.h"

namespace ebb::tools {

// Audits the newest version of each partition, which it reads whole: where the
// job would go on from, or what is left of a complete one. NotFound: a
// partition has none. DataLoss: a version is damaged. Unimplemented: `source`
// is a running job (FetchAudit asks its servers).
absl::StatusOr<AuditReport> AuditVersions(CheckpointSource* source);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_AUDIT_STORED_AUDIT_H_
