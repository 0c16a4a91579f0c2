#include "server/job_rule.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "algorithms/lbfgs/lbfgs_vectors.h"
#include "common/initializer.h"
#include "common/status_macros.h"
#include "ebb/v1/job.pb.h"
#include "job/training.h"
#include "job/traits.h"
#include "server/row_rules.h"

namespace ebb::server {

namespace {

RowTableOptions OptionsOf(const job::SparseTable& table,
                          const SparseTablePlan& plan, uint64_t seed) {
  RowTableOptions options;
  options.table = table.name;
  options.width = plan.row_words();
  options.write_once = plan.kind == RowKind::kWriteOnce;
  options.init = table.init;
  options.seed = seed;
  options.expire_after_examples = table.expire_after_examples;
  options.max_rows = table.max_rows;
  options.at_limit = table.evict ? RowTableOptions::AtLimit::kEvict
                                 : RowTableOptions::AtLimit::kRefuse;
  if (table.admission.count() > 0) {
    options.admission.kind = RowAdmission::Kind::kCount;
    options.admission.count = table.admission.count();
    options.admission.counters = table.admission.counters();
  } else if (table.admission.probability() > 0) {
    options.admission.kind = RowAdmission::Kind::kProbability;
    options.admission.probability = table.admission.probability();
  }
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<JobRule>> JobRule::Create(
    const JobRecord& record, const RollbackRecord& rollback) {
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(record));
  const v1::Job& job = specification.job();
  EBB_ASSIGN_OR_RETURN(v1::Optimizer settings,
                       job::OptimizerOf(job.optimizer()));
  EBB_ASSIGN_OR_RETURN(const RateSchedule schedule,
                       job::ScheduleOf(job.optimizer().schedule()));
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<const Algorithm> algorithm,
                       job::ServersAlgorithmOf(specification));
  // The job's is what workers do.
  if (algorithm->Adds()) settings.set_kind(v1::Optimizer::KIND_SGD);
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<Optimizer> optimizer,
                       MakeOptimizer(settings));
  EBB_ASSIGN_OR_RETURN(std::vector<job::DenseTable> tables,
                       job::TablesOf(specification, record.plan));
  std::unique_ptr<JobRule> rule(
      new JobRule(record.plan, job.seed(),
                  LearningRate(settings.rate(), schedule, record.plan.epochs),
                  rollback, std::move(optimizer), std::move(algorithm)));
  if (record.plan.algorithm.operated) {
    rule->lbfgs_ = job::LbfgsOptionsOf(job.algorithm());
    EBB_RETURN_IF_ERROR(rule->lbfgs_->Validate());
  }
  EBB_ASSIGN_OR_RETURN(rule->initial_,
                       job::InitialValuesOf(specification, record.plan));
  int64_t first = 0;
  for (job::DenseTable& table : tables) {
    const int64_t size = table.size;
    rule->tables_.push_back({std::move(table), first});
    first += size;
  }
  EBB_ASSIGN_OR_RETURN(const std::vector<job::SparseTable> sparse,
                       job::SparseTablesOf(specification, record.plan));
  for (size_t t = 0; t < sparse.size(); ++t) {
    const job::SparseTable& table = sparse[t];
    const SparseTablePlan& plan = record.plan.sparse_tables[t];
    const v1::Optimizer& own = table.optimizer.value_or(job.optimizer());
    EBB_ASSIGN_OR_RETURN(v1::Optimizer of_table, job::OptimizerOf(own));
    if (rule->algorithm_->Adds()) of_table.set_kind(v1::Optimizer::KIND_SGD);
    EBB_ASSIGN_OR_RETURN(std::shared_ptr<const Optimizer> its_optimizer,
                         MakeOptimizer(of_table));
    if (!plan.trained()) its_optimizer = RuleOf(plan.kind);
    RowTableOptions options = OptionsOf(table, plan, job.seed());
    if (plan.trained() && rule->algorithm_->ScalesByStaleness() &&
        !job::TraitsOf(of_table.kind()).rates_fall()) {
      options.rate_factor = [algorithm = rule->algorithm_](int64_t staleness) {
        return algorithm->RateFactor(staleness);
      };
    }
    EBB_RETURN_IF_ERROR(options.Validate());
    rule->sparse_.push_back(
        {std::move(options), std::move(its_optimizer),
         LearningRate(of_table.rate(), schedule, record.plan.epochs)});
  }
  return rule;
}

// The run may begin within one table and end within another.
void JobRule::InitialWeights(int64_t first, std::span<float> out) const {
  auto it = std::upper_bound(
      tables_.begin(), tables_.end(), first,
      [](int64_t at, const Table& table) { return at < table.first; });
  --it;  // The first table begins at 0.
  while (!out.empty()) {
    const int64_t within = first - it->first;
    const auto n = static_cast<size_t>(std::min<int64_t>(
        it->table.size - within, static_cast<int64_t>(out.size())));
    FillInitial(it->table.init, seed_, it->table.name, within, out.first(n));
    out = out.subspan(n);
    first += static_cast<int64_t>(n);
    ++it;
  }
}

void JobRule::InitialSlot(int slot, int64_t first,
                          std::span<const float> weights,
                          std::span<float> out) const {
  if (lbfgs_) {
    std::ranges::fill(out, 0.0f);
  } else {
    optimizer_->InitializeSlot(slot, weights, out);
  }
}

void JobRule::Step(const StepPlace& place, const StepRun& run) const {
  const double rate_factor = RateFactor(place);
  optimizer_->Step(ContextOf(place, rate_, rate_factor), run.weights,
                   *run.gradient, run.out, run.slots);
}

namespace {

// The mean gradient of a run, which has a sum.
std::vector<float> MeanOf(const StepPlace& place, std::span<const float> sum) {
  std::vector<float> mean(sum.begin(), sum.end());
  for (float& value : mean) value *= place.gradient_scale;
  return mean;
}

class LbfgsStep final : public RoundStep {
 public:
  explicit LbfgsStep(LbfgsOperation operation)
      : operation_(std::move(operation)) {}
  bool Changes(int slot) const override { return operation_.Changes(slot); }
  void Apply(const StepPlace& place, const OperationRun& run) const override {
    const std::vector<float> mean = MeanOf(place, run.gradient_sum);
    ApplyLbfgs(operation_, {run.weights, mean, run.slots}, run.changed,
               run.out);
  }

 private:
  const LbfgsOperation operation_;
};

}  // namespace

void JobRule::Measure(const StepPlace& place, const MeasureRun& run,
                      std::span<double> figures) const {
  if (!lbfgs_) return;
  const std::vector<float> mean = MeanOf(place, run.gradient_sum);
  AddLbfgsFigures(*lbfgs_, {run.weights, mean, run.slots}, figures);
}

absl::StatusOr<std::unique_ptr<const RoundStep>> JobRule::ReadOperation(
    absl::string_view operation) const {
  if (!lbfgs_) return UpdateRule::ReadOperation(operation);
  EBB_ASSIGN_OR_RETURN(LbfgsOperation decoded,
                       LbfgsOperation::Decode(operation, *lbfgs_));
  return std::make_unique<LbfgsStep>(std::move(decoded));
}

StepContext JobRule::ContextOf(const StepPlace& place, const LearningRate& rate,
                               double rate_factor) const {
  StepContext context;
  context.step = place.step;
  if (algorithm_->Adds()) {
    // w - (-1) G, or of a round the mean.
    context.rate = -1;
    context.gradient_scale = plan_.rounds() ? place.gradient_scale : 1;
    return context;
  }
  const int64_t shard = place.item.shard * plan_.shard_size;
  const double position = BatchPosition(place.item.epoch, shard + place.begin,
                                        shard + place.end, plan_.examples);
  context.rate =
      static_cast<float>(rate.At(position) * rate_factor * rate_factor_);
  context.staleness = place.staleness;
  context.rate_factor = static_cast<float>(rate_factor_);
  context.slots_of_other_rates = slots_of_other_rates_;
  context.gradient_scale = place.gradient_scale;
  return context;
}

std::string JobRule::PublicName(absl::string_view array) const {
  if (array == "weights") return "values";
  absl::string_view number = array;
  size_t slot = 0;
  if (lbfgs_) {
    if (!absl::ConsumePrefix(&number, "slot:") ||
        !absl::SimpleAtoi(number, &slot)) {
      return std::string(array);
    }
    const auto place = static_cast<int>(slot);
    if (place == LbfgsSlots::kPoint) return "slot/point";
    if (place == LbfgsSlots::kGradient) return "slot/gradient";
    if (place == LbfgsSlots::kDirection) return "slot/direction";
    const int pair = (place - LbfgsSlots::Step(0)) / 2;
    return absl::StrCat(
        place == LbfgsSlots::Step(pair) ? "slot/step_" : "slot/change_", pair);
  }
  if (absl::ConsumePrefix(&number, "slot:") &&
      absl::SimpleAtoi(number, &slot) &&
      slot < optimizer_->SlotNames().size()) {
    return absl::StrCat("slot/", optimizer_->SlotNames()[slot]);
  }
  return std::string(array);
}

}  // namespace ebb::server
