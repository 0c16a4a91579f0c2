#include "tools/ebb/report/boosted_figures.h"

#include <algorithm>

#include "common/status_macros.h"
#include "job/boosted.h"
#include "tools/ebb/report/stored_run.h"

namespace ebb::tools {

BoostedGains GainsOf(const BoostedShape& shape,
                     std::span<const float> parameters) {
  using Columns = BoostedNodeColumns;
  BoostedGains gains;
  gains.shares.resize(shape.features);
  const auto complete = static_cast<int64_t>(parameters[shape.OpenAt()]);
  gains.trees = std::clamp<int64_t>(complete, 0, shape.trees) * shape.outputs;
  const int64_t end = shape.NodesAt() + gains.trees * shape.TreeFloats();
  double sum = 0;
  for (int64_t at = shape.NodesAt(); at < shape.OpenAt();
       at += Columns::kCount) {
    const auto feature =
        static_cast<int64_t>(parameters[at + Columns::kFeature]);
    if (feature < 0 || feature >= shape.features) continue;
    gains.any_split = true;
    if (at >= end) continue;
    ++gains.splits;
    gains.shares[feature] += parameters[at + Columns::kValue];
    sum += parameters[at + Columns::kValue];
  }
  for (double& share : gains.shares) share = sum > 0 ? share / sum : 0;
  return gains;
}

absl::StatusOr<BoostedFigures> MeasureBoosted(const RunFolder& folder) {
  EBB_ASSIGN_OR_RETURN(const StoredRun run, LoadStoredRun(folder));
  const StoredModel& stored = run.model;
  const BoostedGains gains =
      GainsOf(job::BoostedShapeOf(stored.job.model(), stored.index.features,
                                  std::ssize(stored.index.classes)),
              stored.parameters);
  return BoostedFigures{gains.trees, gains.splits, gains.any_split,
                        ImportancesOf(stored, gains.shares, {})};
}

Json BoostedFiguresJson(const BoostedFigures& figures) {
  Json json = Json::Object();
  json["trees"] = figures.trees;
  json["splits"] = figures.splits;
  json["importances"] = ImportancesJson(figures.importances);
  return json;
}

}  // namespace ebb::tools
