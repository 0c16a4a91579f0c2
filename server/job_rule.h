// The update rule of a job as its specification describes it: initial values by
// table, and one optimizer for all tables. The rate follows from the place in
// the data, and from how the job's algorithm weighs late gradients.
#ifndef EBB_SERVER_JOB_RULE_H_
#define EBB_SERVER_JOB_RULE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "algorithms/algorithm.h"
#include "algorithms/lbfgs/lbfgs.h"
#include "common/schedule.h"
#include "ebb/v1/specification.pb.h"
#include "job/specification.h"
#include "protocol/plan.h"
#include "server/optimizer/optimizer.h"
#include "server/update_rule.h"

namespace ebb::server {

// Immutable, so thread-safe.
class JobRule final : public UpdateRule {
 public:
  // DataLoss, FailedPrecondition: the specification cannot be read (see
  // ReadSpecification). InvalidArgument: it is not valid.
  //
  // `rollback` is that of the generation: each step from gradients takes its
  // rate times the factor. Changes that workers make and push are added
  // unchanged: workers have the factor, too.
  static absl::StatusOr<std::unique_ptr<JobRule>> Create(
      const JobRecord& record, const RollbackRecord& rollback = {});

  int SlotCount() const override {
    return lbfgs_ ? LbfgsSlots::Count(*lbfgs_) : optimizer_->SlotCount();
  }
  void InitialWeights(int64_t first, std::span<float> out) const override;
  void InitialSlot(int slot, int64_t first, std::span<const float> weights,
                   std::span<float> out) const override;
  void Step(const StepPlace& place, const StepRun& run) const override;
  double RateFactor(const StepPlace& place) const override {
    return algorithm_->Adds() ? 1 : algorithm_->RateFactor(place.staleness);
  }
  size_t FigureCount() const override {
    return lbfgs_ ? LbfgsFigures::Count(*lbfgs_) : 1;
  }
  void Measure(const StepPlace& place, const MeasureRun& run,
               std::span<double> figures) const override;
  absl::StatusOr<std::unique_ptr<const RoundStep>> ReadOperation(
      absl::string_view operation) const override;
  RowTableOptions RowOptions(int32_t table) const override {
    return sparse_[table].options;
  }
  std::shared_ptr<const Optimizer> RowOptimizer(int32_t table) const override {
    return sparse_[table].optimizer;
  }
  StepContext RowStep(int32_t table, const StepPlace& place) const override {
    // Each row has a factor of its own (RowTableOptions::rate_factor).
    return ContextOf(place, sparse_[table].rate, 1);
  }

  const Optimizer& optimizer() const { return *optimizer_; }
  // Absent: the tables begin as they say themselves.
  const std::optional<v1::InitialValues>& initial() const { return initial_; }
  // Returns the public name of a cut's array: "values" for "weights",
  // "slot/first_moment" for "slot:0" of adam; others keep their names.
  std::string PublicName(absl::string_view array) const;

 private:
  struct Table {
    job::DenseTable table;
    int64_t first = 0;  // In the flat vector.
  };

  struct SparseTable {
    RowTableOptions options;
    std::shared_ptr<const Optimizer> optimizer;
    LearningRate rate;
  };

  // `rate_factor`: by the algorithm, for the staleness.
  StepContext ContextOf(const StepPlace& place, const LearningRate& rate,
                        double rate_factor) const;

  JobRule(const JobPlan& plan, uint64_t seed, LearningRate rate,
          const RollbackRecord& rollback,
          std::shared_ptr<const Optimizer> optimizer,
          std::shared_ptr<const Algorithm> algorithm)
      : plan_(plan),
        seed_(seed),
        rate_(rate),
        rate_factor_(rollback.rate_factor),
        slots_of_other_rates_(rollback.rate_factor != 1 ||
                              !rollback.versions.empty()),
        optimizer_(std::move(optimizer)),
        algorithm_(std::move(algorithm)) {}

  const JobPlan plan_;
  const uint64_t seed_;
  const LearningRate rate_;
  const double rate_factor_;
  // The values that it goes on from may be of a generation with another factor.
  const bool slots_of_other_rates_;
  const std::shared_ptr<const Optimizer> optimizer_;
  const std::shared_ptr<const Algorithm> algorithm_;
  std::optional<LbfgsOptions> lbfgs_;
  std::optional<v1::InitialValues> initial_;
  std::vector<Table> tables_;  // Ascending.
  std::vector<SparseTable> sparse_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_JOB_RULE_H_
