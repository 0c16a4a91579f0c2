// How boosted trees begin, are exported and measured.
#include "workloads/gradients/tools/tools.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "models/model.h"
#include "tools/ebb/model/beginning.h"
#include "tools/ebb/model/model_figures.h"
#include "tools/ebb/model/stored_model.h"
#include "tools/ebb/model/stored_run.h"
#include "tools/text/console.h"
#include "workloads/boosted/base/boosted_shape.h"
#include "workloads/boosted/rules/shape.h"
#include "workloads/boosted/tools/boosted_figures.h"
#include "workloads/boosted/tools/boosted_start.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::workloads {

namespace {

class BoostedTools final : public GradientTools {
 public:
  ToolsFacts Facts() const override {
    return {.trees = true,
            .ends_itself = true,
            .against_rote =
                "model.patience ends the job at the best number of trees"};
  }

  // Chooses the intervals, of which the job says how many there are, and what
  // is predicted before the first tree.
  absl::StatusOr<tools::Beginning> Begin(const tools::BeginInput& input,
                                         v1::Job* job) const override {
    v1::Model& model = *job->mutable_model();
    const int64_t features = input.train.features();
    const int64_t most = input.given.model().has_bins()
                             ? std::min(model.bins(), kMostBoostedBins)
                             : DefaultBoostedBins(features);
    EBB_ASSIGN_OR_RETURN(
        const tools::BoostedStart start,
        tools::ChooseBoostedStart(input.train, most, job->seed()));
    model.set_bins(start.bins);
    tools::Beginning begun;
    // Forests take one interval more.
    if (const int64_t asked = input.given.model().bins();
        asked > kMostBoostedBins) {
      begun.choices.push_back(
          {"model.bins", absl::StrCat(kMostBoostedBins),
           absl::StrCat("of ", asked, " intervals one is for missing values")});
    }
    const BoostedShape shape = BoostedShapeOf(
        model, features, std::ssize(input.train.index().classes));
    begun.values = tools::BoostedInitialValues(shape, start);
    begun.origin = "the intervals of the data";
    begun.kept_parameters = shape.Parameters();
    return begun;
  }

  std::string ValuesText(
      const tools::StoredModel& /*stored*/,
      const models::ModelDescription& /*description*/) const override {
    return "";
  }

  // A job whose rounds found no split ends as others do.
  absl::StatusOr<std::optional<tools::ModelFigures>> Measure(
      bool complete, const v1::Job& /*job*/, Load load) const override {
    if (!complete) return std::nullopt;
    const auto run = load();
    if (run.ok()) return ToFigures(tools::MeasureBoosted(run->model));
    return absl::Status(
        run.status().code(),
        absl::StrCat("the trees cannot be read: ", run.status().message()));
  }

  // An epoch is a pass for one level of a tree.
  std::string WorkText(const tools::ModelFigures* figures, int64_t epochs,
                       int64_t examples) const override {
    const std::string trees =
        figures == nullptr
            ? ""
            : absl::StrCat(tools::Count(figures->counts.front().first, "tree"),
                           ", grown in ");
    return absl::StrCat(
        trees, tools::WithCommas(epochs), epochs == 1 ? " pass" : " passes",
        " over ",
        tools::Count(examples / std::max<int64_t>(1, epochs), "example"));
  }
};

}  // namespace

void RegisterBoostedTools(ToolsSides* sides) {
  sides->Add("boosted", std::make_unique<BoostedTools>());
}

}  // namespace ebb::workloads
