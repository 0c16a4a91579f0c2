#include "workloads/gradients/server/lbfgs_rounds.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "algorithms/lbfgs/lbfgs_vectors.h"
#include "algorithms/round_rule.h"
#include "common/status_macros.h"
#include "workloads/seam/server/server.h"

namespace ebb::workloads {

namespace {

class LbfgsStep final : public RoundStep {
 public:
  explicit LbfgsStep(LbfgsOperation operation)
      : operation_(std::move(operation)) {}
  bool Changes(int slot) const override { return operation_.Changes(slot); }
  void Apply(float scale, const OperationRun& run) const override {
    const std::vector<float> mean = MeanOf(scale, run.gradient_sum);
    ApplyLbfgs(operation_, {run.weights, mean, run.slots}, run.changed,
               run.out);
  }

 private:
  const LbfgsOperation operation_;
};

class LbfgsRounds final : public RoundRule {
 public:
  explicit LbfgsRounds(const LbfgsOptions& options)
      : options_(options), coordinator_(MakeLbfgsCoordinator(options)) {}

  const Coordinator& coordinator() const override { return *coordinator_; }
  std::vector<std::string> SlotNames() const override {
    std::vector<std::string> names(LbfgsSlots::Count(options_));
    names[LbfgsSlots::kPoint] = "point";
    names[LbfgsSlots::kGradient] = "gradient";
    names[LbfgsSlots::kDirection] = "direction";
    for (int32_t pair = 0; pair < options_.history; ++pair) {
      names[LbfgsSlots::Step(pair)] = absl::StrCat("step_", pair);
      names[LbfgsSlots::Change(pair)] = absl::StrCat("change_", pair);
    }
    return names;
  }
  size_t FigureCount() const override { return LbfgsFigures::Count(options_); }
  void Measure(float scale, const MeasureRun& run,
               std::span<double> figures) const override {
    const std::vector<float> mean = MeanOf(scale, run.gradient_sum);
    AddLbfgsFigures(options_, {run.weights, mean, run.slots}, figures);
  }
  absl::StatusOr<std::unique_ptr<const RoundStep>> Read(
      absl::string_view operation) const override {
    EBB_ASSIGN_OR_RETURN(LbfgsOperation decoded,
                         LbfgsOperation::Decode(operation, options_));
    return std::make_unique<LbfgsStep>(std::move(decoded));
  }

 private:
  const LbfgsOptions options_;
  const std::unique_ptr<const Coordinator> coordinator_;
};

absl::StatusOr<std::unique_ptr<const RoundRule>> MakeLbfgsRounds(
    const v1::Specification& specification, const JobPlan& plan) {
  if (!plan.algorithm.operated) return std::unique_ptr<const RoundRule>();
  const LbfgsOptions options = LbfgsOptionsOf(specification.job().algorithm());
  EBB_RETURN_IF_ERROR(options.Validate());
  return std::make_unique<LbfgsRounds>(options);
}

}  // namespace

LbfgsOptions LbfgsOptionsOf(const v1::Algorithm& algorithm) {
  LbfgsOptions options;
  if (algorithm.has_history()) {
    options.history = static_cast<int32_t>(
        std::min<int64_t>(algorithm.history(), kMostLbfgsHistory + 1));
  }
  if (algorithm.has_trials()) {
    options.trials = static_cast<int32_t>(std::min<int64_t>(
        algorithm.trials(), std::numeric_limits<int32_t>::max()));
  }
  if (algorithm.has_first_step()) options.first_step = algorithm.first_step();
  if (algorithm.has_decrease()) {
    options.sufficient_decrease = algorithm.decrease();
  }
  if (algorithm.has_curvature()) options.curvature = algorithm.curvature();
  options.tolerance = algorithm.tolerance();
  return options;
}

void RegisterGradientsServer(ServerSides* sides) {
  sides->Add("gradients", MakeLbfgsRounds);
}

}  // namespace ebb::workloads
