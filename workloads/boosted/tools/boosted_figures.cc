#include "workloads/boosted/tools/boosted_figures.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tools/text/console.h"
#include "tools/text/json.h"
#include "workloads/boosted/rules/shape.h"

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

BoostedFigures MeasureBoosted(const StoredModel& stored) {
  const BoostedGains gains = GainsOf(
      workloads::BoostedShapeOf(stored.job.model(), stored.index.features,
                                std::ssize(stored.index.classes)),
      stored.parameters);
  return BoostedFigures{gains.trees, gains.splits, gains.any_split,
                        ImportancesOf(stored, gains.shares, {}),
                        stored.job.model().has_patience()};
}

ModelFigures ToFigures(const BoostedFigures& boosted) {
  ModelFigures figures;
  figures.lines = {{"importance", ImportancesText(boosted.importances)},
                   {"trees", absl::StrCat(WithCommas(boosted.trees), ", ",
                                          Count(boosted.splits, "split"))}};
  figures.key = "boosted";
  figures.json = Json::Object();
  figures.json["trees"] = boosted.trees;
  figures.json["splits"] = boosted.splits;
  figures.json["importances"] = ImportancesJson(boosted.importances);
  figures.counts = {{boosted.trees, "trees"}, {boosted.splits, "splits"}};
  figures.importances = boosted.importances;
  if (boosted.patience && boosted.trees == 0) {
    figures.warnings.push_back(NoTreeKeptText());
  } else if (!boosted.any_split) {
    figures.warnings.push_back(NoSplitText());
  }
  return figures;
}

}  // namespace ebb::tools
