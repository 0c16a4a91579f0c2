// Rounds that end with splits of boosted trees.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "algorithms/round_rule.h"
#include "common/status_macros.h"
#include "job/specification.h"
#include "workloads/boosted/rules/shape.h"
#include "workloads/boosted/server/boosting.h"
#include "workloads/seam/server/server.h"

namespace ebb::workloads {

namespace {

class BoostingStep final : public RoundStep {
 public:
  BoostingStep(BoostingOperation operation, const BoostingOptions& options)
      : operation_(std::move(operation)), options_(options) {}
  bool Changes(int /*slot*/) const override { return false; }
  void Apply(float /*scale*/, const OperationRun& run) const override {
    ApplyBoosting(options_, operation_, run.first, run.weights, run.out);
  }

 private:
  const BoostingOperation operation_;
  const BoostingOptions options_;
};

class BoostingRounds final : public RoundRule {
 public:
  BoostingRounds(const BoostingOptions& options,
                 std::vector<std::pair<int64_t, int64_t>> ranges)
      : options_(options),
        coordinator_(MakeBoostingCoordinator(options, std::move(ranges))) {}

  const Coordinator& coordinator() const override { return *coordinator_; }
  size_t FigureCount() const override {
    return BoostingFigures::Count(options_);
  }
  bool MeasuresWhole() const override { return true; }
  void Measure(float /*scale*/, const MeasureRun& run,
               std::span<double> figures) const override {
    AddBoostingFigures(options_, run.first, run.gradient_sum, figures);
  }
  absl::StatusOr<std::unique_ptr<const RoundStep>> Read(
      absl::string_view operation) const override {
    EBB_ASSIGN_OR_RETURN(BoostingOperation decoded,
                         BoostingOperation::Decode(operation, options_));
    return std::make_unique<BoostingStep>(std::move(decoded), options_);
  }

 private:
  const BoostingOptions options_;
  const std::unique_ptr<const Coordinator> coordinator_;
};

// InvalidArgument: the tables are not those of boosted trees.
absl::StatusOr<BoostingOptions> OptionsOf(
    const v1::Specification& specification, const JobPlan& plan) {
  EBB_ASSIGN_OR_RETURN(const std::vector<job::DenseTable> tables,
                       job::TablesOf(specification, plan));
  const v1::Model& model = specification.job().model();
  const auto size_of = [&](absl::string_view name) -> int64_t {
    const auto table = std::ranges::find(tables, name, &job::DenseTable::name);
    return table == tables.end() ? 0 : table->size;
  };
  BoostingOptions options;
  options.shape = BoostedShapeOf(
      model, size_of("edges") / std::max<int64_t>(1, model.bins() - 1),
      size_of("base"));
  options.shape.outputs = size_of("base");
  if (model.has_shrinkage()) options.shrinkage = model.shrinkage();
  options.l2 = model.l2();
  if (model.has_leaf_examples()) options.leaf_examples = model.leaf_examples();
  options.samples = DrawsShares(model);
  options.patience = model.patience();
  EBB_RETURN_IF_ERROR(options.Validate());
  if (options.shape.Parameters() != plan.parameters) {
    return absl::InvalidArgumentError(
        absl::StrCat("the job has ", plan.parameters,
                     " parameters, and boosted trees of its shape ",
                     options.shape.Parameters()));
  }
  return options;
}

absl::StatusOr<std::unique_ptr<const RoundRule>> MakeRounds(
    const v1::Specification& specification, const JobPlan& plan) {
  EBB_ASSIGN_OR_RETURN(const BoostingOptions options,
                       OptionsOf(specification, plan));
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (int32_t p = 0; p < plan.partitions; ++p) {
    ranges.push_back(plan.ParameterRange(PartitionId(p)));
  }
  return std::make_unique<BoostingRounds>(options, std::move(ranges));
}

}  // namespace

void RegisterBoostedServer(ServerSides* sides) {
  sides->Add("boosted", MakeRounds);
}

}  // namespace ebb::workloads
