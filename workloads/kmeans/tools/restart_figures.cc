#include "workloads/kmeans/tools/restart_figures.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tools/text/console.h"
#include "tools/text/evaluation_text.h"
#include "worker/predict/exported_model.h"

namespace ebb::tools {

absl::StatusOr<ModelFigures> MeasureRestarts(const StoredRestarts& restarts,
                                             const StoredRun& run) {
  EBB_ASSIGN_OR_RETURN(const auto model, worker::CreateExported(run.model, {}));
  const StoredRestarts::Run& best = restarts.best_run();
  ModelFigures figures;
  const auto done = static_cast<int64_t>(restarts.runs.size());
  EBB_ASSIGN_OR_RETURN(figures.test,
                       EvaluateStored(run, done, model->model.get()));
  figures.lines = {
      {"inertia",
       absl::StrCat(FigureText(best.inertia), ", of run ", best.number,
                    " after ", Count(best.rounds, "round"), "; ",
                    Count(restarts.runs.size(), "run"), " done")}};
  figures.key = "runs";
  figures.json = RestartsJson(restarts);
  figures.inertia = best.inertia;
  return figures;
}

}  // namespace ebb::tools
