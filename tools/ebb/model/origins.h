// Columns whose features begin at an origin (docs/decisions/0047-origins.md),
// where a job begins with values that were learned before.
#ifndef EBB_TOOLS_EBB_MODEL_ORIGINS_H_
#define EBB_TOOLS_EBB_MODEL_ORIGINS_H_

#include <vector>

#include "absl/status/status.h"
#include "ebb/v1/job.pb.h"
#include "job/specification.h"

namespace ebb::tools {

// Returns what is subtracted from each feature before it is learned. Empty:
// nothing, or standardising takes it away again.
std::vector<double> OriginsOf(const v1::Job& job, const job::JobFacts& facts);

// InvalidArgument: a feature has an origin, so values that were learned from
// its numbers do not fit.
absl::Status CheckOrigins(const std::vector<double>& origins);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_ORIGINS_H_
