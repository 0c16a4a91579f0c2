// The update rule of a job as its specification describes it: initial values
// and the optimizer by table. The rate follows from the place in the data, and
// from how the job's algorithm weighs late gradients.
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
#include "algorithms/round_rule.h"
#include "algorithms/schedule.h"
#include "ebb/v1/specification.pb.h"
#include "job/specification.h"
#include "optimizer/optimizer.h"
#include "protocol/plan.h"
#include "server/update_rule.h"

namespace ebb::server {

// Immutable, so thread-safe.
class JobRule final : public UpdateRule {
 public:
  // DataLoss, FailedPrecondition: the specification cannot be read (see
  // ReadSpecification). InvalidArgument: it is not valid.
  //
  // `rollback` is that of the generation: each step from gradients takes its
  // rate times the factor. Where workers step by themselves, they have the
  // factor, and servers take what they push as it is.
  static absl::StatusOr<std::unique_ptr<JobRule>> Create(
      const JobRecord& record, const RollbackRecord& rollback = {});

  const TrainedRanges* trained() const override { return trained_.get(); }
  // The slots of the dense table with the most; others leave the rest alone.
  int SlotCount() const override {
    return round_slots_.empty() ? slots_
                                : static_cast<int>(round_slots_.size());
  }
  void InitialWeights(int64_t first, std::span<float> out) const override;
  void InitialSlot(int slot, int64_t first, std::span<const float> weights,
                   std::span<float> out) const override;
  void Step(const StepPlace& place, const StepRun& run) const override;
  double RateFactor(const StepPlace& place) const override {
    return AddsPushes() ? 1 : algorithm_->RateFactor(place.staleness);
  }
  size_t FigureCount() const override {
    return round_rule_ ? round_rule_->FigureCount() : 1;
  }
  bool MeasuresWhole() const override {
    return round_rule_ && round_rule_->MeasuresWhole();
  }
  bool KeepsLeastLoss() const override { return least_loss_; }
  bool ZeroLossIsNone() const override { return zero_loss_is_none_; }
  void PackFigures(std::vector<double>* figures) const override {
    if (round_rule_) round_rule_->Pack(figures);
  }
  void Measure(const StepPlace& place, const MeasureRun& run,
               std::span<double> figures) const override {
    if (round_rule_) round_rule_->Measure(place.gradient_scale, run, figures);
  }
  absl::StatusOr<std::unique_ptr<const RoundStep>> ReadOperation(
      absl::string_view operation) const override;
  RowTableOptions RowOptions(int32_t table) const override {
    return sparse_[table].options;
  }
  std::shared_ptr<const Optimizer> RowOptimizer(int32_t table) const override {
    return sparse_[table].rule.optimizer;
  }
  StepContext RowStep(int32_t table, const StepPlace& place) const override {
    // Each row has a factor of its own (RowTableOptions::rate_factor).
    StepContext context = ContextOf(place, sparse_[table].rule.rate, 1);
    context.step += sparse_[table].steps;
    // They may be of a job with another rate.
    context.slots_of_other_rates |= rows_begin_with_slots_;
    return context;
  }

  // The state of a table's optimizer, by the number of the slot. A frozen table
  // has none.
  struct TableState {
    std::string optimizer;  // Its kind, in the word of the job file.
    std::vector<std::string> slots;
    int64_t steps = 0;  // With which it began.
  };
  std::vector<TableState> DenseStates() const;
  // Returns the states of the sparse tables. Those that are not trained, or
  // frozen, have none.
  std::vector<TableState> RowStates() const;
  // Absent: the tables begin as they say themselves.
  const std::optional<v1::InitialValues>& initial() const { return initial_; }
  // Returns the public name of a cut's array: "values" for "weights",
  // "slot/first_moment" for "slot:0" of adam; others keep their names. A slot
  // that tables with different optimizers call differently is "slot/0".
  std::string PublicName(absl::string_view array) const;

 private:
  // How a table's values step, dense or sparse.
  struct Rule {
    std::string kind;
    std::shared_ptr<const Optimizer> optimizer;
    LearningRate rate;
    bool rates_fall = false;
  };
  struct Table {
    job::DenseTable table;
    int64_t first = 0;  // In the flat vector.
    Rule rule;
    int64_t steps = 0;  // The steps of the slots that it begins with.
  };

  struct SparseTable {
    RowTableOptions options;
    Rule rule;
    bool trained = true;
    int64_t steps = 0;  // The steps of the slots that its rows begin with.
  };

  bool AddsPushes() const { return algorithm_->Pushes() == PushKind::kChanges; }
  // The rule of a table with an optimizer of its own, or of the job.
  absl::StatusOr<Rule> RuleOf(const v1::Optimizer& optimizer) const;
  absl::Status AddDenseTables(const v1::Specification& specification);
  bool BeginsWithSlots() const { return initial_ && initial_->slots() > 0; }
  absl::Status AddSparseTables(const v1::Specification& specification);

  // Calls `on(table, within, begin, count)` for the parts of the run
  // [first, first + size) of the flat vector that lie in one table: `count`
  // floats from `begin` of the run, which are those from `within` of the table.
  template <typename On>
  void ForEachTable(int64_t first, size_t size, const On& on) const;

  // `late_factor`: by the algorithm, for the staleness.
  StepContext ContextOf(const StepPlace& place, const LearningRate& rate,
                        double late_factor) const;

  JobRule(const JobPlan& plan, uint64_t seed, RateSchedule schedule,
          const RollbackRecord& rollback,
          std::shared_ptr<const Algorithm> algorithm)
      : plan_(plan),
        seed_(seed),
        schedule_(std::move(schedule)),
        rate_factor_(algorithm->Pushes() == PushKind::kOuterGradients
                         ? 1
                         : rollback.rate_factor),
        slots_of_other_rates_(rollback.rate_factor != 1 ||
                              !rollback.versions.empty()),
        algorithm_(std::move(algorithm)) {}

  const JobPlan plan_;
  const uint64_t seed_;
  const RateSchedule schedule_;
  const double rate_factor_;
  // The values that it goes on from may be of a generation with another factor.
  const bool slots_of_other_rates_;
  const std::shared_ptr<const Algorithm> algorithm_;
  // It closes rounds; null: a step of the optimizers does.
  std::unique_ptr<const RoundRule> round_rule_;
  std::vector<std::string> round_slots_;  // Its slots; empty: it has none.
  bool least_loss_ = false;
  bool zero_loss_is_none_ = false;
  std::optional<v1::InitialValues> initial_;
  TrainedRangesPtr trained_;
  std::vector<Table> tables_;  // Ascending.
  int slots_ = 0;
  std::vector<SparseTable> sparse_;
  bool rows_begin_with_slots_ = false;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_JOB_RULE_H_
