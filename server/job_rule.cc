#include "server/job_rule.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/initializer.h"
#include "common/status_macros.h"
#include "server/optimizer/config.h"

namespace ebb::server {

namespace {

absl::StatusOr<OptimizerKind> KindOf(v1::Optimizer::Kind kind) {
  switch (kind) {
    case v1::Optimizer::KIND_SGD:
      return OptimizerKind::kSgd;
    case v1::Optimizer::KIND_MOMENTUM:
      return OptimizerKind::kMomentum;
    case v1::Optimizer::KIND_NESTEROV:
      return OptimizerKind::kNesterov;
    case v1::Optimizer::KIND_ADAGRAD:
      return OptimizerKind::kAdagrad;
    case v1::Optimizer::KIND_RMSPROP:
      return OptimizerKind::kRmsProp;
    case v1::Optimizer::KIND_ADAM:
      return OptimizerKind::kAdam;
    case v1::Optimizer::KIND_FTRL:
      return OptimizerKind::kFtrl;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("optimizer.kind: unknown value ", kind));
  }
}

// What the job leaves open keeps the configuration's own default.
absl::StatusOr<OptimizerConfig> ConfigOf(const v1::Optimizer& optimizer) {
  OptimizerConfig config;
  EBB_ASSIGN_OR_RETURN(config.kind, KindOf(optimizer.kind()));
  if (optimizer.has_rate()) config.rate = optimizer.rate();
  if (optimizer.has_momentum()) config.momentum = optimizer.momentum();
  if (optimizer.has_decay()) config.decay = optimizer.decay();
  if (optimizer.has_beta1()) config.beta1 = optimizer.beta1();
  if (optimizer.has_beta2()) config.beta2 = optimizer.beta2();
  if (optimizer.has_epsilon()) config.epsilon = optimizer.epsilon();
  if (optimizer.has_initial_accumulator()) {
    config.initial_accumulator = optimizer.initial_accumulator();
  }
  if (optimizer.has_beta()) config.beta = optimizer.beta();
  if (optimizer.has_l1()) config.l1 = optimizer.l1();
  if (optimizer.has_l2()) config.l2 = optimizer.l2();
  EBB_RETURN_IF_ERROR(config.Validate());
  return config;
}

absl::StatusOr<RateSchedule> ScheduleOf(const v1::Schedule& schedule) {
  RateSchedule out;
  switch (schedule.kind()) {
    case v1::Schedule::KIND_UNSPECIFIED:  // A job without a schedule.
    case v1::Schedule::KIND_CONSTANT:
      out.kind = RateKind::kConstant;
      break;
    case v1::Schedule::KIND_STEP:
      out.kind = RateKind::kStep;
      break;
    case v1::Schedule::KIND_COSINE:
      out.kind = RateKind::kCosine;
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "optimizer.schedule.kind: unknown value ", schedule.kind()));
  }
  if (schedule.has_step_epochs()) out.step_epochs = schedule.step_epochs();
  if (schedule.has_factor()) out.factor = schedule.factor();
  if (schedule.has_final_share()) out.final_share = schedule.final_share();
  if (schedule.has_warm_up_epochs()) {
    out.warm_up_epochs = schedule.warm_up_epochs();
  }
  EBB_RETURN_IF_ERROR(out.Validate());
  return out;
}

RowTableOptions OptionsOf(const job::SparseTable& table, uint64_t seed) {
  RowTableOptions options;
  options.table = table.name;
  options.width = table.width;
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

absl::StatusOr<bool> IsDynSgd(const v1::Algorithm& algorithm) {
  switch (algorithm.kind()) {
    case v1::Algorithm::KIND_UNSPECIFIED:  // A job without an algorithm.
    case v1::Algorithm::KIND_SGD:
      return false;
    case v1::Algorithm::KIND_DYNSGD:
      return true;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("algorithm.kind: unknown value ", algorithm.kind()));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<JobRule>> JobRule::Create(
    const JobRecord& record) {
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(record));
  const v1::Job& job = specification.job();
  EBB_ASSIGN_OR_RETURN(const OptimizerConfig config, ConfigOf(job.optimizer()));
  EBB_ASSIGN_OR_RETURN(const RateSchedule schedule,
                       ScheduleOf(job.optimizer().schedule()));
  EBB_ASSIGN_OR_RETURN(const bool dynsgd, IsDynSgd(job.algorithm()));
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<Optimizer> optimizer,
                       MakeOptimizer(config));
  EBB_ASSIGN_OR_RETURN(std::vector<job::DenseTable> tables,
                       job::TablesOf(specification, record.plan));
  std::unique_ptr<JobRule> rule(
      new JobRule(record.plan, job.seed(),
                  LearningRate(config.rate, schedule, record.plan.epochs),
                  std::move(optimizer), dynsgd));
  int64_t first = 0;
  for (job::DenseTable& table : tables) {
    const int64_t size = table.size;
    rule->tables_.push_back({std::move(table), first});
    first += size;
  }
  EBB_ASSIGN_OR_RETURN(const std::vector<job::SparseTable> sparse,
                       job::SparseTablesOf(specification, record.plan));
  for (const job::SparseTable& table : sparse) {
    const v1::Optimizer& own = table.optimizer.value_or(job.optimizer());
    EBB_ASSIGN_OR_RETURN(const OptimizerConfig of_table, ConfigOf(own));
    EBB_ASSIGN_OR_RETURN(std::shared_ptr<const Optimizer> its_optimizer,
                         MakeOptimizer(of_table));
    RowTableOptions options = OptionsOf(table, job.seed());
    EBB_RETURN_IF_ERROR(options.Validate());
    rule->sparse_.push_back(
        {std::move(options), std::move(its_optimizer),
         LearningRate(of_table.rate, schedule, record.plan.epochs)});
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
  optimizer_->InitializeSlot(slot, weights, out);
}

void JobRule::Step(const StepPlace& place, const StepRun& run) const {
  optimizer_->Step(ContextOf(place, rate_), run.weights, *run.gradient, run.out,
                   run.slots);
}

StepContext JobRule::ContextOf(const StepPlace& place,
                               const LearningRate& rate) const {
  const int64_t shard = place.item.shard * plan_.shard_size;
  const double position = BatchPosition(place.item.epoch, shard + place.begin,
                                        shard + place.end, plan_.examples);
  // DynSGD: Jiang, Cui, Zhang, Yu 2017, "Heterogeneity-aware distributed
  // parameter servers", section 5, in the form of dist-keras (Hermans 2016):
  //   w' = w - r / (staleness + 1) g
  // with the optimizer's step in place of r g.
  const double divisor =
      dynsgd_ ? static_cast<double>(place.staleness) + 1 : 1.0;
  StepContext context;
  context.rate = static_cast<float>(rate.At(position) / divisor);
  context.gradient_scale = place.gradient_scale;
  context.step = place.step;
  return context;
}

std::string JobRule::PublicName(absl::string_view array) const {
  if (array == "weights") return "values";
  absl::string_view number = array;
  size_t slot = 0;
  if (absl::ConsumePrefix(&number, "slot:") &&
      absl::SimpleAtoi(number, &slot) &&
      slot < optimizer_->SlotNames().size()) {
    return absl::StrCat("slot/", optimizer_->SlotNames()[slot]);
  }
  return std::string(array);
}

}  // namespace ebb::server
