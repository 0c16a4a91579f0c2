#include "bench/algorithms/kept_runs.h"

#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/command/bench_machine.h"
#include "common/status_macros.h"
#include "tools/files/files.h"
#include "tools/text/read_json.h"

namespace ebb::tools {

namespace fs = std::filesystem;

std::string KeptRuns::File(absl::string_view name,
                           absl::string_view ending) const {
  return absl::StrCat(folder_, "/", prefix_, name, ending);
}

absl::StatusOr<AlgorithmFigures> KeptRuns::Take(
    const KeptRun& kept,
    const std::function<void(const RunReport&, AlgorithmFigures*)>& add) const {
  const std::string file = File(kept.name, ".json");
  std::error_code ignored;
  if (fs::exists(file, ignored)) {
    EBB_ASSIGN_OR_RETURN(const std::string json, ReadFile(file));
    auto figures = ReadAlgorithmFigures(json);
    if (!figures.ok()) {
      return absl::DataLossError(
          absl::StrCat(file, ": ", figures.status().message(),
                       "; remove it, and it is measured again"));
    }
    if (figures->settings == kept.settings) return figures;
  }
  AlgorithmPoint point(kept.point);
  RunOptions run = kept.run;
  run.folder = File(kept.name, ".run");
  run.quiet = true;
  run.disturbance = &point;
  fs::remove_all(run.folder, ignored);
  EBB_ASSIGN_OR_RETURN(const RunReport report, RunLocally(run));
  if (report.interrupted) return absl::CancelledError("interrupted");
  // An algorithm that goes astray is a result; anything else is none.
  if (!report.problems.empty() && report.status.quarantined().empty()) {
    return absl::InternalError(absl::StrCat(kept.name, ": ",
                                            report.problems.front(),
                                            "; its run is in ", run.folder));
  }
  fs::remove_all(run.folder, ignored);
  EBB_ASSIGN_OR_RETURN(
      const auto where,
      ParseJsonObject(WhereItRanJson().ToString(), "where it ran"));
  AlgorithmFigures figures = {.settings = kept.settings,
                              .machine = TextIn(where, "machine"),
                              .build = TextIn(where, "build"),
                              .commit = TextIn(where, "commit"),
                              .measured = TextIn(where, "measured")};
  point.AddTo(report, &figures);
  add(report, &figures);
  EBB_RETURN_IF_ERROR(WriteFile(file, FiguresJson(figures)));
  return figures;
}

}  // namespace ebb::tools
