// Rounds that end with a step of Lloyd's K-Means.
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "algorithms/round_rule.h"
#include "common/status_macros.h"
#include "workloads/kmeans/server/lloyd.h"
#include "workloads/kmeans/server/lloyd_options.h"
#include "workloads/seam/rules/rules.h"
#include "workloads/seam/server/server.h"

namespace ebb::workloads {

namespace {

class LloydStep final : public RoundStep {
 public:
  LloydStep(LloydOperation operation, int64_t parameters)
      : operation_(std::move(operation)), parameters_(parameters) {}
  bool Changes(int /*slot*/) const override { return false; }
  void Apply(float /*scale*/, const OperationRun& run) const override {
    ApplyLloyd(operation_,
               {run.first, parameters_, run.weights, run.gradient_sum},
               run.out);
  }

 private:
  const LloydOperation operation_;
  const int64_t parameters_;
};

class LloydRounds final : public RoundRule {
 public:
  LloydRounds(const LloydOptions& options, int64_t parameters)
      : options_(options),
        parameters_(parameters),
        coordinator_(MakeLloydCoordinator(options)) {}

  const Coordinator& coordinator() const override { return *coordinator_; }
  size_t FigureCount() const override { return LloydFigures::Count(options_); }
  void Measure(float /*scale*/, const MeasureRun& run,
               std::span<double> figures) const override {
    AddLloydFigures(options_,
                    {run.first, parameters_, run.weights, run.gradient_sum},
                    figures);
  }
  void Pack(std::vector<double>* figures) const override {
    PackLloydFigures(figures);
  }
  absl::StatusOr<std::unique_ptr<const RoundStep>> Read(
      absl::string_view operation) const override {
    EBB_ASSIGN_OR_RETURN(LloydOperation decoded,
                         LloydOperation::Decode(operation, options_));
    return std::make_unique<LloydStep>(std::move(decoded), parameters_);
  }

 private:
  const LloydOptions options_;
  const int64_t parameters_;
  const std::unique_ptr<const Coordinator> coordinator_;
};

// Restarts are tasks, and steps of batches are those of an optimizer.
absl::StatusOr<std::unique_ptr<const RoundRule>> MakeLloydRounds(
    const v1::Specification& specification, const JobPlan& plan) {
  const v1::Job& job = specification.job();
  if (!AlgorithmTraitsOf(job).statistics()) {
    return std::unique_ptr<const RoundRule>();
  }
  const LloydOptions options = LloydOptionsOf(job);
  EBB_RETURN_IF_ERROR(options.Validate());
  return std::make_unique<LloydRounds>(options, plan.parameters);
}

}  // namespace

void RegisterKmeansServer(ServerSides* sides) {
  sides->Add("kmeans", MakeLloydRounds);
}

}  // namespace ebb::workloads
