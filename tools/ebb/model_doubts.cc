#include "tools/ebb/model_doubts.h"

#include <algorithm>
#include <cmath>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "common/protocol/plan.h"
#include "tools/ebb/console.h"

namespace ebb::tools {

std::vector<std::string> DoubtsOf(int64_t applied, int64_t planned,
                                  std::span<const float> parameters) {
  std::vector<std::string> doubts;
  if (applied < planned) {
    doubts.push_back(
        absl::StrCat("the job is not complete: ", WithCommas(applied), " of ",
                     Count(planned, "example"), applied == 1 ? " is" : " are",
                     " in this model"));
  }
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

void WarnOfDoubts(CheckpointSource* source, std::span<const float> parameters) {
  const auto versions = source->List();
  if (!versions.ok()) return;
  const JobPlan& plan = source->job().plan;
  std::vector<int64_t> applied(plan.partitions);
  for (const VersionInfo& one : *versions) {
    const int32_t p = one.key.partition.value();
    if (p >= 0 && p < plan.partitions &&
        OfLine(one.key, source->line().generation, source->line().rollback)) {
      applied[p] = std::max(applied[p], one.examples);
    }
  }
  const int64_t least =
      applied.empty() ? 0 : *std::ranges::min_element(applied);
  for (const std::string& doubt :
       DoubtsOf(least, plan.examples * plan.epochs, parameters)) {
    std::cerr << "warning: " << doubt << "\n";
  }
}

}  // namespace ebb::tools
