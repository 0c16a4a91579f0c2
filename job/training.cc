#include "job/training.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "algorithms/adding.h"
#include "algorithms/operated.h"
#include "common/status_macros.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/specification.h"
#include "optimizer/optimizer.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {

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
    case v1::Schedule::KIND_TABLE:
      out.kind = RateKind::kTable;
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "optimizer.schedule.kind: unknown value ", schedule.kind()));
  }
  if (schedule.has_step_epochs()) out.step_epochs = schedule.step_epochs();
  if (schedule.has_factor()) out.factor = schedule.factor();
  if (schedule.has_final_share()) out.final_share = schedule.final_share();
  out.at.assign(schedule.at().begin(), schedule.at().end());
  out.factors.assign(schedule.factors().begin(), schedule.factors().end());
  if (schedule.has_warm_up_epochs()) {
    out.warm_up_epochs = schedule.warm_up_epochs();
  }
  EBB_RETURN_IF_ERROR(out.Validate());
  return out;
}

absl::StatusOr<v1::Optimizer> OptimizerOf(const v1::Optimizer& optimizer) {
  const Descriptor& type = *optimizer.GetDescriptor();
  if (EnumWord(*v1::Optimizer::Kind_descriptor(), optimizer.kind()).empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("optimizer.kind: unknown value ", optimizer.kind()));
  }
  v1::Optimizer whole = optimizer;
  if (!whole.has_rate()) whole.set_rate(0.01);
  FillAnnotatedDefaults(&whole);
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE ||
        !IsSet(whole, field) || !BelongsToKind(whole, field)) {
      continue;
    }
    double value = whole.GetReflection()->GetDouble(whole, &field);
    // Jobs of older releases may have smaller ones where 0 is allowed.
    const bool tiny = value > 0 && value < std::numeric_limits<float>::min();
    if (tiny && !KeyOf(field).has_above()) value = 0;
    const std::string wrong = OutOfRange(field, value);
    if (!wrong.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("optimizer.", field.name(), " ", wrong));
    }
  }
  return whole;
}

namespace {

// The name under which the algorithm is registered: the job file's word.
absl::StatusOr<std::string> NameOf(v1::Algorithm::Kind kind) {
  if (kind == v1::Algorithm::KIND_UNSPECIFIED) kind = v1::Algorithm::KIND_SGD;
  std::string word = EnumWord(*v1::Algorithm::Kind_descriptor(), kind);
  if (word.empty() || kind == v1::Algorithm::KIND_PLUGIN) {
    return absl::InvalidArgumentError(
        absl::StrCat("algorithm.kind: unknown value ", kind));
  }
  return word;
}

// The rule of the steps that workers make in a run.
absl::StatusOr<std::unique_ptr<const Optimizer>> InnerOf(
    const v1::Algorithm& algorithm) {
  v1::Optimizer settings = algorithm.inner();
  if (!settings.has_kind()) settings.set_kind(v1::Optimizer::KIND_ADAMW);
  const auto whole = OptimizerOf(settings);
  if (!whole.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("algorithm.inner: ", whole.status().message()));
  }
  return MakeOptimizer(*whole);
}

// The servers' view of an algorithm that only workers load.
class WhatServersKnow final : public Algorithm {
 public:
  explicit WhatServersKnow(PushKind pushes) : pushes_(pushes) {}
  PushKind Pushes() const override { return pushes_; }

 private:
  const PushKind pushes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Algorithm>> AlgorithmOf(
    const v1::Job& job) {
  const v1::Algorithm& algorithm = job.algorithm();
  const v1::AlgorithmTraits& traits = workloads::AlgorithmTraitsOf(job);
  // The workload closes a round of sums; or its models push changes.
  if (traits.statistics()) return MakeOperated();
  if (!traits.workload().empty()) return MakeAdding();
  AlgorithmConfig config;
  EBB_ASSIGN_OR_RETURN(config.kind, NameOf(workloads::FactsOf(job).tasks > 0
                                               ? v1::Algorithm::KIND_TASKS
                                               : algorithm.kind()));
  const auto batches = [](int64_t n) {
    return static_cast<int32_t>(
        std::min<int64_t>(n, std::numeric_limits<int32_t>::max()));
  };
  if (algorithm.has_push_every()) {
    config.push_every = batches(algorithm.push_every());
    config.pull_every = config.push_every;
  }
  if (algorithm.has_pull_every()) {
    config.pull_every = batches(algorithm.pull_every());
  }
  // Zhang et al. 2015, section 5: beta, which is this times the workers, is
  // 0.9.
  constexpr double kBeta = 0.9;
  const auto workers =
      static_cast<double>(std::max<int64_t>(1, job.workers().max()));
  config.moving_rate =
      algorithm.has_moving_rate() ? algorithm.moving_rate() : kBeta / workers;
  config.share = algorithm.has_share() ? algorithm.share() : 1 / workers;
  if (algorithm.has_tolerated()) config.tolerated = algorithm.tolerated();
  if (TraitsOf(algorithm.kind()).runs()) {
    if (algorithm.has_period()) config.period = batches(algorithm.period());
    config.run_warm_up = batches(algorithm.run_warm_up());
    config.rounds = job.consistency().kind() == v1::Consistency::KIND_ROUNDS;
    config.program_steps = algorithm.program_steps();
    if (!config.program_steps) {
      EBB_ASSIGN_OR_RETURN(config.inner, InnerOf(algorithm));
    }
  }
  if (algorithm.has_momentum()) config.momentum = algorithm.momentum();
  return BuiltinAlgorithms().Create(config);
}

absl::StatusOr<std::unique_ptr<const Algorithm>> ServersAlgorithmOf(
    const v1::Specification& specification) {
  const v1::Job& job = specification.job();
  if (job.algorithm().kind() != v1::Algorithm::KIND_PLUGIN) {
    return AlgorithmOf(job);
  }
  return std::make_unique<WhatServersKnow>(specification.algorithm_adds()
                                               ? PushKind::kChanges
                                               : PushKind::kGradients);
}

namespace {

StopRule StopRuleOf(const v1::Stop& stop) {
  StopRule rule;
  rule.figure = stop.metric();
  rule.patience = stop.has_patience() ? stop.patience() : kEndlessPatience;
  rule.min_delta = stop.min_delta();
  if (stop.has_larger_is_better()) {
    rule.larger_is_better = stop.larger_is_better();
  }
  if (stop.has_reach()) rule.reach = stop.reach();
  return rule;
}

}  // namespace

absl::StatusOr<TrainingFacts> TrainingFactsOf(const JobRecord& record) {
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       ReadSpecification(record));
  TrainingFacts facts;
  facts.squared_loss = specification.squared_loss();
  facts.guess_loss = specification.guess_loss();
  facts.positive_class = specification.positive_class();
  facts.window = specification.window();
  facts.example_tokens =
      specification.job().data().train().positions().tokens();
  const v1::Job& job = specification.job();
  switch (job.on_divergence()) {
    case v1::ON_DIVERGENCE_PAUSE:
      facts.on_divergence = OnDivergence::kPause;
      break;
    case v1::ON_DIVERGENCE_ROLLBACK:
      facts.on_divergence = OnDivergence::kRollBack;
      break;
    default:
      break;
  }
  const v1::AlgorithmTraits& traits = TraitsOf(job.algorithm().kind());
  facts.rate_key = job.algorithm().program_steps()
                       ? "of the optimizers of its programs"
                       : absl::StrCat(GradientRuleKey(job), ".rate");
  facts.scales_late_steps = traits.by_lateness() || traits.runs();
  facts.least_loss = workloads::FactsOf(job).least_loss;
  facts.only_programs = TraitsOf(job.model()).program();
  facts.epochs_in_order = TraitsOf(job.algorithm().kind()).contributions();
  if (job.has_stop()) facts.stop = StopRuleOf(job.stop());
  facts.keep_best = job.keep_best();
  return facts;
}

absl::StatusOr<LearningRate> LocalRateOf(const v1::Job& job, int64_t epochs) {
  // A program has rates of its own.
  if (job.algorithm().program_steps()) return LearningRate(1, {}, epochs);
  const v1::Optimizer& rule = GradientRuleOf(job);
  EBB_ASSIGN_OR_RETURN(const RateSchedule schedule,
                       ScheduleOf(rule.schedule()));
  const double rate = job.algorithm().has_local_rate()
                          ? job.algorithm().local_rate()
                          : rule.rate();
  return LearningRate(rate, schedule, epochs);
}

absl::StatusOr<bool> ProgramsStep(const JobRecord& record) {
  if (!record.plan.algorithm.runs) return false;
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       ReadSpecification(record));
  return specification.job().algorithm().program_steps();
}

}  // namespace ebb::job
