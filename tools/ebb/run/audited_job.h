// Tells what the audit of an earlier job of a program means.
#ifndef EBB_TOOLS_EBB_RUN_AUDITED_JOB_H_
#define EBB_TOOLS_EBB_RUN_AUDITED_JOB_H_

#include <string>

#include "absl/status/statusor.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/cluster/audit.h"

namespace ebb::tools {

// Returns whether a server answered for each partition. If not, one that was
// just killed may have to come back first.
bool AllAnswered(const AuditReport& audit);

// Returns what is wrong with the job; empty: it is exact. An audit in which a
// server is silent is not known, but for wrong figures of the others.
std::string WrongWithJob(const v1::JobSummary& job,
                         const absl::StatusOr<AuditReport>& audit);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_AUDITED_JOB_H_
