#include "tools/ebb/checkpoint/model_doubts.h"

#include <algorithm>
#include <cmath>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "protocol/plan.h"
#include "tools/text/console.h"

namespace ebb::tools {

std::string IncompleteText(int64_t applied, int64_t planned) {
  if (applied >= planned) return "";
  return absl::StrCat("the job is not complete: ", WithCommas(applied), " of ",
                      Count(planned, "example"), applied == 1 ? " is" : " are",
                      " in this model");
}

std::string IncompleteText(const JobPlan& plan,
                           const std::vector<VersionInfo>& versions) {
  const int64_t planned = plan.examples * plan.epochs;
  int64_t least = planned;
  for (const VersionInfo& one : versions) least = std::min(least, one.examples);
  return IncompleteText(least, planned);
}

std::vector<std::string> DoubtsOf(const std::string& incomplete,
                                  std::span<const float> parameters) {
  std::vector<std::string> doubts;
  if (!incomplete.empty()) doubts.push_back(incomplete);
  const auto astray = std::ranges::count_if(
      parameters, [](float x) { return !std::isfinite(x); });
  if (astray > 0) {
    doubts.push_back(absl::StrCat(
        WithCommas(astray), " of ",
        Count(static_cast<int64_t>(parameters.size()), "parameter"),
        astray == 1 ? " is" : " are",
        " not finite: the training diverged, and what it predicts is of no "
        "use"));
  }
  return doubts;
}

void WarnOfDoubts(const std::string& incomplete,
                  std::span<const float> parameters) {
  for (const std::string& doubt : DoubtsOf(incomplete, parameters)) {
    std::cerr << "warning: " << doubt << "\n";
  }
}

}  // namespace ebb::tools
