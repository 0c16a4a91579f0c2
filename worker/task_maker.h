// The results of tasks: parts of a model that a worker makes of the whole data,
// such as the trees of a forest, or the runs of K-Means
// (docs/decisions/0029-other-workloads.md).
#ifndef EBB_WORKER_TASK_MAKER_H_
#define EBB_WORKER_TASK_MAKER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/index.h"
#include "ebb/v1/job.pb.h"
#include "models/backend.h"
#include "models/forest/tree_grower.h"

namespace ebb::worker {

struct TaskResult {
  std::string bytes;
  double loss = 0;  // 0: there is none.
};

// Thread-compatible.
class TaskMaker {
 public:
  virtual ~TaskMaker() = default;

  // The result of the task with this number. It is a function of the job's
  // seed, the number and the data, to the byte: several workers may compute it,
  // and the first one's result counts.
  // Calls `step` now and then, if a task may take long.
  virtual absl::StatusOr<TaskResult> Make(int64_t task,
                                          absl::FunctionRef<void()> step) = 0;

  // Bytes that it keeps beside the data.
  virtual int64_t memory_bytes() const = 0;
};

// The memory that the job's tasks take for data with this index, which itself
// takes `bytes`: the data, and what a TaskMaker keeps.
int64_t TaskBytes(const v1::Job& job, const data::Index& train, int64_t bytes);

// How the job's trees grow, on data with this index.
models::forest::GrowthOptions GrowthOptionsOf(const v1::Job& job,
                                              const data::Index& train);

// Makes what makes the results of the job's tasks; null: it has none. Blocks
// while it looks at all data. `train` and `backend` are not owned.
// InvalidArgument: the data does not suit.
absl::StatusOr<std::unique_ptr<TaskMaker>> CreateTaskMaker(
    const v1::Job& job, const data::Dataset& train,
    models::ComputeBackend* backend);

}  // namespace ebb::worker

#endif  // EBB_WORKER_TASK_MAKER_H_
