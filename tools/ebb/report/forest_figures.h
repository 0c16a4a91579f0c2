// Finds figures of the forest that a run grew: those of the test data, of the
// examples out of bag, and which features matter.
#ifndef EBB_TOOLS_EBB_REPORT_FOREST_FIGURES_H_
#define EBB_TOOLS_EBB_REPORT_FOREST_FIGURES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/scores/figures.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/model/importances.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/text/json.h"

namespace ebb::tools {

struct ForestFigures {
  int64_t trees = 0;
  int64_t nodes = 0;
  // Each training example, predicted by the trees that did not learn from it.
  // Absent: without bootstrap there are no such trees.
  std::optional<Figures> out_of_bag;
  int64_t out_of_bag_examples = 0;
  std::vector<Importance> importances;  // The largest share first.
  // Absent: the job has no test data.
  std::optional<v1::JobStatus::Evaluation> test;
};

// Reads the newest stored forest in the run's folder, and the job's data. No
// daemon may have the folder open. NotFound: the forest has no tree yet. Else
// the errors of LoadStoredModel and data::Dataset::LoadIndexed.
absl::StatusOr<ForestFigures> MeasureForest(const RunFolder& folder);

// A warning about trees that have no split at all.
std::string NoSplitText();

// "accuracy 0.8821, 600 examples".
std::string OutOfBagText(const ForestFigures& forest);
Json ForestFiguresJson(const ForestFigures& forest);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_REPORT_FOREST_FIGURES_H_
