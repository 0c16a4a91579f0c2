#include "job/run_rules.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/base/values.h"

namespace ebb::job {
namespace {

// With momentum at every push of four workers, 0.5 learned and 0.9 diverged
// (docs/decisions/0055-runs.md).
constexpr double kMostMomentums = 2;

class RunRules {
 public:
  RunRules(const v1::Job& job, const DataFacts& facts, Complaints* found)
      : job_(job),
        algorithm_(job.algorithm()),
        facts_(facts),
        name_(KindOf(job.algorithm())),
        rounds_(job.consistency().kind() == v1::Consistency::KIND_ROUNDS),
        found_(found) {}

  void Check() {
    CheckConsistency();
    CheckSteps();
    CheckInner();
    CheckOuter();
    CheckMomentum();
    CheckLengths();
    CheckFilters();
  }

 private:
  void CheckConsistency();
  void CheckSteps();
  void CheckInner();
  void CheckOuter();
  void CheckMomentum();
  void CheckLengths();
  void CheckFilters();

  const v1::Job& job_;
  const v1::Algorithm& algorithm_;
  const DataFacts& facts_;
  const std::string name_;
  const bool rounds_;
  Complaints* const found_;
};

void RunRules::CheckConsistency() {
  const v1::Consistency::Kind kind = job_.consistency().kind();
  if (rounds_ || kind == v1::Consistency::KIND_ASP) return;
  found_->Add(
      "consistency.kind",
      absl::StrCat("clocks count batches, and a push of ", name_, " has many"),
      "consistency: rounds, or asp");
}

void RunRules::CheckSteps() {
  if (!algorithm_.program_steps()) return;
  if (!TraitsOf(job_.model()).program()) {
    found_->Add("algorithm.program_steps",
                absl::StrCat("the workers of ebb compute model ",
                             job_.model().kind(), ", and step by inner"),
                "leave it out");
  } else if (!job_.freeze().empty()) {
    found_->Add(
        "freeze",
        "a program that steps by itself would move what is frozen "
        "within its runs",
        "leave it out, and freeze in the program (requires_grad=False)");
  } else if (algorithm_.has_inner()) {
    found_->Add("algorithm.inner",
                "with program_steps the optimizer is the program's",
                "leave it out, or program_steps");
  }
}

void RunRules::CheckInner() {
  if (algorithm_.program_steps()) return;
  const v1::Optimizer& inner = algorithm_.inner();
  const v1::OptimizerTraits& traits = TraitsOf(inner.kind());
  if (traits.rates_fall() || traits.statistics()) {
    found_->Add("algorithm.inner.kind",
                absl::StrCat(KindOf(inner),
                             " makes no steps that can begin anew in each run"),
                "kind: adamw");
  }
  for (const char* key : {"ema", "swa"}) {
    if (!IsSet(inner, *inner.GetDescriptor()->FindFieldByName(key))) continue;
    found_->Add(absl::StrCat("algorithm.inner.", key),
                "averages the servers' values, and a worker keeps nothing "
                "beyond its run",
                absl::StrCat("optimizer: {", key, ": …}"));
  }
}

// Refuses keys that a user meant for the workers: they would be the servers'.
void RunRules::CheckOuter() {
  if (!(algorithm_.rate() > 0) || !(algorithm_.momentum() < 1)) return;
  const v1::Optimizer& given = job_.optimizer();
  const v1::Optimizer outer = OuterRuleOf(algorithm_);
  const std::string kind = KindOf(given);
  if (given.kind() != outer.kind()) {
    found_->Add("optimizer.kind",
                absl::StrCat("with ", name_,
                             " workers step by algorithm.inner, and "
                             "servers by ",
                             KindOf(outer), " at algorithm.rate and momentum"),
                absl::StrCat("algorithm: {kind: ", name_,
                             ", inner: {kind: ", kind, "}}"));
    return;
  }
  const Descriptor& type = *given.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& key = *type.field(i);
    if (!IsSet(given, key) || key.name() == "ema" || key.name() == "swa") {
      continue;
    }
    const bool message = MessageTypeOf(key) != nullptr;
    const bool same = message ? given.schedule().SerializeAsString() ==
                                    outer.schedule().SerializeAsString()
                              : IsSet(outer, key) && TextOf(given, key, -1) ==
                                                         TextOf(outer, key, -1);
    if (same) continue;
    const bool constant = key.name() == "rate" || key.name() == "momentum";
    found_->Add(
        absl::StrCat("optimizer.", key.name()),
        constant ? absl::StrCat("is not algorithm.", key.name(), ", ",
                                TextOf(outer, key, -1),
                                ", by which the servers step")
                 : absl::StrCat("is nothing of the outer step of ", name_,
                                ", whose rate is constant"),
        constant ? absl::StrCat("algorithm: {kind: ", name_, ", ", key.name(),
                                ": …} for the servers' steps, and {inner: {",
                                key.name(), ": …}} for those of workers")
                 : absl::StrCat("algorithm: {kind: ", name_, ", inner: {",
                                key.name(), ": …}}"));
  }
}

// Late runs add up like a momentum of their own.
void RunRules::CheckMomentum() {
  const double momentum = algorithm_.momentum();
  const auto workers = static_cast<double>(job_.workers().max());
  if (rounds_ || momentum * workers <= kMostMomentums) return;
  found_->Add(
      "algorithm.momentum",
      absl::StrCat(NumberText(momentum), " at every push of up to ",
                   job_.workers().max(),
                   " workers adds up: with 4 workers 0.9 diverged, and 0.5 "
                   "learned"),
      absl::StrCat("momentum: ", NumberText(kMostMomentums / workers),
                   " at most, or leave it out, or consistency: rounds"));
}

void RunRules::CheckLengths() {
  const v1::Train& train = job_.train();
  if (train.has_batch_growth()) {
    found_->Add("train.batch_growth",
                absl::StrCat("changes how many examples a run has, and the "
                             "servers' steps are of runs of one length"),
                "leave it out, or inner: {schedule: cosine}");
  }
  if (train.batch() < 1 || algorithm_.period() < 1) return;  // Said elsewhere.
  if (algorithm_.run_warm_up() > algorithm_.period()) {
    found_->Add("algorithm.run_warm_up",
                absl::StrCat("a run of ", algorithm_.period(),
                             " batches ends before its rate has grown for ",
                             algorithm_.run_warm_up()),
                absl::StrCat("run_warm_up: ", algorithm_.period() / 2));
  }
  constexpr int64_t kMost = int64_t{1} << 24;
  const int64_t run =
      std::min(train.batch(), kMost) * std::min(algorithm_.period(), kMost);
  const std::string length =
      absl::StrCat("a run of ", algorithm_.period(), " batches of ",
                   train.batch(), ", ", run, " examples");
  if (facts_.train && facts_.train->examples > 0 &&
      facts_.train->examples < run) {
    found_->Add("algorithm.period",
                absl::StrCat("an epoch has ", facts_.train->examples,
                             " examples, fewer than ", length),
                absl::StrCat("period: ",
                             std::max<int64_t>(
                                 1, facts_.train->examples / train.batch()),
                             ", or a smaller train.batch"));
    return;
  }
  const auto round = ParseEpochOrCount(job_.consistency().examples());
  if (rounds_ && round && *round != kWholeEpoch && *round < run) {
    found_->Add("consistency.examples",
                absl::StrCat("a round of ", *round, " examples has fewer than ",
                             length),
                absl::StrCat("examples: ", run * job_.workers().max(),
                             ", or a smaller algorithm.period"));
  }
  if (!train.has_item_examples()) return;
  if (rounds_ && train.item_examples() != run) {
    found_->Add("train.item_examples",
                absl::StrCat("in rounds an item is ", length, ", not ",
                             train.item_examples()),
                "leave it out");
  } else if (!rounds_ && train.item_examples() < run) {
    found_->Add("train.item_examples",
                absl::StrCat(train.item_examples(), " examples are fewer than ",
                             length, ", and a run ends with its item"),
                absl::StrCat("item_examples: ", run * 4, ", or leave it out"));
  }
}

// A push is a sum over thousands of examples, and what is pulled is where
// thousands of steps begin. What leaves out values is refused with others.
void RunRules::CheckFilters() {
  const v1::Filter& push = job_.filters().push();
  if (push.kind() == v1::Filter::KIND_FP16) {
    found_->Add("filters.push.kind",
                absl::StrCat("cuts values above 65504, and a push of ", name_,
                             " is a sum over all examples of a run"),
                "kind: bf16, or int8");
  }
  if (job_.filters().pull().kind() == v1::Filter::KIND_INT8) {
    found_->Add("filters.pull.kind",
                absl::StrCat("rounds to 255 levels what all steps of a run of ",
                             name_, " begin with"),
                "kind: bf16, or fp16");
  }
}

}  // namespace

v1::Optimizer OuterRuleOf(const v1::Algorithm& algorithm) {
  v1::Optimizer rule;
  const bool momentum = algorithm.momentum() > 0;
  rule.set_kind(momentum ? v1::Optimizer::KIND_NESTEROV
                         : v1::Optimizer::KIND_SGD);
  rule.set_rate(algorithm.rate());
  if (momentum) rule.set_momentum(algorithm.momentum());
  rule.mutable_schedule()->set_kind(v1::Schedule::KIND_CONSTANT);
  FillAnnotatedDefaults(&rule);
  return rule;
}

void CheckRunRules(const v1::Job& job, const DataFacts& facts,
                   Complaints* found) {
  if (!TraitsOf(job.algorithm().kind()).runs()) return;
  RunRules(job, facts, found).Check();
}

}  // namespace ebb::job
