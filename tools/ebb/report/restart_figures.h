// Finds which of the restarts of K-Means is the model of a run.
#ifndef EBB_TOOLS_EBB_REPORT_RESTART_FIGURES_H_
#define EBB_TOOLS_EBB_REPORT_RESTART_FIGURES_H_

#include <optional>

#include "absl/status/statusor.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/model/stored_restarts.h"
#include "tools/ebb/report/run_folder.h"

namespace ebb::tools {

struct RestartFigures {
  StoredRestarts restarts;  // At least one run. Without values.
  // Absent: the job has no test data.
  std::optional<v1::JobStatus::Evaluation> test;
};

// Reads the stored runs in the run's folder, and the job's data. No daemon may
// have the folder open. NotFound: no run is whole yet. Else the errors of
// LoadStoredModel and data::Dataset::LoadIndexed.
absl::StatusOr<RestartFigures> MeasureRestarts(const RunFolder& folder);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_REPORT_RESTART_FIGURES_H_
