// The side of a workload on workers: how its data is read, and what is computed
// of it beside the gradients of models.
//
//   class MyWorker final : public WorkerSide {
//     absl::StatusOr<Work> Prepare(const WorkInput& input) const override {
//       Work work;
//       work.tasks = std::make_unique<MyTasks>(input.train);
//       return work;
//     }
//   };
//
//   void RegisterMineWorker(WorkerSides* sides) {
//     sides->Add("mine", std::make_unique<MyWorker>());
//   }
//
// The build calls the function if workloads/mine/CMakeLists.txt has a WORKER
// side. A workload without one has what WorkerSide itself does, which is right
// for models with a gradient.
#ifndef EBB_WORKLOADS_SEAM_WORKER_WORKER_H_
#define EBB_WORKLOADS_SEAM_WORKER_WORKER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/tensor_view.h"
#include "data/dataset.h"
#include "data/index.h"
#include "data/source.h"
#include "ebb/v1/job.pb.h"
#include "models/backend.h"
#include "models/config.h"
#include "models/model.h"
#include "protocol/known_loss.h"
#include "protocol/plan.h"
#include "worker/base/batch_reader.h"
#include "worker/base/exported_model.h"
#include "worker/base/keyed_batch.h"
#include "workloads/seam/rules/registry.h"

namespace ebb::workloads {

struct TaskResult {
  std::string bytes;
  double loss = kUnknownLoss;  // kUnknownLoss: there is none.
};

// Makes the results of tasks: parts of a model that a worker makes of the whole
// data (docs/decisions/0029-other-workloads.md). Thread-compatible.
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

// Makes the examples that a model, or a Contributor, takes of those that were
// read. Immutable, so thread-safe: it is called on the thread that finds rows.
class BatchMaker {
 public:
  virtual ~BatchMaker() = default;

  // Overwrites `*made`: a function of the batch, and of `test`, which says that
  // it is evaluated. InvalidArgument: an example does not suit.
  virtual absl::Status Make(const worker::TrainingBatch& read, bool test,
                            data::ExampleBatch* made) const = 0;
};

// Makes the new rows of a batch, where jobs have no gradients but contributions
// (protocol/contribution_rows.h). Thread-compatible.
class Contributor {
 public:
  virtual ~Contributor() = default;

  // `values` are the dense ones and then the batch's rows. Overwrites
  // `new_rows`, as many as those, and `stats`. DataLoss: the rows are not of
  // these examples.
  virtual absl::Status Make(const worker::KeyedBatch& batch,
                            std::span<const float> values,
                            std::span<float> new_rows,
                            models::BatchStats* stats) = 0;
};

// The part of a job beside its model, on a worker. Null: as for any job.
struct Work {
  std::unique_ptr<TaskMaker> tasks;
  std::unique_ptr<BatchMaker> batches;
  std::unique_ptr<Contributor> contributions;
};

// All of it outlives the Work.
struct WorkInput {
  const v1::Job& job;
  const JobPlan& plan;
  const data::Dataset& train;
  models::ComputeBackend* backend;
};

// The functions have the job with its defaults. Immutable, so thread-safe.
class WorkerSide {
 public:
  virtual ~WorkerSide() = default;

  // Changes how the job's data is read.
  virtual void Read(const v1::Job& /*job*/, data::SourceSpec* /*spec*/) const {}

  // Sets what its models alone have. `train` is the index of the training data.
  virtual void Configure(const v1::Job& /*job*/, const data::Index& /*train*/,
                         models::ModelConfig* /*config*/) const {}

  // The memory that a TaskMaker takes beside the data, known before the data is
  // loaded.
  virtual int64_t TaskBytes(const v1::Job& /*job*/,
                            const data::Index& /*train*/) const {
    return 0;
  }

  // Blocks while it looks at the data. InvalidArgument: the data does not suit.
  virtual absl::StatusOr<Work> Prepare(const WorkInput& /*input*/) const {
    return Work();
  }

  // True if the tensor of an exported file is made of the others, and no part
  // of the parameters.
  virtual bool IsDerived(absl::string_view /*tensor*/) const { return false; }

  // Reads an exported file that has no parameters. False: it has some, and
  // nothing was read. DataLoss: the tensors are not such a model.
  virtual absl::StatusOr<bool> ReadExport(
      const TensorFileView& /*file*/, worker::ExportedModel* /*stored*/) const {
    return false;
  }

  // Makes a model that predicts by what ReadExport read. Null: the job's own
  // does, by parameters.
  virtual absl::StatusOr<std::unique_ptr<models::Model>> ModelOf(
      const worker::ExportedModel& /*stored*/,
      const models::ModelConfig& /*config*/) const {
    return nullptr;
  }
};

using WorkerSides = Registry<std::unique_ptr<const WorkerSide>>;

// The workers' side of the model's workload. It lives for ever.
const WorkerSide& WorkerSideOf(const v1::Model& model);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_SEAM_WORKER_WORKER_H_
