#include "tools/ebb/report/restart_figures.h"

#include <cstdint>
#include <utility>

#include "common/status_macros.h"
#include "tools/ebb/report/stored_run.h"
#include "tools/ebb/stored/stored_model.h"

namespace ebb::tools {

absl::StatusOr<RestartFigures> MeasureRestarts(const RunFolder& folder) {
  EBB_ASSIGN_OR_RETURN(StoredRun run, LoadStoredRun(folder));
  EBB_ASSIGN_OR_RETURN(const auto model, CreateStoredModel(run.model, {}));
  RestartFigures figures;
  figures.restarts = *std::move(run.model.restarts);
  const auto done = static_cast<int64_t>(figures.restarts.runs.size());
  EBB_ASSIGN_OR_RETURN(figures.test,
                       EvaluateStored(run, done, model->model.get()));
  return figures;
}

}  // namespace ebb::tools
