// How forests are stored, exported and measured.
#include "workloads/gradients/tools/tools.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/task_rows.h"
#include "data/index.h"
#include "models/model.h"
#include "protocol/plan.h"
#include "tools/ebb/model/job_sizes.h"
#include "tools/ebb/model/model_export.h"
#include "tools/ebb/model/model_figures.h"
#include "tools/ebb/model/model_json.h"
#include "tools/ebb/model/stored_model.h"
#include "tools/ebb/model/stored_run.h"
#include "tools/text/console.h"
#include "tools/text/json.h"
#include "workloads/forest/tools/forest_figures.h"
#include "workloads/forest/tools/stored_forest.h"
#include "workloads/forest/worker/exported_forest.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::workloads {

namespace {

class ForestTools final : public GradientTools {
 public:
  ToolsFacts Facts() const override {
    return {.trees = true,
            .loss = false,
            .against_rote = "a larger model.leaf_examples may help"};
  }

  void AddSizes(const v1::Job& /*job*/, const JobPlan& /*plan*/,
                const data::Index& train,
                tools::JobSizes* sizes) const override {
    // A tree has two nodes for each example at most (forest.h), and is stored
    // in whole rows (docs/formats/task-rows.md).
    constexpr int64_t kTreeOfAnExample = 32;
    sizes->task = TaskRows(kTreeOfAnExample * train.examples) * kTaskRowBytes;
  }

  absl::Status CheckParts(const v1::Job& job,
                          const tools::StoredParts& parts) const override {
    return CheckRows(job, parts);
  }

  absl::Status Assemble(tools::StoredModel* stored) const override {
    if (stored->runs.empty())
      return absl::NotFoundError("no tree is stored yet");
    EBB_ASSIGN_OR_RETURN(tools::ForestPtr forest,
                         tools::ForestOf(stored->runs.front(), stored->index));
    stored->assembled =
        std::make_shared<workloads::AssembledForest>(std::move(forest));
    stored->runs.clear();
    return absl::OkStatus();
  }

  tools::ModelExport Export(
      const tools::StoredModel& stored,
      const models::ModelDescription& description) const override {
    tools::ModelExport all =
        BeginExport(stored, Describe(stored, description, ScalingOf(stored)));
    NoteTables(stored, &all);
    all.tensors = tools::ForestTensors(tools::ForestIn(stored));
    return all;
  }

  absl::Status Fold(const tools::StoredModel& /*stored*/,
                    const models::ModelDescription& /*description*/,
                    tools::ModelExport* /*all*/) const override {
    return absl::InvalidArgumentError(
        "--fold: a forest has no layers, and takes features as they are; "
        "export without --fold");
  }

  std::string ContentText(const tools::StoredModel& stored) const override {
    return tools::Count(tools::ForestIn(stored)->trees().size(), "tree");
  }

  // Only all trees together are a model, so workers evaluate none.
  absl::StatusOr<std::optional<tools::ModelFigures>> Measure(
      bool /*complete*/, const v1::Job& /*job*/, Load load) const override {
    const auto measure = [&]() -> absl::StatusOr<tools::ForestFigures> {
      EBB_ASSIGN_OR_RETURN(const tools::StoredRun run, load());
      return tools::MeasureForest(run);
    };
    const auto figures = measure();
    if (absl::IsNotFound(figures.status())) return std::nullopt;
    if (figures.ok()) return ToFigures(*figures);
    return absl::Status(figures.status().code(),
                        absl::StrCat("the forest cannot be measured: ",
                                     figures.status().message()));
  }

 protected:
  tools::Json Describe(const tools::StoredModel& stored,
                       const models::ModelDescription& description,
                       const tools::Scaling& scaling) const override {
    tools::Json json = DescribeHead(stored, scaling);
    json["features"] = FeaturesJson(stored, scaling);
    json["forest"] = tools::ForestJson(*tools::ForestIn(stored));
    json["output"] = tools::OutputMeaning(description.labels);
    json["labels"] = LabelsJson(stored, scaling);
    return json;
  }
};

}  // namespace

void RegisterForestTools(ToolsSides* sides) {
  sides->Add("forest", std::make_unique<ForestTools>());
}

}  // namespace ebb::workloads
