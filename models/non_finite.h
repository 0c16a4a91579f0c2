// The cause of a batch without a finite gradient.
#ifndef EBB_MODELS_NON_FINITE_H_
#define EBB_MODELS_NON_FINITE_H_

#include <cstdint>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "models/batch.h"
#include "models/model.h"

namespace ebb::models {

enum class Fault {
  // A parameter is not finite.
  kValues,
  // The parameters are finite, and far off: a gradient that is not finite
  // becomes finite once they are scaled down to usual size.
  kFarOff,
  // Neither the first example nor the last has one, each alone, and the
  // parameters are not to blame: the data is too large.
  kFirstAndLast,
  // An example has none, alone, and the parameters are not to blame.
  kExample,
  // Each example has one: only their sum is not finite.
  kSum,
};

struct NonFinite {
  Fault fault = Fault::kSum;
  int64_t row = 0;  // For kExample: the first such example of the batch.
  // The largest magnitude of a parameter; of kValues, of those that are finite.
  float largest = 0;
};

// From here on parameters are called far off. Trained ones stay well below it,
// also where labels are counted in the hundred thousands.
inline constexpr float kFarOffFrom = 1e6F;

// The largest magnitude among the finite ones of `values`; 0: there is none.
float LargestFinite(std::span<const float> values);
bool AllFinite(std::span<const float> values);

// Finds the cause in a batch of at least one row, for which model->Gradient
// answered kOutOfRange with these `params`. If they are finite, it asks again
// for parts of the batch: up to 3 + 2 log2(rows) times, the examples of about
// three batches in all. `grad` is as Gradient takes it; its content is
// unspecified afterwards. It asks `stop` before each: kCancelled if that says
// true. Other errors are those of Gradient.
absl::StatusOr<NonFinite> FindNonFinite(std::span<const float> params,
                                        const BatchView& batch,
                                        std::span<float> grad, Model* model,
                                        absl::FunctionRef<bool()> stop);

}  // namespace ebb::models

#endif  // EBB_MODELS_NON_FINITE_H_
