// The results of tasks: parts of a model that a worker makes of the whole data,
// such as the trees of a forest (docs/decisions/0029-other-workloads.md).
#ifndef EBB_WORKER_TASK_MAKER_H_
#define EBB_WORKER_TASK_MAKER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/index.h"
#include "ebb/v1/job.pb.h"
#include "models/forest/tree_grower.h"

namespace ebb::worker {

// Thread-compatible.
class TaskMaker {
 public:
  virtual ~TaskMaker() = default;

  // The result of the task with this number. It is a function of the job's
  // seed, the number and the data, to the byte: several workers may compute it,
  // and the first one's result counts.
  virtual absl::StatusOr<std::string> Make(int64_t task) = 0;

  // What it keeps beside the data.
  virtual int64_t memory_bytes() const = 0;
};

// The memory that tasks take for data of so many bytes, examples and features:
// the data, and its intervals.
constexpr int64_t TaskDataBytes(int64_t bytes, int64_t examples,
                                int64_t features) {
  return bytes + examples * (features + int64_t{sizeof(float)});
}

// How the job's trees grow, on data with this index.
models::forest::GrowthOptions GrowthOptionsOf(const v1::Job& job,
                                              const data::Index& train);

// Makes what makes the results of the job's tasks; null: it has none. Blocks
// while it looks at all data. `train` is not owned. InvalidArgument: the data
// does not suit.
absl::StatusOr<std::unique_ptr<TaskMaker>> CreateTaskMaker(
    const v1::Job& job, const data::Dataset& train);

}  // namespace ebb::worker

#endif  // EBB_WORKER_TASK_MAKER_H_
