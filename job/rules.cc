#include "job/rules.h"

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "algorithms/schedule.h"
#include "job/algorithm_rules.h"
#include "job/average_rules.h"
#include "job/base/complaints.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "job/data_rules.h"
#include "job/expectations.h"
#include "job/fold_rules.h"
#include "job/program_rules.h"
#include "job/python_rules.h"
#include "job/run_rules.h"
#include "job/stop_rules.h"
#include "job/transfer_rules.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {
namespace {

class Rules {
 public:
  Rules(const v1::Job& job, const DataFacts& facts, Complaints* found)
      : job_(job), facts_(facts), found_(found) {}

  void Check() {
    CheckModel();
    CheckOptimizer();
    CheckTraining();
    CheckFilters();
    CheckTables();
    CheckEvaluate();
  }

 private:
  void CheckModel();
  void CheckKeysOfModel();
  void CheckOptimizer();
  void CheckSchedule();
  void CheckTraining();
  void CheckRollback();
  void CheckItemsOfRounds();
  void CheckPoliciesOfRounds();
  void CheckFilters();
  void CheckTables();
  void CheckDenseTable(const v1::Table& table, const std::string& path);
  void CheckTable(const v1::Table& table, const std::string& path);
  void CheckStatistics(const v1::Table& table, const std::string& path);
  void CheckPushesOfStatistics(const std::string& path);
  void CheckEvaluate();

  const v1::Job& job_;
  const DataFacts& facts_;
  Complaints* const found_;
};

void Rules::CheckModel() {
  const v1::Model& model = job_.model();
  if (!facts_.model_kinds.empty() && model.has_kind() &&
      !KnowsModel(facts_, model)) {
    const std::string near = Nearest(model.kind(), facts_.model_kinds);
    v1::Model kind_alone;
    kind_alone.set_kind(model.kind());
    const bool short_form = model.ByteSizeLong() == kind_alone.ByteSizeLong();
    found_->Add(
        "model.kind", absl::StrCat("there is no model \"", model.kind(), "\""),
        absl::StrCat(
            short_form ? "model: " : "kind: ",
            near.empty() ? absl::StrJoin(facts_.model_kinds, ", ") : near));
  }
  CheckKeysOfModel();
  if (TraitsOf(job_.data().train()).ratings() &&
      model.labels() == v1::Model::LABELS_CLASSES) {
    found_->Add("model.labels", "ratings are values, not classes",
                "labels: values");
  }
  if (!TraitsOf(job_.model()).perceptron()) return;
  constexpr int kMaxLayers = 64;
  if (model.layers_size() == 0) {
    found_->Add("model.layers", "is missing",
                "layers: [784, 128, 10], from the number of features to that "
                "of classes");
  } else if (model.layers_size() == 1) {
    found_->Add("model.layers", "has one layer; at least two are needed",
                "layers: [784, 128, 10]");
  } else if (model.layers_size() > kMaxLayers) {
    found_->Add("model.layers",
                absl::StrCat("has ", model.layers_size(), " layers"),
                absl::StrCat("at most ", kMaxLayers));
  }
}

void Rules::CheckKeysOfModel() {
  const v1::Model& model = job_.model();
  // The data that another intended model learns from is unknown.
  if (!KnowsModel(facts_, model)) return;
  workloads::RulesOf(model).Check(job_, found_);
}

void Rules::CheckOptimizer() {
  const v1::Schedule& schedule = GradientRuleOf(job_).schedule();
  if (TraitsOf(job_.optimizer().kind()).statistics()) {
    found_->Add(
        "optimizer.kind",
        "average learns nothing: it is the rule of single tables, whose "
        "values are statistics",
        "tables: {TABLE: {optimizer: average}}");
  }
  CheckSchedule();
  // What is wrong with the epochs themselves is said elsewhere.
  if (job_.train().epochs() > 0 &&
      schedule.warm_up_epochs() > static_cast<double>(job_.train().epochs())) {
    found_->Add(absl::StrCat(GradientRuleKey(job_), ".schedule.warm_up_epochs"),
                absl::StrCat(NumberText(schedule.warm_up_epochs()),
                             " epochs are more than the ",
                             job_.train().epochs(), " of the job"),
                "warm_up_epochs: 1");
  }
  const bool is_constant = schedule.kind() == v1::Schedule::KIND_CONSTANT &&
                           schedule.warm_up_epochs() == 0;
  if (TraitsOf(job_.optimizer().kind()).rates_fall() && !is_constant) {
    found_->Add("optimizer.schedule", "is nothing that ftrl takes",
                "leave it out: the rates of ftrl fall by themselves");
  }
}

void Rules::CheckSchedule() {
  const v1::Schedule& schedule = GradientRuleOf(job_).schedule();
  if (schedule.kind() != v1::Schedule::KIND_TABLE) return;
  const std::string key = absl::StrCat(GradientRuleKey(job_), ".schedule");
  const std::string at = key + ".at";
  const int points = schedule.at_size();
  const int most = static_cast<int>(kMaxSchedulePoints);
  if (points == 0 || points > most) {
    found_->Add(at, absl::StrCat("has ", points, " positions"),
                absl::StrCat("1 to ", most, ", such as at: [0, 1, 10]"));
    return;
  }
  if (schedule.factors_size() != points) {
    found_->Add(key + ".factors",
                absl::StrCat("has ", schedule.factors_size(),
                             " numbers, and `at` ", points, " positions"),
                "one number for each position");
  }
  for (int i = 1; i < points; ++i) {
    if (schedule.at(i) >= schedule.at(i - 1)) continue;
    found_->Add(at,
                absl::StrCat(NumberText(schedule.at(i)), " comes after ",
                             NumberText(schedule.at(i - 1))),
                "positions in ascending order");
    return;
  }
}

void Rules::CheckTraining() {
  const v1::Train& train = job_.train();
  // A model of tasks has items of its own.
  const bool tasks = workloads::FactsOf(job_).tasks > 0;
  if (!tasks && train.has_item_examples() &&
      train.item_examples() < train.batch()) {
    found_->Add(
        "train.item_examples",
        absl::StrCat(train.item_examples(),
                     " examples are less than a batch of ", train.batch()),
        absl::StrCat("item_examples: ", train.batch() * 8));
  }
  // A larger batch is refused itself.
  constexpr int64_t kLargestBatch = 16'777'216;
  if (train.has_batch_growth() && train.batch() <= kLargestBatch &&
      train.batch_growth().max() < train.batch()) {
    found_->Add(
        "train.batch_growth.max",
        absl::StrCat(train.batch_growth().max(),
                     " is less than the first batch of ", train.batch()),
        absl::StrCat("max: ", train.batch() *
                                  (train.batch() > kLargestBatch / 8 ? 1 : 8)));
  }
  const auto round = ParseEpochOrCount(job_.consistency().examples());
  if (job_.consistency().kind() == v1::Consistency::KIND_ROUNDS &&
      round.has_value() && *round != kWholeEpoch && *round < train.batch()) {
    found_->Add("consistency.examples",
                absl::StrCat(*round, " examples are less than a batch of ",
                             train.batch()),
                absl::StrCat("examples: ", train.batch() * 8));
  }
  if (job_.consistency().kind() == v1::Consistency::KIND_ROUNDS) {
    CheckItemsOfRounds();
    CheckPoliciesOfRounds();
  }
  CheckRollback();
  if (job_.workers().has_max() && job_.workers().min() > job_.workers().max()) {
    found_->Add(
        "workers.min",
        absl::StrCat(job_.workers().min(), " is more than the maximum of ",
                     job_.workers().max()),
        absl::StrCat("max: ", job_.workers().min()));
  }
}

void Rules::CheckRollback() {
  if (job_.on_poison() == v1::POLICY_ROLLBACK) {
    found_->Add("on_poison",
                "cannot roll back: no rate is to blame for a dead worker",
                "on_poison: pause");
  }
  const bool rolls_back = job_.on_nonfinite() == v1::POLICY_ROLLBACK;
  if (job_.has_on_nonfinite_rollback() && !rolls_back) {
    found_->Add("on_nonfinite_rollback",
                "says how, but the job does not roll back",
                "on_nonfinite: rollback");
  }
  if (job_.on_divergence() == v1::ON_DIVERGENCE_ROLLBACK && !rolls_back) {
    found_->Add("on_divergence",
                "goes back as a job does whose gradient is not finite, which "
                "this one's on_nonfinite forbids",
                "on_nonfinite: rollback");
  }
  const int64_t versions = job_.on_nonfinite_rollback().versions();
  if (rolls_back && job_.checkpoint().keep() <= versions) {
    found_->Add(
        "checkpoint.keep",
        absl::StrCat(job_.checkpoint().keep(), " versions are not more than ",
                     versions, ", which on_nonfinite_rollback goes back"),
        absl::StrCat("keep: ", versions + 1));
  }
}

// The step is that of the round, whatever its items and batches are.
void Rules::CheckItemsOfRounds() {
  const v1::Train& train = job_.train();
  if (train.has_batch_growth() &&
      !TraitsOf(job_.algorithm().kind()).local_rule()) {
    found_->Add("train.batch_growth",
                "changes no step: in rounds a step has all examples of the "
                "round, which consistency.examples says",
                "leave it out, or consistency: asp");
  }
  const auto round = ParseEpochOrCount(job_.consistency().examples());
  if (!train.has_item_examples() || !round.has_value() ||
      *round == kWholeEpoch || train.item_examples() <= *round) {
    return;
  }
  found_->Add("train.item_examples",
              absl::StrCat(train.item_examples(),
                           " examples are more than the ", *round,
                           " of a round (consistency.examples), which has "
                           "whole items"),
              absl::StrCat("item_examples: ", *round, ", or leave it out"));
}

void Rules::CheckPoliciesOfRounds() {
  // Values that were made with a batch may still be in use when a server lost
  // it and it is skipped the second time: the round would not be exact.
  const auto no_skip = [this](const char* key, v1::Policy policy) {
    if (policy != v1::POLICY_SKIP) return;
    found_->Add(key, "a batch cannot be skipped by itself in rounds",
                absl::StrCat(key, ": pause"));
  };
  // A skip ends all runs under way, and what was pulled for them.
  if (!TraitsOf(job_.algorithm().kind()).runs()) {
    no_skip("on_poison", job_.on_poison());
    no_skip("on_nonfinite", job_.on_nonfinite());
  }
  // Each version is reported, so that a rollback finds a round that all have.
  constexpr int64_t kMostVersions = 1000;
  if (job_.checkpoint().keep() > kMostVersions) {
    found_->Add(
        "checkpoint.keep",
        absl::StrCat(job_.checkpoint().keep(), " versions are more than ",
                     kMostVersions, ", the most in rounds"),
        absl::StrCat("keep: ", kMostVersions));
  }
}

void Rules::CheckFilters() {
  const v1::Filter& push = job_.filters().push();
  if (TraitsOf(job_.filters().pull().kind()).leaves_out()) {
    found_->Add("filters.pull.kind", "leaves values out, which a pull cannot",
                "kind: int8");
  }
  const bool keeps =
      push.kind() == v1::Filter::KIND_TOP_K ||
      (push.kind() == v1::Filter::KIND_THRESHOLD && push.threshold() > 0);
  if (keeps && job_.consistency().kind() == v1::Consistency::KIND_ROUNDS) {
    found_->Add("filters.push.kind",
                "keeps parts of gradients back, but a round has all of its own",
                "kind: int8");
  }
}

void Rules::CheckTables() {
  const v1::Model& model = job_.model();
  if (!KnowsModel(facts_, model)) return;
  const std::map<std::string, v1::Table> by_name(job_.tables().begin(),
                                                 job_.tables().end());
  const auto statistics = [](const v1::Table& table) {
    return TraitsOf(table.optimizer().kind()).statistics();
  };
  const bool program = TraitsOf(model).program();
  for (const auto& [name, table] : by_name) {
    const std::string path = Join("tables", name);
    const bool dense = IsDenseTable(model, name);
    CheckTable(table, path);
    if (statistics(table)) CheckStatistics(table, path);
    if (program && dense && !model.tables().contains(name)) {
      found_->Add(path, "is no table of the model",
                  "a name of model: {tables: …, sparse_tables: …}");
    } else if (dense) {
      CheckDenseTable(table, path);
    }
  }
  for (const auto& [name, table] : by_name) {
    if (!statistics(table)) continue;
    CheckPushesOfStatistics(Join("tables", name));
    return;
  }
}

// Which tables of models with keys are dense, the models say.
void Rules::CheckDenseTable(const v1::Table& table, const std::string& path) {
  const auto refuse = [&](bool given, absl::string_view key) {
    if (!given) return;
    found_->Add(absl::StrCat(path, ".", key),
                absl::StrCat("is for rows of sparse tables, and ",
                             job_.model().kind(), " has none"),
                "leave it out, or model: sparse_logistic");
  };
  refuse(table.has_init(), "init");
  refuse(table.has_admit(), "admit");
  refuse(table.has_expire_after(), "expire_after");
  refuse(table.has_max_rows(), "max_rows");
  refuse(table.has_consistency(), "consistency");
  refuse(table.has_cache(), "cache");
}

void Rules::CheckStatistics(const v1::Table& table, const std::string& path) {
  const bool factor = table.has_rate_factor();
  if (!factor && !table.optimizer().has_rate()) return;
  found_->Add(path + (factor ? ".rate_factor" : ".optimizer.rate"),
              "average has no rate", "optimizer: {kind: average, share: 0.1}");
}

// A server must see the batches' own values, and all of them.
void Rules::CheckPushesOfStatistics(const std::string& path) {
  const v1::Filter& push = job_.filters().push();
  const bool exact =
      push.kind() == v1::Filter::KIND_UNSPECIFIED ||
      push.kind() == v1::Filter::KIND_NONE ||
      (push.kind() == v1::Filter::KIND_THRESHOLD && push.threshold() == 0);
  if (!exact) {
    found_->Add(
        "filters.push.kind",
        absl::StrCat("changes what is pushed, also the statistics of ", path),
        "kind: none");
  }
  if (job_.model().l2() > 0) {
    found_->Add("model.l2",
                absl::StrCat("is added to what is pushed, also to the "
                             "statistics of ",
                             path),
                "leave it out, or optimizer: {weight_decay: …}");
  }
  if (job_.train().has_clip_norm() && !TraitsOf(job_.model()).program()) {
    found_->Add(
        "train.clip_norm",
        absl::StrCat("shortens what is pushed, also the statistics of ", path),
        "leave it out");
  }
  if (TraitsOf(job_.algorithm().kind()).local_rule()) {
    found_->Add(path + ".optimizer",
                absl::StrCat("workers push what ", KindOf(job_.algorithm()),
                             " makes of several batches, and not the values of "
                             "each"),
                "algorithm: sgd, dynsgd or staleness_aware");
  }
}

void Rules::CheckTable(const v1::Table& table, const std::string& path) {
  const v1::Optimizer& own = table.optimizer();
  if (own.schedule().has_kind() || own.schedule().warm_up_epochs() > 0) {
    found_->Add(path + ".optimizer.schedule",
                "is nothing of a table: that of the job holds for all of them",
                "optimizer: {schedule: …} of the job");
  }
  if (table.has_optimizer() && TraitsOf(own.kind()).rates_fall()) {
    const v1::Schedule& schedule = job_.optimizer().schedule();
    if (schedule.kind() != v1::Schedule::KIND_CONSTANT ||
        schedule.warm_up_epochs() > 0) {
      found_->Add(
          path + ".optimizer",
          "the rates of ftrl fall by themselves, but the job has a schedule",
          "optimizer: {schedule: constant} of the job");
    }
  }
  if (table.at_limit() == v1::Table::AT_LIMIT_EVICT && !table.has_max_rows()) {
    found_->Add(path + ".at_limit", "there is no limit without max_rows",
                "max_rows: 1000000");
  }
}

void Rules::CheckEvaluate() {
  if (IsEvaluated(job_) || !job_.has_evaluate()) return;
  found_->Add("evaluate", "there is no test data",
              "data: {test: …}, or data: {split: 0.2}");
}

}  // namespace

std::vector<Mistake> CheckRules(const v1::Job& job, const DataFacts& facts,
                                const SourceMap& sources) {
  Complaints found(sources);
  if (job.has_predict()) {
    found.Add("predict", "is of jobs that `ebb predict` makes",
              "ebb predict MODEL DATA --to FOLDER");
  }
  CheckSourceRules(job, &found);
  CheckFoldRules(job, &found);
  CheckProgramRules(job, &found);
  CheckPythonRules(job, &found);
  CheckTransferRules(job, &found);
  Rules(job, facts, &found).Check();
  CheckExpectations(job, facts, &found);
  CheckStopRules(job, facts, &found);
  CheckAlgorithmRules(job, &found);
  CheckRunRules(job, facts, &found);
  CheckAverageRules(job, &found);
  CheckFactRules(job, facts, &found);
  return found.Take();
}

}  // namespace ebb::job
