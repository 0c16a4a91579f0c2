// Examples as data/ has them, for models.
#ifndef EBB_WORKER_BASE_EXAMPLES_H_
#define EBB_WORKER_BASE_EXAMPLES_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/scores/scores.h"
#include "data/dataset.h"
#include "models/batch.h"
#include "models/model.h"

namespace ebb::worker {

// The view refers to the same memory.
models::BatchView ViewOf(const data::ExampleBatch& examples);
// The view of a batch to learn from: examples of the item from `begin` on.
models::BatchView ViewOf(const data::ExampleBatch& examples, ItemId item,
                         int64_t begin);

// Evaluates the parameters on all of `test`, this many examples at once. Adds
// predictions to `scores`, unless it is null. Overwrites `scratch`; keep it for
// the next call to save memory. Errors: those of data::Dataset::Gather and
// models::Model::Evaluate.
absl::StatusOr<models::BatchStats> EvaluateOn(const data::Dataset& test,
                                              std::span<const float> params,
                                              int64_t at_once,
                                              models::Model* model,
                                              data::ExampleBatch* scratch,
                                              Scores* scores = nullptr);

// The same of one batch, already gathered.
absl::Status EvaluateOn(const models::BatchView& batch,
                        std::span<const float> params, models::Model* model,
                        models::BatchStats* stats, Scores* scores);

}  // namespace ebb::worker

#endif  // EBB_WORKER_BASE_EXAMPLES_H_
