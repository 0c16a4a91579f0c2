#include "job/rules.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "job/algorithm_rules.h"
#include "job/complaints.h"
#include "job/data_rules.h"
#include "job/expectations.h"
#include "job/keys.h"
#include "job/program_rules.h"
#include "job/traits.h"
#include "job/values.h"

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
  void CheckTraining();
  void CheckRollback();
  void CheckPoliciesOfRounds();
  void CheckFilters();
  void CheckTables();
  void CheckTable(const v1::Table& table, const std::string& path);
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
    found_->Add(
        "model.kind", absl::StrCat("there is no model \"", model.kind(), "\""),
        absl::StrCat("kind: ", near.empty()
                                   ? absl::StrJoin(facts_.model_kinds, ", ")
                                   : near));
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
                "layers: [FEATURES, 128, CLASSES], as many as the data has");
  } else if (model.layers_size() == 1) {
    found_->Add("model.layers", "has one layer; at least two are needed",
                "layers: [FEATURES, 128, CLASSES]");
  } else if (model.layers_size() > kMaxLayers) {
    found_->Add("model.layers",
                absl::StrCat("has ", model.layers_size(), " layers"),
                absl::StrCat("at most ", kMaxLayers));
  }
}

void Rules::CheckKeysOfModel() {
  const v1::Model& model = job_.model();
  const v1::DataSource& train = job_.data().train();
  // The data that another intended model learns from is unknown.
  if (!KnowsModel(facts_, model)) return;
  if (!TraitsOf(model).keyed()) {
    if (!HasKeys(train)) return;
    found_->Add("data.train",
                absl::StrCat("its examples are 64-bit keys, but ", model.kind(),
                             " learns from columns of numbers"),
                "libsvm: FILE, without keys");
    return;
  }
  if (FormatOf(train) == nullptr) return;  // Said elsewhere.
  // libffm and criteo do for ratings, too, if they have two fields.
  if (TraitsOf(model).ratings() && !TraitsOf(train).keyed()) {
    found_->Add(
        "data.train",
        absl::StrCat("its examples are no ratings of items by users, which ",
                     model.kind(), " learns from"),
        "ratings: FILE");
  } else if (!IsSparse(train)) {
    found_->Add("data.train",
                absl::StrCat("its examples are columns of numbers, but ",
                             model.kind(), " learns from 64-bit keys"),
                "libsvm: FILE, or libffm: FILE");
  }
}

void Rules::CheckOptimizer() {
  const v1::Schedule& schedule = job_.optimizer().schedule();
  // What is wrong with the epochs themselves is said elsewhere.
  if (job_.train().epochs() > 0 &&
      schedule.warm_up_epochs() > static_cast<double>(job_.train().epochs())) {
    found_->Add("optimizer.schedule.warm_up_epochs",
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

void Rules::CheckTraining() {
  const v1::Train& train = job_.train();
  if (train.has_item_examples() && train.item_examples() < train.batch()) {
    found_->Add(
        "train.item_examples",
        absl::StrCat(train.item_examples(),
                     " examples are less than a batch of ", train.batch()),
        absl::StrCat("item_examples: ", train.batch() * 8));
  }
  if (train.has_batch_growth() && train.batch_growth().max() < train.batch()) {
    found_->Add(
        "train.batch_growth.max",
        absl::StrCat(train.batch_growth().max(),
                     " is less than the first batch of ", train.batch()),
        absl::StrCat("max: ", train.batch() * 8));
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

void Rules::CheckPoliciesOfRounds() {
  // Values that were made with a batch may still be in use when a server lost
  // it and it is skipped the second time: the round would not be exact.
  const auto no_skip = [this](const char* key, v1::Policy policy) {
    if (policy != v1::POLICY_SKIP) return;
    found_->Add(key, "a batch cannot be skipped by itself in rounds",
                absl::StrCat(key, ": pause"));
  };
  no_skip("on_poison", job_.on_poison());
  no_skip("on_nonfinite", job_.on_nonfinite());
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
  if (job_.tables().empty()) return;
  if (!MayHaveSparseTables(job_.model())) {
    if (!KnowsModel(facts_, job_.model())) return;
    found_->Add("tables",
                absl::StrCat(job_.model().kind(), " has no sparse tables"),
                TraitsOf(job_.model()).program()
                    ? "model: {tables: …} has the tables of a program"
                    : "leave it out, or model: sparse_logistic");
    return;
  }
  for (const auto& [name, table] : job_.tables()) {
    CheckTable(table, Join("tables", name));
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
  CheckSourceRules(job, &found);
  CheckProgramRules(job, &found);
  Rules(job, facts, &found).Check();
  CheckExpectations(job, facts, &found);
  CheckAlgorithmRules(job, &found);
  CheckFactRules(job, facts, &found);
  return found.Take();
}

}  // namespace ebb::job
