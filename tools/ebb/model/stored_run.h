// The stored model of a run, tried on the job's test data. `ebb run` does so at
// the end of jobs whose model is only there once all tasks are done.
#ifndef EBB_TOOLS_EBB_MODEL_STORED_RUN_H_
#define EBB_TOOLS_EBB_MODEL_STORED_RUN_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "ebb/v1/scheduler.pb.h"
#include "ebb/v1/specification.pb.h"
#include "models/model.h"
#include "tools/ebb/model/stored_model.h"

namespace ebb::tools {

struct StoredRun {
  v1::Specification specification;
  StoredModel model;
};

// Evaluates the model, of which so many tasks are done. Nothing: the job has no
// test data. The errors of data::Dataset::LoadIndexed.
absl::StatusOr<std::optional<v1::JobStatus::Evaluation>> EvaluateStored(
    const StoredRun& run, int64_t tasks, models::Model* model);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_STORED_RUN_H_
