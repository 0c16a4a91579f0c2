// Finds which of the restarts of K-Means is the model of a run.
#ifndef EBB_WORKLOADS_KMEANS_TOOLS_RESTART_FIGURES_H_
#define EBB_WORKLOADS_KMEANS_TOOLS_RESTART_FIGURES_H_

#include "absl/status/statusor.h"
#include "tools/ebb/model/model_figures.h"
#include "tools/ebb/model/stored_run.h"
#include "workloads/kmeans/tools/stored_restarts.h"

namespace ebb::tools {

// Evaluates the model, which is the best of `restarts`. The errors of
// data::Dataset::LoadIndexed.
absl::StatusOr<ModelFigures> MeasureRestarts(const StoredRestarts& restarts,
                                             const StoredRun& run);

}  // namespace ebb::tools

#endif  // EBB_WORKLOADS_KMEANS_TOOLS_RESTART_FIGURES_H_
