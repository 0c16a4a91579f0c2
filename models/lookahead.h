// A model's knowledge of the batch after the present one, so that its data is
// on its way to a device meanwhile.
//
//   const auto next = [&]() -> NextBatch { return {.params = pulled}; };
//   model->GradientWithNext(params, batch, grad, &stats,
//                           {.params = id_of_params, .next = next});
#ifndef EBB_MODELS_LOOKAHEAD_H_
#define EBB_MODELS_LOOKAHEAD_H_

#include <cstdint>
#include <span>

#include "absl/functional/function_ref.h"

namespace ebb::models {

// Names the floats in some memory. The writer of the memory draws an id that
// other parameters, or other examples, of the same model never have.
enum class ContentId : int64_t { kUnknown = 0 };

// Not owned. kUnknown: there are none yet.
struct KnownFloats {
  std::span<const float> floats;
  ContentId id = ContentId::kUnknown;
};

// Parameters and dense examples (BatchView::dense).
struct NextBatch {
  KnownFloats params;
  KnownFloats dense;
};

struct Lookahead {
  // Names the values from which this batch is computed, so that they are
  // recognised.
  ContentId params = ContentId::kUnknown;
  ContentId dense = ContentId::kUnknown;
  // The model's thread calls it again and again while a device computes, until
  // both are known; without a device never. The named data stays unchanged
  // until the call that got this returns. The next batch may be another one.
  absl::FunctionRef<NextBatch()> next;
  // True if it may ever name parameters.
  bool names_params = true;
};

}  // namespace ebb::models

#endif  // EBB_MODELS_LOOKAHEAD_H_
