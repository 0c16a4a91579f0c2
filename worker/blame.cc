#include "worker/blame.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "models/non_finite.h"

namespace ebb::worker {

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
          "; its first and its last example, each alone, have none either: the "
          "data is too large",
          usual_size);
    case models::Fault::kExample:
      break;
  }
  const int64_t number = numbers[found->row];
  const auto place = place_of(number);
  return absl::StrCat(
      "; the first example that alone has no finite one is ",
      place.ok() ? *place
                 : absl::StrCat("number ", number, " of the training data"),
      usual_size);
}

}  // namespace ebb::worker
