// Finds figures of the forest that a run grew: those of the test data, of the
// examples out of bag, and which features matter.
#ifndef EBB_WORKLOADS_FOREST_TOOLS_FOREST_FIGURES_H_
#define EBB_WORKLOADS_FOREST_TOOLS_FOREST_FIGURES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "common/scores/figures.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/model/importances.h"
#include "tools/ebb/model/model_figures.h"
#include "tools/ebb/model/stored_run.h"

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

// Reads the job's data. NotFound: the forest has no tree yet. Else the errors
// of data::Dataset::LoadIndexed.
absl::StatusOr<ForestFigures> MeasureForest(const StoredRun& run);

// The figures as reports show them.
ModelFigures ToFigures(const ForestFigures& forest);

}  // namespace ebb::tools

#endif  // EBB_WORKLOADS_FOREST_TOOLS_FOREST_FIGURES_H_
