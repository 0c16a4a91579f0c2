#include "server/job_rule.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/initializer.h"
#include "common/status_macros.h"
#include "ebb/v1/job.pb.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/frozen_rows.h"
#include "job/initial_rows.h"
#include "job/training.h"
#include "optimizer/frozen_rule.h"
#include "optimizer/word_rules.h"
#include "server/row_rules.h"
#include "workloads/seam/rules/rules.h"
#include "workloads/seam/server/server.h"

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
  EBB_ASSIGN_OR_RETURN(RateSchedule schedule,
                       job::ScheduleOf(job.optimizer().schedule()));
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<const Algorithm> algorithm,
                       job::ServersAlgorithmOf(specification));
  std::unique_ptr<JobRule> rule(new JobRule(record.plan, job.seed(),
                                            std::move(schedule), rollback,
                                            std::move(algorithm)));
  const auto facts = workloads::FactsOf(job);
  rule->least_loss_ = facts.least_loss;
  rule->zero_loss_is_none_ = facts.zero_loss_is_none;
  EBB_ASSIGN_OR_RETURN(rule->round_rule_,
                       workloads::RoundRuleOf(specification, record.plan));
  if (rule->round_rule_) rule->round_slots_ = rule->round_rule_->SlotNames();
  EBB_ASSIGN_OR_RETURN(rule->initial_,
                       job::InitialValuesOf(specification, record.plan));
  EBB_ASSIGN_OR_RETURN(rule->trained_,
                       job::TrainedRangesOf(specification, record.plan));
  EBB_RETURN_IF_ERROR(rule->AddDenseTables(specification));
  EBB_RETURN_IF_ERROR(rule->AddSparseTables(specification));
  return rule;
}

absl::StatusOr<JobRule::Rule> JobRule::RuleOf(
    const v1::Optimizer& optimizer) const {
  EBB_ASSIGN_OR_RETURN(v1::Optimizer settings, job::OptimizerOf(optimizer));
  const std::string kind = job::KindOf(settings);
  if (AddsPushes()) {  // The job's is what workers do.
    settings.set_kind(v1::Optimizer::KIND_SGD);
    settings.clear_weight_decay();
  }
  EBB_ASSIGN_OR_RETURN(std::shared_ptr<const Optimizer> made,
                       MakeOptimizer(settings));
  return Rule{kind, std::move(made),
              LearningRate(settings.rate(), schedule_, plan_.epochs),
              job::TraitsOf(settings.kind()).rates_fall()};
}

absl::Status JobRule::AddDenseTables(const v1::Specification& specification) {
  const v1::Optimizer& of_job = specification.job().optimizer();
  EBB_ASSIGN_OR_RETURN(const Rule rule_of_job, RuleOf(of_job));
  EBB_ASSIGN_OR_RETURN(std::vector<job::DenseTable> tables,
                       job::TablesOf(specification, plan_));
  // Stored versions have empty arrays where there are no dense tables.
  if (tables.empty()) slots_ = rule_of_job.optimizer->SlotCount();
  int64_t first = 0;
  for (job::DenseTable& table : tables) {
    Rule rule = rule_of_job;
    if (table.optimizer) {
      EBB_ASSIGN_OR_RETURN(rule, RuleOf(*table.optimizer));
    }
    if (!table.frozen) slots_ = std::max(slots_, rule.optimizer->SlotCount());
    const int64_t size = table.size;
    const int64_t steps =
        BeginsWithSlots() ? initial_->steps(static_cast<int>(tables_.size()))
                          : 0;
    tables_.push_back({std::move(table), first, std::move(rule), steps});
    first += size;
  }
  if (BeginsWithSlots() && initial_->slots() != SlotCount()) {
    return absl::InvalidArgumentError(
        absl::StrCat("model.initial: the file has ", initial_->slots(),
                     " slots, the rules of the job have ", SlotCount()));
  }
  return absl::OkStatus();
}

absl::Status JobRule::AddSparseTables(const v1::Specification& specification) {
  const v1::Job& job = specification.job();
  EBB_ASSIGN_OR_RETURN(const std::vector<job::SparseTable> sparse,
                       job::SparseTablesOf(specification, plan_));
  const int dense = specification.tables_size();
  rows_begin_with_slots_ = initial_ && job::RowsHaveState(*initial_, dense);
  const std::vector<bool> frozen = job::FrozenRowsOf(specification);
  for (size_t t = 0; t < sparse.size(); ++t) {
    const job::SparseTable& table = sparse[t];
    const SparseTablePlan& plan = plan_.sparse_tables[t];
    EBB_ASSIGN_OR_RETURN(Rule rule,
                         RuleOf(table.optimizer.value_or(job.optimizer())));
    if (!plan.trained()) rule.optimizer = server::RuleOf(plan.kind);
    const bool is_frozen = !frozen.empty() && frozen[t];
    if (is_frozen) rule.optimizer = MakeFrozenRule();
    RowTableOptions options = OptionsOf(table, plan, seed_);
    options.contributes =
        plan.trained() && job::TraitsOf(job.algorithm().kind()).contributions();
    if (options.contributes) rule.optimizer = MakeReplaceRule();
    options.of_tasks = workloads::FactsOf(job).tasks > 0;
    if (plan.trained() && !is_frozen && algorithm_->ScalesByStaleness() &&
        !rule.rates_fall) {
      options.rate_factor = [algorithm = algorithm_](int64_t staleness) {
        return algorithm->RateFactor(staleness);
      };
    }
    EBB_RETURN_IF_ERROR(options.Validate());
    const int64_t steps = rows_begin_with_slots_
                              ? initial_->steps(dense + static_cast<int>(t))
                              : 0;
    sparse_.push_back(
        {std::move(options), std::move(rule), plan.trained(), steps});
  }
  return absl::OkStatus();
}

template <typename On>
void JobRule::ForEachTable(int64_t first, size_t size, const On& on) const {
  auto it = std::upper_bound(
      tables_.begin(), tables_.end(), first,
      [](int64_t at, const Table& table) { return at < table.first; });
  --it;  // The first table begins at 0.
  for (size_t begin = 0; begin < size; ++it) {
    const int64_t within = first + static_cast<int64_t>(begin) - it->first;
    const auto count = static_cast<size_t>(std::min<int64_t>(
        it->table.size - within, static_cast<int64_t>(size - begin)));
    on(*it, within, begin, count);
    begin += count;
  }
}

void JobRule::InitialWeights(int64_t first, std::span<float> out) const {
  ForEachTable(
      first, out.size(),
      [&](const Table& table, int64_t within, size_t begin, size_t count) {
        FillInitial(table.table.init, seed_, table.table.name, within,
                    out.subspan(begin, count));
      });
}

void JobRule::InitialSlot(int slot, int64_t first,
                          std::span<const float> weights,
                          std::span<float> out) const {
  std::ranges::fill(out, 0.0f);
  if (!round_slots_.empty()) return;
  ForEachTable(first, out.size(),
               [&](const Table& table, int64_t, size_t begin, size_t count) {
                 if (slot >= table.rule.optimizer->SlotCount()) return;
                 table.rule.optimizer->InitializeSlot(
                     slot, weights.subspan(begin, count),
                     out.subspan(begin, count));
               });
}

void JobRule::Step(const StepPlace& place, const StepRun& run) const {
  const double late_factor = RateFactor(place);
  ForEachTable(
      run.first, run.weights.size(),
      [&](const Table& table, int64_t, size_t begin, size_t count) {
        const Optimizer& optimizer = *table.rule.optimizer;
        std::array<std::span<float>, Optimizer::kMaxSlots> slots;
        const auto slot_count = static_cast<size_t>(optimizer.SlotCount());
        for (size_t s = 0; s < slot_count; ++s) {
          slots[s] = run.slots[s].subspan(begin, count);
        }
        StepContext context = ContextOf(place, table.rule.rate, late_factor);
        context.step += table.steps;
        // They may be of a job with another rate.
        context.slots_of_other_rates |= BeginsWithSlots();
        optimizer.Step(context, run.weights.subspan(begin, count),
                       *run.gradient, run.out.subspan(begin, count),
                       std::span(slots).first(slot_count));
      });
}

absl::StatusOr<std::unique_ptr<const RoundStep>> JobRule::ReadOperation(
    absl::string_view operation) const {
  return round_rule_ ? round_rule_->Read(operation)
                     : UpdateRule::ReadOperation(operation);
}

StepContext JobRule::ContextOf(const StepPlace& place, const LearningRate& rate,
                               double late_factor) const {
  StepContext context;
  context.step = place.step;
  context.examples = place.examples;
  context.batches = place.batches;
  if (AddsPushes()) {
    // w - (-1) G, or of a round the mean.
    context.rate = -1;
    context.gradient_scale = plan_.rounds() ? place.gradient_scale : 1;
    return context;
  }
  const int64_t shard = place.item.shard * plan_.shard_size;
  const double position = BatchPosition(place.item.epoch, shard + place.begin,
                                        shard + place.end, plan_.examples);
  context.rate = static_cast<float>(rate.At(position) * rate_factor_);
  context.late_factor = static_cast<float>(late_factor);
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
  if (!absl::ConsumePrefix(&number, "slot:") ||
      !absl::SimpleAtoi(number, &slot)) {
    return std::string(array);
  }
  if (slot < round_slots_.size()) {
    return absl::StrCat("slot/", round_slots_[slot]);
  }
  std::set<std::string> names;
  for (const TableState& state : DenseStates()) {
    if (slot < state.slots.size()) names.insert(state.slots[slot]);
  }
  if (names.empty()) return std::string(array);
  return absl::StrCat("slot/",
                      names.size() == 1 ? *names.begin() : std::string(number));
}

std::vector<JobRule::TableState> JobRule::DenseStates() const {
  std::vector<TableState> states;
  for (const Table& table : tables_) {
    if (table.table.frozen) {
      states.push_back({table.rule.kind, {}, table.steps});
      continue;
    }
    const auto names = table.rule.optimizer->SlotNames();
    states.push_back(
        {table.rule.kind, {names.begin(), names.end()}, table.steps});
  }
  return states;
}

std::vector<JobRule::TableState> JobRule::RowStates() const {
  std::vector<TableState> states;
  for (const SparseTable& table : sparse_) {
    TableState& state = states.emplace_back();
    state.optimizer = table.rule.kind;
    state.steps = table.steps;
    if (!table.trained || table.options.contributes) continue;
    for (const absl::string_view slot : table.rule.optimizer->SlotNames()) {
      state.slots.emplace_back(slot);
    }
  }
  return states;
}

}  // namespace ebb::server
