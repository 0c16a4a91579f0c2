#include "protocol/evaluation_check.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/scores/figures.h"

namespace ebb {

bool IsFigureName(absl::string_view name) {
  return !name.empty() && name.size() <= kLongestFigureName &&
         std::ranges::all_of(name, [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
         });
}

absl::Status CheckEvaluation(const EvaluationResult& result) {
  if (result.examples < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("an evaluation of ", result.examples,
                     " examples: the number must not be negative"));
  }
  if (result.correct < -1 || result.correct > result.examples) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an evaluation with ", result.correct, " correct of ", result.examples,
        " examples: it must be from 0 to the number of examples, or -1 if "
        "labels are numbers"));
  }
  const auto figures = static_cast<int64_t>(result.figures.named.size());
  if (figures > kMostFigures) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an evaluation with ", figures, " figures: at most ", kMostFigures));
  }
  for (const Figure& figure : result.figures.named) {
    if (IsFigureName(figure.name)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "figure \"", absl::CHexEscape(figure.name), "\": a name has from 1 to ",
        kLongestFigureName, " lower-case letters, digits and underscores"));
  }
  return absl::OkStatus();
}

}  // namespace ebb
