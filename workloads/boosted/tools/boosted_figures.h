// Finds figures of the boosted trees that a run grew.
#ifndef EBB_WORKLOADS_BOOSTED_TOOLS_BOOSTED_FIGURES_H_
#define EBB_WORKLOADS_BOOSTED_TOOLS_BOOSTED_FIGURES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "tools/ebb/model/importances.h"
#include "tools/ebb/model/model_figures.h"
#include "tools/ebb/model/stored_model.h"
#include "workloads/boosted/base/boosted_shape.h"

namespace ebb::tools {

struct BoostedFigures {
  int64_t trees = 0;  // The complete ones by which the model predicts.
  int64_t splits = 0;
  bool any_split = false;               // Also in trees that are left out.
  std::vector<Importance> importances;  // The largest share first.
  bool patience = false;  // The trees up to the best one are kept.
};

// Sums up what the splits of complete trees gain, by feature.
struct BoostedGains {
  int64_t trees = 0;
  int64_t splits = 0;
  bool any_split = false;
  // By feature; they add up to 1, or are 0 if there is no split.
  std::vector<double> shares;
};
// `parameters` are the model's, of this shape.
BoostedGains GainsOf(const BoostedShape& shape,
                     std::span<const float> parameters);

BoostedFigures MeasureBoosted(const StoredModel& stored);

// The figures as reports show them.
ModelFigures ToFigures(const BoostedFigures& boosted);

}  // namespace ebb::tools

#endif  // EBB_WORKLOADS_BOOSTED_TOOLS_BOOSTED_FIGURES_H_
