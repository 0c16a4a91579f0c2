// A job's needs of machines: memory, network, disk.
#ifndef EBB_TOOLS_EBB_JOB_JOB_SIZES_H_
#define EBB_TOOLS_EBB_JOB_JOB_SIZES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "tools/ebb/job/submission.h"

namespace ebb::tools {

// Bytes, about, without the memory of the program itself.
struct JobSizes {
  // Bytes of all servers together: weights, slots of the optimizer and the new
  // weights of a step (docs/memory.md), without rows of sparse tables.
  int64_t servers = 0;
  // Bytes of a server, for each key that has a row in every trained sparse
  // table.
  int64_t servers_of_a_key = 0;
  // Bytes of each worker without a limit: its data, and values and gradients.
  int64_t worker = 0;
  int64_t worker_data = 0;
  // Bytes that a batch pulls and pushes, with rows for keys that are all
  // distinct.
  int64_t pulled = 0;
  int64_t pushed = 0;
  // Bytes that the result of a task takes, at most: of a forest a tree. 0: the
  // job has no tasks.
  int64_t task = 0;
  // The stored versions that are kept, without rows of sparse tables.
  int64_t disk = 0;
};

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
