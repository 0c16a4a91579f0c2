#include "workloads/kmeans/tools/stored_restarts.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "tools/ebb/model/task_results.h"
#include "tools/text/console.h"
#include "tools/text/evaluation_text.h"

namespace ebb::tools {

absl::StatusOr<StoredRestarts> RestartsOf(const RowRuns& rows,
                                          const v1::Model& model,
                                          int64_t features) {
  StoredRestarts restarts;
  EBB_RETURN_IF_ERROR(ForEachTask(
      rows, [&](int64_t task, absl::string_view bytes) -> absl::Status {
        auto run =
            workloads::LloydResult::Decode(bytes, model.clusters(), features);
        if (!run.ok()) {
          return absl::Status(
              run.status().code(),
              absl::StrCat("run ", task, ": ", run.status().message()));
        }
        restarts.runs.push_back(
            {task, run->inertia, run->rounds, run->converged});
        if (restarts.runs.size() == 1 ||
            run->inertia < restarts.best_run().inertia) {
          restarts.best = restarts.runs.size() - 1;
          restarts.values = std::move(run->values);
        }
        return absl::OkStatus();
      }));
  return restarts;
}

std::string RestartsText(const StoredRestarts& restarts) {
  if (restarts.runs.empty()) return "no run is done";
  const StoredRestarts::Run& best = restarts.best_run();
  return absl::StrCat("the best of ", Count(restarts.runs.size(), "run"),
                      ": number ", best.number, ", inertia ",
                      FigureText(best.inertia));
}

Json RestartsJson(const StoredRestarts& restarts) {
  const auto add = [](const StoredRestarts::Run& run, Json* json) {
    (*json)["number"] = run.number;
    (*json)["inertia"] = run.inertia;
    (*json)["rounds"] = run.rounds;
    (*json)["converged"] = run.converged;
  };
  Json json = Json::Object();
  json["done"] = static_cast<int64_t>(restarts.runs.size());
  json["best"] = Json();
  if (!restarts.runs.empty()) {
    json["best"] = Json::Object();
    add(restarts.best_run(), &json["best"]);
  }
  json["all"] = Json::List();
  for (const StoredRestarts::Run& run : restarts.runs) {
    Json one = Json::Object();
    add(run, &one);
    json["all"].Add(std::move(one));
  }
  return json;
}

}  // namespace ebb::tools
