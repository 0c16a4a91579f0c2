#include "tools/ebb/predict/predictions.h"

#include "absl/strings/str_cat.h"
#include "tools/text/console.h"

namespace ebb::tools {

std::string UnknownKeysText(const UnknownKeys& unknown, int64_t examples,
                            bool ratings) {
  const std::string of = absl::StrCat(" of ", Count(examples, "example"));
  if (ratings && unknown.some > 0) {
    return absl::StrCat(
        WithCommas(unknown.some), of, unknown.some == 1 ? " has" : " have",
        " a user or an item of which the model knows nothing: the training "
        "data "
        "does not have it, or its row was not kept; the prediction follows "
        "only what the model knows of the other one");
  }
  // In click logs and the like, new keys are usual.
  if (!ratings && unknown.all > 0) {
    return absl::StrCat(
        WithCommas(unknown.all), of, unknown.all == 1 ? " has" : " have",
        " no key of which the model has a row: the prediction is the one of an "
        "example without features. Was the data made in another way than the "
        "training data, or did the tables keep too few rows?");
  }
  return "";
}

}  // namespace ebb::tools
