// Finds figures of the boosted trees that a run grew.
#ifndef EBB_TOOLS_EBB_REPORT_BOOSTED_FIGURES_H_
#define EBB_TOOLS_EBB_REPORT_BOOSTED_FIGURES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/boosted_shape.h"
#include "tools/ebb/model/importances.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/text/json.h"

namespace ebb::tools {

struct BoostedFigures {
  int64_t trees = 0;  // The complete ones by which the model predicts.
  int64_t splits = 0;
  bool any_split = false;               // Also in trees that are left out.
  std::vector<Importance> importances;  // The largest share first.
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

// Reads the newest stored trees in the run's folder. No daemon may have the
// folder open. The errors of LoadStoredModel.
absl::StatusOr<BoostedFigures> MeasureBoosted(const RunFolder& folder);

Json BoostedFiguresJson(const BoostedFigures& figures);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_REPORT_BOOSTED_FIGURES_H_
