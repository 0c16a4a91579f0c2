// How much data a job has, and its needs of machines: memory, network, disk.
#ifndef EBB_TOOLS_EBB_MODEL_JOB_SIZES_H_
#define EBB_TOOLS_EBB_MODEL_JOB_SIZES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace ebb::tools {

// How much data a job has.
struct DataExtent {
  int64_t bytes = 0;     // In a worker's memory, test data included.
  int64_t features = 0;  // Features of the training data.
  // Numbers in its rows, where these lack most features; else 0. Or the rows of
  // tables that examples touch.
  int64_t entries = 0;
  // Different rows that examples can touch; 0: unknown.
  int64_t rows = 0;
};

// Bytes, about, without the memory of the program itself.
struct JobSizes {
  // Bytes of all servers together: weights, slots of the optimizer and the new
  // weights of a step (docs/memory.md), without rows of sparse tables.
  int64_t servers = 0;
  // The names of the optimizer's vectors, of the dense table with the most.
  std::vector<std::string> slots = {};
  // Bytes of a server, for each key that has a row in every trained sparse
  // table.
  int64_t servers_of_a_key = 0;
  // Bytes of each worker without a limit: its data, and values and gradients.
  int64_t worker = 0;
  int64_t worker_data = 0;
  // Bytes that a batch pulls and pushes, with rows for keys that are all
  // distinct; or a run (AlgorithmPlan::runs).
  int64_t pulled = 0;
  int64_t pushed = 0;
  // Bytes that the result of a task takes, at most, if all else of the job is
  // small. 0: the job is described by its batches.
  int64_t task = 0;
  // The stored versions that are kept, without rows of sparse tables.
  int64_t disk = 0;
};

// Bytes of a row beside its floats, as docs/memory.md says: its key and marks,
// and its place in the index. A version is at most half as large again.
inline constexpr int64_t kRowOverhead = 12;
inline constexpr int64_t kIndexOfARow = 16;

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_JOB_SIZES_H_
