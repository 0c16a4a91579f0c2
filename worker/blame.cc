#include "worker/blame.h"

#include "absl/strings/str_cat.h"
#include "models/non_finite.h"

namespace ebb::worker {

std::string Blame(std::span<const float> params, const models::BatchView& batch,
                  std::span<const int64_t> numbers, std::span<float> grad,
                  models::Model* model, absl::FunctionRef<bool()> stop,
                  PlaceOfExample place_of) {
  const auto found = models::FindNonFinite(params, batch, grad, model, stop);
  if (!found.ok()) return "";
  switch (found->fault) {
    case models::Fault::kSum:
      return "; each of its examples has a finite one, their sum has not";
    case models::Fault::kValues:
      return "; the values have gone astray: not all are finite";
    case models::Fault::kFirstAndLast:
      return "; its first and its last example, each alone, have no finite one "
             "either: the values have gone astray, or the data is too large";
    case models::Fault::kExample:
      break;
  }
  const int64_t number = numbers[found->row];
  const auto place = place_of(number);
  return absl::StrCat(
      "; the first example that alone has no finite one is ",
      place.ok() ? *place
                 : absl::StrCat("number ", number, " of the training data"));
}

}  // namespace ebb::worker
