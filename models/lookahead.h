// What a model may know of the batch after the one that it computes, so that
// this is on its way to a device meanwhile.
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

// Which floats those in some memory are. Whoever puts them there gives them an
// id that no other parameters, or no other examples, of the same model ever had
// or will have.
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
  // Of what this batch is computed from, so that it is known again.
  ContentId params = ContentId::kUnknown;
  ContentId dense = ContentId::kUnknown;
  // Called by the model's thread again and again while a device computes, until
  // both are known; elsewhere never. What it has named stays as it is until the
  // call that it was given with returns. The next batch may be another one.
  absl::FunctionRef<NextBatch()> next;
  // Whether it will ever name parameters.
  bool names_params = true;
};

}  // namespace ebb::models

#endif  // EBB_MODELS_LOOKAHEAD_H_
