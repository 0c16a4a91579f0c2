// What to say of a batch that has no finite gradient, beyond that it has none.
#ifndef EBB_WORKER_BLAME_H_
#define EBB_WORKER_BLAME_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "models/batch.h"
#include "models/model.h"

namespace ebb::worker {

// Where the training example with a number stands: data::PlaceOf.
using PlaceOfExample =
    absl::FunctionRef<absl::StatusOr<std::string>(int64_t number)>;

// For behind an error of model->Gradient(params, batch, grad): which example
// has no finite gradient even alone, with its place, or that the values are
// what is wrong. Begins with "; "; nothing where nothing was found before
// `stop` said true. `numbers` are those of the batch's examples. Blocks as
// models::FindNonFinite and `place_of`; `grad` is of no use afterwards.
std::string Blame(std::span<const float> params, const models::BatchView& batch,
                  std::span<const int64_t> numbers, std::span<float> grad,
                  models::Model* model, absl::FunctionRef<bool()> stop,
                  PlaceOfExample place_of);

}  // namespace ebb::worker

#endif  // EBB_WORKER_BLAME_H_
