#include "worker/blame.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "models/non_finite.h"

namespace ebb::worker {

namespace {

// Returns what is wrong with a batch whose first and last example alone have no
// finite gradient, while the parameters are not to blame.
std::string DataOrLoss(const models::BatchView& batch) {
  if (!batch.numbers.empty()) {
    return "look at these examples, and at the model's own loss, which may "
           "take the logarithm or the root of 0, or divide by it";
  }
  const std::span<const float> features =
      batch.is_sparse() ? batch.sparse.values : batch.dense;
  if (!models::AllFinite(features) || !models::AllFinite(batch.labels)) {
    return "the data is not finite";
  }
  const float largest = std::max(models::LargestFinite(features),
                                 models::LargestFinite(batch.labels));
  if (largest >= models::kFarOffFrom) {
    return absl::StrFormat("the data is too large (%.3g)", largest);
  }
  return absl::StrFormat(
      "look at the model's own loss, which may take the logarithm or the root "
      "of 0, or divide by it: the data is of usual size (%.3g at most)",
      largest);
}

}  // namespace

std::string Blame(std::span<const float> params, const models::BatchView& batch,
                  std::span<const int64_t> numbers, std::span<float> grad,
                  models::Model* model, absl::FunctionRef<bool()> stop,
                  PlaceOfExample place_of) {
  const auto found = models::FindNonFinite(params, batch, grad, model, stop);
  if (!found.ok()) return "";
  constexpr absl::string_view kUsualCause =
      ": the training had diverged before this batch. The usual cause is a "
      "learning rate that is too large";
  const std::string usual_size =
      found->largest < models::kFarOffFrom
          ? absl::StrFormat(
                " (the model's values are of usual size: %.3g at most)",
                found->largest)
          : absl::StrFormat(" (the model's values have grown to %.3g, too)",
                            found->largest);
  switch (found->fault) {
    case models::Fault::kSum:
      return absl::StrCat(
          "; each of its examples has a finite one, their sum has not",
          usual_size);
    case models::Fault::kValues:
      return absl::StrCat("; the model's values are no longer finite",
                          kUsualCause);
    case models::Fault::kFarOff:
      return absl::StrFormat("; the model's values have grown to %.3g%s",
                             found->largest, kUsualCause);
    case models::Fault::kFirstAndLast:
      return absl::StrCat(
          "; its first and its last example, each alone, have none either: ",
          DataOrLoss(batch), usual_size);
    case models::Fault::kExample:
      break;
  }
  return absl::StrCat("; the first example that alone has no finite one is ",
                      place_of(numbers[found->row]), usual_size);
}

}  // namespace ebb::worker
