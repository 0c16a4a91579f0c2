// A job's needs of machines: memory, network, disk.
#ifndef EBB_TOOLS_EBB_JOB_JOB_SIZES_H_
#define EBB_TOOLS_EBB_JOB_JOB_SIZES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "tools/ebb/job/submission.h"
#include "tools/ebb/model/job_sizes.h"

namespace ebb::tools {

// The errors of server::JobRule::Create.
absl::StatusOr<JobSizes> SizesOf(const PreparedJob& prepared);

// ResourceExhausted: the job's workers need all of its data at once, and that
// is more than the memory of each, in bytes (0: no limit). The message says how
// much it is.
absl::Status CheckRoomForTasks(const PreparedJob& prepared, int64_t memory);

// The lines of `ebb job check`.
std::string SizesText(const PreparedJob& prepared, const JobSizes& sizes);

// A line that warns of a dense model with many more features than its data has
// numbers, so that most of them cannot learn; empty: it is none.
std::string WideModelWarning(const PreparedJob& prepared);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_JOB_SIZES_H_
