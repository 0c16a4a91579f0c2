// Explains why a batch has no finite gradient.
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

// Returns where the training example with a number stands, for errors.
using PlaceOfExample = absl::FunctionRef<std::string(int64_t number)>;

// Text to follow an error of model->Gradient(params, batch, grad). It names the
// example that has no finite gradient even alone, with its place; or it says
// that the values are at fault. It begins with "; ", and is empty if nothing
// was found before `stop` said true. `numbers` are those of the batch's
// examples. Blocks as models::FindNonFinite and `place_of`; the content of
// `grad` is unspecified afterwards.
std::string Blame(std::span<const float> params, const models::BatchView& batch,
                  std::span<const int64_t> numbers, std::span<float> grad,
                  models::Model* model, absl::FunctionRef<bool()> stop,
                  PlaceOfExample place_of);

}  // namespace ebb::worker

#endif  // EBB_WORKER_BLAME_H_
